//! netplan: the lines of the device in the file that has it.

use super::Wanted;
use crate::changes::{PRIVATE, Work};
use crate::error::FixupError;
use crate::formats::netplan::{Device, Edited, device_keys, with_addresses};

const DIRECTORY: &str = "/etc/netplan";

/// Changes the device's lines in all files, and tells whether there are any.
pub(super) fn change(work: &mut Work<'_>, wanted: &Wanted<'_>) -> Result<bool, FixupError> {
    let mut lines = lines(wanted);
    let mut found = false;
    for name in work.root.list(DIRECTORY)? {
        if !name.ends_with(".yaml") {
            continue;
        }
        let path = format!("{DIRECTORY}/{name}");
        let Some(text) = work.read(&path)? else {
            continue;
        };
        let is_it = |device: &Device| {
            device.name.as_deref() == Some(wanted.name)
                || device.mac.as_deref().is_some_and(|mac| wanted.is_mac(mac))
        };
        let key = device_keys(&text)
            .into_iter()
            .find(|device| device.key == wanted.name || is_it(device))
            .map_or_else(|| wanted.name.to_owned(), |device| device.key);
        match with_addresses(&text, &key, &lines) {
            Edited::NotThere => {}
            Edited::NotUnderstood => {
                return Err(FixupError::Essential(format!(
                    "{path} has {} in a style that cannot be changed safely: write its keys on \
                     lines of their own",
                    wanted.name
                )));
            }
            Edited::Text(new) => {
                work.write(&path, &new, PRIVATE)?;
                // netplan adds up what its files say.
                lines.clear();
                found = true;
            }
        }
    }
    Ok(found)
}

/// Adds a file for the device.
pub(super) fn create(work: &mut Work<'_>, wanted: &Wanted<'_>) -> Result<(), FixupError> {
    let mut text = format!(
        "# Written by rehost.\nnetwork:\n  version: 2\n  ethernets:\n    {}:\n",
        wanted.name
    );
    for line in lines(wanted) {
        text.push_str(&format!("      {line}\n"));
    }
    work.write(
        &format!("{DIRECTORY}/90-rehost-{}.yaml", wanted.name),
        &text,
        PRIVATE,
    )
}

fn lines(wanted: &Wanted<'_>) -> Vec<String> {
    let Some(fixed) = &wanted.fixed else {
        return vec!["dhcp4: true".to_owned()];
    };
    let quoted = |items: Vec<String>| {
        let items: Vec<String> = items.iter().map(|item| format!("\"{item}\"")).collect();
        items.join(", ")
    };
    let addresses = fixed.addresses.iter().map(ToString::to_string).collect();
    let mut lines = vec![
        "dhcp4: false".to_owned(),
        format!("addresses: [{}]", quoted(addresses)),
    ];
    if let Some(gateway) = fixed.gateway {
        // Older versions do not know `default`.
        let everywhere = if gateway.is_ipv4() {
            "0.0.0.0/0"
        } else {
            "::/0"
        };
        lines.push(format!(
            "routes: [{{to: \"{everywhere}\", via: \"{gateway}\"}}]"
        ));
    }
    if !fixed.dns.is_empty() {
        let servers = fixed.dns.iter().map(ToString::to_string).collect();
        lines.push(format!("nameservers: {{addresses: [{}]}}", quoted(servers)));
    }
    lines
}
