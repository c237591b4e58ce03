//! Versions of the interface, for SMS clients and for those that look for IAM at the same address.

use axum::Json;
use axum::extract::State;
use rehost_sms_api::bodies::iam::IamVersions;
use rehost_sms_api::bodies::{Link, ListApiVersionResponse, Version};
use rehost_sms_api::errors::GatewayReason;
use serde_json::{Value, json};

use super::path::PathId;
use crate::app::App;
use crate::errors::ApiError;

/// Date of the revision of the API reference that is followed by default.
const UPDATED: &str = "2025-09-16T00:00:00Z";

/// `GET /`: the form of SMS (`versions` is a list).
pub(super) async fn list(State(app): State<App>) -> Json<ListApiVersionResponse> {
    Json(ListApiVersionResponse {
        versions: vec![version(&app)],
    })
}

/// `GET /iam`: the form of Keystone, for clients that discover the versions of IAM at its base.
pub(super) async fn discover(State(app): State<App>) -> Json<IamVersions> {
    Json(IamVersions::new(format!("{}/iam/v3/", app.endpoint)))
}

/// `GET /v3`: the version flat, as SMS's SDK reads it, and inside `version`, as Keystone clients do.
pub(super) async fn show(
    State(app): State<App>,
    PathId(name): PathId,
) -> Result<Json<Value>, ApiError> {
    if name != "v3" {
        return Err(GatewayReason::NoSuchApi.into());
    }
    let version = version(&app);
    let keystone = json!({ "id": "v3.0", "status": "stable", "links": version.links });
    let mut body = serde_json::to_value(version).map_err(|source| ApiError::Internal {
        act: "write a version",
        source: source.into(),
    })?;
    body["version"] = keystone;
    Ok(Json(body))
}

fn version(app: &App) -> Version {
    Version {
        id: Some("v3".into()),
        links: vec![Link {
            href: Some(format!("{}/v3/", app.endpoint)),
            rel: Some("self".into()),
        }],
        status: Some("SUPPORTED".into()),
        updated: Some(UPDATED.into()),
    }
}
