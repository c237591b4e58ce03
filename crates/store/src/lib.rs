//! The only crate that knows SQL: what the control plane remembers, and how it changes.
//!
//! The dialect is the part that SQLite and PostgreSQL share (`$1` placeholders, `ON CONFLICT`, ids
//! and JSON as TEXT, times as BIGINT milliseconds), driven through `sqlx::Any`. SQLite serves one
//! control plane without any set-up, PostgreSQL any number of replicas.
//!
//! Three rules keep writers from undoing each other's work:
//!
//! - A row that changes carries a **generation**; [`Store::write`] replaces it only if it still is
//!   the one that was read, and says [`StoreError::Changed`] otherwise. The caller reads again and
//!   decides again.
//! - What belongs together is written together: one [`Store::write`] is one transaction.
//! - A change is answered when it is durable, and changes of many callers become durable together
//!   (`writer`).
//!
//! Tenants: a list is of one domain, always. A row read by its id says whose it is, and the caller
//! compares.
//!
//! Rows are rows: what a state or a JSON text means is for the callers to know.

mod access_keys;
mod audit;
mod boots;
mod copy_plans;
mod counters;
mod database;
mod directory;
mod documents;
mod domains;
mod error;
mod figures;
mod identities;
mod leases;
mod lock;
mod maintenance;
mod migprojects;
mod notifications;
mod packed;
#[cfg(test)]
mod plans;
mod privacy;
mod recent;
mod settings;
mod source_lists;
mod sources;
mod sql;
mod targets;
mod task_details;
mod task_lists;
mod tasks;
mod templates;
mod tokens;
mod url;
mod users;
mod visits;
mod write;
mod writer;

pub use access_keys::AccessKeyRow;
pub use audit::{AuditFilter, AuditRow};
pub use boots::BootRow;
pub use counters::Overview;
pub use database::{Store, StoreOptions};
pub use documents::{LogArchiveRow, ProofRow};
pub use domains::{DomainRow, NewDomain, ProjectRow};
pub use error::StoreError;
pub use figures::TaskFigures;
pub use identities::{IdentityRow, JoinTokenRow};
pub use migprojects::MigprojectRow;
pub use notifications::{Notification, Notifications};
pub use packed::PackedText;
pub use privacy::PrivacyAgreementRow;
pub use source_lists::{ListedSource, SourceFilter};
pub use sources::SourceRow;
pub use targets::TargetRow;
pub use task_details::{ConsistencyRow, OptionRow};
pub use task_lists::TaskFilter;
pub use tasks::TaskRow;
pub use templates::{TemplateFilter, TemplateRow};
pub use tokens::TokenRow;
pub use url::{Database, DatabaseUrlError, PostgresUrl};
pub use users::UserRow;
pub use write::Write;

/// The part of a list that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// How many rows at most.
    pub limit: i64,
    /// How many rows to skip.
    pub offset: i64,
}
