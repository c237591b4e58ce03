//! The HTTP agent behind a client: what it trusts, how it proves who it is, how long it connects.

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use secrecy::ExposeSecret as _;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use super::config::{ClientConfig, Credentials, Endpoint};
use super::error::ClientError;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes the agent. Whatever the HTTP library would only find out (or panic about) when it connects
/// is checked here.
pub(super) fn http_agent(
    endpoint: &Endpoint,
    config: &ClientConfig,
) -> Result<ureq::Agent, ClientError> {
    let mut builder = ureq::Agent::config_builder()
        .http_status_as_error(false)
        // A redirect would carry credentials elsewhere; SMS never redirects.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("rehost/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT_TIMEOUT));
    if endpoint.is_loopback {
        // A proxy from the environment cannot mean this machine itself.
        builder = builder.proxy(None);
    }
    if endpoint.is_https {
        builder = builder.tls_config(tls_config(config)?);
    }
    Ok(builder.build().new_agent())
}

fn tls_config(config: &ClientConfig) -> Result<TlsConfig, ClientError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let ca_pem = config.ca_pem.as_deref().ok_or(ClientError::Config {
        problem: "https needs the CA certificate of the control plane: name its file",
        source: None,
    })?;
    let roots = certificates(
        ca_pem,
        "the CA certificate is no PEM certificate: copy it again",
    )?;
    let mut store = RootCertStore::empty();
    for root in &roots {
        store
            .add(root.clone())
            .map_err(|error| ClientError::Config {
                problem: "the CA certificate cannot be used: copy it again",
                source: Some(error.into()),
            })?;
    }
    let roots: Vec<_> = roots.iter().map(to_ureq).collect();
    let mut builder = TlsConfig::builder()
        .root_certs(RootCerts::from(roots))
        .unversioned_rustls_crypto_provider(Arc::clone(&provider));
    if let Credentials::Certificate { cert_pem, key_pem } = &config.credentials {
        let key_pem = key_pem.expose_secret().as_bytes();
        let chain = certificates(
            cert_pem,
            "the client certificate is no PEM certificate: join again",
        )?;
        let unreadable = "the client certificate's key is no unencrypted PEM key: join again";
        let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| ClientError::Config {
            problem: unreadable,
            source: Some(error.into()),
        })?;
        CertifiedKey::from_der(chain.clone(), key, &provider).map_err(|error| {
            ClientError::Config {
                problem: "client certificate and key cannot be used together: join again",
                source: Some(error.into()),
            }
        })?;
        let key = PrivateKey::from_pem(key_pem).map_err(|error| ClientError::Config {
            problem: unreadable,
            source: Some(error.into()),
        })?;
        let chain: Vec<_> = chain.iter().map(to_ureq).collect();
        builder = builder.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
    }
    Ok(builder.build())
}

/// At least one certificate.
fn certificates(
    pem: &str,
    problem: &'static str,
) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let list = read.map_err(|error| ClientError::Config {
        problem,
        source: Some(error.into()),
    })?;
    if list.is_empty() {
        return Err(ClientError::Config {
            problem,
            source: None,
        });
    }
    Ok(list)
}

fn to_ureq(certificate: &CertificateDer<'static>) -> Certificate<'static> {
    Certificate::from_der(certificate).to_owned()
}
