//! The promise: marks outlive the process that asked for them, belong to one disk and one boot, and
//! once they cannot be relied on nobody forgets it. Needs root, BPF and loop devices.

mod common;

use std::io::{BufRead as _, BufReader, Lines};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use common::{PATIENCE, Site, fio, judge, sync, until_not_void};
use rehost_change_tracking::{
    Audit, Beginning, DiskError, DiskId, Error, Marks, State, Tracker, VoidReason, remove_all,
};
use rehost_testkit::run_tool;

const DISK_BYTES: u64 = 64 << 20;
const WRITES: &[&str] = &[
    "--rw=randwrite",
    "--bs=4k",
    "--size=64M",
    "--io_size=1M",
    "--direct=1",
];

/// A process that borrows marks until it is killed.
struct Borrower {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Borrower {
    fn start(site: &Site) -> Result<Self> {
        let mut child = Command::new(program()?)
            .args([site.root().as_path(), site.device(), &site.path("journal")])
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("its output")?;
        Ok(Self {
            child,
            lines: BufReader::new(output).lines(),
        })
    }

    fn line(&mut self) -> Result<String> {
        self.lines.next().context("it has ended")?.context("read")
    }

    fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

/// Cargo puts examples beside the folder of the tests.
fn program() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.parent().and_then(|deps| deps.parent());
    let program = folder.context("the target folder")?.join("examples/track");
    ensure!(
        program.exists(),
        "build {}: cargo build --examples",
        program.display()
    );
    Ok(program)
}

#[test]
fn privileged_marks_outlive_a_process_that_is_killed() -> Result<()> {
    until_not_void("killed", || {
        let site = Site::new(DISK_BYTES)?;
        let before = site.remember()?;

        let mut first = Borrower::start(&site)?;
        let begun = first.line()?;
        let tracking = begun
            .strip_prefix("anew ")
            .context(begun.clone())?
            .to_owned();
        // Killed while it borrows and the disk changes.
        for _ in 0..3 {
            fio(site.device(), WRITES)?;
            ensure!(first.line()? == "lent");
        }
        first.kill()?;
        // Nobody is there.
        fio(site.device(), WRITES)?;
        let mut second = Borrower::start(&site)?;
        ensure!(second.line()? == format!("resumed {tracking}"));
        fio(site.device(), WRITES)?;
        second.kill()?;

        let tracker = Tracker::start_or_resume(&site.root(), site.device())?;
        ensure!(tracker.beginning() == Beginning::Resumed);
        ensure!(tracker.tracking().to_string() == tracking);
        let bytes = std::fs::read(site.path("journal"))?;
        // Killed while it wrote, it has not cleared what is in the last piece.
        let words = Marks::none(DISK_BYTES).written.words().len();
        let mut lent = vec![0; words];
        for record in bytes.chunks_exact(words * 8) {
            for (word, bytes) in lent.iter_mut().zip(record.chunks_exact(8)) {
                *word |= u64::from_le_bytes(bytes.try_into()?);
            }
        }
        judge(&site, &tracker, &before, &lent)
    })
}

#[test]
fn privileged_void_stays_void_until_all_begins_anew() -> Result<()> {
    let site = Site::new(DISK_BYTES)?;
    let tracker = Tracker::start_or_resume(&site.root(), site.device())?;
    let first = tracker.tracking();
    assert_eq!(tracker.state(), State::Tracking);
    assert!(tracker.read_marks().is_empty());
    tracker.void(VoidReason::LoanLost);
    tracker.void(VoidReason::UnmarkedDifference);
    drop(tracker);

    let tracker = Tracker::start_or_resume(&site.root(), site.device())?;
    assert_eq!(tracker.beginning(), Beginning::Resumed);
    let reason = VoidReason::LoanLost;
    assert_eq!(tracker.state(), State::Void { reason });
    let everything = tracker.read_marks();
    assert!(
        everything
            .written
            .ranges()
            .eq(std::iter::once(0..DISK_BYTES))
    );
    tracker.clear(&everything);
    assert_eq!(tracker.read_marks(), everything, "void cannot be cleared");
    drop(tracker);

    let tracker = Tracker::start_anew(&site.root(), site.device())?;
    assert_eq!(tracker.state(), State::Tracking);
    assert_ne!(tracker.tracking(), first);
    Ok(())
}

#[test]
fn privileged_what_was_lent_can_be_given_back() -> Result<()> {
    let site = Site::new(DISK_BYTES)?;
    let tracker = Tracker::start_or_resume(&site.root(), site.device())?;
    fio(site.device(), WRITES)?;
    let marks = tracker.read_marks();
    assert!(!marks.written.is_empty() && marks.discarded.is_empty());
    tracker.clear(&marks);
    assert!(tracker.read_marks().is_empty());
    tracker.give_back(&marks);
    assert_eq!(tracker.read_marks(), marks);
    Ok(())
}

#[test]
fn privileged_an_audit_finds_what_the_program_did_not_see() -> Result<()> {
    let site = Site::new(DISK_BYTES)?;
    let tracker = Tracker::start_or_resume(&site.root(), site.device())?;
    assert_eq!(tracker.audit(PATIENCE)?, Audit::Consistent);

    // Without its link the program is detached; the disk goes on counting.
    let pins = site.root().join(format!(
        "disk-{}-{}",
        tracker.disk().major,
        tracker.disk().minor
    ));
    let link = pins.join("link");
    let prog = program_of(&link)?;
    std::fs::remove_file(&link)?;
    until_gone(prog)?;
    fio(
        site.device(),
        &["--rw=write", "--bs=4k", "--size=4k", "--direct=1"],
    )?;
    sync(site.device())?;
    let found = tracker.audit(PATIENCE)?;
    let Audit::Gap { disk, seen } = found else {
        anyhow::bail!("one write was not seen, and the audit says {found:?}");
    };
    assert_eq!(disk.written - seen.written, 8, "4 KiB: {found:?}");
    let reason = VoidReason::MissedCompletions;
    assert_eq!(tracker.state(), State::Void { reason });
    drop(tracker);

    let tracker = Tracker::start_or_resume(&site.root(), site.device())?;
    assert!(
        matches!(
            tracker.beginning(),
            Beginning::Anew {
                instead_of: Some(_)
            }
        ),
        "{:?}",
        tracker.beginning()
    );
    Ok(())
}

#[test]
fn privileged_marks_of_another_disk_are_not_used() -> Result<()> {
    let mut site = Site::new(DISK_BYTES)?;
    let tracker = Tracker::start_or_resume(&site.root(), site.device())?;
    let (old, device) = (tracker.tracking(), site.device().to_path_buf());
    site.detach();
    site.attach()?;
    if site.device() == device {
        tracker.audit(Duration::ZERO)?;
        let reason = VoidReason::DiskReplaced;
        assert_eq!(tracker.state(), State::Void { reason });
    }
    drop(tracker);
    let tracker = Tracker::start_or_resume(&site.root(), site.device())?;
    assert_ne!(tracker.beginning(), Beginning::Resumed);
    assert_ne!(tracker.tracking(), old);
    Ok(())
}

#[test]
fn privileged_a_disk_that_grows_is_void() -> Result<()> {
    let site = Site::new(DISK_BYTES)?;
    let tracker = Tracker::start_or_resume(&site.root(), site.device())?;
    std::fs::OpenOptions::new()
        .write(true)
        .open(site.image())?
        .set_len(2 * DISK_BYTES)?;
    run_tool(
        "losetup",
        [std::path::Path::new("--set-capacity"), site.device()],
    )?;
    let before = tracker.state();
    fio(
        site.device(),
        &[
            "--rw=write",
            "--bs=4k",
            "--size=4k",
            "--offset=100M",
            "--direct=1",
        ],
    )?;
    assert_eq!(before, State::Tracking);
    let reason = VoidReason::BeyondTheEndOfTheDisk;
    assert_eq!(tracker.state(), State::Void { reason });
    Ok(())
}

#[test]
fn privileged_the_end_leaves_nothing_behind() -> Result<()> {
    let site = Site::new(DISK_BYTES)?;
    Tracker::probe()?;
    let tracker = Tracker::start_or_resume(&site.root(), site.device())?;
    let disk = *tracker.disk();
    let pins = site
        .root()
        .join(format!("disk-{}-{}", disk.major, disk.minor));
    let prog = program_of(&pins.join("link"))?;
    tracker.stop()?;
    assert!(!pins.exists());
    until_gone(prog)?;

    // Nor does the end of an agent that was removed without a word.
    drop(Tracker::start_or_resume(&site.root(), site.device())?);
    let prog = program_of(&pins.join("link"))?;
    remove_all(&site.root())?;
    assert!(!pins.exists());
    until_gone(prog)
}

/// Without the rights it says so, and leaves neither a directory nor a mount.
#[test]
fn privileged_who_may_not_is_told() -> Result<()> {
    let site = Site::new(DISK_BYTES)?;
    let output = Command::new("setpriv")
        .args(["--bounding-set=-all", "--"])
        .arg(program()?)
        .args([site.root().as_path(), site.device(), &site.path("journal")])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "it has tracked without rights");
    ensure!(said.contains("CAP_BPF"), "{said}");
    ensure!(!site.root().exists() && !site.path("journal").exists());
    Ok(())
}

