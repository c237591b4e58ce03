//! Starting what a target has received: how, when, and what came of it.
//!
//! The rules say whether something is to be started. An order is made when they say so first, and is
//! listed among the assignments of the target for as long as they say so: a receiver that comes back
//! from the dead finds what it has to do, and what it has to end.

use rehost_migration::task::{Errand, Event, TargetEvent, Task as Rules, WantedBoot};
use rehost_sms_api::errors::ErrorCode;
use rehost_sms_api::rehost::{
    Addressing, Boot, BootCard, BootFirmware, BootList, BootOrder, BootPurpose, BootReport,
    BootSettings, OrderedBoot,
};
use rehost_store::{BootRow, SourceRow, Write};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::record::Task;
use super::{Scene, load};
use crate::app::stored::{from_json, to_json};
use crate::app::{App, retry, sources};
use crate::clock::now_ms;
use crate::errors::{ApiError, refuse};
use crate::identity::Caller;
use crate::secret;

/// How many boots of a task are remembered.
const MOST_BOOTS: i64 = 50;

/// What is to be started, as it is kept with the task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ordered {
    /// Names the boot.
    pub(crate) id: String,
    /// What it is for.
    pub(crate) purpose: BootPurpose,
}

/// What follows for the order when the rules changed from what they `were`.
pub(super) fn follow(task: &mut Task, was: Rules) {
    let errand = task.rules.aside.errand;
    let purpose = match errand {
        Some(Errand::Clone) => Some(BootPurpose::Rehearsal),
        Some(Errand::Launch) => Some(BootPurpose::Cutover),
        _ => None,
    };
    if let Some(purpose) = purpose.filter(|_| task.rules.boots) {
        if errand != was.aside.errand || task.body.boot.is_none() {
            let id = secret::new_id();
            task.body.boot = Some(Ordered { id, purpose });
        }
    } else if task.rules.wanted_boot() == WantedBoot::None {
        task.body.boot = None;
    }
}

/// The point that the agent shall have the target keep.
pub(crate) fn wanted_point(task: &Task) -> Option<String> {
    let ordered = task.body.boot.as_ref()?;
    (task.rules.aside.errand == Some(Errand::Clone)).then(|| ordered.id.clone())
}

/// What the target shall start and keep running now.
pub(crate) async fn order(app: &App, task: &Task) -> Result<Option<BootOrder>, ApiError> {
    let wanted = task.rules.wanted_boot();
    let Some(ordered) = task
        .body
        .boot
        .as_ref()
        .filter(|_| wanted != WantedBoot::None)
    else {
        return Ok(None);
    };
    let source = app.store.source(&task.row.source_id).await?;
    let source = source.ok_or(ErrorCode::SourceUnknown)?;
    let inventory = sources::inventory(&source)?;
    let is_uefi = inventory
        .firmware
        .as_deref()
        .is_some_and(|word| word.eq_ignore_ascii_case("uefi"));
    let settings = task.body.boot_settings.clone();
    let cards = inventory.networks.unwrap_or_default();
    let cards = cards.into_iter().filter_map(|card| {
        let source_name = card.name?;
        let asked = settings
            .addressing
            .iter()
            .find(|asked| asked.source_name == source_name);
        Some(BootCard {
            addressing: asked.map_or(Addressing::Keep, |asked| asked.addressing.clone()),
            source_mac: card.mac.unwrap_or_default(),
            source_name,
        })
    });
    Ok(Some(BootOrder {
        boot_id: ordered.id.clone(),
        purpose: ordered.purpose,
        firmware: if is_uefi {
            BootFirmware::Uefi
        } else {
            BootFirmware::Bios
        },
        host_name: inventory.hostname.unwrap_or_else(|| source.name.clone()),
        cards: cards.collect(),
        settings,
    }))
}

