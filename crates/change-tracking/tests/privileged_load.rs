//! The promise, under load: a copy that is brought up to date by loans alone, while fio changes the
//! disk in every way it knows, is equal to the disk in the end, or the tracker says that it is
//! void. Needs root, BPF and loop devices.
//!
//! Two disks, unless `REHOST_TRACKING_SECONDS` asks for new ones until so much time has gone by:
//! `REHOST_TRACKING_SECONDS=1800 cargo nextest run -p rehost-change-tracking --no-capture privileged_load`.

mod common;

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use common::{PATIENCE, Partitions, Site, say, sync};
use rehost_change_tracking::{Audit, GRAIN_BYTES, State, Tracker};
use rehost_testkit::run_tool;

const DISK_BYTES: u64 = 768 << 20;
/// File systems, and whether they lie in partitions of the disk.
const KINDS: [(&str, bool); 4] = [
    ("mkfs.ext4", false),
    ("mkfs.xfs", true),
    ("mkfs.ext4", true),
    ("mkfs.xfs", false),
];
/// One of each file system, one of each place.
const FEWEST_DISKS: u64 = 2;
/// How long fio runs on one disk.
const ROUND_SECONDS: u64 = 6;
const BETWEEN_LOANS: Duration = Duration::from_millis(20);
/// Memory and files that are read past the page cache are aligned to this.
const ALIGNMENT: usize = 4096;

/// What is added up over all disks.
#[derive(Debug, Default)]
struct Totals {
    disks: u64,
    requests: u64,
    written_bytes: u64,
    discarded_bytes: u64,
    loans: u64,
    marked_grains: u64,
    /// Marked, read, and found to be what the copy had already.
    unchanged_grains: u64,
    /// Those that were marked as written, and not only as discarded.
    written_grains: u64,
    unchanged_written_grains: u64,
    void: u64,
    /// Sectors whose completion was missed, as the audits say.
    missed_sectors: u64,
    /// Grains that were wrong in copies whose tracker said that it was void.
    explained_differences: usize,
    /// The same where the tracker said nothing.
    unexplained_differences: usize,
}

#[test]
fn privileged_load_leaves_no_unexplained_difference() -> Result<()> {
    let seconds = match std::env::var("REHOST_TRACKING_SECONDS") {
        Ok(text) => text.parse().context("REHOST_TRACKING_SECONDS")?,
        Err(_) => 0,
    };
    let begin = Instant::now();
    let mut totals = Totals::default();
    for (make, in_partitions) in KINDS.into_iter().cycle() {
        if totals.disks >= FEWEST_DISKS && begin.elapsed() >= Duration::from_secs(seconds) {
            break;
        }
        one_disk(make, in_partitions, &mut totals)?;
        say(&format!("{make}, partitions {in_partitions}: {totals:?}"));
    }
    ensure!(totals.requests > 1000, "nothing was done: {totals:?}");
    ensure!(totals.unexplained_differences == 0, "{totals:?}");
    Ok(())
}

fn one_disk(make: &str, in_partitions: bool, totals: &mut Totals) -> Result<()> {
    let site = Site::new(DISK_BYTES)?;
    let partitions = in_partitions
        .then(|| Partitions::two(site.device()))
        .transpose()?;
    let (device, raw) = partitions.as_ref().map_or_else(
        || (site.device().to_path_buf(), None),
        |both| (both.path(1), Some(both.path(2))),
    );
    let mount = site.mount(make, &device, "mounted")?;
    let tracker = Tracker::start_or_resume(&site.root(), site.device())?;
    let mut copy = Copy::whole(&site)?;

    let mut load = Command::new("fio")
        .args(jobs(mount.path(), raw.as_deref()))
        .stdout(Stdio::null())
        .spawn()?;
    let mut trims = 0;
    while load.try_wait()?.is_none() {
        copy.bring_up_to_date(&tracker, totals)?;
        // So that the writers get the processor, too.
        std::thread::sleep(BETWEEN_LOANS);
        if trims < 4 {
            run_tool("fstrim", [mount.path()])?;
            trims += 1;
        }
    }
    ensure!(load.wait()?.success(), "fio has failed");
    drop(mount);
    sync(site.device())?;
    copy.bring_up_to_date(&tracker, totals)?;

    let audit = tracker.audit(PATIENCE)?;
    let differences = site.differing(&copy.path)?.len();
    match (audit, tracker.state()) {
        (Audit::Consistent, State::Tracking) => totals.unexplained_differences += differences,
        (_, State::Void { reason }) => {
            say(&format!(
                "void, {reason}: {audit:?}, {differences} grains differ"
            ));
            totals.void += 1;
            totals.explained_differences += differences;
        }
        other => anyhow::bail!("a disk at rest: {other:?}"),
    }
    if let Audit::Gap { disk, seen } = audit {
        totals.missed_sectors += disk.written - seen.written + disk.discarded - seen.discarded;
    }
    let figures = tracker.figures();
    totals.disks += 1;
    totals.requests += figures.write_requests + figures.discard_requests;
    totals.written_bytes += figures.written_bytes;
    totals.discarded_bytes += figures.discarded_bytes;
    tracker.stop()?;
    Ok(())
}

