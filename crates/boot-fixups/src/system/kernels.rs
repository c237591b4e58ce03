//! The kernels of a system: which can be started, with which drivers, from which initramfs.

use std::cmp::Ordering;

/// A kernel that can be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// Its version, as below `/lib/modules`.
    pub(crate) version: String,
    /// Its initramfs in `/boot`, if it has one there.
    pub(crate) initramfs: Option<String>,
    /// Those of [`WANTED_DRIVERS`] that it has.
    pub(crate) drivers: Vec<Driver>,
}

/// A driver that a kernel has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Driver {
    pub(crate) name: &'static str,
    /// Whether it is part of the kernel itself.
    pub(crate) builtin: bool,
}

/// Drivers of the disks and cards that virtual machines have: KVM's, those of NVMe and SATA, and
/// those of Hyper-V.
pub(crate) const WANTED_DRIVERS: [&str; 8] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "virtio_net",
    "nvme",
    "ahci",
    "hv_vmbus",
    "hv_storvsc",
];

/// Drivers of which at least one is needed to find the root file system.
const DISK_DRIVERS: [&str; 5] = ["virtio_blk", "virtio_scsi", "nvme", "ahci", "hv_storvsc"];

impl Kernel {
    /// Whether it has the driver `name`, in itself or as a module.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.drivers.iter().any(|driver| driver.name == name)
    }

    /// Whether it has any driver for disks of a virtual machine.
    pub(crate) fn knows_disks(&self) -> bool {
        DISK_DRIVERS.iter().any(|name| self.has(name))
    }

    /// Whether the driver `name` is a module of its own.
    pub(crate) fn has_module(&self, name: &str) -> bool {
        self.drivers
            .iter()
            .any(|driver| driver.name == name && !driver.builtin)
    }
}

/// The wanted drivers in the text of a `modules.dep` or `modules.builtin`.
pub(crate) fn drivers(text: &str, builtin: bool) -> Vec<Driver> {
    let mut found: Vec<Driver> = Vec::new();
    for line in text.lines() {
        let path = line.split(':').next().unwrap_or_default();
        let file = path.rsplit('/').next().unwrap_or_default();
        let Some((name, _)) = file.split_once(".ko") else {
            continue;
        };
        // Files may spell a module with `-`.
        let spelled = name.replace('-', "_");
        if let Some(name) = WANTED_DRIVERS.into_iter().find(|wanted| *wanted == spelled)
            && !found.iter().any(|driver| driver.name == name)
        {
            found.push(Driver { name, builtin });
        }
    }
    found
}

/// Whether a kernel can be started: its image is in `/boot`, whose entries `boot` are, or beside
/// its modules, from where the tools take it.
pub(crate) fn is_startable(version: &str, boot: &[String], image_in_modules: bool) -> bool {
    image_in_modules
        || boot.iter().any(|name| {
            ["vmlinuz", "vmlinux", "Image", "bzImage"]
                .iter()
                .any(|image| name.strip_prefix(image) == Some(&format!("-{version}")))
        })
}

/// The initramfs of a kernel among the entries of `/boot`.
pub(crate) fn initramfs_image(version: &str, boot: &[String]) -> Option<String> {
    [
        format!("initrd.img-{version}"),
        format!("initramfs-{version}.img"),
        format!("initrd-{version}"),
        format!("initrd-{version}.img"),
    ]
    .into_iter()
    .find(|name| boot.contains(name))
    .map(|name| format!("/boot/{name}"))
}

/// Compares versions by their numbers: `6.1.0-9` is older than `6.1.0-18`.
pub(crate) fn compare_versions(one: &str, other: &str) -> Ordering {
    let numbers = |text: &str| {
        text.split(|letter: char| !letter.is_ascii_digit())
            .filter(|digits| !digits.is_empty())
            .map(|digits| digits.parse::<u64>().unwrap_or(u64::MAX))
            .collect::<Vec<_>>()
    };
    numbers(one).cmp(&numbers(other)).then(one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_are_found_packed_or_not_built_in_or_not() {
        let text = "kernel/drivers/block/virtio_blk.ko.xz: kernel/drivers/virtio/virtio.ko.xz\n\
                    kernel/drivers/hv/hv_vmbus.ko:\nkernel/drivers/ata/libahci.ko:\n";
        let names: Vec<_> = drivers(text, false)
            .iter()
            .map(|driver| driver.name)
            .collect();
        assert_eq!(names, ["virtio_blk", "hv_vmbus"]);
        let kernel = Kernel {
            version: "6".into(),
            initramfs: None,
            drivers: drivers("kernel/drivers/block/virtio-blk.ko\n", true),
        };
        assert!(kernel.has("virtio_blk") && kernel.knows_disks());
        assert!(!kernel.has_module("virtio_blk"));
    }

    #[test]
    fn images_and_versions_are_told_apart() {
        let boot = ["vmlinuz-6.1.0-18-amd64", "initrd.img-6.1.0-18-amd64"].map(String::from);
        assert!(is_startable("6.1.0-18-amd64", &boot, false));
        assert!(!is_startable("6.1.0-18", &boot, false));
        assert!(is_startable("6.1.0-18", &boot, true));
        assert_eq!(
            initramfs_image("6.1.0-18-amd64", &boot).as_deref(),
            Some("/boot/initrd.img-6.1.0-18-amd64")
        );
        assert_eq!(compare_versions("6.1.0-9", "6.1.0-18"), Ordering::Less);
    }
}
