//! Whole-system runs live in `tests/`, each named for the promise it holds. Here is what several of
//! them need beside `testkit`: speaking to the ports of Rehost as somebody who does not play fair.

pub mod golang;
pub mod helper_machine;
pub mod provider_types;
pub mod slow_clients;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rehost_certificates::roots_from_pem;
use rehost_sms_api::client::{Client, ClientConfig, Credentials};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use serde_json::Value;

/// A peer that says nothing for so long is not going to.
const SILENCE: Duration = Duration::from_secs(30);
/// Answers to bad requests are short; more than this is a finding.
const MAX_ANSWER_BYTES: u64 = 1024 * 1024;

/// Makes two tests of each flow, one with each database that a control plane can work with.
#[macro_export]
macro_rules! on_both_databases {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[test]
            fn $name() -> anyhow::Result<()> {
                super::$name(&mut rehost_testkit::Site::start_on(rehost_testkit::Database::Sqlite)?)
            })*
        }

        mod postgresql {
            $(#[test]
            fn $name() -> anyhow::Result<()> {
                super::$name(&mut rehost_testkit::Site::start_on(rehost_testkit::Database::Postgres)?)
            })*
        }
    };
}

/// A TLS connection whose bytes the test writes itself.
pub type RawTls = StreamOwned<ClientConnection, TcpStream>;

/// Opens a TLS connection to a loopback port. The handshake happens with the first byte.
///
/// # Errors
/// If the port does not accept, or `name` is no server name.
pub fn open(port: u16, name: &str, config: rustls::ClientConfig) -> Result<RawTls> {
    let socket = TcpStream::connect(("127.0.0.1", port)).context("connect")?;
    socket
        .set_read_timeout(Some(SILENCE))
        .context("limit the time to read")?;
    let name = ServerName::try_from(name.to_owned()).context("server name")?;
    let session = ClientConnection::new(Arc::new(config), name).context("start TLS")?;
    Ok(StreamOwned::new(session, socket))
}

/// How one who has no certificate trusts the control plane.
///
/// # Errors
/// If the CA certificate cannot be read.
pub fn without_certificate(ca_file: &Path) -> Result<rustls::ClientConfig> {
    let pem = std::fs::read_to_string(ca_file).context("read CA certificate")?;
    Ok(builder()
        .with_root_certificates(roots_from_pem(&pem)?)
        .with_no_client_auth())
}

/// What TLS settings are made with in tests.
fn builder() -> rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier> {
    // Fails only if there is a provider already, and then there is one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    rustls::ClientConfig::builder()
}

/// Writes everything, as far as the peer takes it, and reads until the peer closes.
///
/// # Errors
/// If the peer neither answers nor closes.
pub fn talk(stream: &mut RawTls, bytes: &[u8]) -> Result<Vec<u8>> {
    // A peer may have seen enough before the end, and close while more is being written.
    let _ = stream.write_all(bytes).and_then(|()| stream.flush());
    let mut answer = Vec::new();
    match stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer) {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Err(error).context("the peer keeps the connection open and says nothing")
        }
        // Reset, closed without farewell, alert: all of them mean that the peer is gone.
        _ => Ok(answer),
    }
}

/// Sends one request to the control plane as text, asks it to close, and gives status and body.
///
/// # Errors
/// If there is no HTTP answer.
pub fn request(port: u16, ca_file: &Path, head: &str, body: &[u8]) -> Result<(u16, Value)> {
    let mut stream = open(port, "127.0.0.1", without_certificate(ca_file)?)?;
    let mut bytes =
        format!("{head}\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n").into_bytes();
    if !head.to_ascii_lowercase().contains("content-length") {
        bytes.extend(format!("Content-Length: {}\r\n", body.len()).into_bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body);
    let answer = talk(&mut stream, &bytes)?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .with_context(|| format!("answer: {text}"))?;
    let status = head
        .split(' ')
        .nth(1)
        .context("status")?
        .parse()
        .context("status")?;
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}

/// A client that is logged in with the access key of first-login.json.
///
/// # Errors
/// If the file is not as it should be.
pub fn administrator(login_file: &Path) -> Result<Client> {
    let login: Value = serde_json::from_slice(&std::fs::read(login_file)?)?;
    let text = |name: &str| -> Result<String> {
        Ok(login[name]
            .as_str()
            .with_context(|| format!("{name} in {login}"))?
            .to_owned())
    };
    let ca_pem = std::fs::read_to_string(text("ca_file")?).context("read CA certificate")?;
    let config = ClientConfig {
        endpoint: text("endpoint")?,
        ca_pem: Some(ca_pem),
        credentials: Credentials::AccessKey {
            access_key: text("access_key")?,
            secret_key: text("secret_key")?.into(),
            project_id: Some(text("project_id")?),
        },
    };
    Client::new(config).context("prepare calls")
}

/// The Python of an environment: what `cargo xtask test` names, or what it made before.
///
/// # Errors
/// If there is none.
pub fn python(variable: &str, environment: &str) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        return Ok(path.into());
    }
    let test = std::env::current_exe()?;
    let target = test.ancestors().nth(3).context("target directory")?;
    let path = target.join(environment).join("bin/python");
    ensure!(
        path.exists(),
        "{} is missing: run `cargo xtask test`",
        path.display()
    );
    Ok(path)
}
