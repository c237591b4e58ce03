//! Target servers: they announce themselves, and operators see and remove them.

use rehost_sms_api::errors::ErrorCode;
use rehost_sms_api::rehost::{
    CloudServer, CloudServerResponse, TargetList, TargetRegistration, TargetSummary,
};
use rehost_store::{StoreError, TargetRow};

use super::stored::{from_json, to_json};
use super::{App, CONNECTED_MS};
use crate::clock::now_ms;
use crate::errors::{ApiError, refuse};
use crate::identity::Caller;

/// More devices than a machine has slots for.
const MAX_DEVICES: usize = 256;

/// Keeps what a receiver offers.
pub(crate) async fn register(
    app: &App,
    caller: &Caller,
    registration: &TargetRegistration,
) -> Result<(), ApiError> {
    let id = caller.target()?;
    let wrong = |detail: &str| Err(refuse(ErrorCode::TargetRegistration, detail));
    if !(1..=64).contains(&registration.name.chars().count()) {
        return wrong("name must have 1 to 64 characters.");
    }
    let address = registration.data_address.as_str();
    if !(1..=255).contains(&address.len()) || address.chars().any(char::is_whitespace) {
        return wrong("data_address must be a name or an IP address.");
    }
    if registration.data_port == 0 {
        return wrong("data_port must not be 0.");
    }
    if registration.devices.len() > MAX_DEVICES
        || registration
            .devices
            .iter()
            .any(|device| !device.path.starts_with('/'))
    {
        return wrong("devices must be absolute paths, 256 at most.");
    }
    app.store
        .put_target(
            &caller.domain_id,
            id,
            &registration.name,
            &to_json(registration)?,
            now_ms(),
        )
        .await?;
    tracing::info!(id, name = registration.name, "target announced itself");
    Ok(())
}

/// All targets.
pub(crate) async fn list(app: &App, caller: &Caller) -> Result<TargetList, ApiError> {
    let targets = app
        .store
        .targets(&caller.domain_id)
        .await?
        .into_iter()
        .map(|row| {
            Ok(TargetSummary {
                connected: is_connected(&row),
                last_visit_time: row.last_visit_time,
                registration: registration(&row)?,
                id: row.id,
            })
        })
        .collect::<Result<Vec<_>, ApiError>>()?;
    Ok(TargetList {
        count: targets.len(),
        targets,
    })
}

/// A target as clients look for a cloud server.
pub(crate) async fn as_cloud_server(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<CloudServerResponse, ApiError> {
    let row = load(app, caller, id).await?;
    let status = if is_connected(&row) {
        "ACTIVE"
    } else {
        "SHUTOFF"
    };
    Ok(CloudServerResponse {
        server: CloudServer {
            status: status.to_owned(),
            id: row.id,
            name: row.name,
        },
    })
}

/// Removes a target that no task needs; its certificate is worth nothing afterwards.
pub(crate) async fn delete(app: &App, caller: &Caller, id: &str) -> Result<(), ApiError> {
    load(app, caller, id).await?;
    match app.store.delete_target(id).await {
        Ok(true) => {
            tracing::info!(id, "target removed");
            app.known.changed(&app.store).await?;
            app.store.notify(id).await?;
            Ok(())
        }
        Ok(false) => Err(ErrorCode::TargetUnknown.into()),
        Err(StoreError::Changed { .. }) => Err(ErrorCode::TargetInUse.into()),
        Err(error) => Err(error.into()),
    }
}

/// A target of the caller's domain.
pub(crate) async fn load(app: &App, caller: &Caller, id: &str) -> Result<TargetRow, ApiError> {
    let row = app.store.target(id).await?;
    row.filter(|row| caller.sees(&row.domain_id))
        .ok_or_else(|| ErrorCode::TargetUnknown.into())
}

/// What a target offers.
pub(crate) fn registration(row: &TargetRow) -> Result<TargetRegistration, ApiError> {
    from_json(&row.registration, "target registration")
}

/// Whether its receiver was heard of lately.
pub(crate) fn is_connected(row: &TargetRow) -> bool {
    now_ms().saturating_sub(row.last_visit_time) < CONNECTED_MS
}
