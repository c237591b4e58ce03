//! Carries out the steps of a boot.

use std::error::Error;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rehost_machines::{Backing, DiskFormat, DiskSpec, Machine, MachineError, MachineSpec};

use super::made::{BootError, Maker};
use super::report::now_ms;
use super::steps::Step;
use super::target::{is_stop, take_picture, watch};
use super::{
    BootObserver, BootOrder, BootPurpose, BootReport, BootVolume, Boots, KeptMachine, helper,
};
use crate::Thing;
use crate::removal::file_error;

/// The report, in the folder of the boot.
const REPORT: &str = "report.json";
/// What the machine of the copy is made of, in its work folder.
const SPECIFICATION: &str = "machine.json";

/// See [`Boots::run`].
pub(super) fn run(
    boots: &Boots,
    order: &BootOrder,
    volumes: &[BootVolume],
    observer: &dyn BootObserver,
    stop: &AtomicBool,
) -> BootReport {
    match boots.boot_folder(&order.task_id, &order.boot_id) {
        Ok(folder) => Boot {
            boots,
            order,
            volumes,
            observer,
            stop,
            maker: Maker {
                ledger: &boots.ledger,
                task_id: &order.task_id,
                observer,
            },
            report: BootReport::begun(order),
            overlays: vec![],
            folder,
        }
        .run(),
        Err(error) => BootReport {
            reason: Some(in_one_line(&error)),
            ..BootReport::begun(order)
        },
    }
}

/// A boot at work.
struct Boot<'a> {
    boots: &'a Boots,
    order: &'a BootOrder,
    volumes: &'a [BootVolume],
    observer: &'a dyn BootObserver,
    stop: &'a AtomicBool,
    maker: Maker<'a>,
    folder: PathBuf,
    report: BootReport,
    overlays: Vec<PathBuf>,
}

