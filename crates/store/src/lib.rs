//! The only crate that knows SQL: what the control plane remembers, and how it changes.
//!
//! The dialect is the part that SQLite and PostgreSQL share (`$1` placeholders, `ON CONFLICT`, ids
//! and JSON as TEXT, times as BIGINT milliseconds), driven through `sqlx::Any`. SQLite is what runs
//! today.
//!
//! Two rules keep writers from undoing each other's work:
//!
//! - A row that changes carries a **generation**; [`Store::write`] replaces it only if it still is
//!   the one that was read, and says [`StoreError::Changed`] otherwise. The caller reads again and
//!   decides again.
//! - What belongs together is written together: one [`Store::write`] is one transaction. It begins
//!   with a write, never with a read, so SQLite never has to turn a reader into a writer.
//!
//! Rows are rows: what a state or a JSON text means is for the callers to know.

mod database;
mod error;
mod identities;
mod proofs;
mod settings;
mod sources;
mod targets;
mod task_details;
mod tasks;
mod users;
mod write;

pub use database::Store;
pub use error::StoreError;
pub use identities::{IdentityRow, JoinTokenRow};
pub use proofs::ProofRow;
pub use sources::{SourceFilter, SourceRow};
pub use targets::TargetRow;
pub use task_details::{ConsistencyRow, OptionRow};
pub use tasks::{TaskFilter, TaskRow};
pub use users::{AccessKeyRow, TokenRow, UserRow};
pub use write::Write;

/// The part of a list that is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    /// How many rows at most.
    pub limit: i64,
    /// How many rows to skip.
    pub offset: i64,
}
