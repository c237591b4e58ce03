//! NetworkManager: the connection that is bound to the interface.

use super::Wanted;
use crate::changes::{PRIVATE, Work};
use crate::error::FixupError;
use crate::formats::sections::{values, with_pairs};
use crate::system::network::{Names, belongs};

const DIRECTORY: &str = "/etc/NetworkManager/system-connections";

/// Changes the interface's connections, and tells whether there are any.
pub(super) fn change(work: &mut Work<'_>, wanted: &Wanted<'_>) -> Result<bool, FixupError> {
    let mut found = false;
    for name in work.root.list(DIRECTORY)? {
        let path = format!("{DIRECTORY}/{name}");
        if !belongs(&name, Names::Any) || !work.root.is_file(&path) {
            continue;
        }
        let Some(text) = work.read(&path)? else {
            continue;
        };
        let by_name = values(&text, "connection", "interface-name") == [wanted.name];
        let by_address = ["ethernet", "802-3-ethernet"]
            .iter()
            .flat_map(|section| values(&text, section, "mac-address"))
            .any(|mac| wanted.is_mac(mac));
        if by_name || by_address {
            work.write(&path, &changed(&text, wanted), PRIVATE)?;
            found = true;
        }
    }
    Ok(found)
}

/// Adds a connection.
pub(super) fn create(work: &mut Work<'_>, wanted: &Wanted<'_>) -> Result<(), FixupError> {
    let name = wanted.name;
    let begin = format!(
        "# Written by rehost.\n[connection]\nid=rehost-{name}\ntype=ethernet\n\
         interface-name={name}\nautoconnect-priority=10\n"
    );
    work.write(
        &format!("{DIRECTORY}/rehost-{name}.nmconnection"),
        &changed(&begin, wanted),
        PRIVATE,
    )
}

fn changed(text: &str, wanted: &Wanted<'_>) -> String {
    let mut new = text.to_owned();
    for (section, ipv4) in [("ipv4", true), ("ipv6", false)] {
        let pairs = pairs(wanted, ipv4);
        new = with_pairs(&new, section, is_address_key, &pairs);
    }
    new
}

fn is_address_key(key: &str) -> bool {
    let numbered = |stem: &str| {
        key.strip_prefix(stem)
            .is_some_and(|rest| rest.bytes().all(|digit| digit.is_ascii_digit()))
    };
    matches!(key, "method" | "gateway" | "dns" | "addresses" | "routes")
        || numbered("address")
        || numbered("route")
}

fn pairs(wanted: &Wanted<'_>, ipv4: bool) -> Vec<(&'static str, String)> {
    /// NetworkManager numbers addresses in their keys.
    const KEYS: [&str; 8] = [
        "address1", "address2", "address3", "address4", "address5", "address6", "address7",
        "address8",
    ];
    let Some(fixed) = &wanted.fixed else {
        return vec![("method", "auto".to_owned())];
    };
    let addresses = fixed.of_family(ipv4);
    if addresses.is_empty() {
        let method = if ipv4 { "disabled" } else { "ignore" };
        return vec![("method", method.to_owned())];
    }
    let mut pairs = vec![("method", "manual".to_owned())];
    for (key, address) in KEYS.into_iter().zip(addresses) {
        pairs.push((key, address.to_string()));
    }
    if let Some(gateway) = fixed.gateway_of_family(ipv4) {
        pairs.push(("gateway", gateway.to_string()));
    }
    let servers = fixed.dns_of_family(ipv4);
    if !servers.is_empty() {
        pairs.push(("dns", format!("{};", servers.join(";"))));
    }
    pairs
}
