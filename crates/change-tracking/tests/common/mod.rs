//! Disks to track: an image behind a loop device, what it was before, and what differs now.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test binary uses a part of it"
)]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rehost_change_tracking::{Audit, GRAIN_BYTES, Marks, State, Tracker, VoidReason};
use rehost_testkit::{LoopDevice, Mount, needs_root, run_tool};
use tempfile::TempDir;

/// How long a disk that nobody uses may take to come to rest.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A disk, and a directory where its marks are pinned.
#[derive(Debug)]
pub(crate) struct Site {
    device: Option<LoopDevice>,
    directory: TempDir,
}

impl Site {
    /// A disk of zeros.
    pub(crate) fn new(size_bytes: u64) -> Result<Self> {
        needs_root()?;
        let directory = tempfile::Builder::new()
            .prefix("rehost-tracking-")
            .tempdir()?;
        let image = directory.path().join("image");
        File::create(&image)?.set_len(size_bytes)?;
        let mut site = Self {
            device: None,
            directory,
        };
        site.attach()?;
        Ok(site)
    }

    pub(crate) fn attach(&mut self) -> Result<()> {
        self.device = Some(LoopDevice::attach(&self.image())?);
        Ok(())
    }

    pub(crate) fn detach(&mut self) {
        self.device = None;
    }

    pub(crate) fn device(&self) -> &Path {
        self.device
            .as_ref()
            .map_or_else(|| Path::new("/nowhere"), LoopDevice::path)
    }

    pub(crate) fn image(&self) -> PathBuf {
        self.directory.path().join("image")
    }

    /// Where marks are pinned: outside of any bpf file system, so that one has to be mounted.
    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("pins")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes a file system on a device and mounts it.
    pub(crate) fn mount(&self, make: &str, device: &Path, name: &str) -> Result<Mount> {
        let quiet = if make == "mkfs.xfs" { "-f" } else { "-F" };
        run_tool(make, [Path::new("-q"), Path::new(quiet), device])?;
        let directory = self.path(name);
        std::fs::create_dir_all(&directory)?;
        Mount::new(device, &directory)
    }

    /// Remembers what the disk is now.
    pub(crate) fn remember(&self) -> Result<PathBuf> {
        let before = self.path("before");
        sync(self.device())?;
        let image = self.image();
        run_tool("cp", [Path::new("--sparse=always"), &image, &before])?;
        Ok(before)
    }

    /// The grains in which the disk differs from what it was.
    pub(crate) fn differing(&self, before: &Path) -> Result<BTreeSet<u64>> {
        let (now, before) = (File::open(self.image())?, File::open(before)?);
        let size_bytes = now.metadata()?.len();
        let grain_bytes = usize::try_from(GRAIN_BYTES)?;
        let (mut one, mut two) = (vec![0; grain_bytes], vec![0; grain_bytes]);
        let mut differing = BTreeSet::new();
        for grain in 0..size_bytes.div_ceil(GRAIN_BYTES) {
            let offset = grain * GRAIN_BYTES;
            let length = usize::try_from((size_bytes - offset).min(GRAIN_BYTES))?;
            now.read_exact_at(&mut one[..length], offset)?;
            before.read_exact_at(&mut two[..length], offset)?;
            if one[..length] != two[..length] {
                differing.insert(grain);
            }
        }
        Ok(differing)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = run_tool("umount", [Path::new("--lazy"), &self.root()]);
    }
}

/// Parts of a disk as devices of their own, without a kernel that reads partition tables.
#[derive(Debug)]
pub(crate) struct Partitions {
    disk: PathBuf,
}

impl Partitions {
    /// Two partitions of about the same size.
    pub(crate) fn two(disk: &Path) -> Result<Self> {
        let half_sectors = run_tool("blockdev", [Path::new("--getsz"), disk])?
            .trim()
            .parse::<u64>()?
            / 2;
        let script = format!(
            "label: gpt\n2048,{}\n{half_sectors},+\n",
            half_sectors - 2048
        );
        let table = tempfile::NamedTempFile::new()?;
        std::fs::write(table.path(), script)?;
        let command = format!(
            "sfdisk --quiet --no-reread --no-tell-kernel {} < {}",
            disk.display(),
            table.path().display()
        );
        run_tool("sh", ["-c", &command])?;
        run_tool("partx", [Path::new("--add"), disk])?;
        Ok(Self { disk: disk.into() })
    }

