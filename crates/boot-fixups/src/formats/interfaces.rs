//! `interfaces(5)` of ifupdown: stanzas that begin with a word at the start of a line.

/// Addresses to write: the method (`dhcp`, `static`) and its lines, for a family.
pub(crate) struct Stanza {
    /// `inet` or `inet6`.
    pub(crate) family: &'static str,
    /// `dhcp`, `static`, ...
    pub(crate) method: &'static str,
    /// Keys and values.
    pub(crate) lines: Vec<(&'static str, String)>,
}

/// Keys that say which addresses an interface has; others (commands, bonds, MTU) stay.
const ADDRESS_KEYS: [&str; 12] = [
    "address",
    "netmask",
    "gateway",
    "broadcast",
    "network",
    "dns-nameservers",
    "dns-nameserver",
    "pointopoint",
    "scope",
    "accept_ra",
    "autoconf",
    "metric",
];

/// Whether the text configures `interface`.
pub(crate) fn configures(text: &str, interface: &str) -> bool {
    text.lines().any(|line| iface(line) == Some(interface))
}

/// The text with `stanzas` in place of all `iface` stanzas of `interface`; what they have beside
/// addresses goes into the first. It is brought up at start if it was not. Without stanzas it is not
/// configured here any more.
pub(crate) fn with_stanzas(text: &str, interface: &str, stanzas: &[Stanza]) -> String {
    let mut new = String::new();
    let mut kept = Vec::new();
    let mut inside = false;
    let mut at = None;
    let mut is_brought_up = false;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        let begins = begins_stanza(trimmed);
        if begins {
            inside = iface(line) == Some(interface);
            let mut words = trimmed.split_ascii_whitespace();
            let word = words.next().unwrap_or_default();
            if (word == "auto" || word.starts_with("allow-")) && words.any(|name| name == interface)
            {
                is_brought_up = true;
            }
        }
        if !inside {
            new.push_str(line);
            continue;
        }
        if begins {
            at.get_or_insert(new.len());
            continue;
        }
        let key = trimmed.split_ascii_whitespace().next().unwrap_or_default();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            new.push_str(line);
        } else if !ADDRESS_KEYS.contains(&key) {
            kept.push(trimmed.to_owned());
        }
    }
    let mut block = String::new();
    if !is_brought_up && !stanzas.is_empty() {
        block.push_str(&format!("auto {interface}\n"));
    }
    for (number, stanza) in stanzas.iter().enumerate() {
        block.push_str(&format!(
            "iface {interface} {} {}\n",
            stanza.family, stanza.method
        ));
        for (key, value) in &stanza.lines {
            block.push_str(&format!("    {key} {value}\n"));
        }
        if number == 0 {
            for line in &kept {
                block.push_str(&format!("    {line}\n"));
            }
        }
    }
    if at.is_none() && !new.is_empty() && !new.ends_with('\n') {
        new.push('\n');
    }
    new.insert_str(at.unwrap_or(new.len()), &block);
    new
}

fn begins_stanza(line: &str) -> bool {
    let word = line.split_ascii_whitespace().next().unwrap_or_default();
    matches!(
        word,
        "iface"
            | "auto"
            | "mapping"
            | "source"
            | "source-directory"
            | "template"
            | "no-auto-down"
            | "no-scripts"
            | "rename"
    ) || word.starts_with("allow-")
}

fn iface(line: &str) -> Option<&str> {
    let mut words = line.split_ascii_whitespace();
    (words.next()? == "iface").then(|| words.next()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "auto lo\niface lo inet loopback\n\n# the net\nallow-hotplug ens3\n\
                        iface ens3 inet static\n    address 192.0.2.5/24\n    gateway 192.0.2.1\n    up ip route add x\n\
                        iface ens3 inet6 auto\nauto ens4\niface ens4 inet dhcp\n";

    #[test]
    fn addresses_of_one_interface_are_replaced() {
        let stanzas = [Stanza {
            family: "inet",
            method: "dhcp",
            lines: Vec::new(),
        }];
        let once = with_stanzas(TEXT, "ens3", &stanzas);
        insta::assert_snapshot!(once, @r"
        auto lo
        iface lo inet loopback

        # the net
        allow-hotplug ens3
        iface ens3 inet dhcp
            up ip route add x
        auto ens4
        iface ens4 inet dhcp
        ");
        assert_eq!(with_stanzas(&once, "ens3", &stanzas), once);
        let added = with_stanzas("auto lo\n", "eth0", &stanzas);
        assert_eq!(added, "auto lo\nauto eth0\niface eth0 inet dhcp\n");
        assert!(configures(&added, "eth0") && !configures(&added, "eth"));
    }
}
