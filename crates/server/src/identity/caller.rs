//! The caller of a request, whose tenant it acts in, and what it may touch there.
//!
//! Which operation a caller may use is decided by the table of operations (`authorise`); here is
//! which objects: those of its own domain, and for a machine its own.

use axum::extract::FromRequestParts;
use http::request::Parts;
use rehost_sms_api::errors::{ErrorCode, GatewayReason};
use rehost_sms_api::rehost::AccountRole;
use rehost_store::SourceRow;

use crate::errors::{ApiError, refuse};

/// SHA-256 of the certificate that the other end of the connection proved to own.
#[derive(Clone, Debug)]
pub(crate) struct PeerFingerprint(pub(crate) String);

/// Who calls, and in which domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The tenant. Nothing of another one is ever seen or touched.
    pub(crate) domain_id: String,
    /// Who it is.
    pub(crate) who: Who,
}

/// The kinds of callers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// A person or a program with account credentials.
    Account {
        /// Its user.
        user_id: String,
        /// Its login name.
        user_name: String,
        /// What it may do.
        role: AccountRole,
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
        matches!(self.who, Who::Account { .. })
    }

    /// Id of the user, or of the machine.
    pub(crate) fn id(&self) -> &str {
        match &self.who {
            Who::Account { user_id, .. } => user_id,
            Who::Source { id } | Who::Target { id } => id,
        }
    }

    /// The identity of the agent, if it is one.
    pub(crate) fn source(&self) -> Option<&str> {
        match &self.who {
            Who::Source { id } => Some(id),
            _ => None,
        }
    }

    /// The target; everybody else is refused.
    pub(crate) fn target(&self) -> Result<&str, ApiError> {
        match &self.who {
            Who::Target { id } => Ok(id),
            _ => Err(ErrorCode::NotATarget.into()),
        }
    }

    /// Whether an object of this domain is there for the caller at all.
    pub(crate) fn sees(&self, domain_id: &str) -> bool {
        self.domain_id == domain_id
    }

    /// Refuses what is not there for the caller, and a machine that is not the one which registered
    /// the source.
    pub(crate) fn check_source(&self, source: &SourceRow) -> Result<(), ApiError> {
        if !self.sees(&source.domain_id) {
            return Err(ErrorCode::SourceUnknown.into());
        }
        match &self.who {
            Who::Account { .. } => Ok(()),
            Who::Source { id } if source.owner.as_deref() == Some(id) => Ok(()),
            Who::Source { .. } => Err(ErrorCode::NotYours.into()),
            Who::Target { .. } => Err(refuse(
                ErrorCode::NoPermission,
                "A target may not use this call.",
            )),
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
