//! The caller of a request, and what each kind of caller may do.
//!
//! | caller | may |
//! |---|---|
//! | account (token or signature) | everything but the routes that speak for one machine |
//! | source (certificate of an agent) | its own source servers and their tasks, as an agent needs it |
//! | target (certificate of a receiver) | its own registration and assignments |

use axum::extract::FromRequestParts;
use http::request::Parts;
use rehost_sms_api::errors::{ErrorCode, GatewayReason};
use rehost_store::SourceRow;

use crate::errors::{ApiError, refuse};

/// SHA-256 of the certificate that the other end of the connection proved to own.
#[derive(Clone, Debug)]
pub(crate) struct PeerFingerprint(pub(crate) String);

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// A person or a program with account credentials.
    Account {
        /// Its user.
        user_id: String,
    },
    /// An agent.
    Source {
        /// Its identity.
        id: String,
    },
    /// A receiver.
    Target {
        /// Its identity, which is the id of the target.
        id: String,
    },
}

impl Caller {
    /// Whether this is an account and not a machine.
    pub(crate) fn is_account(&self) -> bool {
        matches!(self, Self::Account { .. })
    }

    /// The user; machines are refused.
    pub(crate) fn account(&self) -> Result<&str, ApiError> {
        match self {
            Self::Account { user_id } => Ok(user_id),
            _ => Err(refuse(
                ErrorCode::NoPermission,
                "This call needs account credentials.",
            )),
        }
    }

    /// The identity of the agent, or `None` for an account; targets are refused.
    pub(crate) fn source_or_account(&self) -> Result<Option<&str>, ApiError> {
        match self {
            Self::Account { .. } => Ok(None),
            Self::Source { id } => Ok(Some(id)),
            Self::Target { .. } => Err(refuse(
                ErrorCode::NoPermission,
                "A target may not use this call.",
            )),
        }
    }

    /// The target; everybody else is refused.
    pub(crate) fn target(&self) -> Result<&str, ApiError> {
        match self {
            Self::Target { id } => Ok(id),
            _ => Err(ErrorCode::NotATarget.into()),
        }
    }

    /// Refuses a machine that is not the one which registered the source.
    pub(crate) fn check_source(&self, source: &SourceRow) -> Result<(), ApiError> {
        match self.source_or_account()? {
            Some(id) if source.owner.as_deref() != Some(id) => Err(ErrorCode::NotYours.into()),
            _ => Ok(()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // Put there by the authentication layer; a route outside of it has no caller.
        parts
            .extensions
            .get()
            .cloned()
            .ok_or_else(|| GatewayReason::NothingSent.into())
    }
}
