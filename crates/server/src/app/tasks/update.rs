//! Changing what is known about a task (SMS, UpdateTask). Mostly agents do it.

use rehost_sms_api::bodies::PutTaskReq;
use rehost_store::Write;

use super::create::{check_address, check_name, check_speed};
use super::load;
use crate::app::{App, retry};
use crate::errors::ApiError;
use crate::identity::Caller;

/// Takes what is given and leaves the rest alone. Method, source and volumes are fixed: the task was
/// planned for them.
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
    retry!({
        let mut task = load(app, caller, id).await?;
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
        take(&mut task.body.target, &body.target_server);
        take(&mut task.body.clone, &body.clone_server);
        let target = task.body.target.get_or_insert_default();
        take(&mut target.image_disk_id, &body.image_disk_id);
        take(&mut target.snapshot_ids, &body.snapshot_ids);
        take(
            &mut target.cutovered_snapshot_ids,
            &body.cutovered_snapshot_ids,
        );
        Ok(app
            .store
            .write(&[Write::UpdateTask(&task.close()?)])
            .await?)
    })
}

fn take<T: Clone>(place: &mut Option<T>, given: &Option<T>) {
    if given.is_some() {
        place.clone_from(given);
    }
}
