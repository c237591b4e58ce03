//! The promises of a boot, held with real machines: the helper system is Debian's kernel with
//! busybox, the copy a boot sector. What the helper system is asked to do is to change the sentence
//! that the boot sector says.

mod ground;
mod kill;

use std::process::{Command, Stdio};
use std::slice::from_ref;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use ground::{BROKEN, Ground, UP};
use rehost_machines::{Backing, BootSign, Probe, ProbeKind};
use rehost_target_providers::{
    BootObserver, BootPurpose, BootReport, EmbeddedProvider, STEPS, Step, TargetProvider,
};
use rehost_testkit::{SHORT, until};

/// Remembers what it is told, and calls the boot off at a step.
#[derive(Default)]
struct Witness {
    steps: Mutex<Vec<Step>>,
    lines: Mutex<Vec<String>>,
    stop_at: Option<Step>,
    stop: AtomicBool,
}

impl BootObserver for Witness {
    fn step(&self, step: Step) {
        self.steps.lock().unwrap().push(step);
        if self.stop_at == Some(step) {
            self.stop.store(true, Ordering::Relaxed);
        }
    }

    fn helper_says(&self, line: &str) {
        self.lines.lock().unwrap().push(line.into());
    }
}

fn run(ground: &Ground, purpose: BootPurpose, sentence: &str, witness: &Witness) -> BootReport {
    let order = ground.order(purpose, sentence);
    let boots = ground.boots().unwrap();
    boots.run(&order, &[ground.volume()], witness, &witness.stop)
}

#[test]
fn a_rehearsal_boots_what_was_fixed_and_leaves_the_copy_as_it_was() -> Result<()> {
    let ground = Ground::new()?;
    let before = std::fs::read(ground.copy())?;
    let witness = Witness::default();
    let report = run(&ground, BootPurpose::Rehearsal, UP, &witness);
    assert_eq!(report.reason, None);
    assert!(report.bootable);
    let host_name = "tiny".to_owned();
    assert_eq!(report.sign, Some(BootSign::Heartbeat { host_name }));
    // The helper system found the disk by its serial number, and the copy's own sentence on it.
    assert_eq!(report.fixups["serial"], "rehost-0");
    assert_eq!(report.fixups["found"], BROKEN);
    assert_eq!(*witness.lines.lock().unwrap(), ["changing the sentence"]);
    assert!(report.boot_seconds.is_some() && report.helper_seconds.is_some());
    assert!(std::fs::read_to_string(&report.console_log)?.contains(UP));
    let helper_log = std::fs::read_to_string(&report.helper_console_log)?;
    assert!(helper_log.contains("Power down"), "{helper_log}");
    let picture = report.screenshot.as_deref().context("a picture")?;
    assert!(std::fs::read(picture)?.starts_with(b"\x89PNG\r\n"));
    assert!(report.started_at_ms > 0 && report.ended_at_ms >= report.started_at_ms);
    let expected: Vec<Step> = STEPS
        .into_iter()
        .filter(|step| *step != Step::Keep)
        .collect();
    assert_eq!(*witness.steps.lock().unwrap(), expected);

    assert_eq!(std::fs::read(ground.copy())?, before, "the copy");
    assert!(ground.overlays()?.is_empty() && ground.machines()?.is_empty());
    let boots = ground.boots()?;
    assert_eq!(boots.boots_of("task"), ["boot"]);
    boots.release_boot("task", "boot")?;
    boots.release("task")?;
    ground.assert_nothing_left()
}

#[test]
fn a_cut_over_stays_is_reported_again_and_goes_when_it_is_released() -> Result<()> {
    let ground = Ground::new()?;
    let before = std::fs::read(ground.copy())?;
    let report = run(&ground, BootPurpose::Cutover, UP, &Witness::default());
    assert_eq!(report.reason, None);
    let kept = report.kept.clone().context("a machine")?;
    assert!(kept.process.is_running() && kept.monitor_socket.exists());
    assert_eq!(kept.overlays.len(), 1);
    let again = run(&ground, BootPurpose::Cutover, UP, &Witness::default());
    assert_eq!(
        (again.kept, again.started_at_ms),
        (report.kept, report.started_at_ms)
    );
    assert!(kept.process.is_running());

    // What the provider made for the task is the target's once it is committed.
    let provider = EmbeddedProvider::new(None, vec![], ground.ledger()?);
    provider.commit("task")?;
    assert!(provider.release("task")?.is_empty());
    assert!(kept.process.is_running());

    ground.boots()?.release("task")?;
    assert!(!kept.process.is_running());
    assert_eq!(std::fs::read(ground.copy())?, before, "the copy");
    ground.assert_nothing_left()
}

