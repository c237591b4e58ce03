//! What configures the network.

use serde::{Deserialize, Serialize};

/// What configures the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkStack {
    /// Debian's `/etc/network/interfaces`.
    Ifupdown,
    /// Ubuntu's YAML, which is translated for others.
    Netplan,
    /// systemd-networkd.
    Networkd,
    /// NetworkManager with its key files.
    NetworkManager,
    /// `ifcfg-*` of Red Hat, read by its scripts or by NetworkManager.
    Ifcfg,
    /// `ifcfg-*` of SUSE.
    Wicked,
}

/// How the names of a stack's files look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    Ending(&'static str),
    Beginning(&'static str),
    Any,
}

/// Where stacks keep the files that configure interfaces.
pub(crate) const DIRECTORIES: [(NetworkStack, &str, Names); 5] = [
    (
        NetworkStack::Netplan,
        "/etc/netplan",
        Names::Ending(".yaml"),
    ),
    (
        NetworkStack::Networkd,
        "/etc/systemd/network",
        Names::Ending(".network"),
    ),
    (
        NetworkStack::NetworkManager,
        "/etc/NetworkManager/system-connections",
        Names::Any,
    ),
    (
        NetworkStack::Ifcfg,
        "/etc/sysconfig/network-scripts",
        Names::Beginning("ifcfg-"),
    ),
    (
        NetworkStack::Wicked,
        "/etc/sysconfig/network",
        Names::Beginning("ifcfg-"),
    ),
];

/// Whether a name is one of a stack's files, not an editor's copy, nor the loopback's.
pub(crate) fn belongs(name: &str, names: Names) -> bool {
    let is_copy = name.ends_with('~')
        || [
            ".bak",
            ".orig",
            ".rpmsave",
            ".rpmnew",
            ".rehost-new",
            ".dpkg-old",
        ]
        .iter()
        .any(|ending| name.ends_with(ending));
    let fits = match names {
        Names::Ending(ending) => name.ends_with(ending),
        Names::Beginning(beginning) => name.starts_with(beginning),
        Names::Any => true,
    };
    fits && !is_copy && !name.starts_with('.') && name != "ifcfg-lo"
}

/// Whether `/etc/network/interfaces` configures more than the loopback, or takes in other files.
pub(crate) fn interfaces_is_used(text: &str) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("iface") => words.next() != Some("lo"),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_and_the_loopback_configure_nothing() {
        assert!(belongs("ifcfg-eth0", Names::Beginning("ifcfg-")));
        for name in ["ifcfg-lo", "ifcfg-eth0~", "ifcfg-eth0.rpmsave", ".x"] {
            assert!(!belongs(name, Names::Any), "{name}");
        }
        assert!(!interfaces_is_used("auto lo\niface lo inet loopback\n"));
        assert!(interfaces_is_used("iface ens3 inet dhcp\n"));
    }
}
