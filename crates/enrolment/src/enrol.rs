//! Joining: from a one-time token to an identity.
//!
//! Order of acts, and what a crash leaves behind: the key is made and lives in memory only; the
//! token's secret is sent over the first connection that proves to be the right control plane; the
//! identity is stored when the control plane has certified the key. A crash between the last two
//! costs the token and nothing else: the operator makes another one.

use std::path::Path;

use rehost_certificates::{
    CertificateError, certificates_from_pem, fingerprint_sha256, make_key_and_request,
};
use rehost_sms_api::client::{Client, ClientConfig, ClientError, Credentials};
use rehost_sms_api::rehost::{JoinRequest, JoinRole, JoinToken, JoinTokenError};
use secrecy::SecretString;

use crate::first_contact::{FirstContactError, learn_ca};
use crate::identity::{Identity, IdentityError};

/// Joining failed. Unless a variant says so, the token is still good.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// Nobody has joined with this state directory, and no token was given.
    #[error("this {role} has not joined a control plane yet; give it a join token")]
    NoToken {
        /// Who would join.
        role: &'static str,
    },
    /// The state directory belongs to an identity of the other role.
    #[error(
        "the state directory holds the identity of a {found}; a {wanted} needs a directory of its own"
    )]
    OtherIdentity {
        /// The role that is stored.
        found: &'static str,
        /// The role that was to start.
        wanted: &'static str,
    },
    /// The text is no join token.
    #[error("cannot read the join token")]
    Token(#[source] JoinTokenError),
    /// The token is for the other role.
    #[error("the join token is for a {found}; make one for a {wanted}")]
    OtherRole {
        /// The role of the token.
        found: &'static str,
        /// The role that was to join.
        wanted: &'static str,
    },
    /// Key or request could not be made, or what came back is no certificate.
    #[error("cannot prepare a key and a certificate request")]
    Key(#[source] CertificateError),
    /// The control plane did not prove to be the one of the token.
    #[error("cannot verify the control plane")]
    FirstContact(#[source] FirstContactError),
    /// The client could not be set up with the CA that was learnt.
    #[error("cannot set up a client for the control plane")]
    Client(#[source] ClientError),
    /// The control plane refused to let us join, or the connection broke; the token may be used up.
    #[error(
        "the control plane did not let us join; the token may be used up or too old, make another one"
    )]
    Join(#[source] ClientError),
    /// The control plane answered with another CA than the token names. The token is used up.
    #[error("the control plane answered with a CA certificate that is not the join token's")]
    OtherCa,
    /// The answer holds no certificate. The token is used up.
    #[error("the control plane answered with a damaged certificate")]
    Answer(#[source] CertificateError),
    /// The new identity could not be stored or does not work. The token is used up.
    #[error("cannot keep the new identity; make another join token when the reason is gone")]
    Identity(#[source] IdentityError),
}

/// The stored identity if there is one, else a new one by `token_text`.
///
/// A token beside a stored identity is ignored, so that a service can be restarted with the command
/// line it was first started with.
///
/// # Errors
/// [`EnrolError`]; [`EnrolError::NoToken`] if there is neither identity nor token.
pub fn load_or_enrol(
    state_dir: &Path,
    token_text: Option<&str>,
    role: JoinRole,
    name: &str,
) -> Result<Identity, EnrolError> {
    if let Some(identity) = Identity::load(state_dir).map_err(EnrolError::Identity)? {
        if identity.role != role {
            let (found, wanted) = (role_name(identity.role), role_name(role));
            return Err(EnrolError::OtherIdentity { found, wanted });
        }
        if token_text.is_some() {
            tracing::info!(
                id = identity.id,
                "joined already; the join token is not used"
            );
        }
        return Ok(identity);
    }
    let token_text = token_text.ok_or(EnrolError::NoToken {
        role: role_name(role),
    })?;
    enrol(state_dir, token_text, role, name)
}

/// Joins the control plane that `token_text` names, as `role`, under `name`, and stores the
/// identity in `state_dir`, which must exist.
///
/// # Errors
/// [`EnrolError`].
pub fn enrol(
    state_dir: &Path,
    token_text: &str,
    role: JoinRole,
    name: &str,
) -> Result<Identity, EnrolError> {
    let token = JoinToken::from_text(token_text).map_err(EnrolError::Token)?;
    if token.role != role {
        let (found, wanted) = (role_name(token.role), role_name(role));
        return Err(EnrolError::OtherRole { found, wanted });
    }
    let (private_key, certificate_request) = make_key_and_request(name).map_err(EnrolError::Key)?;
    let ca = learn_ca(&token.endpoint, &token.ca_sha256).map_err(EnrolError::FirstContact)?;
    let client = Client::new(ClientConfig {
        endpoint: token.endpoint.clone(),
        ca_pem: Some(ca),
        credentials: Credentials::None,
    })
    .map_err(EnrolError::Client)?;
    let request = JoinRequest {
        secret: token.secret,
        role,
        name: name.into(),
        certificate_request,
    };
    let joined = client.join(&request).map_err(EnrolError::Join)?;

    let answered = certificates_from_pem(&joined.ca).map_err(EnrolError::Answer)?;
    if !answered
        .iter()
        .all(|ca| fingerprint_sha256(ca) == token.ca_sha256.to_ascii_lowercase())
    {
        return Err(EnrolError::OtherCa);
    }
    let private_key = SecretString::from(private_key.as_str());
    let identity = Identity::new(name, &token.endpoint, private_key, joined);
    identity.client().map_err(EnrolError::Identity)?;
    identity.store(state_dir).map_err(EnrolError::Identity)?;
    tracing::info!(
        id = identity.id,
        endpoint = identity.endpoint,
        "joined the control plane"
    );
    Ok(identity)
}

const fn role_name(role: JoinRole) -> &'static str {
    match role {
        JoinRole::Source => "source",
        JoinRole::Target => "target",
    }
}
