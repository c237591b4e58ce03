//! Credentials that were looked up a moment ago, so that a thousand calls a second do not ask the
//! database a thousand times who calls.
//!
//! Whoever changes a user, a key, a token or a machine says [`Known::changed`], which empties the memory here and,
//! by the database's notifications, that of all replicas. What is remembered is forgotten after
//! [`LIFE`] in any case, should a notification be lost.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rehost_sms_api::rehost::AccountRole;
use rehost_store::{AccessKeyRow, IdentityRow, Store, TokenRow, UserRow};

use super::{Caller, Who};
use crate::errors::ApiError;

/// How long an answer of the database is believed.
const LIFE: Duration = Duration::from_secs(10);
/// More than so many are not remembered at once.
const MAX_ENTRIES: usize = 10_000;
/// What replicas call this in their notifications.
pub(crate) const NOTIFICATION: &str = "identity";

type Remembered<T> = Mutex<HashMap<String, (Instant, T)>>;

/// Tokens, keys and machines that were looked up lately.
#[derive(Debug, Default)]
pub(crate) struct Known {
    tokens: Remembered<(TokenRow, UserRow)>,
    keys: Remembered<(AccessKeyRow, UserRow)>,
    machines: Remembered<IdentityRow>,
}

impl Known {
    /// The token with this hash and its user.
    pub(super) async fn token(
        &self,
        store: &Store,
        hash: &str,
    ) -> Result<Option<(TokenRow, UserRow)>, ApiError> {
        if let Some(known) = recall(&self.tokens, hash) {
            return Ok(Some(known));
        }
        let found = store.token(hash).await?;
        remember(&self.tokens, hash, found.as_ref());
        Ok(found)
    }

    /// The access key and its user.
    pub(super) async fn access_key(
        &self,
        store: &Store,
        access_key: &str,
    ) -> Result<Option<(AccessKeyRow, UserRow)>, ApiError> {
        if let Some(known) = recall(&self.keys, access_key) {
            return Ok(Some(known));
        }
        let found = store.access_key(access_key).await?;
        remember(&self.keys, access_key, found.as_ref());
        Ok(found)
    }

    /// The agent or receiver whose certificate has this fingerprint.
    pub(super) async fn machine(
        &self,
        store: &Store,
        fingerprint: &str,
    ) -> Result<Option<IdentityRow>, ApiError> {
        if let Some(known) = recall(&self.machines, fingerprint) {
            return Ok(Some(known));
        }
        let found = store.identity_by_fingerprint(fingerprint).await?;
        remember(&self.machines, fingerprint, found.as_ref());
        Ok(found)
    }

    /// Forgets everything, here and in all replicas: users, keys or tokens are not what they were.
    pub(crate) async fn changed(&self, store: &Store) -> Result<(), ApiError> {
        self.forget();
        Ok(store.notify(NOTIFICATION).await?)
    }

    /// Forgets everything.
    pub(crate) fn forget(&self) {
        lock(&self.tokens).clear();
        lock(&self.keys).clear();
        lock(&self.machines).clear();
    }
}

fn lock<T>(map: &Remembered<T>) -> std::sync::MutexGuard<'_, HashMap<String, (Instant, T)>> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

fn recall<T: Clone>(map: &Remembered<T>, key: &str) -> Option<T> {
    let map = lock(map);
    let (since, value) = map.get(key)?;
    (since.elapsed() < LIFE).then(|| value.clone())
}

/// What does not exist is not remembered: it may come into being any moment.
fn remember<T: Clone>(map: &Remembered<T>, key: &str, found: Option<&T>) {
    let Some(value) = found else { return };
    let mut map = lock(map);
    if map.len() >= MAX_ENTRIES {
        map.clear();
    }
    map.insert(key.to_owned(), (Instant::now(), value.clone()));
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
