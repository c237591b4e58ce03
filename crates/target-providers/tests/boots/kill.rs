//! A process that boots a copy is killed at every step, and before everything that it makes: the
//! ledger knows of everything that is left.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context as _, Result, ensure};
use rehost_target_providers::{BootObserver, BootPurpose, STEPS, Step, Thing};
use rehost_testkit::{SHORT, until};
use rustix::process::{Signal, getpid, kill_process};

use crate::ground::{Ground, UP};

/// Makes the test the process that is killed in it; where it works.
const CHILD: &str = "REHOST_TEST_BOOT_IN";
/// How many moments it lets pass before it kills itself.
const MOMENT: &str = "REHOST_TEST_DIES_AT";

/// Before the name of the moment.
const MARK: &str = "killed at ";

/// Kills this process, as `kill -9` does, at a moment: a step that begins, or a thing that is in
/// the ledger and not there yet.
struct Suicide {
    dies_at: usize,
    moments: AtomicUsize,
}

impl Suicide {
    fn moment(&self, what: &str) {
        if self.moments.fetch_add(1, Ordering::Relaxed) == self.dies_at {
            writeln!(std::io::stderr(), "{MARK}{what}").unwrap();
            kill_process(getpid(), Signal::KILL).unwrap();
        }
    }
}

impl BootObserver for Suicide {
    fn step(&self, step: Step) {
        self.moment(&format!("{step:?}"));
    }

    fn announced(&self, thing: &Thing) {
        self.moment(&format!("{thing:?}"));
    }
}

#[test]
fn a_rehearsal_that_is_killed_at_any_moment_leaves_nothing_unknown() -> Result<()> {
    let name = "kill::a_rehearsal_that_is_killed_at_any_moment_leaves_nothing_unknown";
    killed_at_every_moment(name, BootPurpose::Rehearsal, 0)
}

#[test]
fn a_cut_over_that_is_killed_at_any_moment_leaves_nothing_unknown() -> Result<()> {
    let name = "kill::a_cut_over_that_is_killed_at_any_moment_leaves_nothing_unknown";
    // Until the helper system is through, it is like a rehearsal: four steps, two folders, an
    // overlay, three sockets and a process.
    killed_at_every_moment(name, BootPurpose::Cutover, 11)
}

/// Kills a boot at one moment after the other, until one comes to its end.
fn killed_at_every_moment(name: &str, purpose: BootPurpose, first: usize) -> Result<()> {
    if let Some(folder) = std::env::var_os(CHILD) {
        return boot_and_die(Path::new(&folder), purpose);
    }
    let ground = Ground::new()?;
    let before = std::fs::read(ground.copy())?;
    let mut steps = vec![];
    for moment in first.. {
        let Some(what) = run_child(name, &ground, moment)? else {
            break;
        };
        let released = ground.boots()?.release("task");
        released.with_context(|| format!("release, killed at {what}"))?;
        // A process that waits to become a machine takes a moment to see that it is alone.
        let gone = until("no machine runs", SHORT, || {
            Ok(ground.machines()?.is_empty().then_some(()))
        });
        gone.with_context(|| format!("killed at {what}: {:?}", ground.machines()))?;
        ground
            .assert_nothing_left()
            .with_context(|| format!("killed at {what}"))?;
        assert_eq!(std::fs::read(ground.copy())?, before, "the copy");
        steps.extend(STEPS.into_iter().find(|step| format!("{step:?}") == what));
    }
    let comes = |step: &Step| match purpose {
        BootPurpose::Rehearsal => *step != Step::Keep,
        BootPurpose::Cutover => matches!(
            step,
            Step::Target
                | Step::WaitUntilUp
                | Step::Probes
                | Step::Screenshot
                | Step::Keep
                | Step::Report
        ),
    };
    let expected: Vec<Step> = STEPS.into_iter().filter(comes).collect();
    assert_eq!(steps, expected, "every step was a moment");
    ground.boots()?.release("task")?;
    ground.assert_nothing_left()
}

/// At which moment the child was killed, unless it came to its end.
fn run_child(name: &str, ground: &Ground, moment: usize) -> Result<Option<String>> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, ground.folder())
        .env(MOMENT, moment.to_string())
        .stdin(Stdio::null())
        .output()?;
    if output.status.signal() == Some(9) {
        let said = String::from_utf8_lossy(&output.stderr);
        let what = said.lines().find_map(|line| line.strip_prefix(MARK));
        return Ok(Some(what.context("the moment")?.to_owned()));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "moment {moment}: {said}");
    Ok(None)
}

fn boot_and_die(folder: &Path, purpose: BootPurpose) -> Result<()> {
    let observer = Suicide {
        dies_at: std::env::var(MOMENT)?.parse()?,
        moments: AtomicUsize::new(0),
    };
    let ground = Ground::of_another_process(folder);
    let order = ground.order(purpose, UP);
    let stop = AtomicBool::new(false);
    let report = ground
        .boots()?
        .run(&order, &[ground.volume()], &observer, &stop);
    ensure!(report.bootable, "{:?}", report.reason);
    Ok(())
}
