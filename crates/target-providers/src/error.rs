//! Why volumes and machines cannot be made or removed.

use std::io;
use std::path::PathBuf;

use rehost_machines::MachineError;
use rehost_volumes::VolumeError;

use crate::LedgerError;

/// A failed act of a provider. Messages are shown to the operator.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A volume cannot be made or opened.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// This receiver makes no image files.
    #[error(
        "this receiver makes no image files; start it with --images DIR, or give the task one of \
         its devices"
    )]
    NoImages,
    /// A device that was not offered.
    #[error(
        "{} is not among the devices that this receiver may overwrite; start it with --device {}",
        path.display(), path.display()
    )]
    NotOffered {
        /// The device that was asked for.
        path: PathBuf,
    },
    /// Somebody uses the device.
    #[error("{} is in use (mounted, or part of a volume group); free it first", path.display())]
    Busy {
        /// The device.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A device or an image of an earlier attempt has too few bytes.
    #[error("{} has {found_bytes} bytes, the source disk needs {needed_bytes}", path.display())]
    TooSmall {
        /// The device.
        path: PathBuf,
        /// What it has.
        found_bytes: u64,
        /// What is needed.
        needed_bytes: u64,
    },
    /// An image of an earlier attempt has another size.
    #[error(
        "{} exists with {found_bytes} bytes, but the task asks for {needed_bytes}; delete the \
         task and make a new one",
        path.display()
    )]
    OtherSize {
        /// The image.
        path: PathBuf,
        /// What it has.
        found_bytes: u64,
        /// What is asked for.
        needed_bytes: u64,
    },
    /// The id of a task or a boot that is no file name.
    #[error("the id {0:?} cannot be the name of a folder")]
    TaskId(String),
    /// A machine cannot be ended.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// A folder cannot be made, or something cannot be removed.
    #[error("{act} {}", path.display())]
    File {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}
