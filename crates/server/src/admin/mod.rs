//! Looking after a control plane from its own machine, by its database: this works when nobody can
//! log in any more.
//!
//! Whoever can open the database has every right there is, so nobody is asked who they are; what is
//! changed is in the audit log all the same. A SQLite file is changed only while no control plane
//! serves from it, because one that does remembers credentials and would not notice. Replicas over
//! PostgreSQL are told to forget theirs.

mod accounts;
mod backup;

pub use accounts::UserChange;
pub use backup::Restored;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use rehost_sms_api::contract::{Operation, validate_body};
use rehost_sms_api::rehost::AccountRole;
use rehost_store::{AuditRow, Database, DomainRow, Store, StoreError, StoreOptions};
use serde_json::Value;

use crate::clock::now_ms;
use crate::first_start::DataDirectory;
use crate::{identity, secret};

/// Who the audit log says it was.
const WHO: &str = "rehost admin";

/// Where a control plane keeps what it remembers.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Its data directory.
    pub data_dir: Option<PathBuf>,
    /// Its database, if that is not a file in the data directory.
    pub database: Option<Database>,
}

impl Place {
    /// The database, which must be there already.
    fn database(&self) -> Result<Database> {
        let database = match (&self.database, &self.data_dir) {
            (Some(database), _) => database.clone(),
            (None, Some(directory)) => Database::Sqlite(directory.join(DataDirectory::DATABASE)),
            (None, None) => {
                bail!(
                    "say where the control plane keeps its data: --data-dir DIR or --database URL"
                )
            }
        };
        if let Database::Sqlite(path) = &database {
            ensure!(
                path.exists(),
                "there is no database {}; give the control plane's --data-dir or --database",
                path.display()
            );
        }
        Ok(database)
    }
}

/// An open database of a control plane.
#[derive(Debug)]
pub struct Administration {
    store: Store,
}

impl Administration {
    /// Opens the database for looking at it; a control plane may be running.
    ///
    /// # Errors
    /// If there is no such database or it cannot be opened.
    pub async fn open_to_look(place: &Place) -> Result<Self> {
        Self::open(place, false).await
    }

    /// Opens the database for changing it. A SQLite file must not be in use.
    ///
    /// # Errors
    /// If there is no such database, if it cannot be opened, or if a control plane serves from it.
    pub async fn open_to_change(place: &Place) -> Result<Self> {
        Self::open(place, true).await
    }

    async fn open(place: &Place, exclusive: bool) -> Result<Self> {
        let options = StoreOptions {
            exclusive,
            ..StoreOptions::default()
        };
        match Store::open_with(&place.database()?, options).await {
            Ok(store) => Ok(Self { store }),
            Err(StoreError::InUse { path }) => bail!(
                "a control plane is running on {}: stop it first, or log in and use its API \
                 (/rehost/v1/users, /rehost/v1/domains)",
                path.display()
            ),
            Err(error) => Err(error).context("open the database of the control plane"),
        }
    }

    /// Ends the work with the database.
    pub async fn close(self) {
        self.store.close().await;
    }

    /// Checks that the database is whole.
    ///
    /// # Errors
    /// What is wrong with it, or why that cannot be found out.
    pub async fn check(&self) -> Result<()> {
        Ok(self.store.check().await?)
    }

    /// The domain of this name.
    async fn domain(&self, name: &str) -> Result<DomainRow> {
        let found = self.store.domain_by_name(name).await?;
        found.with_context(|| {
            format!("there is no domain {name}; rehost admin domains list shows all")
        })
    }

    /// Notes a change, and makes replicas forget what they know of users and keys.
    async fn note(&self, done: Done<'_>) -> Result<()> {
        let operation = operation(done.operation)?;
        let entry = AuditRow {
            id: secret::new_id(),
            time: now_ms(),
            domain_id: done.domain_id.to_owned(),
            user_id: String::new(),
            user_name: WHO.to_owned(),
            role: AccountRole::Administrator.as_str().to_owned(),
            trace: operation.trace.unwrap_or(operation.id).to_owned(),
            method: operation.method.as_str().to_owned(),
            path: operation.path.to_owned(),
            object_id: done.object_id.to_owned(),
            status: 200,
            error_code: String::new(),
            request_id: String::new(),
            address: String::new(),
        };
        self.store.insert_audit(&[entry]).await?;
        Ok(self.store.notify(identity::IDENTITY_CHANGED).await?)
    }
}

/// A change, as the call of the API that would have done it.
struct Done<'a> {
    domain_id: &'a str,
    operation: &'static str,
    object_id: &'a str,
}

fn operation(id: &'static str) -> Result<&'static Operation> {
    Operation::of_id(id).with_context(|| format!("look {id} up in the table of operations"))
}

/// Holds what somebody wants against what the API would take.
fn check_body(id: &'static str, body: &Value) -> Result<()> {
    Ok(validate_body(operation(id)?, body)?)
}

/// A password that nobody can guess.
#[must_use]
pub fn new_password() -> String {
    secret::random_word(24)
}