#[test]
fn privileged_what_is_no_disk_is_refused() -> Result<()> {
    let site = Site::new(DISK_BYTES)?;
    let refused = Tracker::start_or_resume(&site.root(), &site.image());
    assert!(matches!(
        refused,
        Err(Error::Disk(DiskError::NoBlockDevice(_)))
    ));
    assert!(matches!(
        DiskId::of(std::path::Path::new("/dev/null")),
        Err(DiskError::NoBlockDevice(_))
    ));
    assert!(!site.root().exists(), "nothing was prepared");
    Ok(())
}

/// The number of the program that a link keeps attached.
fn program_of(link: &std::path::Path) -> Result<u64> {
    let path = link.to_string_lossy().into_owned();
    let said = run_tool("bpftool", ["link", "show", "pinned", &path])?;
    let number = said
        .split("prog ")
        .nth(1)
        .and_then(|rest| rest.split_whitespace().next());
    Ok(number.with_context(|| said.clone())?.parse()?)
}

/// The kernel frees a program some time after its last user has gone.
fn until_gone(prog: u64) -> Result<()> {
    let begin = Instant::now();
    while run_tool("bpftool", ["prog", "show", "id", &prog.to_string()]).is_ok() {
        ensure!(begin.elapsed() < PATIENCE, "program {prog} is still there");
        std::thread::yield_now();
    }
    Ok(())
}
