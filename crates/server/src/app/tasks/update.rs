//! Changing what is known about a task (SMS, UpdateTask). Mostly agents do it.

use rehost_sms_api::bodies::{PutTaskReq, TargetDisk, TargetServer};
use rehost_sms_api::errors::ErrorCode;
use rehost_store::Write;

use super::create::{check_address, check_name, check_speed};
use super::load;
use crate::app::{App, migprojects, retry, sources, templates};
use crate::errors::{ApiError, refuse};
use crate::identity::Caller;

/// Longest id of a disk (SMS, UpdateTask).
const MAX_DISK_ID: usize = 255;

/// Takes what is given and leaves the rest alone. Method, source and volumes are fixed: the task was
/// planned for them. The enterprise project is the source's.
pub(crate) async fn update(
    app: &App,
    caller: &Caller,
    id: &str,
    body: &PutTaskReq,
) -> Result<(), ApiError> {
    if body.name.is_some() {
        check_name(body.name.as_deref())?;
    }
    check_speed(body.speed_limit)?;
    check_address(body.migration_ip.as_deref())?;
    let template = body.vm_template_id.as_ref().filter(|id| !id.is_empty());
    if let Some(template) = template {
        templates::load(app, caller, template).await?;
    }
    retry!({
        let mut task = load(app, caller, id).await?;
        let method = &task.body.created.r#type;
        if body.r#type.is_some() && body.r#type != *method {
            return Err(refuse(
                ErrorCode::TaskType,
                "The method of a task cannot be changed: make another task.",
            ));
        }
        if let Some(name) = &body.name {
            task.row.name.clone_from(name);
        }
        let created = &mut task.body.created;
        take(&mut created.name, &body.name);
        take(&mut created.region_id, &body.region_id);
        take(&mut created.region_name, &body.region_name);
        take(&mut created.project_id, &body.project_id);
        take(&mut created.project_name, &body.project_name);
        take(&mut created.migration_ip, &body.migration_ip);
        take(&mut created.exist_server, &body.exist_server);
        take(&mut created.use_ipv6, &body.use_ipv6);
        take(&mut created.use_public_ip, &body.use_public_ip);
        take(&mut created.speed_limit, &body.speed_limit);
        take(&mut created.vm_template_id, &body.vm_template_id);
        if body.vm_template_id.is_some() {
            task.row.template_id = template.cloned();
        }
        take(&mut task.body.target, &body.target_server);
        take(&mut task.body.clone, &body.clone_server);
        let target = task.body.target.get_or_insert_default();
        take(&mut target.image_disk_id, &body.image_disk_id);
        take(&mut target.snapshot_ids, &body.snapshot_ids);
        take(
            &mut target.cutovered_snapshot_ids,
            &body.cutovered_snapshot_ids,
        );
        if let Some(ids) = &body.target_disk_ids {
            if ids.split_whitespace().any(|id| id.len() > MAX_DISK_ID) {
                return Err(refuse(
                    ErrorCode::Parameters,
                    "An id in target_disk_ids has more than 255 characters.",
                ));
            }
            take_disk_ids(target, ids, task.plan.len());
        }
        let row = task.close()?;
        let mut writes = vec![Write::UpdateTask(&row)];
        let moved = match &body.enterprise_project {
            Some(project) => {
                let mut source = sources::load(app, caller, &row.source_id).await?;
                source.enterprise_project = migprojects::enterprise_project_id(project);
                Some(source)
            }
            None => None,
        };
        writes.extend(moved.as_ref().map(Write::UpdateSource));
        Ok(app.store.write(&writes).await?)
    })
}

/// The ids of the target's disks, joined with spaces, in the order of the plan (SMS, UpdateTask).
fn take_disk_ids(target: &mut TargetServer, ids: &str, planned: usize) {
    for (at, id) in ids.split_whitespace().take(planned).enumerate() {
        if target.disks.len() <= at {
            target.disks.push(TargetDisk::default());
        }
        if let Some(disk) = target.disks.get_mut(at) {
            disk.disk_id = Some(id.to_owned());
        }
    }
}

fn take<T: Clone>(place: &mut Option<T>, given: &Option<T>) {
    if given.is_some() {
        place.clone_from(given);
    }
}
