//! Makes a copied Linux system start on other hardware.
//!
//! A system that was copied block by block still believes in its old machine: its initramfs has
//! the drivers of old controllers, its network configuration knows old cards, its boot loader old
//! firmware. [`fix`] puts that right below an opened root directory. It mounts nothing, and it
//! starts programs of the system only through [`Commands`], which the caller provides.
//!
//! What it promises:
//! - Each fix-up can be left out by name, says what it did, and shows every file as a diff.
//! - A second run changes nothing.
//! - Disks are hostile: no path leads out of the root directory, and no file is read beyond a
//!   limit.
//! - What keeps a system from starting is `failed`, and the summary names the file.

mod changes;
mod commands;
mod contract;
mod error;
mod facts;
mod fixups;
mod formats;
mod root;
mod system;
mod words;

use std::path::Path;

pub use commands::{CommandOutput, Commands};
pub use contract::{
    Addressing, CommandRun, FileChange, Firmware, FixupName, FixupOutcome, FixupReport,
    FixupRequest, FixupState, TargetDisk, TargetNetwork,
};
pub use error::{FixupError, RootError};
pub use facts::{DiskFact, DiskFacts, LogicalVolume, PartitionStyle, VolumeFact};
pub use formats::fstab::FstabEntry;
pub use system::{BootLoader, InitramfsTool, NetworkStack, SystemFacts};
pub use words::{MacAddress, NetworkAddress, NotAWord};

/// Makes the system below `root` start on the hardware that `request` describes.
///
/// All of the system's file systems are mounted below `root`, as `facts` tells; `commands` runs
/// programs of the system with `root` as their root directory. Nothing is written outside `root`.
/// What could not be done is in the report, never a panic.
#[must_use]
pub fn fix(
    root: &Path,
    facts: &DiskFacts,
    request: &FixupRequest,
    commands: &dyn Commands,
) -> FixupReport {
    let root = match root::Root::open(root) {
        Ok(root) => root,
        Err(error) => return fixups::nothing_possible(request, &error),
    };
    fixups::run_all(&root, facts, request, commands)
}

/// The mounts that a system wants, from the text of its `/etc/fstab`, in the order of the file.
///
/// For callers that have to mount a foreign system before they can call [`fix`].
#[must_use]
pub fn parse_fstab(text: &str) -> Vec<FstabEntry> {
    formats::fstab::entries(text)
}
