//! What the source server consists of.
//!
//! Readers fetch text and bytes, parsers beside them turn those into plain structures, and
//! [`register_body`](Inventory::register_body) turns the whole into what SMS wants to be told.
//! Nothing here changes the machine, and a part that cannot be found out is left out: the control
//! plane's feasibility checks decide what that means.

mod blkid;
mod btrfs;
mod disk;
mod host;
mod live_disks;
mod lsblk;
mod lvm;
mod named_disks;
mod network;
mod os_version;
mod partition_table;
mod register_body;
mod signature;
mod tools;

use std::path::{Path, PathBuf};

use anyhow::Context as _;

pub use btrfs::Btrfs;
pub use disk::{Disk, Part};
pub use host::{Firmware, Host};
pub use live_disks::LogicalContent;
pub use lvm::{LogicalVolume, VolumeGroup};
pub use network::NetworkCard;
pub use os_version::OsRelease;
pub use partition_table::TableKind;

use crate::mounts::{Mount, read_mounts, usage};
use live_disks::LiveDisks;

/// Everything that is registered of a source server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The machine.
    pub host: Host,
    /// Its disks, the system disk first.
    pub disks: Vec<Disk>,
    /// Its volume groups.
    pub volume_groups: Vec<VolumeGroup>,
    /// What is on each logical volume, by group and volume as in `volume_groups`.
    pub logical_contents: Vec<Vec<LogicalContent>>,
    /// Its Btrfs file systems.
    pub btrfs: Vec<Btrfs>,
    /// Its network cards, the one with the default route first.
    pub network_cards: Vec<NetworkCard>,
}

impl Inventory {
    /// Takes the inventory of this machine: of all its disks, or of those at `paths` alone if there
    /// are any. Takes seconds on a large machine.
    ///
    /// # Errors
    /// If the disks cannot be listed, or one at `paths` cannot be opened.
    pub fn take(paths: &[PathBuf]) -> anyhow::Result<Self> {
        let mounts = read_mounts().context("read what is mounted")?;
        let mut inventory = Self {
            host: host::read(),
            network_cards: network::list().unwrap_or_else(|error| {
                tracing::warn!(%error, "the network cards stay unknown");
                Vec::new()
            }),
            ..Self::default()
        };
        if paths.is_empty() {
            inventory.take_live_disks(&mounts)?;
        } else {
            let named = named_disks::describe(paths, &mounts)?;
            inventory.host.firmware = if named.efi {
                Firmware::Uefi
            } else {
                Firmware::Bios
            };
            inventory.host.grub |= named.grub;
            inventory.disks = named.disks;
        }
        Ok(inventory)
    }

    fn take_live_disks(&mut self, mounts: &[Mount]) -> anyhow::Result<()> {
        let mut devices = lsblk::list()?;
        for device in devices
            .iter_mut()
            .filter(|device| device.file_system.is_empty())
        {
            blkid::complete(device);
        }
        let live = LiveDisks {
            devices: &devices,
            mounts,
            usage: &|path: &Path| usage(path),
        };
        self.disks = live.disks();
        self.volume_groups = lvm::list().unwrap_or_else(|error| {
            tracing::warn!(%error, "the volume groups stay unknown");
            Vec::new()
        });
        self.logical_contents = self
            .volume_groups
            .iter()
            .map(|group| {
                let volumes = group.logical_volumes.iter();
                volumes
                    .map(|volume| live.content_of(&group.name, volume))
                    .collect()
            })
            .collect();
        self.btrfs = btrfs::list(mounts).unwrap_or_else(|error| {
            tracing::warn!(%error, "the Btrfs file systems stay unknown");
            Vec::new()
        });
        Ok(())
    }

    /// The disk that is registered under this name.
    #[must_use]
    pub fn disk(&self, name: &str) -> Option<&Disk> {
        self.disks.iter().find(|disk| disk.name == name)
    }
}
