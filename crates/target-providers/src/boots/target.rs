//! Boots the copy: waits until it is up, asks whether it works, and takes its picture.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use rehost_machines::{BootEnd, Machine, MachineError, Patience};

use super::made::BootError;
use super::steps::Step;
use super::{BootObserver, BootOrder, BootReport};

/// Watches a machine that has just been started, and puts what is seen into the report. Fails if
/// the copy does not come up, or if a probe does not pass.
pub(super) fn watch(
    machine: &Machine,
    order: &BootOrder,
    report: &mut BootReport,
    observer: &dyn BootObserver,
    stop: &AtomicBool,
) -> Result<(), BootError> {
    observer.step(Step::WaitUntilUp);
    let since = Instant::now();
    match machine.wait_until_up(order.heartbeat, order.boot_wait_seconds, stop)? {
        BootEnd::Up(sign) => {
            report.boot_seconds = Some(since.elapsed().as_secs_f64());
            report.sign = Some(sign);
        }
        BootEnd::Failed(reason) => return Err(BootError::Reason(reason)),
    }
    observer.step(Step::Probes);
    for probe in &order.probes {
        let result = match machine.forwarded(probe.port) {
            Some(address) => {
                let patience = Patience::seconds(order.probe_wait_seconds).or_stop(stop);
                probe.ask(address, &patience)?
            }
            None => probe.cannot_be_asked("the order forwards no such port to this host"),
        };
        report.probes.push(result);
    }
    match report.probes.iter().find(|result| !result.passed) {
        Some(result) => Err(BootError::Reason(format!(
            "port {}: {}",
            result.probe.port, result.detail
        ))),
        None => Ok(()),
    }
}

/// Takes a picture of the screen, if that works: it is no reason to fail.
pub(super) fn take_picture(machine: &Machine, path: &Path) -> Option<PathBuf> {
    if !machine.is_running() {
        return None;
    }
    match machine.screenshot(path) {
        Ok(()) => Some(path.into()),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "there is no picture of the copy's screen");
            None
        }
    }
}

/// Whether this is how a boot ends that was called off.
pub(super) const fn is_stop(error: &BootError) -> bool {
    matches!(error, BootError::Machine(MachineError::Stopped))
}
