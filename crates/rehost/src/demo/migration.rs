//! The migration of the demo, driven through the public API alone, with a source that changes.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rehost_sms_api::bodies::UpdateTaskStatusReq;
use rehost_sms_api::rehost::MigrationReport;

use super::Source;
use super::roles::{Roles, SOURCE, TARGET};
use crate::commands::tasks::{Outcome, TaskOrder, Until, Watcher, create_task};
use crate::operator::Interrupt;
use crate::output;

/// How often the source changes before cut-over.
const CHANGES: u32 = 3;
/// Pages of the database file that each change rewrites.
const PAGES: u32 = 64;
const PAUSE: Duration = Duration::from_millis(250);
/// How long a sync round may take.
const ROUND_DEADLINE: Duration = Duration::from_secs(120);
/// How long everything may take.
const DEADLINE: Duration = Duration::from_secs(1800);

/// Creates the task, copies, changes the source between rounds, cuts over, and gives the report.
///
/// # Errors
/// If the task fails, a role ends, time runs out, or somebody asked for the end.
pub(super) fn run(
    roles: &mut Roles,
    source: &Source,
    scratch: &Path,
    interrupt: &Interrupt,
) -> Result<MigrationReport> {
    let order = TaskOrder {
        source: SOURCE.into(),
        target: TARGET.into(),
        syncing: true,
        start: true,
        disks: vec![
            place(source.system.path(), "raw"),
            place(source.data.path(), "qcow2"),
        ],
        ..TaskOrder::default()
    };
    let task_id = create_task(&roles.client, &order)?
        .id
        .context("id of the task")?;

    let mut watcher = Watcher::new();
    follow(roles, &task_id, Until::Syncing, &mut watcher, interrupt)?;
    watcher.remark(&full_copy(
        &roles
            .client
            .get_report(&task_id)
            .context("fetch the report")?,
    ));
    for number in 1..=CHANGES {
        let written_bytes =
            source.system.add_file(scratch, number)? + source.data.rewrite_pages(PAGES)?;
        watcher.remark(&format!(
            "change {number}: {} written",
            output::size(written_bytes)
        ));
        wait_for_round(roles, &task_id, &mut watcher, interrupt)?;
    }
    // After the last of these rounds, so that the final round has something to do.
    source.system.add_file(scratch, CHANGES + 1)?;
    let cutover = UpdateTaskStatusReq {
        operation: Some("cutover".into()),
        ..UpdateTaskStatusReq::default()
    };
    roles
        .client
        .update_task_status(&task_id, &cutover)
        .context("cut over")?;
    follow(roles, &task_id, Until::Finished, &mut watcher, interrupt)?;
    roles
        .client
        .get_report(&task_id)
        .context("fetch the report")
}

/// What the full copy cost. It runs over all volumes at once, so its time is that of the slowest.
fn full_copy(report: &MigrationReport) -> String {
    let used_bytes: u64 = report.volumes.iter().map(|volume| volume.used_bytes).sum();
    let seconds = report
        .volumes
        .iter()
        .map(|volume| volume.full_copy_seconds)
        .fold(0.0, f64::max);
    let megabytes = u32::try_from(used_bytes / 1_000_000).unwrap_or(u32::MAX);
    format!(
        "the full copy of {} took {seconds:.1} s, {:.0} MB/s; the source goes on changing",
        output::size(used_bytes),
        f64::from(megabytes) / seconds.max(f64::EPSILON)
    )
}

fn place(disk: &Path, form: &str) -> String {
    let name = disk
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    format!("{name}={form}")
}

fn follow(
    roles: &mut Roles,
    task_id: &str,
    until: Until,
    watcher: &mut Watcher,
    interrupt: &Interrupt,
) -> Result<()> {
    let end = Instant::now() + DEADLINE;
    loop {
        let task = roles.client.show_task(task_id).context("show task")?;
        watcher.show(&task);
        match Outcome::of(&task, until) {
            Outcome::Reached => return Ok(()),
            Outcome::Failed(why) => bail!("the migration failed: {why}"),
            Outcome::Pending => {}
        }
        roles.check()?;
        ensure!(
            Instant::now() < end,
            "the migration takes too long: see the logs"
        );
        ensure!(!interrupt.during(PAUSE), "interrupted");
    }
}

/// Waits until a sync round that began after now is through: the one at hand may have passed the
/// place of a change already.
fn wait_for_round(
    roles: &mut Roles,
    task_id: &str,
    watcher: &mut Watcher,
    interrupt: &Interrupt,
) -> Result<()> {
    let wanted = finished_rounds(roles, task_id)? + 2;
    let end = Instant::now() + ROUND_DEADLINE;
    while finished_rounds(roles, task_id)? < wanted {
        watcher.show(&roles.client.show_task(task_id).context("show task")?);
        roles.check()?;
        ensure!(
            Instant::now() < end,
            "no sync round within {} s",
            ROUND_DEADLINE.as_secs()
        );
        ensure!(!interrupt.during(PAUSE), "interrupted");
    }
    Ok(())
}

/// Rounds that the slowest volume is through.
fn finished_rounds(roles: &Roles, task_id: &str) -> Result<u32> {
    let report = roles
        .client
        .get_report(task_id)
        .context("fetch the report")?;
    let rounds = report.volumes.iter().map(|volume| volume.rounds);
    Ok(rounds.min().unwrap_or_default())
}
