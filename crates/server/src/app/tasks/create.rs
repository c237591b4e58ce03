//! Making a task (SMS, CreateTask): checked, planned, certified and bound to its target at once.

use rehost_migration::disk_mapping::{
    OfferedDevice, PlannedVolume, RequestedDisk, SourceDisk, TargetCapabilities, VolumeFormat,
    plan_volumes,
};
use rehost_migration::inventory::{Inventory, meant_bytes};
use rehost_migration::preconditions::{self, Situation};
use rehost_migration::resize::{self, DescribedDisk, ResizeError};
use rehost_migration::task::Task as Rules;
use rehost_sms_api::bodies::{PostTask, TargetServerByTask, UpdateTaskSpeedReq};
use rehost_sms_api::errors::ErrorCode;
use rehost_store::{SourceRow, StoreError, TargetRow, TaskRow};

use super::placement::place;
use super::record::{Body, Task, Volume};
use super::{Scene, of_source};
use crate::app::{App, certificates, retry, sources, targets};
use crate::clock::now_ms;
use crate::errors::{ApiError, refuse, refuse_text};
use crate::identity::Caller;
use crate::secret;

/// The one method that Rehost's own agent has.
const METHOD: &str = "MIGRATE_BLOCK";
/// Mbit/s (SMS, CreateTask).
const MAX_SPEED: u32 = 1000;

/// Makes a task and answers its id.
pub(crate) async fn create(app: &App, caller: &Caller, body: PostTask) -> Result<String, ApiError> {
    check(&body)?;
    let source_id = body
        .source_server
        .as_ref()
        .and_then(|source| source.id.as_deref());
    let source_id = source_id
        .filter(|id| !id.is_empty())
        .ok_or(ErrorCode::SourceId)?;
    let wanted = body.target_server.as_ref().ok_or(ErrorCode::TargetInfo)?;
    let target = place(app, caller, &body, wanted).await?;

    let id = secret::new_id();
    // Made once: certificates depend on the id alone.
    let certificates = certificates::mint(&id).await?;
    let _turn = match offers_devices(&target)? {
        true => Some(app.turns.take(&target.id).await),
        false => None,
    };
    retry!({
        let source = sources::load(app, caller, source_id).await?;
        let now = now_ms();
        check_source(app, &source, now).await?;
        let target = app.store.target(&target.id).await?;
        let target = target.ok_or(ErrorCode::TargetMissing)?;
        check_method(&body, &source)?;
        let plan = plan(app, &source, &target, wanted).await?;
        let boots = boots(&source, &target, &body, &plan)?;
        let task = new_task(&id, &source, &target, &body, plan, now);
        let task = Task {
            rules: task.rules.with_boots(boots),
            ..task
        };
        let mut source = source;
        if body.need_migration_test == Some(true) {
            let ready = task.rules.source();
            sources::set_words(&mut source, ready.state, ready.cycle, now);
        }
        let scene = Scene::with_new_task(source, task, now);
        // Only devices are shared between tasks, so that only where there are some a rival matters.
        let seen = offers_devices(&target)?.then_some(target.generation);
        match scene
            .commit_creation(app, &certificates, (&target.id, seen))
            .await
        {
            Err(ApiError::Store(StoreError::Exists { .. })) => Err(ErrorCode::SourceHasTask.into()),
            done => done,
        }
    })?;
    tracing::info!(id, source_id, target_id = target.id, "task created");
    Ok(id)
}

fn check(body: &PostTask) -> Result<(), ApiError> {
    check_name(body.name.as_deref())?;
    check_speed(body.speed_limit)?;
    check_address(body.migration_ip.as_deref())?;
    if body.priority.is_some_and(|priority| priority > 2) {
        return Err(refuse(ErrorCode::Parameters, "priority is 0, 1 or 2."));
    }
    Ok(())
}