/// Several writers at once; the raw partition is written and trimmed directly.
fn jobs(directory: &Path, raw: Option<&Path>) -> Vec<String> {
    let directory = format!("--directory={}", directory.display());
    let mut jobs = vec![format!("--runtime={ROUND_SECONDS}")];
    jobs.extend(
        [
            "--time_based",
            "--refill_buffers",
            "--size=24M",
            "--output-format=terse",
        ]
        .map(String::from),
    );
    let mut job = |name: &str, target: &str, options: &[&str]| {
        jobs.extend([format!("--name={name}"), target.to_owned()]);
        jobs.extend(options.iter().map(|&option| option.to_owned()));
    };
    job(
        "buffered",
        &directory,
        &[
            "--rw=randwrite",
            "--bsrange=1k-256k",
            "--fdatasync=50",
            "--rate_iops=600",
        ],
    );
    job(
        "appending",
        &directory,
        &[
            "--rw=write",
            "--bs=16k",
            "--fallocate=none",
            "--fsync=64",
            "--rate_iops=400",
            "--unlink=1",
        ],
    );
    job(
        "direct",
        &directory,
        &[
            "--rw=randwrite",
            "--bsrange=4k-64k",
            "--ioengine=libaio",
            "--iodepth=16",
            "--direct=1",
            "--rate_iops=1500",
        ],
    );
    job(
        "mapped",
        &directory,
        &[
            "--rw=randwrite",
            "--bs=4k",
            "--ioengine=mmap",
            "--rate_iops=800",
        ],
    );
    job(
        "trimmed",
        &directory,
        &[
            "--rw=randwrite",
            "--bs=64k",
            "--fallocate=posix",
            "--direct=1",
            "--rate_iops=200",
        ],
    );
    if let Some(raw) = raw {
        let target = format!("--filename={}", raw.display());
        job(
            "raw",
            &target,
            &[
                "--rw=trimwrite",
                "--bs=64k",
                "--size=128M",
                "--direct=1",
                "--rate_iops=400",
            ],
        );
    }
    jobs
}

/// A copy of the disk, made as a replication makes it.
struct Copy {
    path: PathBuf,
    file: File,
    /// The disk, past the page cache.
    disk: File,
    memory: Vec<u8>,
}

impl Copy {
    /// All of the disk, while others change it.
    fn whole(site: &Site) -> Result<Self> {
        let path = site.path("copy");
        let file = File::create_new(&path)?;
        file.set_len(DISK_BYTES)?;
        let mut copy = Self {
            file: OpenOptions::new().read(true).write(true).open(&path)?,
            path,
            disk: OpenOptions::new()
                .read(true)
                .custom_flags(rustix::fs::OFlags::DIRECT.bits().cast_signed())
                .open(site.device())?,
            memory: vec![0; usize::try_from(GRAIN_BYTES)? + ALIGNMENT],
        };
        for grain in 0..DISK_BYTES / GRAIN_BYTES {
            copy.take(grain)?;
        }
        Ok(copy)
    }

    /// One loan, in the order that the loan asks for.
    fn bring_up_to_date(&mut self, tracker: &Tracker, totals: &mut Totals) -> Result<()> {
        let marks = tracker.read_marks();
        tracker.clear(&marks);
        totals.loans += 1;
        for range in marks.either().ranges() {
            for grain in range.start / GRAIN_BYTES..range.end.div_ceil(GRAIN_BYTES) {
                let written = u64::from(marks.written.contains(grain));
                totals.marked_grains += 1;
                totals.written_grains += written;
                if !self.take(grain)? {
                    totals.unchanged_grains += 1;
                    totals.unchanged_written_grains += written;
                }
            }
        }
        Ok(())
    }

    /// Copies one grain. Returns whether it was another than before.
    fn take(&mut self, grain: u64) -> Result<bool> {
        let start = self.memory.as_ptr().align_offset(ALIGNMENT);
        let length = usize::try_from(GRAIN_BYTES)?;
        let now = &mut self.memory[start..start + length];
        self.disk.read_exact_at(now, grain * GRAIN_BYTES)?;
        let mut before = vec![0; length];
        self.file.read_exact_at(&mut before, grain * GRAIN_BYTES)?;
        let changed = *now != before[..];
        if changed {
            self.file.write_all_at(now, grain * GRAIN_BYTES)?;
        }
        Ok(changed)
    }
}
