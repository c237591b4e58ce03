//! TLS configurations that follow from our certificates, so that no caller has to put one together.
//!
//! The data path speaks TLS 1.3 alone and verifies both ends. The way to the control plane allows
//! TLS 1.2 too, because operators may put a certificate of their own, or a proxy, in front.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    CertificateError as TlsCertificateError, ClientConfig, DigitallySignedStruct, RootCertStore,
    ServerConfig, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::error::CertificateError;
use crate::pem::{certificates_from_pem, fingerprint_sha256, private_key_from_pem, roots_from_pem};
use crate::private_key::decrypt_key;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// For the data path: AES with 128 bits first. It is as safe as the data needs for decades, and a
/// fifth faster.
fn data_path_provider() -> Arc<CryptoProvider> {
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

/// The agent's end of a data path: presents `certificate`, trusts the task's `ca` alone.
///
/// # Errors
/// [`CertificateError`] if one of the texts is not what its name says.
pub fn data_path_client_config(
    certificate: &str,
    private_key: &str,
    passphrase: &str,
    ca: &str,
) -> Result<ClientConfig, CertificateError> {
    let mut config = ClientConfig::builder_with_provider(data_path_provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(CertificateError::Tls)?
        .with_root_certificates(roots_from_pem(ca)?)
        .with_client_auth_cert(
            certificates_from_pem(certificate)?,
            decrypt_key(private_key, passphrase)?,
        )
        .map_err(CertificateError::Tls)?;
    // A session belongs to one run of one task; nothing is gained by resuming it.
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// The receiver's end of a data path: presents `certificate`, demands one of the task's `ca`.
///
/// # Errors
/// [`CertificateError`] if one of the texts is not what its name says.
pub fn data_path_server_config(
    certificate: &str,
    private_key: &str,
    passphrase: &str,
    ca: &str,
) -> Result<ServerConfig, CertificateError> {
    let provider = data_path_provider();
    let verifier = WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots_from_pem(ca)?),
        Arc::clone(&provider),
    )
    .build()
    .map_err(CertificateError::ClientVerifier)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(CertificateError::Tls)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            certificates_from_pem(certificate)?,
            decrypt_key(private_key, passphrase)?,
        )
        .map_err(CertificateError::Tls)?;
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Speaks with the control plane whose CA is `ca`; with an `identity` (certificate, private key, both
/// PEM) as that identity.
///
/// # Errors
/// [`CertificateError`] if one of the texts is not what its name says.
pub fn control_plane_client_config(
    ca: &str,
    identity: Option<(&str, &str)>,
) -> Result<ClientConfig, CertificateError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(CertificateError::Tls)?
        .with_root_certificates(roots_from_pem(ca)?);
    match identity {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, key)) => builder
            .with_client_auth_cert(
                certificates_from_pem(certificate)?,
                private_key_from_pem(key)?,
            )
            .map_err(CertificateError::Tls),
    }
}

/// Speaks with a control plane of which nothing is known but the SHA-256 of its CA certificate, as
/// a join token carries it.
///
/// The control plane sends its CA certificate along; the one with the right fingerprint becomes the
/// only trust anchor, and then everything is verified as usual: signature, name and validity.
///
/// # Errors
/// [`CertificateError::Tls`].
pub fn first_contact_client_config(ca_sha256: &str) -> Result<ClientConfig, CertificateError> {
    let provider = provider();
    let verifier = FingerprintVerifier {
        ca_sha256: ca_sha256.to_ascii_lowercase(),
        provider: Arc::clone(&provider),
    };
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(CertificateError::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// The usual verification, with the trust anchor picked out of the chain by its fingerprint.
#[derive(Debug)]
struct FingerprintVerifier {
    ca_sha256: String,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for FingerprintVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let anchor = intermediates
            .iter()
            .find(|certificate| fingerprint_sha256(certificate) == self.ca_sha256)
            .ok_or(TlsCertificateError::UnknownIssuer)?;
        let mut roots = RootCertStore::empty();
        roots.add(anchor.clone().into_owned())?;
        let usual = WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&self.provider),
        )
        .build()
        .map_err(|_| TlsCertificateError::UnknownIssuer)?;
        usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
