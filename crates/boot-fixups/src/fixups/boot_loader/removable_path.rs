//! Which file goes to the path where firmware looks that has no entry for a system, as the
//! firmware of a new machine has none: `EFI/BOOT/BOOTX64.EFI` and its like. Pure.

/// Names of boot loaders for an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Architecture {
    /// What firmware looks for.
    pub(super) removable: &'static str,
    /// The signed loader that firmware with Secure Boot accepts, which starts the next.
    pub(super) shim: &'static str,
    pub(super) grub: &'static str,
    pub(super) systemd_boot: &'static str,
    /// Starts what a list beside a vendor's loader says.
    pub(super) fallback: &'static str,
    /// Asks about keys.
    pub(super) key_manager: &'static str,
}

pub(super) const ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        removable: "BOOTX64.EFI",
        shim: "shimx64.efi",
        grub: "grubx64.efi",
        systemd_boot: "systemd-bootx64.efi",
        fallback: "fbx64.efi",
        key_manager: "mmx64.efi",
    },
    Architecture {
        removable: "BOOTAA64.EFI",
        shim: "shimaa64.efi",
        grub: "grubaa64.efi",
        systemd_boot: "systemd-bootaa64.efi",
        fallback: "fbaa64.efi",
        key_manager: "mmaa64.efi",
    },
];

/// A directory below `EFI` with boot loaders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vendor {
    /// Its name, such as `debian`.
    pub(super) name: String,
    /// Names of its files, as they are spelled.
    pub(super) files: Vec<String>,
}

impl Vendor {
    /// The spelling of a file in it: the file system does not tell `A` from `a`.
    pub(super) fn spelling(&self, wanted: &str) -> Option<&str> {
        self.files
            .iter()
            .find(|name| name.eq_ignore_ascii_case(wanted))
            .map(String::as_str)
    }
}

/// The vendor whose loader starts this system, and the architecture of it.
///
/// The one that is called like the system comes first, then those with a signed loader.
pub(super) fn choose<'a>(vendors: &'a [Vendor], os_id: &str) -> Option<(&'a Vendor, Architecture)> {
    let own_name = match os_id {
        "rhel" => "redhat",
        "opensuse-leap" | "opensuse-tumbleweed" => "opensuse",
        "sles" | "sles_sap" => "sles",
        "ol" => "redhat",
        "linuxmint" | "pop" => "ubuntu",
        other => other,
    };
    let mut candidates = Vec::new();
    for vendor in vendors {
        for architecture in ARCHITECTURES {
            let rank = if vendor.spelling(architecture.shim).is_some() {
                0
            } else if vendor.spelling(architecture.grub).is_some() {
                1
            } else if vendor.spelling(architecture.systemd_boot).is_some() {
                2
            } else {
                continue;
            };
            let is_own = vendor.name.eq_ignore_ascii_case(own_name);
            candidates.push(((!is_own, rank), vendor, architecture));
        }
    }
    candidates
        .into_iter()
        .min_by_key(|(order, _, _)| *order)
        .map(|(_, vendor, architecture)| (vendor, architecture))
}

/// The configuration beside a GRUB at the removable path: it hands over to the vendor's, so that
/// updates of that one are followed.
pub(super) fn hand_over(vendor: &str, partition: Option<&str>) -> String {
    let directory = format!("/EFI/{vendor}");
    let search = match partition {
        Some(uuid) => format!("search --no-floppy --fs-uuid --set=root {uuid}"),
        None => format!("search --no-floppy --file --set=root {directory}/grub.cfg"),
    };
    format!(
        "# Written by rehost: the configuration is that of {directory}.\n{search}\n\
         set prefix=($root){directory}\nconfigfile ($root){directory}/grub.cfg\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_own_signed_loader_comes_first() {
        let vendor = |name: &str, files: &[&str]| Vendor {
            name: name.into(),
            files: files.iter().map(ToString::to_string).collect(),
        };
        let vendors = [
            vendor("Microsoft", &["bootmgfw.efi"]),
            vendor("systemd", &["systemd-bootx64.efi"]),
            vendor("debian", &["grubx64.efi", "SHIMX64.EFI"]),
            vendor("ubuntu", &["shimx64.efi"]),
        ];
        let name = |os_id| choose(&vendors, os_id).unwrap().0.name.clone();
        assert_eq!(name("debian"), "debian");
        assert_eq!(name("linuxmint"), "ubuntu");
        assert_eq!(name("other"), "debian");
        assert!(choose(&vendors[..1], "debian").is_none());
        assert_eq!(vendors[2].spelling("shimx64.efi"), Some("SHIMX64.EFI"));
    }
}
