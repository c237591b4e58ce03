//! The data port's TLS for one task.

use std::sync::Arc;

use anyhow::Context;
use rehost_certificates::{certificates_from_pem, decrypt_key};
use rehost_replication::server_config;
use rehost_sms_api::rehost::CertificateSet;

/// What the data port presents and demands for a task.
pub(crate) fn task_tls(set: &CertificateSet) -> anyhow::Result<Arc<rustls::ServerConfig>> {
    let certificates = certificates_from_pem(&set.certificate).context("read the certificate")?;
    let key = decrypt_key(&set.private_key, &set.passphrase).context("decrypt the key")?;
    let ca = certificates_from_pem(&set.ca)
        .context("read the task's CA")?
        .into_iter()
        .next()
        .context("the task's CA is missing")?;
    server_config(certificates, key, ca).context("set up TLS for the task")
}
