//! What starts the kernel, and by which firmware it was started so far.

use serde::{Deserialize, Serialize};

/// What starts the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootLoader {
    /// GRUB 2.
    Grub2,
    /// GRUB before version 2.
    GrubLegacy,
    /// systemd-boot.
    SystemdBoot,
    /// None that is known here.
    #[default]
    Unknown,
}

/// Traces of firmware that has started the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FirmwareTraces {
    pub(crate) bios: bool,
    pub(crate) uefi: bool,
}

/// Directories where GRUB keeps its configuration and modules.
pub(crate) const GRUB_DIRECTORIES: [&str; 2] = ["/boot/grub2", "/boot/grub"];

/// Where EFI system partitions are mounted.
pub(crate) const EFI_DIRECTORIES: [&str; 3] = ["/boot/efi", "/efi", "/boot"];

/// Which boot loader a system has, by what `has` finds.
pub(crate) fn detect(has: &dyn Fn(&str) -> bool) -> BootLoader {
    let in_grub = |name: &str| {
        GRUB_DIRECTORIES
            .iter()
            .any(|directory| has(&format!("{directory}/{name}")))
    };
    let grub2 = ["grub.cfg", "i386-pc", "x86_64-efi", "grubenv"];
    if grub2.iter().any(|name| in_grub(name)) || has("/etc/default/grub") {
        return BootLoader::Grub2;
    }
    if in_grub("menu.lst") || in_grub("grub.conf") {
        return BootLoader::GrubLegacy;
    }
    let systemd_boot = EFI_DIRECTORIES
        .iter()
        .any(|directory| has(&format!("{directory}/loader/loader.conf")));
    if systemd_boot {
        return BootLoader::SystemdBoot;
    }
    BootLoader::Unknown
}

/// By which firmware a system was started so far.
pub(crate) fn firmware_traces(has: &dyn Fn(&str) -> bool) -> FirmwareTraces {
    let bios = [
        "/boot/grub2/i386-pc",
        "/boot/grub/i386-pc",
        "/boot/grub/stage2",
    ];
    let uefi = EFI_DIRECTORIES
        .iter()
        .any(|directory| has(&format!("{directory}/EFI")));
    FirmwareTraces {
        bios: bios.iter().any(|path| has(path)),
        uefi,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boot_loaders_are_known_by_their_files() {
        for (files, expected) in [
            (&["/boot/grub/grub.cfg"][..], BootLoader::Grub2),
            (&["/boot/grub2/grubenv"], BootLoader::Grub2),
            (&["/boot/grub/menu.lst"], BootLoader::GrubLegacy),
            (&["/efi/loader/loader.conf"], BootLoader::SystemdBoot),
            (&[], BootLoader::Unknown),
        ] {
            assert_eq!(detect(&|path| files.contains(&path)), expected, "{files:?}");
        }
        let traces = firmware_traces(&|path| path == "/boot/efi/EFI");
        assert!(traces.uefi && !traces.bios);
    }
}
