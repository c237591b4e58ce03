//! TLS of the control plane: its certificate, and the client certificates it recognises.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use rehost_certificates::{
    ControlPlaneCa, certificates_from_pem, fingerprint_sha256, private_key_from_pem, roots_from_pem,
};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;

/// Where the control plane's certificate comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TlsMode {
    /// Plain HTTP, on a loopback address only: for tests, and behind a proxy on the same machine.
    /// Agents and receivers, which are known by their certificates, cannot join.
    Off,
    /// A certificate of the control plane's own CA, made anew at every start.
    #[default]
    SelfSigned,
    /// A certificate of the operator's. The certificate file holds the chain, leaf first, and ends
    /// with the CA certificate that joining machines shall trust.
    Files {
        /// PEM file with the chain.
        certificate: PathBuf,
        /// PEM file with the private key.
        key: PathBuf,
    },
}

/// What clients must trust in order to speak with the control plane.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    /// The CA certificate, PEM.
    pub(crate) pem: String,
    /// Its SHA-256, as join tokens carry it.
    pub(crate) sha256: String,
    /// A file that holds it.
    pub(crate) file: PathBuf,
}

/// What is needed for TLS, or nothing where it is off.
pub(crate) struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) trust: Trust,
}

/// Puts together what `mode` says. `ca_file` is where the CA's certificate is stored.
pub(crate) fn prepare(
    mode: &TlsMode,
    ca: &ControlPlaneCa,
    ca_file: PathBuf,
    names: &[String],
) -> anyhow::Result<Option<Tls>> {
    let (chain, key, file) = match mode {
        TlsMode::Off => return Ok(None),
        TlsMode::SelfSigned => {
            let (chain, key) = ca
                .issue_server(names)
                .context("certify the control plane")?;
            (chain, key.to_string(), ca_file)
        }
        TlsMode::Files { certificate, key } => {
            let read = |path: &PathBuf| {
                std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
            };
            (read(certificate)?, read(key)?, certificate.clone())
        }
    };
    let certificates = certificates_from_pem(&chain)?;
    ensure!(
        certificates.len() > 1 || *mode == TlsMode::SelfSigned,
        "{} holds one certificate; append the CA certificate that joining machines shall trust",
        file.display()
    );
    let pem = chain
        .rfind("-----BEGIN CERTIFICATE-----")
        .and_then(|start| chain.get(start..))
        .unwrap_or_default()
        .to_owned();
    let sha256 = certificates
        .last()
        .map(|der| fingerprint_sha256(der))
        .unwrap_or_default();
    let config = server_config(ca, certificates, &key)?;
    Ok(Some(Tls {
        config: Arc::new(config),
        trust: Trust { pem, sha256, file },
    }))
}

/// Client certificates are optional (people have none) but must be of our CA where they are sent.
fn server_config(
    ca: &ControlPlaneCa,
    chain: Vec<rustls::pki_types::CertificateDer<'static>>,
    key: &str,
) -> anyhow::Result<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = Arc::new(roots_from_pem(ca.certificate_pem())?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
        .allow_unauthenticated()
        .build()
        .context("set up the verification of client certificates")?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("choose TLS versions")?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, private_key_from_pem(key)?)
        .context("use the certificate of the control plane; does the key belong to it?")?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Names under which the control plane is reached; the first goes into tokens and the log.
///
/// `advertise` is a list of names and addresses, separated by commas.
pub(crate) fn names(listen: SocketAddr, advertise: Option<&str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut add = |name: String| {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    };
    for name in advertise.unwrap_or_default().split(',') {
        add(name
            .trim()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned());
    }
    if listen.ip().is_unspecified() {
        add(outward_address().to_string());
    } else {
        add(listen.ip().to_string());
    }
    for name in ["127.0.0.1", "::1", "localhost"] {
        add(name.to_owned());
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim();
    if host
        .chars()
        .all(|character| character.is_ascii_alphanumeric() || "-.".contains(character))
    {
        add(host.to_owned());
    }
    names
}

/// The address from which this machine reaches others. Nothing is sent: connecting a UDP socket
/// only asks for the route. The address is of a block that is reserved for documentation.
fn outward_address() -> IpAddr {
    let address = || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    address()
        .filter(|ip| !ip.is_unspecified())
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// The base URL of the control plane.
pub(crate) fn endpoint(names: &[String], port: u16, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    let name = names.first().map_or("127.0.0.1", String::as_str);
    if name.contains(':') {
        format!("{scheme}://[{name}]:{port}")
    } else {
        format!("{scheme}://{name}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advertised_names_come_first_and_once() {
        let listen = "10.1.2.3:8443".parse().unwrap();
        let made = names(listen, Some("rehost.example, 10.1.2.3,[::1]"));
        assert_eq!(made[..3], ["rehost.example", "10.1.2.3", "::1"]);
        assert_eq!(made.iter().filter(|name| *name == "::1").count(), 1);
        assert_eq!(endpoint(&made, 8443, true), "https://rehost.example:8443");
        assert_eq!(endpoint(&["::1".into()], 1, false), "http://[::1]:1");
    }

    #[test]
    fn an_unspecified_address_is_never_advertised() {
        let made = names("0.0.0.0:0".parse().unwrap(), None);
        assert!(!made.contains(&"0.0.0.0".to_owned()));
        assert!(made[0].parse::<IpAddr>().is_ok());
    }
}
