//! The firmware finds the boot loader: its boot sector on the right disk, or a file at the path
//! where firmware looks that knows nothing of this system.

use crate::changes::Work;
use crate::contract::Firmware;
use crate::error::FixupError;
use crate::system::boot_loader::GRUB_DIRECTORIES;

mod bios;
mod removable_path;
mod uefi;

pub(super) fn run(work: &mut Work<'_>) -> Result<(), FixupError> {
    // It names disks of the old hardware, and GRUB does without.
    for directory in GRUB_DIRECTORIES {
        work.remove(&format!("{directory}/device.map"))?;
    }
    match work.request.firmware {
        Firmware::Bios => bios::run(work),
        Firmware::Uefi => uefi::run(work),
    }
}
