//! The audit log: who did what, to what, and with which outcome.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Query of `GET /rehost/v1/audit`. Filters that are absent let everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListAuditQuery {
    /// Page size; absent and 0 mean 200.
    #[param(minimum = 0, maximum = 1000, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// How many to skip.
    #[param(minimum = 0, maximum = 1_000_000_000, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u32>,
    /// From this time on, milliseconds since 1970.
    #[param(minimum = 0, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// Before this time, milliseconds since 1970.
    #[param(minimum = 0, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<i64>,
    /// Id or name of the user, or id of the machine.
    #[param(max_length = 255, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Trace name of the call, such as `CreateTask`.
    #[param(max_length = 255, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Id of the thing that the call was about.
    #[param(max_length = 255, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
}

/// Query of `GET /rehost/v1/audit/export`. Filters that are absent let everything through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportAuditQuery {
    /// From this time on, milliseconds since 1970.
    #[param(minimum = 0, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// Before this time, milliseconds since 1970.
    #[param(minimum = 0, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<i64>,
}

/// One call in the audit log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditRecord {
    /// Id of the record; sorts by time.
    pub id: String,
    /// When the call was answered, milliseconds since 1970.
    pub time: i64,
    /// Id of the user, or of the machine; empty if the caller was not known.
    pub user_id: String,
    /// Name of the user, or of the machine; empty if the caller was not known.
    pub user_name: String,
    /// Trace name of the call, such as `CreateTask`.
    pub action: String,
    /// Id of the thing that the call was about; empty if it was about none.
    pub object: String,
    /// IP address from which the call came.
    pub address: String,
    /// Id of the request, as in the header `X-Request-Id`.
    pub request_id: String,
    /// HTTP status of the answer.
    pub status: u16,
    /// Error code of the answer; empty for a success.
    pub error_code: String,
}

/// Answer of `GET /rehost/v1/audit`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditRecordList {
    /// How many records pass the filters, on all pages.
    pub count: u64,
    /// A page of them, latest first.
    pub records: Vec<AuditRecord>,
}
