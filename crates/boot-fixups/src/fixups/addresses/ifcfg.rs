//! `ifcfg-*`: shell assignments, with Red Hat's keys or SUSE's.

use super::{Fixed, Wanted};
use crate::changes::{READABLE, Work};
use crate::error::FixupError;
use crate::formats::assignments::{get, set, without};
use crate::system::network::{Names, belongs};

/// Whose keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    RedHat,
    Suse,
}

impl Kind {
    fn directory(self) -> &'static str {
        match self {
            Self::RedHat => "/etc/sysconfig/network-scripts",
            Self::Suse => "/etc/sysconfig/network",
        }
    }
}

/// SUSE keeps name servers in one place for all interfaces.
const SUSE_CONFIG: &str = "/etc/sysconfig/network/config";
const SUSE_DNS: &str = "NETCONFIG_DNS_STATIC_SERVERS";

/// Changes the interface's files, and tells whether there are any.
pub(super) fn change(
    work: &mut Work<'_>,
    wanted: &Wanted<'_>,
    kind: Kind,
) -> Result<bool, FixupError> {
    let directory = kind.directory();
    let mut found = false;
    for name in work.root.list(directory)? {
        let path = format!("{directory}/{name}");
        if !belongs(&name, Names::Beginning("ifcfg-")) || !work.root.is_file(&path) {
            continue;
        }
        let Some(text) = work.read(&path)? else {
            continue;
        };
        let device = get(&text, "DEVICE");
        let is_it = match &device {
            Some(device) => device == wanted.name,
            None => {
                name.strip_prefix("ifcfg-") == Some(wanted.name)
                    || get(&text, "HWADDR").is_some_and(|mac| wanted.is_mac(&mac))
            }
        };
        if is_it {
            work.write(&path, &changed(&text, wanted, kind), READABLE)?;
            found = true;
        }
    }
    if found && kind == Kind::Suse {
        suse_routes_and_dns(work, wanted)?;
    }
    Ok(found)
}

/// Adds a file for the interface.
pub(super) fn create(
    work: &mut Work<'_>,
    wanted: &Wanted<'_>,
    kind: Kind,
) -> Result<(), FixupError> {
    let begin = match kind {
        Kind::RedHat => format!(
            "# Written by rehost.\nTYPE=Ethernet\nDEVICE={}\nONBOOT=yes\n",
            wanted.name
        ),
        Kind::Suse => "# Written by rehost.\nSTARTMODE='auto'\n".to_owned(),
    };
    let path = format!("{}/ifcfg-{}", kind.directory(), wanted.name);
    work.write(&path, &changed(&begin, wanted, kind), READABLE)?;
    if kind == Kind::Suse {
        suse_routes_and_dns(work, wanted)?;
    }
    Ok(())
}

fn changed(text: &str, wanted: &Wanted<'_>, kind: Kind) -> String {
    let mut new = without(text, is_address_key);
    if !new.is_empty() && !new.ends_with('\n') {
        new.push('\n');
    }
    let pairs = match (&wanted.fixed, kind) {
        (None, _) => vec![("BOOTPROTO".to_owned(), "dhcp".to_owned())],
        (Some(fixed), Kind::RedHat) => red_hat_pairs(fixed),
        (Some(fixed), Kind::Suse) => suse_pairs(fixed),
    };
    for (key, value) in pairs {
        let line = match kind {
            Kind::RedHat => format!("{key}=\"{value}\"\n"),
            Kind::Suse => format!("{key}='{value}'\n"),
        };
        new.push_str(&line);
    }
    new
}

fn is_address_key(key: &str) -> bool {
    const STEMS: [&str; 9] = [
        "IPADDR",
        "PREFIX",
        "PREFIXLEN",
        "NETMASK",
        "GATEWAY",
        "BROADCAST",
        "DNS",
        "LABEL",
        "REMOTE_IPADDR",
    ];
    let is_numbered = STEMS.iter().any(|stem| {
        key.strip_prefix(stem).is_some_and(|rest| {
            rest.bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'_')
        })
    });
    is_numbered
        || matches!(
            key,
            "BOOTPROTO"
                | "NETWORK"
                | "DHCPV6C"
                | "IPV6INIT"
                | "IPV6ADDR"
                | "IPV6ADDR_SECONDARIES"
                | "IPV6_DEFAULTGW"
                | "IPV6_AUTOCONF"
        )
}

