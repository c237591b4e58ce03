//! TLS of the data path: version 1.3 only, both ends certified for one task.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// Why a TLS configuration cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Certificate, key or CA do not fit each other.
    #[error("use the task's certificate and key")]
    Certificate(#[from] rustls::Error),
    /// The task's CA cannot serve as the anchor for client certificates.
    #[error("use the task's CA to check the source's certificate")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// AES with 128 bits first: it is as safe as the data needs for decades and a fifth faster.
fn provider() -> Arc<CryptoProvider> {
    use aws_lc_rs::cipher_suite::{
        TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
    };
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            TLS13_AES_128_GCM_SHA256,
            TLS13_AES_256_GCM_SHA384,
            TLS13_CHACHA20_POLY1305_SHA256,
        ],
        ..aws_lc_rs::default_provider()
    })
}

fn anchors(ca: CertificateDer<'static>) -> Result<RootCertStore, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(ca)?;
    Ok(roots)
}

/// The source's end: trusts only the task's CA and presents the task's source certificate.
///
/// # Errors
/// [`TlsError`] if the three do not belong together.
pub fn client_config(
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    ca: CertificateDer<'static>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(anchors(ca)?)
        .with_client_auth_cert(certificates, key)?;
    // A session belongs to one run of one task; nothing is gained by resuming it.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// The target's end: demands a certificate of the task's CA.
///
/// # Errors
/// [`TlsError`] if the three do not belong together.
pub fn server_config(
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    ca: CertificateDer<'static>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = provider();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(anchors(ca)?), Arc::clone(&provider))
            .build()?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates, key)?;
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