/// Agents of others, which registered with account credentials, may have methods that Rehost's own,
/// which joined, has not.
fn check_method(body: &PostTask, source: &SourceRow) -> Result<(), ApiError> {
    let method = body.r#type.as_deref().unwrap_or_default();
    let known = source.owner.is_none() && ["MIGRATE_BLOCK", "MIGRATE_FILE"].contains(&method);
    if method == METHOD || known {
        Ok(())
    } else {
        Err(ErrorCode::TaskType.into())
    }
}

/// Names of tasks: 1 to 64 letters (Chinese ones too), digits, underscores and hyphens.
pub(super) fn check_name(name: Option<&str>) -> Result<(), ApiError> {
    let name = name.unwrap_or_default();
    let fits = (1..=64).contains(&name.chars().count())
        && name
            .chars()
            .all(|letter| letter.is_alphanumeric() || "_-".contains(letter));
    if fits {
        Ok(())
    } else {
        Err(ErrorCode::TaskName.into())
    }
}

/// Speed limits: 0 (none) to 1000 Mbit/s.
pub(super) fn check_speed(speed: Option<u32>) -> Result<(), ApiError> {
    if speed.is_some_and(|speed| speed > MAX_SPEED) {
        return Err(refuse(
            ErrorCode::Parameters,
            "speed_limit is 0 to 1000 Mbit/s.",
        ));
    }
    Ok(())
}

/// Addresses for the data: a name or an IP address, or nothing.
pub(super) fn check_address(address: Option<&str>) -> Result<(), ApiError> {
    let odd = |letter: char| !(letter.is_ascii_alphanumeric() || ".:-_".contains(letter));
    if address.is_some_and(|address| address.len() > 255 || address.contains(odd)) {
        return Err(refuse(ErrorCode::Parameters, "migration_ip is no address."));
    }
    Ok(())
}

/// SMS: the source server must exist, have no task, have passed its check, and be connected.
async fn check_source(app: &App, source: &SourceRow, now: i64) -> Result<(), ApiError> {
    let (source_state, _) = sources::words(source)?;
    let situation = Situation {
        source_has_task: of_source(app, &source.id).await?.is_some(),
        source_state,
        source_connected: sources::is_connected(source, now),
        // A target of images and devices has no firmware that could differ.
        source_firmware: None,
        target_firmware: None,
    };
    preconditions::for_task(situation).map_err(|unmet| refuse_text(unmet.code(), unmet.to_string()))
}

/// Maps the source's disks to volumes of the target.
async fn plan(
    app: &App,
    source: &SourceRow,
    target: &TargetRow,
    wanted: &TargetServerByTask,
) -> Result<Vec<Volume>, ApiError> {
    let inventory = sources::rules_inventory(&sources::inventory(source)?);
    let unfit = |error: ResizeError| refuse_text(error.code(), error.to_string());
    resize::check_block_copy(&inventory).map_err(unfit)?;
    let disks: Vec<_> = inventory
        .wanted_disks()
        .map(|disk| SourceDisk {
            name: disk.name.clone(),
            size_bytes: disk.size_bytes,
        })
        .collect();
    let offered = targets::registration(target)?;
    let mut taken = Vec::new();
    if !offered.devices.is_empty() {
        for row in app.store.tasks_of_target(&target.id).await? {
            taken.extend(
                Task::open(row)?
                    .plan
                    .into_iter()
                    .filter_map(|volume| volume.device),
            );
        }
    }
    let capabilities = TargetCapabilities {
        makes_images: offered.makes_images,
        devices: offered
            .devices
            .into_iter()
            .map(|device| OfferedDevice {
                in_use: taken.contains(&device.path),
                path: device.path,
                size_bytes: device.size_bytes,
            })
            .collect(),
    };
    let requested: Vec<_> = wanted
        .disks
        .iter()
        .map(|disk| RequestedDisk {
            name: disk.name.clone().unwrap_or_default(),
            disk_id: disk.disk_id.clone().unwrap_or_default(),
            relation_name: String::new(),
            size_bytes: meant_bytes(disk.size.unwrap_or_default()),
        })
        .collect();
    let volumes = plan_volumes(&disks, &capabilities, &requested)
        .map_err(|error| refuse_text(error.code(), error.to_string()))?;
    let described = described_disks(&inventory, wanted, &capabilities, &volumes);
    resize::check_target(&described).map_err(unfit)?;
    Ok(volumes.into_iter().map(Volume::from).collect())
}

