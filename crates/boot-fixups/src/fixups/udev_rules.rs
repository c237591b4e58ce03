//! Rules that an old udev wrote to tie names to the cards and drives of the old hardware: they
//! would give the old name to nobody, and the next free one to the new card.

use crate::changes::{READABLE, Work};
use crate::error::FixupError;
use crate::words::MacAddress;

const DIRECTORY: &str = "/etc/udev/rules.d";
/// Put before a rule that must not be followed any more.
const OUT: &str = "# rehost: of the old hardware: ";
/// What writes such rules anew at each start.
const GENERATORS: [&str; 2] = [
    "75-persistent-net-generator.rules",
    "75-cd-aliases-generator.rules",
];

pub(super) fn run(work: &mut Work<'_>) -> Result<(), FixupError> {
    let targets: Vec<MacAddress> = work
        .request
        .networks
        .iter()
        .map(|network| network.target_mac)
        .collect();
    for name in work.root.list(DIRECTORY)? {
        if !is_generated(&name) {
            continue;
        }
        let path = format!("{DIRECTORY}/{name}");
        if !work.root.is_file(&path) {
            continue;
        }
        if let Some(text) = work.read(&path)? {
            work.write(&path, &without_stale(&text, &targets), READABLE)?;
        }
    }
    for generator in GENERATORS {
        let is_there = ["/lib/udev/rules.d", "/usr/lib/udev/rules.d"]
            .iter()
            .any(|directory| work.root.has_entry(&format!("{directory}/{generator}")));
        if is_there {
            work.link(&format!("{DIRECTORY}/{generator}"), "/dev/null")?;
        }
    }
    Ok(())
}

/// Whether a file is one that udev's generators wrote, by its name.
fn is_generated(name: &str) -> bool {
    name.ends_with(".rules")
        && (name.contains("-persistent-net") || name.contains("-persistent-cd"))
        && !name.contains("generator")
}

/// The text with all rules commented out, but for those of cards that the target has.
fn without_stale(text: &str, targets: &[MacAddress]) -> String {
    let is_current = |line: &str| {
        line.split('"')
            .filter_map(|word| word.parse::<MacAddress>().ok())
            .any(|address| targets.contains(&address))
    };
    text.split_inclusive('\n')
        .map(|line| {
            let is_rule = !line.trim().is_empty() && !line.trim_start().starts_with('#');
            if is_rule && !is_current(line) {
                format!("{OUT}{line}")
            } else {
                line.to_owned()
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_of_old_cards_go_and_those_of_new_ones_stay() {
        let text = "# generated\nSUBSYSTEM==\"net\", ATTR{address}==\"52:54:00:00:00:01\", NAME=\"eth0\"\n\
                    SUBSYSTEM==\"net\", ATTR{address}==\"52:54:00:00:00:02\", NAME=\"eth1\"\n";
        let targets = ["52:54:00:00:00:02".parse().unwrap()];
        let once = without_stale(text, &targets);
        let lines: Vec<_> = once.lines().collect();
        assert!(lines[1].starts_with("# rehost") && lines[2].starts_with("SUBSYSTEM"));
        assert_eq!(without_stale(&once, &targets), once);
        assert!(is_generated("70-persistent-net.rules"));
        assert!(!is_generated("75-persistent-net-generator.rules"));
    }
}