/// How rehearsals and cut-overs start the target.
pub(crate) async fn settings(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<BootSettings, ApiError> {
    Ok(load(app, caller, id).await?.body.boot_settings)
}

/// Says how rehearsals and cut-overs start the target, from the next one on.
pub(crate) async fn set_settings(
    app: &App,
    caller: &Caller,
    id: &str,
    settings: &BootSettings,
) -> Result<(), ApiError> {
    retry!({
        let mut task = load(app, caller, id).await?;
        task.body.boot_settings = settings.clone();
        Ok(app
            .store
            .write(&[Write::UpdateTask(&task.close()?)])
            .await?)
    })
}

/// Has a copy of the target started while synchronisation goes on.
pub(crate) async fn rehearse(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<OrderedBoot, ApiError> {
    retry!({
        let task = load(app, caller, id).await?;
        if !task.rules.boots {
            return Err(ErrorCode::NothingBoots.into());
        }
        let source = source_of(app, &task).await?;
        let before = source.clone();
        let mut scene = Scene::open(app, source, now_ms()).await?;
        let action = rehost_migration::task::Action::CloneTest { template: true };
        scene.happens(Event::Operator(action))?;
        scene.commit(app, &before).await?;
        let ordered = scene.task.and_then(|task| task.body.boot);
        let ordered = ordered.ok_or(ErrorCode::NothingBoots)?;
        Ok(OrderedBoot {
            boot_id: ordered.id,
        })
    })
}

/// Takes what came of a boot. What was told before, or of a boot that nobody wants any more, changes
/// nothing but the history.
pub(crate) async fn report(
    app: &App,
    caller: &Caller,
    (task_id, boot_id): (&str, &str),
    report: &BootReport,
) -> Result<(), ApiError> {
    let target_id = caller.target()?;
    let row = app.store.task(task_id).await?;
    let row = row.filter(|row| row.target_id.as_deref() == Some(target_id));
    row.ok_or(ErrorCode::TaskNotOfTarget)?;
    check(report)?;
    let kept = BootRow {
        boot_id: boot_id.to_owned(),
        report: to_json(report)?,
    };
    let summary = to_json(&BootReport {
        fixups: Value::Null,
        console: String::new(),
        screenshot_png: String::new(),
        ..report.clone()
    })?;
    app.store
        .insert_boot(task_id, &kept, &summary, report.ended_at, MOST_BOOTS)
        .await?;
    tracing::info!(
        task_id,
        boot_id,
        bootable = report.bootable,
        reason = report.reason,
        "the target reported on a boot"
    );
    retry!({
        let row = app
            .store
            .task(task_id)
            .await?
            .ok_or(ErrorCode::TaskUnknown)?;
        let task = Task::open(row)?;
        if task
            .body
            .boot
            .as_ref()
            .is_none_or(|ordered| ordered.id != boot_id)
        {
            return Ok(());
        }
        let source = source_of(app, &task).await?;
        let before = source.clone();
        let mut scene = Scene::open(app, source, now_ms()).await?;
        let event = if report.bootable {
            TargetEvent::Booted
        } else {
            scene.fails_with(Some(&json!({
                "error_code": "SMS.1801",
                "error_msg": format!("The target does not start: {}", report.reason),
            })));
            TargetEvent::NotBooted
        };
        scene.happens(Event::Target(event))?;
        scene.commit(app, &before).await
    })
}

/// What the schema cannot say.
fn check(report: &BootReport) -> Result<(), ApiError> {
    let seconds = [report.boot_seconds, report.fixup_seconds];
    let is_odd = seconds
        .iter()
        .any(|seconds| !seconds.is_finite() || *seconds < 0.0);
    if is_odd || report.ended_at < report.started_at {
        return Err(refuse(
            ErrorCode::Parameters,
            "Times of a boot do not fit each other.",
        ));
    }
    Ok(())
}

async fn source_of(app: &App, task: &Task) -> Result<SourceRow, ApiError> {
    let source = app.store.source(&task.row.source_id).await?;
    source.ok_or_else(|| ErrorCode::SourceUnknown.into())
}

/// The boots of a task that ended, and the one that has not.
pub(crate) async fn list(app: &App, caller: &Caller, id: &str) -> Result<BootList, ApiError> {
    let task = load(app, caller, id).await?;
    let boots = app.store.boots(id).await?.into_iter().map(opened);
    let boots = boots.collect::<Result<Vec<_>, _>>()?;
    Ok(BootList {
        current_boot_id: task.body.boot.map(|ordered| ordered.id),
        count: boots.len(),
        boots,
    })
}

/// One that ended, with everything.
pub(crate) async fn show(
    app: &App,
    caller: &Caller,
    (task_id, boot_id): (&str, &str),
) -> Result<Boot, ApiError> {
    load(app, caller, task_id).await?;
    let row = app.store.boot(task_id, boot_id).await?;
    opened(row.ok_or(ErrorCode::BootUnknown)?)
}

fn opened(row: BootRow) -> Result<Boot, ApiError> {
    Ok(Boot {
        report: from_json(&row.report, "boot")?,
        boot_id: row.boot_id,
    })
}
