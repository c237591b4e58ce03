//! Files of `[Section]` headings and `key=value` lines: systemd's units and network files, and
//! the key files of NetworkManager.

/// The values of `key` in all sections called `section`.
pub(crate) fn values<'a>(text: &'a str, section: &str, key: &str) -> Vec<&'a str> {
    let mut current = "";
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some(name) = heading(line) {
            current = name;
        } else if current == section
            && let Some((name, value)) = pair(line)
            && name == key
        {
            found.push(value);
        }
    }
    found
}

/// The text in which the first section called `section` has exactly these `pairs` of those keys
/// for which `owned` is true; other keys stay. Without such a section one is added at the end.
pub(crate) fn with_pairs(
    text: &str,
    section: &str,
    owned: impl Fn(&str) -> bool,
    pairs: &[(&str, String)],
) -> String {
    let is_owned = |line: &str| pair(line).is_some_and(|(key, _)| owned(key));
    let present: Vec<(&str, &str)> = section_lines(text, section)
        .filter_map(pair)
        .filter(|(key, _)| owned(key))
        .collect();
    let wanted: Vec<(&str, &str)> = pairs
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    if present == wanted {
        return text.to_owned();
    }
    let added: String = pairs
        .iter()
        .map(|(key, value)| format!("{key}={value}\n"))
        .collect();
    let mut new = String::new();
    let mut current = "";
    let mut done = false;
    for line in text.split_inclusive('\n') {
        if let Some(name) = heading(line) {
            current = name;
            new.push_str(line);
            if name == section && !done {
                if !line.ends_with('\n') {
                    new.push('\n');
                }
                new.push_str(&added);
                done = true;
            }
        } else if current != section || !is_owned(line) {
            new.push_str(line);
        }
    }
    if !done && !pairs.is_empty() {
        if !new.is_empty() && !new.ends_with('\n') {
            new.push('\n');
        }
        let gap = if new.is_empty() { "" } else { "\n" };
        new.push_str(&format!("{gap}[{section}]\n{added}"));
    }
    new
}

/// The text without any section called `section`.
pub(crate) fn without_section(text: &str, section: &str) -> String {
    let mut current = "";
    text.split_inclusive('\n')
        .filter(|line| {
            if let Some(name) = heading(line) {
                current = name;
            }
            current != section
        })
        .collect()
}

fn section_lines<'a>(text: &'a str, section: &str) -> impl Iterator<Item = &'a str> {
    let mut current = "";
    text.lines().filter(move |line| {
        if let Some(name) = heading(line) {
            current = name;
            return false;
        }
        current == section
    })
}

fn heading(line: &str) -> Option<&str> {
    line.trim().strip_prefix('[')?.strip_suffix(']')
}

fn pair(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return None;
    }
    let (key, value) = line.split_once('=')?;
    Some((key.trim(), value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# by hand\n[Match]\nName=ens3\n\n[Network]\nDHCP=yes\nDomains=x\n[Route]\nGateway=10.0.0.1\n";

    #[test]
    fn values_are_found_in_their_section_alone() {
        assert_eq!(values(TEXT, "Match", "Name"), ["ens3"]);
        assert!(values(TEXT, "Network", "Gateway").is_empty());
    }

    #[test]
    fn owned_keys_are_replaced_and_others_stay() {
        let owned = |key: &str| matches!(key, "DHCP" | "Address");
        let pairs = [("Address", "10.0.0.5/24".to_owned())];
        let new = with_pairs(TEXT, "Network", owned, &pairs);
        assert!(
            new.contains("[Network]\nAddress=10.0.0.5/24\nDomains=x\n"),
            "{new}"
        );
        assert_eq!(with_pairs(&new, "Network", owned, &pairs), new);
        assert!(!without_section(&new, "Route").contains("10.0.0.1"));
        assert_eq!(
            with_pairs("", "A", |_| true, &[("b", "c".to_owned())]),
            "[A]\nb=c\n"
        );
    }
}