/// Whether the target starts what it will have received (SMS, CreateTask: `start_target_server`, which
/// is on unless it is switched off). Without a system disk there is nothing to start, and agents of
/// others keep no points for rehearsals.
fn boots(
    source: &SourceRow,
    target: &TargetRow,
    body: &PostTask,
    plan: &[Volume],
) -> Result<bool, ApiError> {
    let wanted = body.start_target_server != Some(false) && source.owner.is_some();
    if !wanted || !targets::registration(target)?.boots {
        return Ok(false);
    }
    let inventory = sources::rules_inventory(&sources::inventory(source)?);
    let mut disks = inventory.disks.iter().filter(|disk| disk.system);
    Ok(disks.any(|disk| plan.iter().any(|volume| volume.source_disk == disk.name)))
}

fn offers_devices(target: &TargetRow) -> Result<bool, ApiError> {
    Ok(!targets::registration(target)?.devices.is_empty())
}

/// The places that disks go to: as the task describes them, and as the target offers them.
fn described_disks(
    inventory: &Inventory,
    wanted: &TargetServerByTask,
    target: &TargetCapabilities,
    volumes: &[PlannedVolume],
) -> Vec<DescribedDisk> {
    let needed = |volume: &PlannedVolume| {
        let disk = inventory
            .wanted_disks()
            .find(|disk| disk.name == volume.source_disk);
        disk.map_or(volume.size_bytes, |disk| {
            disk.choice.size_bytes(disk.size_bytes)
        })
    };
    let named = wanted.disks.iter().zip(volumes);
    let named = named.map(|(disk, volume)| DescribedDisk {
        name: disk.name.clone().unwrap_or_default(),
        size: disk.size.unwrap_or_default(),
        partition_bytes: disk
            .physical_volumes
            .iter()
            .filter_map(|part| part.size)
            .collect(),
        needed_bytes: needed(volume),
    });
    let offered = volumes.iter().filter_map(|volume| {
        let VolumeFormat::Device(path) = &volume.format else {
            return None;
        };
        let device = target.devices.iter().find(|device| device.path == *path)?;
        Some(DescribedDisk {
            name: path.clone(),
            size: device.size_bytes,
            partition_bytes: Vec::new(),
            needed_bytes: needed(volume),
        })
    });
    named.chain(offered).collect()
}

fn new_task(
    id: &str,
    source: &SourceRow,
    target: &TargetRow,
    body: &PostTask,
    plan: Vec<Volume>,
    now: i64,
) -> Task {
    let rules = Rules::new(body.syncing.unwrap_or(false))
        .with_drill(body.need_migration_test.unwrap_or(false));
    Task {
        row: TaskRow {
            id: id.to_owned(),
            domain_id: source.domain_id.clone(),
            source_id: source.id.clone(),
            target_id: Some(target.id.clone()),
            template_id: body.vm_template_id.clone().filter(|id| !id.is_empty()),
            clone_template_id: body.clonevm_template_id.clone().filter(|id| !id.is_empty()),
            name: body.name.clone().unwrap_or_default(),
            state: String::new(),
            phase: String::new(),
            continuous: 0,
            launched: 0,
            checked: 0,
            body: String::new(),
            plan: String::new(),
            subtasks: String::new(),
            progress: String::new(),
            error_json: None,
            target_report: String::new(),
            create_date: now,
            start_date: None,
            finish_date: None,
            generation: 1,
        },
        rules,
        body: Body {
            created: body.clone(),
            ..Body::default()
        },
        plan,
        subtasks: Vec::new(),
        figures: UpdateTaskSpeedReq::default(),
        target_report: None,
    }
}
