//! Bringing a copy up to date: a sync round by marks of changed blocks, one that compares hashes,
//! and rsync, each with a copy of its own of the same disk.
//!
//! The disk is a mounted ext4 file system on a loop device, because requests to devices are what is
//! tracked. Agents do not run while it changes, so that all changes fall into one round; the kernel
//! goes on marking meanwhile. Started again, an agent begins with a sync round.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rehost_change_tracking::{DEFAULT_ROOT, remove_all};
use rehost_sms_api::client::Client;
use rehost_sms_api::rehost::MigrationReport;
use rehost_testkit::{Agent, LoopDevice, Mount, SHORT, Site, until};
use serde::Serialize;

use crate::cost::{Cost, Side};
use crate::peers::{Ground, quiet, rsync_changes, rsync_of_changes};
use crate::{cpu, rehost, source_disk};

/// How long a full copy or a round may take.
const DEADLINE: Duration = Duration::from_secs(3600);

/// Rounds before measuring: the full copy, a sync round, and one that shows that the check of the
/// marks between them is through.
const FIRST_ROUNDS: u32 = 3;

/// What says in an agent's log that the kernel marks changes.
const TRACKED: &str = "changes of the disk are tracked";

/// What is measured.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// The size at which rsync takes part.
    pub(super) disk_gib: u64,
    /// Further sizes, with as much in use and as much changed.
    pub(super) other_disks_gib: Vec<u64>,
    pub(super) used_gib: f64,
    pub(super) changed_percent: f64,
    pub(super) runs: usize,
}

/// All figures of second rounds.
#[derive(Debug, Serialize)]
pub(super) struct Changed {
    /// What changed before each turn.
    pub(super) changed_bytes: u64,
    /// The size at which rsync took part first.
    pub(super) sizes: Vec<Size>,
}

/// Figures of one size of disk.
#[derive(Debug, Serialize)]
pub(super) struct Size {
    pub(super) disk_gib: u64,
    /// Whether the kernel did mark changes; if not, the first side compared as the second did.
    pub(super) is_tracked: bool,
    /// By marks, by comparison, and rsync if it took part.
    pub(super) sides: Vec<Side>,
}

/// Measures all sizes.
pub(super) fn measure(scratch: &Path, ground: &Ground, plan: &Plan) -> Result<Changed> {
    let changed_bytes = source_disk::bytes_of_gib(plan.used_gib * plan.changed_percent / 100.0);
    let mut sizes = vec![measure_size(
        scratch,
        ground,
        plan,
        plan.disk_gib,
        changed_bytes,
    )?];
    for &disk_gib in &plan.other_disks_gib {
        sizes.push(measure_size(
            scratch,
            ground,
            plan,
            disk_gib,
            changed_bytes,
        )?);
    }
    Ok(Changed {
        changed_bytes,
        sizes,
    })
}

#[expect(clippy::print_stderr, reason = "it is used from a terminal")]
fn measure_size(
    scratch: &Path,
    ground: &Ground,
    plan: &Plan,
    disk_gib: u64,
    changed_bytes: u64,
) -> Result<Size> {
    let with_rsync = disk_gib == plan.disk_gib;
    let runs = plan.runs;
    eprintln!(
        "making a disk of {disk_gib} GiB with {} GiB in use",
        plan.used_gib
    );
    let disk = Disk::make(scratch, disk_gib, plan.used_gib)?;
    let site = Site::start()?;
    let client = rehost::client(&site)?;
    eprintln!("first copies of it");
    let mut by_marks = Kept::copy(&site, &client, &disk, "track")?;
    let mut by_comparison = Kept::copy(&site, &client, &disk, "compare")?;
    let by_rsync = scratch.join("rsynced.img");
    if with_rsync {
        let mut copy = Command::new("cp");
        quiet(copy.arg("--sparse=always").arg(&disk.image).arg(&by_rsync))?;
    }
    let mut turns = [Vec::new(), Vec::new(), Vec::new()];
    // The first time around only warms up memory and caches.
    for number in 0..=runs {
        source_disk::change(disk.mount.path(), changed_bytes, number as u64)?;
        eprintln!("{disk_gib} GiB, changes {number} of {runs}: by marks");
        let mut costs = vec![by_marks.round(&site, &client)?];
        eprintln!("{disk_gib} GiB, changes {number} of {runs}: by comparison");
        costs.push(by_comparison.round(&site, &client)?);
        if with_rsync {
            eprintln!("{disk_gib} GiB, changes {number} of {runs}: rsync");
            costs.push(Some(rsync_changes(ground, &disk.image, &by_rsync)?));
        }
        if number > 0 {
            for (turns, cost) in turns.iter_mut().zip(costs) {
                if cost.is_none() {
                    eprintln!("a round was missed; it is left out");
                }
                turns.extend(cost);
            }
        }
    }
    if with_rsync {
        std::fs::remove_file(&by_rsync)?;
    }
    let is_tracked = by_marks.agent.role.log()?.contains(TRACKED);
    if !is_tracked {
        eprintln!("changes were not tracked here: all rounds compared everything");
    }
    let [marks, comparison, rsync] = turns;
    let mut sides = vec![
        Side::new(rehost::side("round by marks"), marks, plan.used_gib),
        Side::new(
            rehost::side("round by comparison"),
            comparison,
            plan.used_gib,
        ),
    ];
    if with_rsync {
        sides.push(Side::new(rsync_of_changes()?, rsync, plan.used_gib));
    }
    Ok(Size {
        disk_gib,
        is_tracked,
        sides,
    })
}

