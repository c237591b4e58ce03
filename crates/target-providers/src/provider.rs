//! What every provider of target volumes does.

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use rehost_volumes::{GptBackup, Volume};

use crate::ProviderError;

/// A volume that a task needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeRequest {
    /// Number of the volume within the task.
    pub index: u32,
    /// Name of the source disk; part of the name of what is made.
    pub name: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// What it should be.
    pub format: VolumeFormat,
}

/// What a target volume is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeFormat {
    /// A new raw image file.
    Raw,
    /// A new qcow2 image file.
    Qcow2,
    /// An existing block device, whose content will be lost.
    Device(PathBuf),
}

/// A volume that is ready to be written.
#[derive(Clone, Debug)]
pub struct PreparedVolume {
    /// Number of the volume within the task.
    pub index: u32,
    /// Where it is, for people.
    pub path: PathBuf,
    /// Its bytes, exactly as many as were asked for.
    pub volume: Arc<dyn Volume>,
    /// Whether it was made just now, so that it reads as zeros everywhere.
    pub made_empty: bool,
}

/// Makes volumes for tasks and lets go of them.
pub trait TargetProvider: Send + Sync + Debug {
    /// Makes or opens the volumes of a task. Idempotent: after a restart the same call opens what
    /// the last one made. On failure what was made stays in the ledger until [`Self::release`].
    ///
    /// # Errors
    /// [`ProviderError`]; its message says what to do.
    fn prepare(
        &self,
        task_id: &str,
        requests: &[VolumeRequest],
    ) -> Result<Vec<PreparedVolume>, ProviderError>;

    /// Fits the partition table of a volume to the medium that it is on, if that is larger than the
    /// volume: from then on the first bytes are not the source's any more, so that it must come after
    /// the comparison and before [`Self::commit`].
    ///
    /// # Errors
    /// [`ProviderError`]; the volume can be used all the same.
    fn fit_partition_table(
        &self,
        task_id: &str,
        request: &VolumeRequest,
    ) -> Result<GptBackup, ProviderError>;

    /// Notes that the task ended well: its volumes are the target's from now on and are never
    /// removed by [`Self::release`]. Lets go of them until the next [`Self::prepare`].
    ///
    /// # Errors
    /// [`ProviderError`] if the ledger cannot be written.
    fn commit(&self, task_id: &str) -> Result<(), ProviderError>;

    /// Whether a task was committed.
    fn is_committed(&self, task_id: &str) -> bool;

    /// Lets go of a task: removes what was made for it, unless it was committed. Existing devices
    /// are left as they are. Returns what was removed.
    ///
    /// # Errors
    /// [`ProviderError`]; what could not be removed stays in the ledger for the next try.
    fn release(&self, task_id: &str) -> Result<Vec<PathBuf>, ProviderError>;

    /// Tasks that have things in the ledger, committed ones excepted.
    fn open_tasks(&self) -> Vec<String>;
}
