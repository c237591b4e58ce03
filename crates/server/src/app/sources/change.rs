//! Changing a source server: what agents report, and what people choose.

use rehost_migration::changestate::{self, Outcome};
use rehost_migration::task::{AgentEvent, Event};
use rehost_migration::{preconditions, resize};
use rehost_sms_api::bodies::{
    PostSourceServerBody, PutCopyStateReq, PutDisk, PutDiskInfoReq, PutSourceServerBody,
    PutVolumeGroups, RecordId,
};
use rehost_store::{SourceRow, Write};

use super::inventory::{inventory, keep_choices, number_records, rules_inventory};
use super::register::{check_name, take_checks};
use super::{load, set_words, words};
use crate::app::stored::to_json;
use crate::app::tasks::{self, Scene};
use crate::app::{App, migprojects, retry};
use crate::clock::now_ms;
use crate::errors::{ApiError, refuse_text};
use crate::identity::Caller;

/// Takes a report on a source server (SMS, UpdateCopyState), and lets its task follow.
pub(crate) async fn change_state(
    app: &App,
    caller: &Caller,
    id: &str,
    body: &PutCopyStateReq,
) -> Result<(), ApiError> {
    retry!({
        let mut source = load(app, caller, id).await?;
        let (state, cycle) = words(&source)?;
        let (copystate, migrationcycle) =
            (body.copystate.as_deref(), body.migrationcycle.as_deref());
        let decision = changestate::decide(app.revision, state, cycle, copystate, migrationcycle)
            .map_err(|error| refuse_text(error.code(), error.to_string()))?;
        let now = now_ms();
        let before = source.clone();
        if let Outcome::Changed { state, cycle } = decision.outcome {
            set_words(&mut source, state, cycle, now);
        }
        let mut scene = Scene::open(app, source, now).await?;
        if let Some(event) = decision.reported.and_then(AgentEvent::from_reported) {
            scene.happens(Event::Agent(event))?;
        }
        scene.commit(app, &before).await
    })?;
    app.store.touch_source(id, now_ms());
    Ok(())
}

/// Renames a source server, moves it to a project, chooses disks (SMS, UpdateServerName).
pub(crate) async fn update(
    app: &App,
    caller: &Caller,
    id: &str,
    body: &PutSourceServerBody,
) -> Result<(), ApiError> {
    if body.name.is_some() {
        check_name(body.name.as_deref())?;
    }
    retry!({
        let mut source = load(app, caller, id).await?;
        if let Some(name) = &body.name {
            source.name.clone_from(name);
        }
        if let Some(project) = body.migprojectid.as_ref().filter(|id| !id.is_empty()) {
            let row = migprojects::load(app, caller, project).await?;
            source.migproject.clone_from(project);
            source.enterprise_project = migprojects::enterprise_project(&row)?;
        }
        // SMS: choices take effect only while the server waits for its target to be configured.
        if waits_for_configuration(app, &source).await? {
            let mut inventory = inventory(&source)?;
            choose(&mut inventory, body);
            if body.disks.is_some() || body.volume_groups.is_some() {
                resize::check_choices(&rules_inventory(&inventory))
                    .map_err(|error| refuse_text(error.code(), error.to_string()))?;
            }
            source.inventory = to_json(&inventory)?.into();
        }
        Ok(app.store.write(&[Write::UpdateSource(&source)]).await?)
    })
}

/// Replaces the disks of a source server, its volume groups and its btrfs, or those of them that the
/// body names (SMS, UpdateDiskInfo); has no effect once there is a task. Terraform names only what
/// differs from what it last saw.
pub(crate) async fn update_disks(
    app: &App,
    caller: &Caller,
    id: &str,
    body: &PutDiskInfoReq,
) -> Result<(), ApiError> {
    retry!({
        let mut source = load(app, caller, id).await?;
        if !waits_for_configuration(app, &source).await? {
            return Ok(());
        }
        let before = inventory(&source)?;
        let mut inventory = before.clone();
        inventory.disks = body.disks.clone().or(inventory.disks);
        inventory.volume_groups = body.volumegroups.clone().or(inventory.volume_groups);
        inventory.btrfs_list = body.btrfs_list.clone().or(inventory.btrfs_list);
        number_records(&mut inventory);
        keep_choices(&before, &mut inventory);
        take_checks(&mut source, &inventory, now_ms())?;
        source.inventory = to_json(&inventory)?.into();
        Ok(app.store.write(&[Write::UpdateSource(&source)]).await?)
    })?;
    app.store.touch_source(id, now_ms());
    Ok(())
}

/// Whether people's choices and an agent's disks are taken.
async fn waits_for_configuration(app: &App, source: &SourceRow) -> Result<bool, ApiError> {
    let (state, _) = words(source)?;
    let has_task = tasks::of_source(app, &source.id).await?.is_some();
    Ok(preconditions::takes_choices(state, has_task))
}

/// Marks what is to be migrated, and how large it shall become. Ids that nothing has are ignored.
fn choose(inventory: &mut PostSourceServerBody, body: &PutSourceServerBody) {
    for wanted in body.disks.iter().flatten() {
        let mut disks = inventory.disks.iter_mut().flatten();
        if let Some(disk) = disks.find(|disk| is(&disk.id, &wanted.id)) {
            set(&mut disk.need_migration, wanted.need_migration);
            set(&mut disk.adjust_size, wanted.adjust_size);
            choose_partitions(disk, wanted);
        }
    }
    for wanted in body.volume_groups.iter().flatten() {
        let mut groups = inventory.volume_groups.iter_mut().flatten();
        if let Some(group) = groups.find(|group| is(&group.id, &wanted.id)) {
            set(&mut group.need_migration, wanted.need_migration);
            set(&mut group.adjust_size, wanted.adjust_size);
            choose_volumes(group, wanted);
        }
    }
}

fn choose_partitions(disk: &mut rehost_sms_api::bodies::ServerDisk, wanted: &PutDisk) {
    for wanted in &wanted.physical_volumes {
        let mut volumes = disk.physical_volumes.iter_mut();
        if let Some(volume) = volumes.find(|volume| is(&volume.id, &wanted.id)) {
            set(&mut volume.need_migration, wanted.need_migration);
            set(&mut volume.adjust_size, wanted.adjust_size);
        }
    }
}

fn choose_volumes(group: &mut rehost_sms_api::bodies::VolumeGroups, wanted: &PutVolumeGroups) {
    for wanted in &wanted.logical_volumes {
        let mut volumes = group.logical_volumes.iter_mut();
        if let Some(volume) = volumes.find(|volume| is(&volume.id, &wanted.id)) {
            set(&mut volume.need_migration, wanted.need_migration);
            set(&mut volume.adjust_size, wanted.adjust_size);
        }
    }
}

fn is(known: &Option<RecordId>, wanted: &Option<RecordId>) -> bool {
    known.is_some() && known == wanted
}

fn set<T>(place: &mut Option<T>, wanted: Option<T>) {
    if wanted.is_some() {
        *place = wanted;
    }
}
