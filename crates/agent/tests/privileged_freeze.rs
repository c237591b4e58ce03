//! Freezing real file systems on loop devices, and thawing them whoever dies.
//!
//! This file is its own test program: started as `freeze-guard` it is the guard, started as
//! `slow-freeze-guard` it is one that takes its time to start, started as `agent-side` it is an agent
//! that freezes and then waits to be killed.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test program")]

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use rehost_agent::freeze::{GuardCommand, GuardedFreezer};
use rehost_agent::freeze_guard_main;
use rehost_replication::source::Freezer as _;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

type Test = (&'static str, fn());
const TESTS: &[Test] = &[
    ("privileged_frozen_until_thawed", frozen_until_thawed),
    (
        "privileged_only_the_time_of_being_frozen_counts",
        only_the_time_of_being_frozen_counts,
    ),
    (
        "privileged_a_partition_is_frozen_with_its_disk",
        a_partition_is_frozen_with_its_disk,
    ),
    (
        "privileged_what_was_written_past_file_systems_is_on_the_disk",
        what_was_written_past_file_systems_is_on_the_disk,
    ),
    (
        "privileged_thawed_when_the_agent_is_killed",
        thawed_when_the_agent_is_killed,
    ),
    (
        "privileged_thawed_when_the_guard_is_killed",
        thawed_when_the_guard_is_killed,
    ),
    (
        "privileged_thawed_when_the_time_is_over",
        thawed_when_the_time_is_over,
    ),
    (
        "privileged_a_guard_that_cannot_freeze_leaves_nothing_frozen",
        a_failed_freeze_is_undone,
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.first().and_then(|first| first.to_str()) {
        Some("freeze-guard") => guard(&arguments[1..]),
        Some("slow-freeze-guard") => {
            thread::sleep(SLOW_START);
            guard(&arguments[1..])
        }
        Some("agent-side") => agent_side(Path::new(&arguments[1])),
        _ => run_tests(&arguments),
    }
}

/// What a slow guard needs before it is ready, at least.
const SLOW_START: Duration = Duration::from_secs(1);

fn guard(arguments: &[OsString]) -> ExitCode {
    match freeze_guard_main(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// As much of the usual test program as `cargo test` and `cargo nextest` need.
fn run_tests(arguments: &[OsString]) -> ExitCode {
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    if has("--list") {
        for (name, _) in TESTS.iter().filter(|_| !has("--ignored")) {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    assert!(
        rustix::process::geteuid().is_root(),
        "privileged tests must be run as root"
    );
    let filters: Vec<_> = arguments
        .iter()
        .filter_map(|argument| argument.to_str())
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    for (name, test) in TESTS {
        if filters.is_empty() || filters.iter().any(|filter| name.contains(filter)) {
            test();
            println!("{name}: ok");
        }
    }
    ExitCode::SUCCESS
}

fn agent_side(disk: &Path) -> ExitCode {
    let mut freezer = freezer(disk);
    freezer.freeze().unwrap();
    println!("frozen");
    // Until killed, or until the test is gone.
    let _ = std::io::stdin().read(&mut [0]);
    ExitCode::SUCCESS
}

fn freezer(disk: &Path) -> GuardedFreezer {
    GuardedFreezer::new(vec![disk.into()], GuardCommand::of_this_executable())
}

/// A loop device with ext4 on it or on its only partition, mounted; all undone when dropped.
struct Mounted {
    disk: PathBuf,
    mount_point: PathBuf,
    partition: bool,
    directory: tempfile::TempDir,
}

impl Mounted {
    fn new(partition: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("image");
        File::create(&image).unwrap().set_len(64 << 20).unwrap();
        if partition {
            let mut sector = [0; 512];
            sector[450] = 0x83;
            sector[454..458].copy_from_slice(&2048_u32.to_le_bytes());
            sector[458..462].copy_from_slice(&100_000_u32.to_le_bytes());
            sector[510..].copy_from_slice(&[0x55, 0xAA]);
            let file = File::options().write(true).open(&image).unwrap();
            file.write_all_at(&sector, 0).unwrap();
        }
        let disk = PathBuf::from(run("losetup", &["--find", "--show"], &image).trim());
        let device = if partition {
            run("partx", &["--add"], &disk);
            PathBuf::from(format!("{}p1", disk.display()))
        } else {
            disk.clone()
        };
        run("mkfs.ext4", &["-q"], &device);
        let mount_point = directory.path().join("mount");
        std::fs::create_dir(&mount_point).unwrap();
        run("mount", &[device.to_str().unwrap()], &mount_point);
        Self {
            disk,
            mount_point,
            partition,
            directory,
        }
    }

    fn is_frozen(&self) -> bool {
        let root = File::open(&self.mount_point).unwrap();
        match rehost_linux::freeze(&root) {
            Ok(()) => {
                rehost_linux::thaw(&root).unwrap();
                false
            }
            Err(error) => {
                assert_eq!(error.errno(), Errno::BUSY);
                true
            }
        }
    }

    /// Writes a file, which sleeps as long as the file system is frozen. A writer that would sleep
    /// forever could not even be killed, so this thaws in the end, and fails.
    fn write_when_thawed(&self) {
        let path = self.mount_point.join("file");
        let (sender, written) = channel();
        let writer = thread::spawn(move || {
            std::fs::write(path, "written").unwrap();
            sender.send(()).unwrap();
        });
        let in_time = written.recv_timeout(Duration::from_secs(60));
        if in_time.is_err() {
            let _ = rehost_linux::thaw(File::open(&self.mount_point).unwrap());
        }
        writer.join().unwrap();
        in_time.unwrap();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A failed test must not leave a frozen file system behind.
        let _ = File::open(&self.mount_point).map(rehost_linux::thaw);
        run("umount", &[], &self.mount_point);
        if self.partition {
            run("partx", &["--delete"], &self.disk);
        }
        run("losetup", &["--detach"], &self.disk);
    }
}

fn run(program: &str, arguments: &[&str], path: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .arg(path)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?} {path:?}: {complaint}"
    );
    String::from_utf8(output.stdout).unwrap()
}

fn frozen_until_thawed() {
    let mounted = Mounted::new(false);
    let mut freezer = freezer(&mounted.disk);
    for _ in 0..2 {
        freezer.freeze().unwrap();
        assert!(mounted.is_frozen());
        freezer.thaw().unwrap();
        assert!(!mounted.is_frozen());
    }
    assert_eq!(freezer.guard_id(), None);
    freezer.freeze().unwrap();
    drop(freezer);
    assert!(!mounted.is_frozen());
}

fn only_the_time_of_being_frozen_counts() {
    let mounted = Mounted::new(false);
    let mut command = GuardCommand::of_this_executable();
    command.arguments = vec!["slow-freeze-guard".into()];
    let mut freezer = GuardedFreezer::new(vec![mounted.disk.clone()], command);
    let begun = Instant::now();
    freezer.freeze().unwrap();
    let frozen = Instant::now();
    assert!(mounted.is_frozen());
    let surely_frozen = frozen.elapsed();
    let counted = freezer.thaw().unwrap().unwrap();
    // Whatever the machine is doing meanwhile: no writer waits before the guard is ready.
    assert!(counted >= surely_frozen, "{counted:?}");
    assert!(counted <= begun.elapsed() - SLOW_START, "{counted:?}");
    // Once thawed there is nothing to thaw.
    assert_eq!(freezer.thaw().unwrap(), None);
}

fn a_partition_is_frozen_with_its_disk() {
    let mounted = Mounted::new(true);
    let mut freezer = freezer(&mounted.disk);
    freezer.freeze().unwrap();
    assert!(mounted.is_frozen());
    freezer.thaw().unwrap();
    assert!(!mounted.is_frozen());
}

/// A program that writes to a device without more ado finds the kernel's cache between it and the
/// medium. Here the medium is the file behind the loop device.
fn what_was_written_past_file_systems_is_on_the_disk() {
    let mounted = Mounted::new(true);
    let partition = PathBuf::from(format!("{}p1", mounted.disk.display()));
    let past = |path: &Path, at: u64, value: u8| {
        let device = File::options().write(true).open(path).unwrap();
        device.write_all_at(&[value; 4096], at).unwrap();
        // Closing a device writes it out: the program is still there.
        device
    };
    // Before the partition begins, and in its last pages, which its file system does not use yet.
    let last = 12_490 * 4096;
    let _disk = past(&mounted.disk, 65_536, 7);
    let _partition = past(&partition, last, 8);
    let on_the_medium = |at: u64| {
        let mut bytes = [0; 4096];
        let image = File::open(mounted.directory.path().join("image")).unwrap();
        image.read_exact_at(&mut bytes, at).unwrap();
        bytes
    };
    let mut freezer = freezer(&mounted.disk);
    freezer.freeze().unwrap();
    assert_eq!(on_the_medium(65_536), [7; 4096]);
    assert_eq!(on_the_medium(2048 * 512 + last), [8; 4096]);
    freezer.thaw().unwrap();
}

fn thawed_when_the_agent_is_killed() {
    let mounted = Mounted::new(false);
    let mut agent = Command::new(std::env::current_exe().unwrap())
        .arg("agent-side")
        .arg(&mounted.disk)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(agent.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line.trim(), "frozen");
    assert!(mounted.is_frozen());
    agent.kill().unwrap();
    agent.wait().unwrap();
    mounted.write_when_thawed();
    assert!(!mounted.is_frozen());
}

fn thawed_when_the_guard_is_killed() {
    let mounted = Mounted::new(false);
    let mut freezer = freezer(&mounted.disk);
    freezer.freeze().unwrap();
    let guard = Pid::from_raw(freezer.guard_id().unwrap().try_into().unwrap()).unwrap();
    kill_process(guard, Signal::TERM).unwrap();
    kill_process(guard, Signal::KILL).unwrap();
    let error = freezer.thaw().unwrap_err();
    assert!(!mounted.is_frozen());
    assert!(
        std::error::Error::source(&error)
            .unwrap()
            .to_string()
            .contains("the guard ended")
    );
}

fn thawed_when_the_time_is_over() {
    let mounted = Mounted::new(false);
    let mut freezer = freezer(&mounted.disk).with_time_limit(Duration::from_secs(1));
    freezer.freeze().unwrap();
    mounted.write_when_thawed();
    let error = freezer.thaw().unwrap_err();
    assert!(!mounted.is_frozen());
    assert!(
        std::error::Error::source(&error)
            .unwrap()
            .to_string()
            .contains("thawed after")
    );
}

fn a_failed_freeze_is_undone() {
    let (first, second) = (Mounted::new(false), Mounted::new(false));
    // The younger mount is frozen first; the older one is frozen by somebody else already.
    let root = File::open(&first.mount_point).unwrap();
    rehost_linux::freeze(&root).unwrap();
    let disks = vec![first.disk.clone(), second.disk.clone()];
    let mut freezer = GuardedFreezer::new(disks, GuardCommand::of_this_executable());
    assert!(freezer.freeze().is_err());
    assert!(!second.is_frozen());
    assert_eq!(freezer.guard_id(), None);
}