/// A device with a mounted file system; nothing of it is left when it is dropped.
#[derive(Debug)]
struct Disk {
    // Dropped in this order.
    mount: Mount,
    device: LoopDevice,
    image: PathBuf,
    _folders: [tempfile::TempDir; 2],
}

impl Disk {
    fn make(scratch: &Path, disk_gib: u64, used_gib: f64) -> Result<Self> {
        let folder = || tempfile::tempdir_in(scratch).context("make a folder");
        let folders = [folder()?, folder()?];
        let image = folders[0].path().join("changing.img");
        source_disk::make(&image, disk_gib, used_gib)?;
        let device = LoopDevice::attach(&image)?;
        Ok(Self {
            mount: Mount::new(device.path(), folders[1].path())?,
            device,
            image,
            _folders: folders,
        })
    }
}

/// A copy that an agent keeps up to date; the agent runs only while it is measured.
#[derive(Debug)]
struct Kept {
    agent: Agent,
    task: String,
}

impl Kept {
    /// Makes the first copy, and waits until rounds have nothing special to do any more.
    fn copy(site: &Site, client: &Client, disk: &Disk, changes: &str) -> Result<Self> {
        let options = ["--changes", changes];
        let agent = site.agent_with(changes, &[disk.device.path()], &options)?;
        let task = site.create_task(&agent, &["--format", "raw", "--syncing"])?;
        site.act(&task, "start")?;
        let mut kept = Self { agent, task };
        kept.wait_for_round(client, FIRST_ROUNDS)?;
        kept.agent.role.stop(SHORT)?;
        Ok(kept)
    }

    /// One sync round of an agent that was not running. Seconds are those of the round, as the agent
    /// reports them; wall seconds count from the start of the program until the report.
    /// Nothing if a second round was over before the first was seen: then nothing is known of either.
    fn round(&mut self, site: &Site, client: &Client) -> Result<Option<Cost>> {
        let before = client.get_report(&self.task)?;
        let receiver = site.receiver.pid();
        let receiver_cpu = cpu::of_process(receiver)?;
        let begun = Instant::now();
        self.agent.restart()?;
        let report = self.wait_for_round(client, rounds(&before) + 1)?;
        let wall_seconds = begun.elapsed().as_secs_f64();
        let pid = self.agent.role.pid();
        let cost = Cost {
            seconds: total_seconds(&report) - total_seconds(&before),
            wall_seconds: Some(wall_seconds),
            source_cpu_seconds: cpu::of_process(pid)?,
            target_cpu_seconds: cpu::of_process(receiver)? - receiver_cpu,
            source_memory_bytes: cpu::peak_memory_bytes(pid)?,
            target_memory_bytes: cpu::peak_memory_bytes(receiver)?,
            wire_bytes: Some(wire_bytes(&report) - wire_bytes(&before)),
            proved_seconds: None,
        };
        self.agent.role.stop(SHORT)?;
        Ok((rounds(&report) == rounds(&before) + 1).then_some(cost))
    }

    fn wait_for_round(&self, client: &Client, wanted: u32) -> Result<MigrationReport> {
        until("a round is through", DEADLINE, || {
            // There is no report before the first round.
            let report = client.get_report(&self.task).ok();
            Ok(report.filter(|report| rounds(report) >= wanted))
        })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // An agent that has gone for good leaves the kernel marking; its folder is named as its task,
        // with signs replaced.
        let name = self.task.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        // Nothing can be done about marks that do not go away.
        let _ = remove_all(&Path::new(DEFAULT_ROOT).join(name));
    }
}

fn rounds(report: &MigrationReport) -> u32 {
    let rounds = report.volumes.iter().map(|volume| volume.rounds).min();
    rounds.unwrap_or_default()
}

fn total_seconds(report: &MigrationReport) -> f64 {
    report.volumes.iter().map(|volume| volume.seconds).sum()
}

fn wire_bytes(report: &MigrationReport) -> u64 {
    report.volumes.iter().map(|volume| volume.wire_bytes).sum()
}
