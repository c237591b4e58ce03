//! Makes the things of one boot, each in the ledger first.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use rehost_machines::{Machine, MachineError, MachineSpec, WaitingMachine, create_overlay};

use super::{BootObserver, BootVolume};
use crate::removal::{file_error, remove};
use crate::{Ledger, ProviderError, Thing};

/// Why a boot came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum BootError {
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The copy does not start, or the helper system says that it cannot.
    #[error("{0}")]
    Reason(String),
}

impl From<crate::LedgerError> for BootError {
    fn from(error: crate::LedgerError) -> Self {
        Self::Provider(error.into())
    }
}

/// Who makes things for one task.
pub(super) struct Maker<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) task_id: &'a str,
    pub(super) observer: &'a dyn BootObserver,
}

impl Maker<'_> {
    /// Announces a thing, which is made next.
    pub(super) fn announce(&self, thing: Thing) -> Result<(), BootError> {
        self.ledger.will_make(self.task_id, thing.clone())?;
        self.observer.announced(&thing);
        Ok(())
    }

    /// Removes a thing, if it is there.
    pub(super) fn remove(&self, thing: Thing) -> Result<(), BootError> {
        remove(&thing)?;
        self.ledger.removed(self.task_id, thing)?;
        Ok(())
    }

    /// Makes a folder that nobody else may enter.
    pub(super) fn folder(&self, thing: Thing) -> Result<(), BootError> {
        let path = thing.path().to_owned();
        self.announce(thing)?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
        made.map_err(|source| file_error("make the folder", &path, source))?;
        Ok(())
    }

    /// Makes an overlay on a volume.
    pub(super) fn overlay(&self, path: &Path, volume: &BootVolume) -> Result<(), BootError> {
        self.announce(Thing::Overlay(path.into()))?;
        create_overlay(path, volume.size_bytes, &volume.backing)?;
        Ok(())
    }

    /// Starts a machine.
    pub(super) fn machine(&self, spec: &MachineSpec) -> Result<Machine, BootError> {
        for socket in spec.sockets() {
            self.announce(Thing::Socket(socket))?;
        }
        let waiting = WaitingMachine::new(spec)?;
        self.announce(process_of(spec, waiting.process()))?;
        Ok(waiting.go()?)
    }

    /// Ends a machine, unless it has ended by itself, and removes what was made for it.
    pub(super) fn end(&self, machine: Machine) -> Result<(), BootError> {
        let spec = machine.spec().clone();
        let process = machine.process().clone();
        if machine.is_running() {
            machine.quit()?;
        }
        self.remove(process_of(&spec, &process))?;
        for socket in spec.sockets() {
            self.remove(Thing::Socket(socket))?;
        }
        Ok(())
    }
}

fn process_of(spec: &MachineSpec, process: &rehost_machines::ProcessIdentity) -> Thing {
    Thing::Process {
        folder: spec.work_folder.clone(),
        process: process.clone(),
    }
}
