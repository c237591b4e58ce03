//! Certificates of one task's data path.
//!
//! SMS, `ShowCertKey`: a task has a source certificate, a certificate of the target's management
//! port and one of its data port, each with an encrypted private key, and a CA. Rehost uses the
//! source and the data certificate; the management certificate completes the set for clients that
//! expect it.

use rand::RngCore as _;
use rcgen::{ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use secrecy::SecretString;

use crate::error::CertificateError;
use crate::private_key::encrypt_key;
use crate::profile;

/// Everything both ends of one task's data path present and demand. Certificates are PEM; private
/// keys are PKCS#8 PEM, encrypted with `passphrase`.
#[derive(Debug)]
pub struct TaskCertificates {
    /// Certificate of the CA that exists for this task alone; its key is gone.
    pub ca: String,
    /// The agent's certificate (TLS client).
    pub source_certificate: String,
    /// Key of `source_certificate`.
    pub source_private_key: SecretString,
    /// The receiver's certificate for [`server_name`] (TLS server).
    pub target_data_certificate: String,
    /// Key of `target_data_certificate`.
    pub target_data_private_key: SecretString,
    /// Certificate of a management port on the target (TLS server).
    pub target_mgmt_certificate: String,
    /// Key of `target_mgmt_certificate`.
    pub target_mgmt_private_key: SecretString,
    /// Opens the three keys: 256 random bits as 64 hexadecimal digits.
    pub passphrase: SecretString,
}

/// TLS server name of a task's data path. A receiver tells by it which of its tasks is meant.
#[must_use]
pub fn server_name(task_id: &str) -> String {
    format!("task-{task_id}.rehost.internal")
}

/// Name of the management port, which nobody mistakes for the data path.
fn management_name(task_id: &str) -> String {
    format!("management-{task_id}.rehost.internal")
}

impl TaskCertificates {
    /// Makes a set that nothing else in the world trusts or is trusted by.
    ///
    /// `task_id` must be usable as part of a DNS label: letters, digits and hyphens.
    ///
    /// # Errors
    /// [`CertificateError::MakeKey`], [`CertificateError::Issue`] or
    /// [`CertificateError::EncryptKey`].
    pub fn mint(task_id: &str) -> Result<Self, CertificateError> {
        let common_name = format!("Rehost task {task_id} CA");
        let params = profile::authority(&common_name, profile::TASK_LIFE);
        let ca_key = KeyPair::generate().map_err(CertificateError::MakeKey)?;
        let ca = params
            .self_signed(&ca_key)
            .map_err(|source| CertificateError::Issue {
                subject: common_name,
                source,
            })?
            .pem();
        let issuer = Issuer::new(params, ca_key);

        let passphrase = random_passphrase();
        let (source_certificate, source_private_key) = issue(
            &issuer,
            &format!("source of task {task_id}"),
            None,
            &passphrase,
        )?;
        let (target_data_certificate, target_data_private_key) = issue(
            &issuer,
            &format!("target of task {task_id}"),
            Some(&server_name(task_id)),
            &passphrase,
        )?;
        let (target_mgmt_certificate, target_mgmt_private_key) = issue(
            &issuer,
            &format!("target management of task {task_id}"),
            Some(&management_name(task_id)),
            &passphrase,
        )?;
        Ok(Self {
            ca,
            source_certificate,
            source_private_key,
            target_data_certificate,
            target_data_private_key,
            target_mgmt_certificate,
            target_mgmt_private_key,
            passphrase: passphrase.into(),
        })
    }
}

/// One certificate: a TLS server if it has a name, a TLS client otherwise.
fn issue(
    issuer: &Issuer<'_, KeyPair>,
    common_name: &str,
    dns_name: Option<&str>,
    passphrase: &str,
) -> Result<(String, SecretString), CertificateError> {
    let failed = |source| CertificateError::Issue {
        subject: common_name.to_owned(),
        source,
    };
    let usage = match dns_name {
        Some(_) => ExtendedKeyUsagePurpose::ServerAuth,
        None => ExtendedKeyUsagePurpose::ClientAuth,
    };
    let mut params = profile::end_entity(common_name, profile::TASK_LIFE, usage);
    if let Some(name) = dns_name {
        params
            .subject_alt_names
            .push(SanType::DnsName(name.try_into().map_err(failed)?));
    }
    let key = KeyPair::generate().map_err(CertificateError::MakeKey)?;
    let certificate = params.signed_by(&key, issuer).map_err(failed)?;
    let encrypted = encrypt_key(key.serialized_der(), passphrase)?;
    Ok((certificate.pem(), encrypted.into()))
}

fn random_passphrase() -> String {
    use std::fmt::Write as _;
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    let mut text = String::with_capacity(64);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::private_key::decrypt_key;

    #[test]
    fn every_key_of_a_set_opens_with_its_passphrase_and_with_no_other() {
        let (one, other) = (
            TaskCertificates::mint("a").unwrap(),
            TaskCertificates::mint("a").unwrap(),
        );
        for key in [
            &one.source_private_key,
            &one.target_data_private_key,
            &one.target_mgmt_private_key,
        ] {
            decrypt_key(key.expose_secret(), one.passphrase.expose_secret()).unwrap();
            decrypt_key(key.expose_secret(), other.passphrase.expose_secret()).unwrap_err();
        }
    }

    #[test]
    fn a_set_tells_no_secret_to_a_log() {
        let set = TaskCertificates::mint("a").unwrap();
        let shown = format!("{set:?}");
        assert!(!shown.contains(set.passphrase.expose_secret()));
        assert!(!shown.contains("PRIVATE KEY"));
    }
}
