//! Interfaces keep the names that the configuration knows, whatever slot the new card is in, and
//! the configuration knows the new hardware addresses.
//!
//! Names are kept by a link file of systemd for each card (or a rule of udev where there is no
//! systemd): no configuration has to be rewritten, and firewalls, DHCP servers and scripts that
//! use a name stay right. Where a hardware address is written, in whatever format, it is replaced.

use std::collections::BTreeMap;

use crate::changes::{READABLE, Work};
use crate::contract::TargetNetwork;
use crate::error::FixupError;
use crate::formats::sections;
use crate::system::network::{self, Names};
use crate::words::{MacAddress, is_interface_name};

const LINK_DIRECTORY: &str = "/etc/systemd/network";
const RULES: &str = "/etc/udev/rules.d/70-rehost-net.rules";
/// From this version on `Type=ether` is understood. It keeps bridges, bonds and VLANs, which
/// inherit a card's address, from being renamed in its place.
const SYSTEMD_WITH_TYPES: u32 = 243;

/// Where hardware addresses may be written.
const DIRECTORIES: [(&str, Names); 8] = [
    ("/etc/network/interfaces.d", Names::Any),
    ("/etc/netplan", Names::Ending(".yaml")),
    (LINK_DIRECTORY, Names::Ending(".link")),
    (LINK_DIRECTORY, Names::Ending(".network")),
    (LINK_DIRECTORY, Names::Ending(".netdev")),
    ("/etc/NetworkManager/system-connections", Names::Any),
    ("/etc/sysconfig/network-scripts", Names::Beginning("ifcfg-")),
    ("/etc/sysconfig/network", Names::Beginning("ifcfg-")),
];

pub(super) fn run(work: &mut Work<'_>) -> Result<(), FixupError> {
    let networks = work.request.networks.clone();
    for network in &networks {
        if !is_interface_name(&network.source_name) {
            return Err(FixupError::Essential(format!(
                "{:?} cannot be the name of a network interface: no file in {LINK_DIRECTORY} \
                 can be made for it",
                network.source_name
            )));
        }
    }
    replace_addresses(work, &networks)?;
    match work.system.systemd {
        Some(version) => write_links(work, &networks, version),
        None => write_rules(work, &networks),
    }
}

/// Replaces the addresses of all cards at once, so that cards which change places are not mixed
/// up. A card whose name is already kept has been through this.
fn replace_addresses(work: &mut Work<'_>, networks: &[TargetNetwork]) -> Result<(), FixupError> {
    let mut map = BTreeMap::new();
    for network in networks {
        let kept = work
            .read(&link_path(&network.source_name))?
            .is_some_and(|text| {
                sections::values(&text, "Match", "MACAddress") == [network.target_mac.to_string()]
            });
        if !kept && network.source_mac != network.target_mac {
            map.insert(network.source_mac, network.target_mac);
        }
    }
    if map.is_empty() {
        return Ok(());
    }
    let mut paths = vec!["/etc/network/interfaces".to_owned()];
    for (directory, names) in DIRECTORIES {
        let found = work.root.list(directory)?;
        paths.extend(
            found
                .iter()
                .filter(|name| network::belongs(name, names))
                .map(|name| format!("{directory}/{name}")),
        );
    }
    for path in paths {
        if work.root.is_file(&path) {
            work.edit(&path, |text| with_addresses(text, &map))?;
        }
    }
    Ok(())
}

fn link_path(name: &str) -> String {
    format!("{LINK_DIRECTORY}/10-rehost-{name}.link")
}

fn write_links(
    work: &mut Work<'_>,
    networks: &[TargetNetwork],
    version: u32,
) -> Result<(), FixupError> {
    for network in networks {
        let kind = if version >= SYSTEMD_WITH_TYPES {
            "Type=ether\n"
        } else {
            ""
        };
        let text = format!(
            "# Written by rehost: the card has the name that it had on the source.\n\
             [Match]\nMACAddress={}\n{kind}\n[Link]\nName={}\n",
            network.target_mac, network.source_name
        );
        work.write(&link_path(&network.source_name), &text, READABLE)?;
    }
    Ok(())
}

fn write_rules(work: &mut Work<'_>, networks: &[TargetNetwork]) -> Result<(), FixupError> {
    if networks.is_empty() {
        return Ok(());
    }
    let mut text =
        "# Written by rehost: cards have the names that they had on the source.\n".to_owned();
    for network in networks {
        text.push_str(&format!(
            "SUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", ATTR{{address}}==\"{}\", \
             ATTR{{type}}==\"1\", NAME=\"{}\"\n",
            network.target_mac, network.source_name
        ));
    }
    work.write(RULES, &text, READABLE)
}

/// The text with every hardware address that is a key of `map` replaced.
fn with_addresses(text: &str, map: &BTreeMap<MacAddress, MacAddress>) -> String {
    const LENGTH: usize = 17;
    let is_part = |byte: u8| byte.is_ascii_hexdigit() || byte == b':' || byte == b'-';
    let bytes = text.as_bytes();
    let mut new = String::with_capacity(text.len());
    let mut copied = 0;
    let mut at = 0;
    while at + LENGTH <= bytes.len() {
        let starts = at
            .checked_sub(1)
            .is_none_or(|before| !is_part(bytes[before]));
        let ends = bytes.get(at + LENGTH).is_none_or(|after| !is_part(*after));
        let found = (starts && ends)
            .then(|| text.get(at..at + LENGTH))
            .flatten()
            .and_then(|word| word.parse::<MacAddress>().ok())
            .and_then(|address| map.get(&address));
        if let Some(address) = found {
            new.push_str(text.get(copied..at).unwrap_or_default());
            new.push_str(&address.to_string());
            at += LENGTH;
            copied = at;
        } else {
            at += 1;
        }
    }
    new.push_str(text.get(copied..).unwrap_or_default());
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_change_places_are_not_mixed_up() {
        let mac =
            |last: u8| -> MacAddress { format!("52:54:00:00:00:{last:02x}").parse().unwrap() };
        let map = BTreeMap::from([(mac(1), mac(2)), (mac(2), mac(1))]);
        let text = "HWADDR=52:54:00:00:00:01\nx 52-54-00-00-00-02 52:54:00:00:00:03 \u{fc}\nclient=01:52:54:00:00:00:01";
        assert_eq!(
            with_addresses(text, &map),
            "HWADDR=52:54:00:00:00:02\nx 52:54:00:00:00:01 52:54:00:00:00:03 \u{fc}\nclient=01:52:54:00:00:00:01"
        );
    }
}