    pub(crate) fn path(&self, number: u32) -> PathBuf {
        format!("{}p{number}", self.disk.display()).into()
    }
}

impl Drop for Partitions {
    fn drop(&mut self) {
        let _ = run_tool("partx", [Path::new("--delete"), &self.disk]);
    }
}

/// What the marks said of what happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) differing: usize,
    pub(crate) marked: u64,
    /// Marked, and yet the same as before.
    pub(crate) over_marked: u64,
    pub(crate) void: Option<VoidReason>,
}

/// Holds the marks against the disk: what differs must be marked, unless the tracker has found
/// itself that it is void.
pub(crate) fn judge(
    site: &Site,
    tracker: &Tracker,
    before: &Path,
    lent: &[u64],
) -> Result<Outcome> {
    sync(site.device())?;
    let audit = tracker.audit(PATIENCE)?;
    let marks = tracker.read_marks();
    let differing = site.differing(before)?;
    let requests = tracker.figures().write_requests + tracker.figures().discard_requests;
    let mut outcome = Outcome {
        requests,
        differing: differing.len(),
        ..Outcome::default()
    };
    if let State::Void { reason } = tracker.state() {
        ensure!(
            marks == Marks::everything(tracker.disk().size_bytes),
            "void marks are everything"
        );
        outcome.void = Some(reason);
        return Ok(outcome);
    }
    ensure!(audit == Audit::Consistent, "a disk at rest: {audit:?}");
    let marked = |grain: u64| {
        let lent = lent
            .get(usize::try_from(grain / 64).unwrap_or(usize::MAX))
            .is_some_and(|word| word >> (grain % 64) & 1 == 1);
        lent || marks.either().contains(grain)
    };
    let grains = tracker.disk().size_bytes.div_ceil(GRAIN_BYTES);
    let all: BTreeSet<u64> = (0..grains).filter(|grain| marked(*grain)).collect();
    let missed: Vec<_> = differing.difference(&all).collect();
    ensure!(missed.is_empty(), "differ and are not marked: {missed:?}");
    outcome.marked = all.len() as u64;
    outcome.over_marked = all.difference(&differing).count() as u64;
    Ok(outcome)
}

/// Runs a scenario on fresh disks until one passes without the tracker giving itself up. Kernels
/// are about that skip a completion now and then; the audit must find each, and does not excuse
/// a tracker that never works.
pub(crate) fn until_not_void(name: &str, scenario: impl Fn() -> Result<Outcome>) -> Result<()> {
    let mut outcomes = Vec::new();
    for _ in 0..6 {
        let outcome = scenario().context(name.to_owned())?;
        say(&format!("{name}: {outcome:?}"));
        if outcome.void.is_none() {
            ensure!(outcome.differing > 0, "{name} has changed nothing");
            return Ok(());
        }
        outcomes.push(outcome);
    }
    anyhow::bail!("{name}: the marks became void every time: {outcomes:?}")
}

/// For whoever runs the test with its output shown.
pub(crate) fn say(line: &str) {
    // Nobody needs it.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Random writes into a file or a device.
pub(crate) fn fio(target: &Path, options: &[&str]) -> Result<()> {
    let filename = format!("--filename={}", target.display());
    let common = [
        "--name=writes",
        "--output-format=terse",
        "--refill_buffers",
        &filename,
    ];
    run_tool("fio", common.into_iter().chain(options.iter().copied()))?;
    Ok(())
}

/// Brings everything that is in memory to the disk.
pub(crate) fn sync(device: &Path) -> Result<()> {
    run_tool("sync", [] as [&str; 0])?;
    run_tool("blockdev", [Path::new("--flushbufs"), device])?;
    Ok(())
}
