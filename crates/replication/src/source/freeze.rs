//! Holding the source still for the final round.

use std::fmt::Debug;
use std::time::Duration;

/// Why the source could not be frozen or thawed.
#[derive(Debug, thiserror::Error)]
#[error("{act} the source's file systems")]
pub struct FreezeError {
    /// `freeze` or `thaw`.
    pub act: &'static str,
    /// What the system said.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// Freezes and thaws whatever is mounted from the disks of a task.
pub trait Freezer: Debug {
    /// Stops writes to the disks, with everything in memory written out first.
    ///
    /// # Errors
    /// [`FreezeError`]; then nothing is frozen.
    fn freeze(&mut self) -> Result<(), FreezeError>;

    /// Whether the source is still held, as far as is known: a round that goes on without it is in
    /// vain. Must not write anything, and not take long.
    fn is_held(&self) -> bool {
        true
    }

    /// Lets writes go on. Returns for how long writers had to wait: from the moment at which the
    /// first file system began to freeze until all were thawed, without what was prepared before.
    /// `None` if there was nothing to freeze.
    ///
    /// # Errors
    /// [`FreezeError`] if the source did not stay frozen all the time: the round is then void.
    fn thaw(&mut self) -> Result<Option<Duration>, FreezeError>;
}

/// For disks of which nothing is mounted, such as the image files of a server that is off.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFreeze;

impl Freezer for NoFreeze {
    fn freeze(&mut self) -> Result<(), FreezeError> {
        Ok(())
    }

    fn thaw(&mut self) -> Result<Option<Duration>, FreezeError> {
        Ok(None)
    }
}
