//! Freezing real file systems on loop devices, and thawing them whoever dies.
//!
//! This file is its own test program: started as `freeze-guard` it is the guard, started as
//! `slow-freeze-guard` it is one that takes its time to start, started as `agent-side` it is an agent
//! that freezes and then waits to be killed.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test program")]

mod common;

use std::error::Error as _;
use std::ffi::OsString;
use std::fs::{File, Permissions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{Mounted, Test, guard, run_tests};
use rehost_agent::freeze::{GuardCommand, GuardedFreezer};
use rehost_agent::hooks::Hooks;
use rehost_replication::source::Freezer as _;
use rehost_testkit::{SHORT, until};
use rustix::process::{Pid, Signal, kill_process};

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
    (
        "privileged_hooks_are_called_around_the_freeze",
        hooks_are_called_around_the_freeze,
    ),
    (
        "privileged_a_hook_that_fails_keeps_the_source_from_being_frozen",
        a_hook_that_fails_keeps_the_source_from_being_frozen,
    ),
    (
        "privileged_the_guard_calls_hooks_when_the_agent_is_killed",
        the_guard_calls_hooks_when_the_agent_is_killed,
    ),
    (
        "privileged_the_guard_calls_hooks_when_the_time_is_over",
        the_guard_calls_hooks_when_the_time_is_over,
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
        Some("agent-side") => agent_side(Path::new(&arguments[1]), arguments.get(2)),
        _ => run_tests(TESTS, &arguments),
    }
}

/// What a slow guard needs before it is ready, at least.
const SLOW_START: Duration = Duration::from_secs(1);

fn agent_side(disk: &Path, hooks: Option<&OsString>) -> ExitCode {
    let mut freezer = freezer(disk);
    if let Some(directory) = hooks {
        freezer = freezer.with_hooks(hooks_in(Path::new(directory)));
    }
    freezer.freeze().unwrap();
    println!("frozen");
    // Until killed, or until the test is gone.
    let _ = std::io::stdin().read(&mut [0]);
    ExitCode::SUCCESS
}

fn freezer(disk: &Path) -> GuardedFreezer {
    GuardedFreezer::new(vec![disk.into()], GuardCommand::of_this_executable())
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

/// A hook in `directory/hooks.d` that notes its calls beside it, and does something more.
fn with_hook(directory: &Path, name: &str, more: &str) {
    let hooks = directory.join("hooks.d");
    std::fs::create_dir_all(&hooks).unwrap();
    let calls = directory.join("calls");
    let script = format!("#!/bin/sh\necho {name} $1 >> {}\n{more}\n", calls.display());
    let hook = hooks.join(name);
    std::fs::write(&hook, script).unwrap();
    std::fs::set_permissions(&hook, Permissions::from_mode(0o755)).unwrap();
}

fn hooks_in(directory: &Path) -> Hooks {
    let state_dir = directory.join("state");
    std::fs::create_dir_all(&state_dir).unwrap();
    let hooks = Some(directory.join("hooks.d"));
    Hooks::new(hooks, &state_dir, Duration::from_secs(60))
}

fn calls(directory: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(directory.join("calls")).unwrap_or_default();
    text.lines().map(Into::into).collect()
}

const ALL_CALLS: [&str; 4] = ["a pre-freeze", "b pre-freeze", "b post-thaw", "a post-thaw"];

fn hooks_are_called_around_the_freeze() {
    let mounted = Mounted::new(false);
    let stage = tempfile::tempdir().unwrap();
    // Both calls write to the file system: it is not frozen then.
    let writes = format!("date > {}/$1", mounted.mount_point.display());
    with_hook(stage.path(), "a", &writes);
    with_hook(stage.path(), "b", "");
    let mut freezer = freezer(&mounted.disk).with_hooks(hooks_in(stage.path()));
    freezer.freeze().unwrap();
    assert!(mounted.is_frozen());
    assert_eq!(calls(stage.path()), ALL_CALLS[..2]);
    assert!(mounted.mount_point.join("pre-freeze").exists());
    assert!(!mounted.mount_point.join("post-thaw").exists());
    freezer.thaw().unwrap().unwrap();
    assert_eq!(calls(stage.path()), ALL_CALLS);
    assert!(mounted.mount_point.join("post-thaw").exists());

    // They are also called where nothing is mounted, and what they hold counts as downtime.
    let image = stage.path().join("disk.img");
    std::fs::write(&image, [0; 4096]).unwrap();
    let mut freezer = GuardedFreezer::new(vec![image], GuardCommand::of_this_executable())
        .with_hooks(hooks_in(stage.path()));
    freezer.freeze().unwrap();
    assert_eq!(calls(stage.path()).len(), 6);
    assert!(freezer.thaw().unwrap().is_some());
    assert_eq!(calls(stage.path()).len(), 8);
}

fn a_hook_that_fails_keeps_the_source_from_being_frozen() {
    let mounted = Mounted::new(false);
    let stage = tempfile::tempdir().unwrap();
    with_hook(stage.path(), "a", "");
    with_hook(
        stage.path(),
        "b",
        "echo the database is away; test $1 = post-thaw",
    );
    let mut freezer = freezer(&mounted.disk).with_hooks(hooks_in(stage.path()));
    let error = freezer.freeze().unwrap_err();
    assert!(!mounted.is_frozen());
    let reason = rehost_replication::source::error_chain(&error);
    assert!(reason.contains("hooks.d/b"), "{reason}");
    assert!(reason.contains("said: the database is away"), "{reason}");
    assert_eq!(calls(stage.path()), ALL_CALLS);
    assert_eq!(freezer.thaw().unwrap(), None);
    assert_eq!(
        calls(stage.path()),
        ALL_CALLS,
        "each is called once more, not twice"
    );
}

fn the_guard_calls_hooks_when_the_agent_is_killed() {
    let mounted = Mounted::new(false);
    let stage = tempfile::tempdir().unwrap();
    let writes = format!("date > {}/$1", mounted.mount_point.display());
    with_hook(stage.path(), "a", &writes);
    with_hook(stage.path(), "b", "");
    let mut agent = Command::new(std::env::current_exe().unwrap())
        .arg("agent-side")
        .args([mounted.disk.as_path(), stage.path()])
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
    until("all hooks were called again", SHORT, || {
        Ok((calls(stage.path()) == ALL_CALLS).then_some(()))
    })
    .unwrap();
    assert!(!mounted.is_frozen());
}

fn the_guard_calls_hooks_when_the_time_is_over() {
    let mounted = Mounted::new(false);
    let stage = tempfile::tempdir().unwrap();
    with_hook(stage.path(), "a", "");
    with_hook(stage.path(), "b", "");
    let mut freezer = freezer(&mounted.disk)
        .with_hooks(hooks_in(stage.path()))
        .with_time_limit(Duration::from_secs(1));
    freezer.freeze().unwrap();
    // This process does nothing: it might be stuck.
    until("all hooks were called again", SHORT, || {
        Ok((calls(stage.path()) == ALL_CALLS).then_some(()))
    })
    .unwrap();
    assert!(!mounted.is_frozen());
    let error = freezer.thaw().unwrap_err();
    let cause = error.source().unwrap().to_string();
    assert!(cause.contains("thawed after"), "{cause}");
    assert_eq!(calls(stage.path()), ALL_CALLS);
}
