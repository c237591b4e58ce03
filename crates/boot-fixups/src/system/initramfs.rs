//! What makes the early user space.

use serde::{Deserialize, Serialize};

/// What makes the early user space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitramfsTool {
    /// Debian's and Ubuntu's.
    InitramfsTools,
    /// That of Fedora, its relatives and SUSE.
    Dracut,
    /// SUSE's and Red Hat's before dracut.
    Mkinitrd,
    /// None is there.
    #[default]
    None,
}

/// Which tool a system has, by what `has` finds.
///
/// Debian's is looked for first: both may be installed there, and the kernel's packages call it.
pub(crate) fn tool(has: &dyn Fn(&str) -> bool) -> InitramfsTool {
    let program = |name: &str| {
        ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
            .iter()
            .any(|directory| has(&format!("{directory}/{name}")))
    };
    if program("update-initramfs") && has("/etc/initramfs-tools") {
        InitramfsTool::InitramfsTools
    } else if program("dracut") {
        InitramfsTool::Dracut
    } else if program("mkinitrd") {
        InitramfsTool::Mkinitrd
    } else {
        InitramfsTool::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_known_by_their_programs() {
        for (files, expected) in [
            (
                &["/usr/sbin/update-initramfs", "/etc/initramfs-tools"][..],
                InitramfsTool::InitramfsTools,
            ),
            // dracut of Debian brings an `update-initramfs` of its own.
            (
                &["/usr/sbin/update-initramfs", "/usr/bin/dracut"],
                InitramfsTool::Dracut,
            ),
            (&["/sbin/mkinitrd"], InitramfsTool::Mkinitrd),
            (&[], InitramfsTool::None),
        ] {
            assert_eq!(tool(&|path| files.contains(&path)), expected, "{files:?}");
        }
    }
}
