//! ifupdown: `/etc/network/interfaces` and the files beside it.

use super::Wanted;
use crate::changes::{READABLE, Work};
use crate::error::FixupError;
use crate::formats::interfaces::{Stanza, configures, with_stanzas};
use crate::system::network::{Names, belongs};

const PATH: &str = "/etc/network/interfaces";
const DIRECTORY: &str = "/etc/network/interfaces.d";
const RESOLVER: &str = "/etc/resolv.conf";

/// Changes the interface's stanzas, and tells whether there are any.
pub(super) fn change(work: &mut Work<'_>, wanted: &Wanted<'_>) -> Result<bool, FixupError> {
    let mut paths = vec![PATH.to_owned()];
    for name in work.root.list(DIRECTORY)? {
        if belongs(&name, Names::Any) {
            paths.push(format!("{DIRECTORY}/{name}"));
        }
    }
    let mut stanzas = stanzas(wanted);
    let mut found = false;
    for path in paths {
        let Some(text) = work.read(&path)? else {
            continue;
        };
        if !configures(&text, wanted.name) {
            continue;
        }
        let new = with_stanzas(&text, wanted.name, &stanzas);
        work.write(&path, &new, READABLE)?;
        // Further files must not add what the first one has not.
        stanzas.clear();
        found = true;
    }
    if found {
        name_servers(work, wanted)?;
    }
    Ok(found)
}

/// Adds the interface.
pub(super) fn create(work: &mut Work<'_>, wanted: &Wanted<'_>) -> Result<(), FixupError> {
    let text = work.read(PATH)?.unwrap_or_default();
    let new = with_stanzas(&text, wanted.name, &stanzas(wanted));
    work.write(PATH, &new, READABLE)?;
    name_servers(work, wanted)
}

fn stanzas(wanted: &Wanted<'_>) -> Vec<Stanza> {
    let Some(fixed) = &wanted.fixed else {
        return vec![Stanza {
            family: "inet",
            method: "dhcp",
            lines: Vec::new(),
        }];
    };
    let mut stanzas = Vec::new();
    for (family, ipv4) in [("inet", true), ("inet6", false)] {
        for (number, address) in fixed.of_family(ipv4).iter().enumerate() {
            let mut lines = vec![("address", address.to_string())];
            if number == 0 {
                if let Some(gateway) = fixed.gateway_of_family(ipv4) {
                    lines.push(("gateway", gateway.to_string()));
                }
                let servers = fixed.dns_of_family(ipv4);
                if !servers.is_empty() {
                    lines.push(("dns-nameservers", servers.join(" ")));
                }
            }
            stanzas.push(Stanza {
                family,
                method: "static",
                lines,
            });
        }
    }
    stanzas
}

/// Without a helper program nobody reads `dns-nameservers`; then the resolver's own file counts.
fn name_servers(work: &mut Work<'_>, wanted: &Wanted<'_>) -> Result<(), FixupError> {
    let Some(fixed) = &wanted.fixed else {
        return Ok(());
    };
    let has_helper = work.find_program(&["resolvconf"]).is_some();
    let is_link = work.root.link_target(RESOLVER).is_some();
    if fixed.dns.is_empty() || has_helper || is_link {
        return Ok(());
    }
    let old = work.read(RESOLVER)?.unwrap_or_default();
    let is_server = |line: &str| line.split_ascii_whitespace().next() == Some("nameserver");
    let mut new: String = old
        .split_inclusive('\n')
        .filter(|line| !is_server(line))
        .collect();
    if !new.is_empty() && !new.ends_with('\n') {
        new.push('\n');
    }
    for server in fixed.dns {
        new.push_str(&format!("nameserver {server}\n"));
    }
    work.write(RESOLVER, &new, READABLE)
}
