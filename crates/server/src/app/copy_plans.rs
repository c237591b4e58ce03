//! How the disks of a source server are going to be copied, as its agent says.

use rehost_sms_api::errors::ErrorCode;
use rehost_sms_api::rehost::CopyPlan;

use super::stored::{from_json, to_json};
use super::{App, sources};
use crate::errors::ApiError;
use crate::identity::Caller;

/// Replaces the copy plan of a source server.
pub(crate) async fn put(
    app: &App,
    caller: &Caller,
    source_id: &str,
    plan: &CopyPlan,
) -> Result<(), ApiError> {
    sources::load(app, caller, source_id).await?;
    let plan = to_json(plan)?;
    Ok(app.store.put_copy_plan(source_id, &plan).await?)
}

/// The copy plan of a source server.
pub(crate) async fn get(app: &App, caller: &Caller, source_id: &str) -> Result<CopyPlan, ApiError> {
    sources::load(app, caller, source_id).await?;
    let plan = app
        .store
        .copy_plan(source_id)
        .await?
        .ok_or(ErrorCode::CopyPlanAbsent)?;
    from_json(&plan, "copy plan")
}
