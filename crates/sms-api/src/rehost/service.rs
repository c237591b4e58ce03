//! The control plane itself: whether it works, and what it keeps of logs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Answer of `PUT /rehost/v1/tasks/{task_id}/log-archives/{role}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StoredLogArchive {
    /// How many bytes were stored.
    pub size_bytes: u64,
}

/// Answer of `GET /healthz`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`.
    pub status: String,
}
