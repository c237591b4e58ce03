//! What a joined role knows of itself: `STATE/identity.json`.

use std::path::{Path, PathBuf};

use rehost_sms_api::client::{Client, ClientConfig, ClientError, Credentials};
use rehost_sms_api::rehost::{JoinResponse, JoinRole};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::durable_file::{self, DurableFileError};

/// The identity that a source or a target got by joining: id, certificate and key, and where and
/// how to find the control plane.
#[derive(Debug)]
pub struct Identity {
    /// Id that the control plane gave; for a target it is its `vm_id`.
    pub id: String,
    /// What it joined as.
    pub role: JoinRole,
    /// Name it joined under, shown to people.
    pub name: String,
    /// Base URL of the control plane.
    pub endpoint: String,
    /// Certificate of the identity, PEM.
    pub certificate: String,
    /// CA certificate of the control plane, PEM: the only trust anchor towards it.
    pub ca: String,
    /// Private key of the certificate, PEM.
    private_key: SecretString,
}

/// The stored form. It holds the private key in clear, hence the mode 0600 of all durable files.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredIdentity {
    id: String,
    role: JoinRole,
    name: String,
    endpoint: String,
    certificate: String,
    private_key: String,
    ca: String,
}

/// An identity could not be kept or used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file could not be read or written.
    #[error("cannot keep the identity")]
    File(#[source] DurableFileError),
    /// Certificate, key and CA do not make a client.
    #[error("the identity's certificate, key and CA do not fit together; join again")]
    Client(#[source] ClientError),
}

impl Identity {
    pub(crate) fn new(
        name: &str,
        endpoint: &str,
        private_key: SecretString,
        joined: JoinResponse,
    ) -> Self {
        Self {
            id: joined.id,
            role: joined.role,
            name: name.into(),
            endpoint: endpoint.into(),
            certificate: joined.certificate,
            ca: joined.ca,
            private_key,
        }
    }

    /// Reads the identity from a state directory; `None` if nobody has joined with it yet.
    ///
    /// # Errors
    /// [`IdentityError::File`] if there is one that cannot be read.
    pub fn load(state_dir: &Path) -> Result<Option<Self>, IdentityError> {
        let stored: Option<StoredIdentity> =
            durable_file::read_json(&path(state_dir)).map_err(IdentityError::File)?;
        Ok(stored.map(|stored| Self {
            id: stored.id,
            role: stored.role,
            name: stored.name,
            endpoint: stored.endpoint,
            certificate: stored.certificate,
            ca: stored.ca,
            private_key: stored.private_key.into(),
        }))
    }

    /// Writes the identity into a state directory, durably.
    ///
    /// # Errors
    /// [`IdentityError::File`].
    pub fn store(&self, state_dir: &Path) -> Result<(), IdentityError> {
        let stored = StoredIdentity {
            id: self.id.clone(),
            role: self.role,
            name: self.name.clone(),
            endpoint: self.endpoint.clone(),
            certificate: self.certificate.clone(),
            private_key: self.private_key.expose_secret().into(),
            ca: self.ca.clone(),
        };
        durable_file::write_json(&path(state_dir), &stored).map_err(IdentityError::File)
    }

    /// A client that speaks to the control plane as this identity and trusts its CA alone.
    ///
    /// # Errors
    /// [`IdentityError::Client`] if certificate and key do not fit.
    pub fn client(&self) -> Result<Client, IdentityError> {
        Client::new(ClientConfig {
            endpoint: self.endpoint.clone(),
            ca_pem: Some(self.ca.clone()),
            credentials: Credentials::Certificate {
                cert_pem: self.certificate.clone(),
                key_pem: self.private_key.clone(),
            },
        })
        .map_err(IdentityError::Client)
    }
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("identity.json")
}