fn red_hat_pairs(fixed: &Fixed<'_>) -> Vec<(String, String)> {
    let mut pairs = vec![("BOOTPROTO".to_owned(), "none".to_owned())];
    for (number, address) in fixed.of_family(true).iter().enumerate() {
        // The first one may have no number, and all versions know it so.
        let suffix = if number == 0 {
            String::new()
        } else {
            number.to_string()
        };
        pairs.push((format!("IPADDR{suffix}"), address.address.to_string()));
        pairs.push((format!("PREFIX{suffix}"), address.prefix_length.to_string()));
    }
    if let Some(gateway) = fixed.gateway_of_family(true) {
        pairs.push(("GATEWAY".to_owned(), gateway.to_string()));
    }
    let mut ipv6 = fixed.of_family(false).into_iter();
    if let Some(first) = ipv6.next() {
        pairs.push(("IPV6INIT".to_owned(), "yes".to_owned()));
        pairs.push(("IPV6_AUTOCONF".to_owned(), "no".to_owned()));
        pairs.push(("IPV6ADDR".to_owned(), first.to_string()));
        let others: Vec<String> = ipv6.map(|address| address.to_string()).collect();
        if !others.is_empty() {
            pairs.push(("IPV6ADDR_SECONDARIES".to_owned(), others.join(" ")));
        }
        if let Some(gateway) = fixed.gateway_of_family(false) {
            pairs.push(("IPV6_DEFAULTGW".to_owned(), gateway.to_string()));
        }
    }
    for (number, server) in fixed.dns.iter().enumerate() {
        pairs.push((format!("DNS{}", number + 1), server.to_string()));
    }
    pairs
}

fn suse_pairs(fixed: &Fixed<'_>) -> Vec<(String, String)> {
    let mut pairs = vec![("BOOTPROTO".to_owned(), "static".to_owned())];
    for (number, address) in fixed.addresses.iter().enumerate() {
        let suffix = if number == 0 {
            String::new()
        } else {
            format!("_{number}")
        };
        pairs.push((format!("IPADDR{suffix}"), address.to_string()));
    }
    pairs
}

/// SUSE's ways out and name servers, which are in files of their own. Routes that are none of the
/// way out stay.
fn suse_routes_and_dns(work: &mut Work<'_>, wanted: &Wanted<'_>) -> Result<(), FixupError> {
    let own = format!("/etc/sysconfig/network/ifroute-{}", wanted.name);
    let all = "/etc/sysconfig/network/routes";
    for path in [own.as_str(), all] {
        let is_own = path == own;
        let old = work.read(path)?;
        let mut new: String = old
            .as_deref()
            .unwrap_or_default()
            .split_inclusive('\n')
            .filter(|line| !is_way_out(line, wanted.name, is_own))
            .collect();
        if let Some(gateway) = wanted.fixed.as_ref().and_then(|fixed| fixed.gateway)
            && is_own
        {
            if !new.is_empty() && !new.ends_with('\n') {
                new.push('\n');
            }
            new.push_str(&format!("default {gateway} - {}\n", wanted.name));
        }
        if old.is_some() || !new.is_empty() {
            work.write(path, &new, READABLE)?;
        }
    }
    if let Some(fixed) = &wanted.fixed
        && !fixed.dns.is_empty()
    {
        let servers: Vec<String> = fixed.dns.iter().map(ToString::to_string).collect();
        let text = work.read(SUSE_CONFIG)?.unwrap_or_default();
        let new = set(&text, SUSE_DNS, &servers.join(" "));
        work.write(SUSE_CONFIG, &new, READABLE)?;
    }
    Ok(())
}

/// Whether a line is a way out by this interface, or by no interface in particular.
fn is_way_out(line: &str, interface: &str, is_own: bool) -> bool {
    let mut words = line.split_ascii_whitespace();
    let is_default = matches!(words.next(), Some("default" | "0.0.0.0/0" | "::/0"));
    let device = words.nth(2).unwrap_or("-");
    is_default && (is_own || device == "-" || device == interface)
}
