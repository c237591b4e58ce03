//! Requests exactly as written, over TLS, from somebody with a token, with a certificate, or with
//! nothing at all.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rehost_certificates::{certificates_from_pem, private_key_from_pem, roots_from_pem};
use rehost_sms_api::signing::{RequestToSign, body_hash, sign};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Stream};
use serde_json::Value;

use super::{Answer, ControlPlane};

/// Somebody who sends requests.
#[derive(Clone, Debug)]
pub struct Sender {
    address: SocketAddr,
    config: Arc<ClientConfig>,
    token: Option<String>,
}

impl Sender {
    /// Somebody without credentials.
    pub fn nobody(plane: &ControlPlane) -> Self {
        Self::new(plane, None)
    }

    /// Somebody who has a token.
    pub fn with_token(plane: &ControlPlane, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..Self::nobody(plane)
        }
    }

    /// A machine with its certificate and key, both PEM.
    pub fn with_certificate(plane: &ControlPlane, certificate: &str, key: &str) -> Self {
        Self::new(plane, Some((certificate, key)))
    }

    fn new(plane: &ControlPlane, certificate: Option<(&str, &str)>) -> Self {
        let ca = std::fs::read_to_string(plane.text("ca_file")).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots_from_pem(&ca).unwrap());
        let config = match certificate {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = certificates_from_pem(chain).unwrap();
                let key = private_key_from_pem(key).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        Self {
            address: plane.address,
            config: Arc::new(config),
            token: None,
        }
    }

    /// The token, if there is one.
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.json("POST", path, body)
    }

    pub fn put(&self, path: &str, body: &Value) -> Answer {
        self.json("PUT", path, body)
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], b"")
    }

    pub fn json(&self, method: &str, path: &str, body: &Value) -> Answer {
        let json = ("Content-Type", "application/json");
        self.send(method, path, &[json], body.to_string().as_bytes())
    }

    /// Sends a request signed with an access key by somebody whose clock is off.
    pub fn signed(
        &self,
        (access_key, secret_key): (&str, &str),
        clock_off_seconds: i64,
        (method, path): (&str, &str),
    ) -> Answer {
        let host = self.address.to_string();
        let request = RequestToSign {
            method,
            path,
            query: "",
            body_sha256: body_hash(b""),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let time = i64::try_from(now.as_secs()).unwrap() + clock_off_seconds;
        let made = sign(&request, &[("host", &host)], access_key, secret_key, time);
        let headers = [
            ("Authorization", made.authorization.as_str()),
            ("X-Sdk-Date", &made.date),
        ];
        self.send(method, path, &headers, b"")
    }

    /// Sends a request with these headers beside the usual ones.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let (address, length) = (self.address, body.len());
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Length: {length}\r\n"
        );
        let token = self.token.as_deref().map(|token| ("X-Auth-Token", token));
        for (name, value) in headers.iter().copied().chain(token) {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        let name = ServerName::from(address.ip());
        let mut session = ClientConnection::new(Arc::clone(&self.config), name).unwrap();
        let mut connection = TcpStream::connect(address).unwrap();
        let mut stream = Stream::new(&mut session, &mut connection);
        stream.write_all(head.as_bytes()).unwrap();
        // A refusal may come, and the connection end, before all of a body is sent.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let mut answer = Answer::parse(&answer);
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = unchunked(&answer.body);
        }
        answer
    }
}

/// A body that was sent in chunks, put together.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n");
        let (size, after) = rest.split_at(end.expect("the size of a chunk"));
        let size = std::str::from_utf8(size).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&after[2..2 + size]);
        rest = &after[2 + size + 2..];
    }
}
