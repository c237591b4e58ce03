//! The fix-ups, each in its own file, and the order in which they run.
//!
//! A fix-up looks at the files, decides, writes: run again it finds all as it should be. One that
//! fails does not keep the others from running, because people want to see all that is wrong.

use crate::changes::Work;
use crate::commands::Commands;
use crate::contract::{FixupName, FixupOutcome, FixupReport, FixupRequest, FixupState};
use crate::error::{FixupError, RootError, with_causes};
use crate::facts::DiskFacts;
use crate::root::Root;
use crate::system::{self, SystemFacts};

mod addresses;
mod agent;
mod boot_loader;
mod cloud_init;
mod crypttab;
mod devices;
mod fstab;
mod heartbeat;
mod initramfs;
mod kernel_parameters;
mod marks;
mod network_names;
mod serial_console;
mod udev_rules;

/// Runs all fix-ups that are not to be left out.
pub(crate) fn run_all(
    root: &Root,
    facts: &DiskFacts,
    request: &FixupRequest,
    commands: &dyn Commands,
) -> FixupReport {
    let system = match system::detect(root, facts) {
        Ok(system) => system,
        Err(error) => return nothing_possible(request, &error),
    };
    let mut fixups: Vec<FixupOutcome> = Vec::new();
    for name in FixupName::ALL {
        if request.skip.contains(&name) {
            fixups.push(skipped(name));
            continue;
        }
        let mut work = Work::new(root, facts, request, &system, commands);
        // Early user space takes in names of interfaces and devices.
        work.earlier_changed = fixups
            .iter()
            .any(|fixup| fixup.state == FixupState::Applied);
        let result = run(name, &mut work);
        fixups.push(work.outcome(name, result));
    }
    FixupReport {
        system: system.facts,
        fixups,
    }
}

fn run(name: FixupName, work: &mut Work<'_>) -> Result<(), FixupError> {
    match name {
        FixupName::Fstab => fstab::run(work),
        FixupName::Crypttab => crypttab::run(work),
        FixupName::UdevRules => udev_rules::run(work),
        FixupName::NetworkNames => network_names::run(work),
        FixupName::NetworkAddresses => addresses::run(work),
        FixupName::CloudInit => cloud_init::run(work),
        FixupName::Agent => agent::run(work),
        FixupName::Heartbeat => heartbeat::run(work),
        FixupName::SerialConsole => serial_console::run(work),
        FixupName::KernelParameters => kernel_parameters::run(work),
        FixupName::Initramfs => initramfs::run(work),
        FixupName::BootLoader => boot_loader::run(work),
    }
}

/// The report for a root directory that cannot be worked with.
pub(crate) fn nothing_possible(request: &FixupRequest, error: &RootError) -> FixupReport {
    let outcome = |name| {
        if request.skip.contains(&name) {
            return skipped(name);
        }
        FixupOutcome {
            name,
            state: FixupState::Failed,
            summary: with_causes(error),
            changes: Vec::new(),
            commands: Vec::new(),
        }
    };
    FixupReport {
        system: SystemFacts::default(),
        fixups: FixupName::ALL.into_iter().map(outcome).collect(),
    }
}

fn skipped(name: FixupName) -> FixupOutcome {
    FixupOutcome {
        name,
        state: FixupState::Skipped,
        summary: "left out as asked".to_owned(),
        changes: Vec::new(),
        commands: Vec::new(),
    }
}
