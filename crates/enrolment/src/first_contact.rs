//! Learning the control plane's CA from nothing but its fingerprint.
//!
//! A join token carries the SHA-256 of the CA certificate, not the certificate: it must stay short
//! enough to be copied by hand. The control plane presents its CA certificate in the handshake; see
//! [`first_contact_client_config`] for what is verified. Only the handshake happens here, so that
//! everything with content goes through the ordinary client, which trusts that CA and nothing else.

use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rehost_certificates::{CertificateError, fingerprint_sha256, first_contact_client_config};
use rustls::ClientConnection;
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);

/// The CA of a control plane could not be learnt.
#[derive(Debug, thiserror::Error)]
pub enum FirstContactError {
    /// The endpoint is not `https://HOST[:PORT]`.
    #[error("the endpoint {endpoint:?} is not of the form https://HOST[:PORT]")]
    Endpoint {
        /// What was given.
        endpoint: String,
    },
    /// The endpoint's host is neither a DNS name nor an IP address.
    #[error("the host of the endpoint {endpoint:?} is neither a DNS name nor an IP address")]
    Host {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        #[source]
        cause: InvalidDnsNameError,
    },
    /// Nobody answers at the endpoint.
    #[error(
        "cannot reach {endpoint}; is the control plane running, and does a firewall permit it?"
    )]
    Connect {
        /// What was given.
        endpoint: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// TLS could not be set up on this side.
    #[error("cannot prepare the first connection to the control plane")]
    Prepare(#[source] CertificateError),
    /// Somebody answers, but proves to be somebody else.
    #[error(
        "{endpoint} is not the control plane that the join token is for; \
         get a new token from the right one, and find out who answers there"
    )]
    SomebodyElse {
        /// What was given.
        endpoint: String,
        /// Why the certificates were refused.
        #[source]
        cause: rustls::Error,
    },
    /// The handshake broke for another reason.
    #[error("the TLS handshake with {endpoint} failed")]
    Handshake {
        /// What was given.
        endpoint: String,
        /// What broke.
        #[source]
        cause: io::Error,
    },
}

/// Connects to `endpoint` and returns the CA certificate (PEM) whose fingerprint is `ca_sha256`,
/// after the endpoint has proved to hold a certificate of that CA. Nothing is sent but the handshake.
///
/// # Errors
/// [`FirstContactError`]; [`FirstContactError::SomebodyElse`] if the proof fails.
pub fn learn_ca(endpoint: &str, ca_sha256: &str) -> Result<String, FirstContactError> {
    let (host, port) = host_and_port(endpoint).ok_or_else(|| FirstContactError::Endpoint {
        endpoint: endpoint.into(),
    })?;
    let name = ServerName::try_from(host.to_owned()).map_err(|cause| FirstContactError::Host {
        endpoint: endpoint.into(),
        cause,
    })?;
    let config = first_contact_client_config(ca_sha256).map_err(FirstContactError::Prepare)?;
    let mut session = ClientConnection::new(Arc::new(config), name).map_err(|cause| {
        FirstContactError::Handshake {
            endpoint: endpoint.into(),
            cause: io::Error::other(cause),
        }
    })?;

    let mut stream = connect(host, port).map_err(|cause| FirstContactError::Connect {
        endpoint: endpoint.into(),
        cause,
    })?;
    let broken = |cause| FirstContactError::Handshake {
        endpoint: endpoint.into(),
        cause,
    };
    while session.is_handshaking() {
        if let Err(cause) = session.complete_io(&mut stream) {
            return Err(match refusal(&cause) {
                Some(refusal) => FirstContactError::SomebodyElse {
                    endpoint: endpoint.into(),
                    cause: refusal,
                },
                None => broken(cause),
            });
        }
    }
    session.send_close_notify();
    // The certificate is learnt; whether the farewell arrives does not matter.
    let _ = session.write_tls(&mut stream);
    let presented = session.peer_certificates().unwrap_or_default();
    presented
        .iter()
        .find(|certificate| fingerprint_sha256(certificate) == ca_sha256.to_ascii_lowercase())
        .map(to_pem)
        .ok_or_else(|| broken(io::ErrorKind::UnexpectedEof.into()))
}

fn to_pem(certificate: &CertificateDer<'_>) -> String {
    const LINE_BYTES: usize = 48; // 64 characters of base64
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in certificate.chunks(LINE_BYTES) {
        STANDARD.encode_string(line, &mut pem);
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

/// The rustls error within an I/O error, if the peer's certificates were refused.
fn refusal(error: &io::Error) -> Option<rustls::Error> {
    let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    matches!(
        inner,
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented
    )
    .then(|| inner.clone())
}

fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
                stream.set_write_timeout(Some(HANDSHAKE_TIMEOUT))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Host (without the brackets of IPv6) and port of `https://HOST[:PORT][/...]`.
fn host_and_port(endpoint: &str) -> Option<(&str, u16)> {
    let authority = endpoint.strip_prefix("https://")?.split('/').next()?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']')? {
            (host, "") => (host, "443"),
            (host, port) => (host, port.strip_prefix(':')?),
        },
        None => authority.split_once(':').unwrap_or((authority, "443")),
    };
    (!host.is_empty()).then_some((host, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_taken_apart() {
        assert_eq!(
            host_and_port("https://10.0.0.5:8443"),
            Some(("10.0.0.5", 8443))
        );
        assert_eq!(
            host_and_port("https://plane.example/"),
            Some(("plane.example", 443))
        );
        assert_eq!(host_and_port("https://[::1]:8443"), Some(("::1", 8443)));
        assert_eq!(host_and_port("https://[::1]"), Some(("::1", 443)));
        for wrong in [
            "http://a:1",
            "https://",
            "https://a:x",
            "https://[::1",
            "https://[::1]8",
        ] {
            assert_eq!(host_and_port(wrong), None, "{wrong}");
        }
    }
}
