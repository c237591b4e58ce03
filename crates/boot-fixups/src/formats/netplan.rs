//! netplan's YAML, as far as one device's addresses are concerned.
//!
//! netplan adds up the lists of all its files, so that a file of our own cannot take addresses
//! away: the device's own lines have to be changed. They are found by their indentation. What is
//! written in the flow style (`{...}`), or with anchors, is left alone and said.

/// Keys of a device that say which addresses it has.
const ADDRESS_KEYS: [&str; 10] = [
    "dhcp4",
    "dhcp6",
    "dhcp-identifier",
    "accept-ra",
    "addresses",
    "gateway4",
    "gateway6",
    "nameservers",
    "routes",
    "link-local",
];

/// What became of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Edited {
    /// The device is not in it.
    NotThere,
    /// The device is there, in a style that is not understood.
    NotUnderstood,
    /// The new text.
    Text(String),
}

/// The text with `lines` (keys without indentation, parts of them indented by two) as the only
/// addresses of the device that the key `interface` below `ethernets` stands for.
pub(crate) fn with_addresses(text: &str, interface: &str, lines: &[String]) -> Edited {
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let Some(at) = device_line(&all, interface) else {
        let mentions = text.lines().any(|line| {
            line.contains('{') && line.contains(interface) && !line.trim_start().starts_with('#')
        });
        return if mentions {
            Edited::NotUnderstood
        } else {
            Edited::NotThere
        };
    };
    let Some(head) = all.get(at) else {
        return Edited::NotThere;
    };
    let value = after_key(head);
    if !value.is_empty() {
        return Edited::NotUnderstood;
    }
    let own = indent(head);
    let end = all
        .iter()
        .enumerate()
        .skip(at + 1)
        .find(|(_, line)| is_content(line) && indent(line) <= own)
        .map_or(all.len(), |(number, _)| number);
    let body = all.get(at + 1..end).unwrap_or_default();
    let depth = body
        .iter()
        .find(|line| is_content(line))
        .map_or(own + 2, |line| indent(line));

    let mut kept = String::new();
    let mut dropping = false;
    for line in body {
        // A list may stand as deep as its key.
        let is_item = line.trim_start().starts_with("- ");
        if is_content(line) && indent(line) == depth && !is_item {
            dropping = ADDRESS_KEYS.contains(&key_of(line));
        } else if is_content(line) && indent(line) < depth {
            return Edited::NotUnderstood;
        }
        if !dropping {
            kept.push_str(line);
        }
    }
    let mut new: String = all.get(..=at).unwrap_or_default().concat();
    if !new.ends_with('\n') {
        new.push('\n');
    }
    for line in lines {
        new.push_str(&format!("{:depth$}{line}\n", ""));
    }
    new.push_str(&kept);
    if !new.ends_with('\n') {
        new.push('\n');
    }
    new.push_str(&all.get(end..).unwrap_or_default().concat());
    Edited::Text(new)
}

/// The keys below `ethernets` with the names and hardware addresses that they match.
pub(crate) fn device_keys(text: &str) -> Vec<Device> {
    let all: Vec<&str> = text.split_inclusive('\n').collect();
    let mut devices: Vec<Device> = Vec::new();
    let mut ethernets = None;
    let mut depth = None;
    for line in all.iter().filter(|line| is_content(line)) {
        let here = indent(line);
        if let Some(section) = ethernets
            && here <= section
        {
            ethernets = None;
        }
        if key_of(line) == "ethernets" {
            ethernets = Some(here);
            depth = None;
        } else if ethernets.is_some() {
            let depth = *depth.get_or_insert(here);
            if here == depth {
                devices.push(Device {
                    key: key_of(line).to_owned(),
                    ..Device::default()
                });
            } else if let Some(device) = devices.last_mut() {
                let value = after_key(line).trim_matches(['"', '\'']).to_owned();
                match key_of(line) {
                    "name" | "set-name" => device.name = Some(value),
                    "macaddress" => device.mac = Some(value),
                    _ => {}
                }
            }
        }
    }
    devices
}

/// A device of a netplan file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Device {
    /// Its key; the interface's name if it matches nothing else.
    pub(crate) key: String,
    /// The interface's name that it matches or sets.
    pub(crate) name: Option<String>,
    /// The hardware address that it matches.
    pub(crate) mac: Option<String>,
}

fn device_line(all: &[&str], interface: &str) -> Option<usize> {
    let mut section = None;
    let mut depth = None;
    for (number, line) in all.iter().enumerate().filter(|(_, line)| is_content(line)) {
        let here = indent(line);
        if section.is_some_and(|section| here <= section) {
            section = None;
        }
        if key_of(line) == "ethernets" {
            section = Some(here);
            depth = None;
        } else if section.is_some()
            && here == *depth.get_or_insert(here)
            && key_of(line) == interface
        {
            return Some(number);
        }
    }
    None
}

fn is_content(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn key_of(line: &str) -> &str {
    line.split_once(':')
        .map_or("", |(key, _)| key.trim().trim_matches(['"', '\'']))
}

fn after_key(line: &str) -> &str {
    let value = line.split_once(':').map_or("", |(_, value)| value);
    let value = value.trim();
    if value.starts_with('#') { "" } else { value }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# made by hand\nnetwork:\n  version: 2\n  ethernets:\n    ens3:\n      match:\n        macaddress: \"52:54:00:00:00:01\"\n      addresses:\n      - 192.0.2.5/24\n      routes:\n        - to: default\n          via: 192.0.2.1\n      mtu: 1400\n    ens4: {dhcp4: true}\n  bridges:\n    br0:\n      interfaces: [ens4]\n";

    #[test]
    fn addresses_of_one_device_are_replaced() {
        let lines = ["dhcp4: true".to_owned()];
        let Edited::Text(once) = with_addresses(TEXT, "ens3", &lines) else {
            panic!("not edited");
        };
        insta::assert_snapshot!(once, @r#"
        # made by hand
        network:
          version: 2
          ethernets:
            ens3:
              dhcp4: true
              match:
                macaddress: "52:54:00:00:00:01"
              mtu: 1400
            ens4: {dhcp4: true}
          bridges:
            br0:
              interfaces: [ens4]
        "#);
        assert_eq!(
            with_addresses(&once, "ens3", &lines),
            Edited::Text(once.clone())
        );
    }

    #[test]
    fn what_is_not_understood_is_said() {
        assert_eq!(with_addresses(TEXT, "ens4", &[]), Edited::NotUnderstood);
        assert_eq!(with_addresses(TEXT, "br0", &[]), Edited::NotThere);
        assert_eq!(
            with_addresses("network: {ethernets: {ens3: {}}}\n", "ens3", &[]),
            Edited::NotUnderstood
        );
        let devices = device_keys(TEXT);
        assert_eq!(devices.len(), 2);
        assert_eq!(devices[0].mac.as_deref(), Some("52:54:00:00:00:01"));
    }
}
