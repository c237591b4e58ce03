//! systemd-networkd: of all files that match an interface the first alone counts.

use super::Wanted;
use crate::changes::{READABLE, Work};
use crate::error::FixupError;
use crate::formats::sections::{values, with_pairs, without_section};

const DIRECTORY: &str = "/etc/systemd/network";

/// Changes the file for the interface alone, and tells whether there is one. A file for many
/// interfaces is left to the others: a file of our own comes before it.
pub(super) fn change(work: &mut Work<'_>, wanted: &Wanted<'_>) -> Result<bool, FixupError> {
    let mut matches_by_pattern = false;
    for name in work.root.list(DIRECTORY)? {
        if !name.ends_with(".network") {
            continue;
        }
        let path = format!("{DIRECTORY}/{name}");
        let Some(text) = work.read(&path)? else {
            continue;
        };
        let names = values(&text, "Match", "Name");
        let by_address = values(&text, "Match", "MACAddress")
            .iter()
            .chain(&values(&text, "Match", "PermanentMACAddress"))
            .any(|mac| wanted.is_mac(mac));
        if names == [wanted.name] || (by_address && names.is_empty()) {
            work.write(&path, &changed(&text, wanted), READABLE)?;
            return Ok(true);
        }
        matches_by_pattern |= names
            .iter()
            .flat_map(|names| names.split_ascii_whitespace())
            .any(|pattern| matches(pattern, wanted.name));
    }
    if matches_by_pattern {
        create(work, wanted)?;
    }
    Ok(matches_by_pattern)
}

/// Adds a file for the interface.
pub(super) fn create(work: &mut Work<'_>, wanted: &Wanted<'_>) -> Result<(), FixupError> {
    let begin = format!("# Written by rehost.\n[Match]\nName={}\n", wanted.name);
    work.write(
        &format!("{DIRECTORY}/05-rehost-{}.network", wanted.name),
        &changed(&begin, wanted),
        READABLE,
    )
}

fn changed(text: &str, wanted: &Wanted<'_>) -> String {
    let owned = |key: &str| matches!(key, "DHCP" | "Address" | "Gateway" | "DNS");
    let mut pairs = Vec::new();
    match &wanted.fixed {
        None => pairs.push(("DHCP", "yes".to_owned())),
        Some(fixed) => {
            for address in fixed.addresses {
                pairs.push(("Address", address.to_string()));
            }
            if let Some(gateway) = fixed.gateway {
                pairs.push(("Gateway", gateway.to_string()));
            }
            for server in fixed.dns {
                pairs.push(("DNS", server.to_string()));
            }
        }
    }
    let text = without_section(&without_section(text, "Address"), "Route");
    with_pairs(&text, "Network", owned, &pairs)
}

/// Whether a shell pattern with `*` and `?` fits a name.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut in_pattern, mut in_name) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while in_name < name.len() {
        match pattern.get(in_pattern) {
            Some(b'*') => {
                star = Some((in_pattern + 1, in_name));
                in_pattern += 1;
            }
            Some(letter) if *letter == b'?' || name.get(in_name) == Some(letter) => {
                in_pattern += 1;
                in_name += 1;
            }
            _ => match star {
                Some((after, tried)) => {
                    in_pattern = after;
                    in_name = tried + 1;
                    star = Some((after, tried + 1));
                }
                None => return false,
            },
        }
    }
    pattern
        .iter()
        .skip(in_pattern)
        .all(|letter| *letter == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("en*", "ens3", true),
            ("*", "ens3", true),
            ("e*s?", "ens3", true),
            ("eth*", "ens3", false),
            ("ens3", "ens33", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
