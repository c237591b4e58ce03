//! Names of devices in the copied system, as every fix-up that meets one sees them.

use crate::changes::Work;
use crate::facts::{Named, VolumeFact};

impl Work<'_> {
    /// What a name stands for. Names that `/etc/fstab` mounted somewhere are found by that place:
    /// nothing else tells what `/dev/disk/by-path/...` of another machine was.
    pub(crate) fn named(&self, name: &str) -> Named<'_> {
        let mount_point = self
            .system
            .fstab
            .iter()
            .find(|entry| entry.device == name && entry.file_system != "swap")
            .map(|entry| entry.mount_point.as_str());
        self.facts.named(name, mount_point, &self.request.disks)
    }

    /// The lasting name of the root file system, for a boot loader that knows it as `device`;
    /// none if `device` is such a name.
    ///
    /// A device that is not on the target can only be the root file system's old name.
    pub(crate) fn lasting_root(&self, device: &str) -> Option<String> {
        let volume: &VolumeFact = match self.named(device) {
            Named::ByDevice(volume) => volume,
            Named::Missing if device.starts_with("/dev/") => self.facts.mounted_at("/")?,
            _ => return None,
        };
        self.facts.stable_name(volume)
    }
}