impl Boot<'_> {
    fn run(mut self) -> BootReport {
        if let Some(report) = self.already_kept() {
            return report;
        }
        self.report.console_log = self.target_folder().join("console.log");
        self.report.helper_console_log = self.helper_folder().join("console.log");
        let result = self.attempt();
        self.report.bootable = result.is_ok();
        if let Err(error) = result {
            let reason = in_one_line(&error);
            tracing::warn!(
                boot_id = self.order.boot_id,
                reason,
                "the copy does not boot"
            );
            self.report.reason = Some(reason);
        }
        self.observer.step(Step::Report);
        self.report.ended_at_ms = now_ms();
        if let Err(error) = self.write_report() {
            let reason = in_one_line(&error);
            tracing::error!(reason, "the report of a boot is not kept");
        }
        self.report
    }

    /// The report of the same cut-over, if its machine runs.
    fn already_kept(&self) -> Option<BootReport> {
        let text = std::fs::read(self.folder.join(REPORT)).ok()?;
        let report: BootReport = serde_json::from_slice(&text).ok()?;
        let runs = report.kept.as_ref()?.process.is_running();
        runs.then_some(report)
    }

    fn attempt(&mut self) -> Result<(), BootError> {
        // What an earlier attempt left is of no use.
        self.boots
            .release_boot(&self.order.task_id, &self.order.boot_id)?;
        self.check_volumes()?;
        self.step(Step::Folder)?;
        let task_folder = self.boots.task_folder(&self.order.task_id)?;
        self.maker.folder(Thing::Folder(task_folder))?;
        self.maker.folder(Thing::WorkFolder(self.folder.clone()))?;
        let result = self.boot();
        // That something is left behind is in the ledger, and no reason to call the copy bad.
        if !matches!(result, Ok(Some(_)))
            && let Err(left) = self.remove_overlays()
        {
            tracing::warn!(error = in_one_line(&left), "overlays are left behind");
        }
        self.report.kept = result?;
        Ok(())
    }

    fn check_volumes(&self) -> Result<(), BootError> {
        let is_served = |volume: &BootVolume| matches!(volume.backing, Backing::Nbd { .. });
        if self.order.purpose == BootPurpose::Cutover && self.volumes.iter().any(is_served) {
            return Err(BootError::Reason(
                "a cut-over must lie on files or devices, not on what another process serves: it \
                 would end with that"
                    .into(),
            ));
        }
        Ok(())
    }

    /// From the overlays on. Whatever machine was started has ended when this returns, unless it
    /// is the one that is to be kept.
    fn boot(&mut self) -> Result<Option<KeptMachine>, BootError> {
        self.step(Step::Overlays)?;
        for volume in self.volumes {
            let path = self.folder.join(format!("overlay-{}.qcow2", volume.index));
            self.overlays.push(path.clone());
            self.maker.overlay(&path, volume)?;
        }
        self.fix_up()?;
        self.step(Step::Target)?;
        let mut spec = self.order.machine(self.target_folder());
        spec.disks = self.disks();
        self.maker.folder(Thing::WorkFolder(self.target_folder()))?;
        write_json(&self.target_folder().join(SPECIFICATION), &spec)?;
        let machine = self.maker.machine(&spec)?;
        let result = self.watch(&machine);
        if result.is_ok() && self.order.purpose == BootPurpose::Cutover {
            return Ok(Some(self.keep(&machine)));
        }
        self.observer.step(Step::EndTarget);
        let ended = self.maker.end(machine);
        result?;
        ended?;
        Ok(None)
    }

    /// Makes the copy fit its new hardware.
    fn fix_up(&mut self) -> Result<(), BootError> {
        self.step(Step::Helper)?;
        let since = Instant::now();
        let mut spec = self.boots.helper.machine(self.order, self.helper_folder());
        spec.disks = self.disks();
        let machine = self.maker.machine(&spec)?;
        self.observer.step(Step::FixUps);
        let fixed = helper::converse(
            &machine,
            &self.order.fixups,
            self.order.helper_wait_seconds,
            self.observer,
            self.stop,
        );
        let ended = self.maker.end(machine);
        self.report.fixups = fixed.report;
        if let Some(failure) = fixed.failure {
            return Err(failure);
        }
        ended?;
        self.report.helper_seconds = Some(since.elapsed().as_secs_f64());
        Ok(())
    }

    fn watch(&mut self, machine: &Machine) -> Result<(), BootError> {
        let (order, observer, stop) = (self.order, self.observer, self.stop);
        let result = watch(machine, order, &mut self.report, observer, stop);
        if !result.as_ref().is_err_and(is_stop) {
            observer.step(Step::Screenshot);
            let picture = self.folder.join("screenshot.png");
            self.report.screenshot = take_picture(machine, &picture);
        }
        result
    }

    /// Where a machine is that stays: it outlives its [`Machine`].
    fn keep(&self, machine: &Machine) -> KeptMachine {
        self.observer.step(Step::Keep);
        let spec: &MachineSpec = machine.spec();
        let guest_ports = spec
            .networks
            .iter()
            .flat_map(|network| network.mode.forwards());
        let forwards = guest_ports.filter_map(|forward| {
            let port = forward.guest_port;
            Some((port, machine.forwarded(port)?))
        });
        KeptMachine {
            process: machine.process().clone(),
            monitor_socket: spec.monitor_socket(),
            specification: spec.work_folder.join(SPECIFICATION),
            overlays: self.overlays.clone(),
            forwards: forwards.collect(),
        }
    }

    fn remove_overlays(&mut self) -> Result<(), BootError> {
        self.observer.step(Step::RemoveOverlays);
        for overlay in self.overlays.drain(..) {
            self.maker.remove(Thing::Overlay(overlay))?;
        }
        Ok(())
    }

    /// Begins a step, unless the boot is called off.
    fn step(&self, step: Step) -> Result<(), BootError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(MachineError::Stopped.into());
        }
        self.observer.step(step);
        Ok(())
    }

    fn disks(&self) -> Vec<DiskSpec> {
        let disks = self.volumes.iter().zip(&self.overlays);
        let disks = disks.map(|(volume, overlay)| DiskSpec {
            path: overlay.clone(),
            format: DiskFormat::Qcow2,
            serial: format!("rehost-{}", volume.index),
            read_only: false,
            snapshot: false,
            durable: self.order.purpose == BootPurpose::Cutover,
        });
        disks.collect()
    }

    fn helper_folder(&self) -> PathBuf {
        self.folder.join("helper")
    }

    fn target_folder(&self) -> PathBuf {
        self.folder.join("target")
    }

    fn write_report(&self) -> Result<(), BootError> {
        if !self.folder.exists() {
            return Ok(());
        }
        write_json(&self.folder.join(REPORT), &self.report)
    }
}

/// Writes a file that is whole or not there.
fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), BootError> {
    let aside = path.with_extension("new");
    let write = || {
        let text = serde_json::to_vec_pretty(value)?;
        let mut file = File::create(&aside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        std::fs::rename(&aside, path)
    };
    write().map_err(|source| file_error("write", path, source).into())
}

/// An error with its causes.
fn in_one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text.replace(['\n', '\r'], " ")
}