#[test]
fn a_copy_that_does_not_boot_is_told_with_a_reason_and_ends() -> Result<()> {
    let ground = Ground::new()?;
    let failing = [
        (
            UP,
            Some(81),
            "port 81: the order forwards no such port to this host",
        ),
        (
            "Kernel panic - not syncing: no root",
            None,
            "the kernel panics: no root",
        ),
        // The helper system of this test refuses this one.
        ("refuse", None, "the sentence cannot be changed"),
        ("die", None, "the helper system ended before it reported"),
    ];
    for (sentence, port, reason) in failing {
        let mut order = ground.order(BootPurpose::Cutover, sentence);
        order.probes = port
            .map(|port| Probe {
                port,
                kind: ProbeKind::Tcp,
            })
            .into_iter()
            .collect();
        let boots = ground.boots()?;
        let report = boots.run(&order, &[ground.volume()], &(), &AtomicBool::new(false));
        assert!(!report.bootable);
        assert_eq!(report.kept, None);
        let told = report.reason.unwrap_or_default();
        assert!(told.starts_with(reason), "{told}");
        assert!(!told.contains('\n'), "{told}");
        assert!(ground.overlays()?.is_empty() && ground.machines()?.is_empty());
        // Reports and logs stay.
        assert!(ground.boot_folder().join("report.json").exists());
    }
    ground.boots()?.release("task")?;
    ground.assert_nothing_left()
}

#[test]
fn a_boot_that_is_called_off_is_undone() -> Result<()> {
    let ground = Ground::new()?;
    for step in [Step::Overlays, Step::FixUps, Step::WaitUntilUp] {
        let witness = Witness {
            stop_at: Some(step),
            ..Witness::default()
        };
        // Never up: only the stop ends it.
        let report = run(&ground, BootPurpose::Cutover, "not up", &witness);
        assert_eq!(report.reason.as_deref(), Some("stopped"), "{step:?}");
        assert!(ground.overlays()?.is_empty() && ground.machines()?.is_empty());
    }
    ground.boots()?.release("task")?;
    ground.assert_nothing_left()
}

#[test]
fn a_copy_that_is_served_on_a_socket_is_rehearsed_and_not_cut_over() -> Result<()> {
    let ground = Ground::new()?;
    let socket = ground.folder().join("nbd.sock");
    let mut server = Command::new("qemu-nbd")
        .args([
            "--read-only",
            "--persistent",
            "--format",
            "raw",
            "--export-name",
            "point",
        ])
        .arg(format!("--socket={}", socket.display()))
        .arg(ground.copy())
        .stdin(Stdio::null())
        .spawn()?;
    let served = until("the copy is served", SHORT, || {
        Ok(socket.exists().then_some(()))
    });
    let mut volume = ground.volume();
    volume.backing = Backing::Nbd {
        url: format!("nbd+unix:///point?socket={}", socket.display()),
    };
    let stop = AtomicBool::new(false);
    let boots = ground.boots()?;
    let order = ground.order(BootPurpose::Rehearsal, UP);
    let rehearsal = boots.run(&order, from_ref(&volume), &(), &stop);
    let order = ground.order(BootPurpose::Cutover, UP);
    let cutover = boots.run(&order, from_ref(&volume), &(), &stop);
    server.kill()?;
    server.wait()?;
    served?;
    assert_eq!(rehearsal.reason, None);
    assert!(rehearsal.bootable);
    assert!(!cutover.bootable);
    assert!(
        cutover
            .reason
            .context("a reason")?
            .contains("files or devices")
    );
    boots.release("task")?;
    ground.assert_nothing_left()
}
