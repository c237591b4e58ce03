//! Credentials that were looked up a moment ago, so that a thousand calls a second do not ask the
//! database a thousand times who calls.
//!
//! Whoever changes a user, a key, a token or a machine says [`Known::changed`], which empties the memory here and,
//! by the database's notifications, that of all replicas. What is remembered is forgotten after
//! [`LIFE`] in any case, should a notification be lost.

use std::time::Duration;

use rehost_sms_api::rehost::AccountRole;
use rehost_store::{AccessKeyRow, IdentityRow, Store, TokenRow, UserRow};

use super::remembered::Remembered;
use super::{Caller, Who};
use crate::errors::ApiError;

/// How long an answer of the database is believed.
const LIFE: Duration = Duration::from_secs(10);
/// How often the refusal of one join token is noted.
const NOTED_EVERY: Duration = Duration::from_secs(60);
/// What replicas call this in their notifications.
pub(crate) const NOTIFICATION: &str = "identity";

/// Tokens, keys and machines that were looked up lately.
#[derive(Debug)]
pub(crate) struct Known {
    tokens: Remembered<(TokenRow, UserRow)>,
    keys: Remembered<(AccessKeyRow, UserRow)>,
    machines: Remembered<IdentityRow>,
    /// Join tokens whose holders were refused lately.
    refused: Remembered<()>,
}

impl Default for Known {
    fn default() -> Self {
        Self {
            tokens: Remembered::new(LIFE),
            keys: Remembered::new(LIFE),
            machines: Remembered::new(LIFE),
            refused: Remembered::new(NOTED_EVERY),
        }
    }
}

impl Known {
    /// The token with this hash and its user.
    pub(super) async fn token(
        &self,
        store: &Store,
        hash: &str,
    ) -> Result<Option<(TokenRow, UserRow)>, ApiError> {
        let asked = match self.tokens.recall(hash) {
            Ok(known) => return Ok(Some(known)),
            Err(asked) => asked,
        };
        let found = store.token(hash).await?;
        if let Some(found) = &found {
            self.tokens.remember(asked, hash, found);
        }
        Ok(found)
    }

    /// The access key and its user.
    pub(super) async fn access_key(
        &self,
        store: &Store,
        access_key: &str,
    ) -> Result<Option<(AccessKeyRow, UserRow)>, ApiError> {
        let asked = match self.keys.recall(access_key) {
            Ok(known) => return Ok(Some(known)),
            Err(asked) => asked,
        };
        let found = store.access_key(access_key).await?;
        if let Some(found) = &found {
            self.keys.remember(asked, access_key, found);
        }
        Ok(found)
    }

    /// The agent or receiver whose certificate has this fingerprint.
    pub(super) async fn machine(
        &self,
        store: &Store,
        fingerprint: &str,
    ) -> Result<Option<IdentityRow>, ApiError> {
        let asked = match self.machines.recall(fingerprint) {
            Ok(known) => return Ok(Some(known)),
            Err(asked) => asked,
        };
        let found = store.identity_by_fingerprint(fingerprint).await?;
        if let Some(found) = &found {
            self.machines.remember(asked, fingerprint, found);
        }
        Ok(found)
    }

    /// Whether this join token was not refused for a while, so that its refusal is worth noting.
    pub(super) fn is_refused_anew(&self, secret_hash: &str) -> bool {
        let refused = self.refused.recall(secret_hash);
        if let Err(asked) = refused {
            self.refused.remember(asked, secret_hash, &());
        }
        refused.is_err()
    }

    /// Forgets everything, here and in all replicas: users, keys or tokens are not what they were.
    pub(crate) async fn changed(&self, store: &Store) -> Result<(), ApiError> {
        self.forget();
        Ok(store.notify(NOTIFICATION).await?)
    }

    /// Forgets everything.
    pub(crate) fn forget(&self) {
        self.tokens.forget();
        self.keys.forget();
        self.machines.forget();
    }
}

/// The caller that a user is.
pub(super) fn account(user: &UserRow) -> Result<Caller, ApiError> {
    let role = AccountRole::from_name(&user.role).ok_or_else(|| ApiError::Stored {
        what: "role",
        source: user.role.clone().into(),
    })?;
    Ok(Caller {
        domain_id: user.domain_id.clone(),
        who: Who::Account {
            user_id: user.id.clone(),
            user_name: user.name.clone(),
            role,
        },
    })
}
