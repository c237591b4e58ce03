//! Where a task's volumes go: to the target that the request names, or, for a target server that is yet
//! to be made from a template, to a receiver that makes images.

use rehost_sms_api::bodies::{PostTask, TargetServerByTask};
use rehost_sms_api::errors::ErrorCode;
use rehost_store::TargetRow;

use crate::app::{App, targets, templates};
use crate::errors::{ApiError, refuse};
use crate::identity::Caller;

/// The target of a task that is being made (SMS, CreateTask: `vm_id` unless a template is used).
pub(super) async fn place(
    app: &App,
    caller: &Caller,
    body: &PostTask,
    wanted: &TargetServerByTask,
) -> Result<TargetRow, ApiError> {
    let given = |id: &'_ Option<String>| id.clone().filter(|id| !id.is_empty());
    let template = given(&body.vm_template_id);
    for id in template.iter().chain(&given(&body.clonevm_template_id)) {
        templates::load(app, caller, id).await?;
    }
    match (given(&wanted.vm_id), template) {
        (Some(id), _) => {
            let target = app.store.target(&id).await?;
            target
                .filter(|target| caller.sees(&target.domain_id))
                .ok_or_else(|| ErrorCode::TargetMissing.into())
        }
        (None, Some(_)) => maker_of_images(app, caller).await,
        (None, None) => Err(ErrorCode::TargetId.into()),
    }
}

/// The connected receiver with the fewest tasks among those that make images.
async fn maker_of_images(app: &App, caller: &Caller) -> Result<TargetRow, ApiError> {
    let mut best: Option<(usize, TargetRow)> = None;
    for row in app.store.targets(&caller.domain_id).await? {
        if !targets::is_connected(&row) || !targets::registration(&row)?.makes_images {
            continue;
        }
        let tasks = app.store.tasks_of_target(&row.id).await?.len();
        if best.as_ref().is_none_or(|(fewest, _)| tasks < *fewest) {
            best = Some((tasks, row));
        }
    }
    best.map(|(_, row)| row).ok_or_else(|| {
        refuse(
            ErrorCode::TargetMissing,
            "No connected receiver makes images for new target servers.",
        )
    })
}
