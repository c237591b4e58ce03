//! Boots copies of servers: a rehearsal, which is thrown away, or a cut-over, which stays.
//!
//! The volumes of a task are never written to. Everything happens in overlays on them: the helper
//! system makes the copy fit its new hardware, the copy boots, its network leads nowhere unless the
//! order says otherwise, and what it shows tells whether it would work.
//!
//! Whatever is made is in the ledger before it is made. So whoever comes after a crash ends the
//! machines that still run and removes the rest, with [`Boots::release`], and starts over: a boot
//! has no state that would be worth to go on from.

mod conversation;
mod helper;
mod made;
mod order;
mod report;
mod run;
mod steps;
mod target;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

pub use order::{BootNetwork, BootOrder, BootPurpose, BootVolume, HelperSystem};
pub use report::{BootReport, KeptMachine};
pub use steps::{STEPS, Step};

use crate::removal::{check_id, remove_things};
use crate::{Ledger, ProviderError, Thing};

/// Told what a boot does, while it does it.
pub trait BootObserver: Send + Sync {
    /// A step begins.
    fn step(&self, _step: Step) {}
    /// Something is in the ledger now, and will be made next.
    fn announced(&self, _thing: &Thing) {}
    /// The helper system says something for people.
    fn helper_says(&self, _line: &str) {}
}

/// Nobody is told.
impl BootObserver for () {}

/// Boots copies on this host.
#[derive(Debug)]
pub struct Boots {
    folder: PathBuf,
    ledger: Arc<Ledger>,
    helper: HelperSystem,
}

impl Boots {
    /// Boots in sub-folders of `folder`, with one for each task and in it one for each boot. What
    /// copies write while they run goes there as well, so there should be room for it.
    #[must_use]
    pub fn new(folder: PathBuf, ledger: Arc<Ledger>, helper: HelperSystem) -> Self {
        Self {
            folder,
            ledger,
            helper,
        }
    }

    /// Boots a copy, as [`STEPS`] say. The report tells how it went; console logs and picture stay
    /// where it says until [`Self::release_boot`].
    ///
    /// A rehearsal leaves nothing else. A cut-over that succeeds leaves its machine running, beyond
    /// the life of this process; asked for once more, the same cut-over is not repeated but
    /// reported again. When `stop` is set, what was begun is undone.
    pub fn run(
        &self,
        order: &BootOrder,
        volumes: &[BootVolume],
        observer: &dyn BootObserver,
        stop: &AtomicBool,
    ) -> BootReport {
        run::run(self, order, volumes, observer, stop)
    }

    /// Removes everything that one boot of a task left, machines that run included. Returns where
    /// something was.
    ///
    /// # Errors
    /// [`ProviderError`]; what could not be removed stays in the ledger for the next try.
    pub fn release_boot(
        &self,
        task_id: &str,
        boot_id: &str,
    ) -> Result<Vec<PathBuf>, ProviderError> {
        let folder = self.boot_folder(task_id, boot_id)?;
        self.remove_below(task_id, &folder)
    }

    /// The same for every boot of a task, whether it was committed or not: its target's machine is
    /// ended, too, and what that has written is gone.
    ///
    /// # Errors
    /// [`ProviderError`]; what could not be removed stays in the ledger for the next try.
    pub fn release(&self, task_id: &str) -> Result<Vec<PathBuf>, ProviderError> {
        let folder = self.task_folder(task_id)?;
        self.remove_below(task_id, &folder)
    }

    /// Boots of a task that have left something.
    #[must_use]
    pub fn boots_of(&self, task_id: &str) -> Vec<String> {
        let Ok(folder) = self.task_folder(task_id) else {
            return vec![];
        };
        let things = self.ledger.things(task_id);
        let boots = things.iter().filter_map(|thing| match thing {
            Thing::WorkFolder(path) if path.parent() == Some(&folder) => path.file_name()?.to_str(),
            _ => None,
        });
        boots.map(str::to_owned).collect()
    }

    fn remove_below(&self, task_id: &str, folder: &Path) -> Result<Vec<PathBuf>, ProviderError> {
        remove_things(&self.ledger, task_id, |thing| {
            thing.path().starts_with(folder)
        })
    }

    fn task_folder(&self, task_id: &str) -> Result<PathBuf, ProviderError> {
        check_id(task_id)?;
        Ok(self.folder.join(task_id))
    }

    fn boot_folder(&self, task_id: &str, boot_id: &str) -> Result<PathBuf, ProviderError> {
        check_id(boot_id)?;
        Ok(self.task_folder(task_id)?.join(boot_id))
    }
}
