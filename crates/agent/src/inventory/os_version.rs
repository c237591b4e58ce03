//! The operating system as SMS spells it: `DEBIAN_12_0_64BIT`.
//!
//! SMS, RegisterServer: `os_version` is text of the form NAME_MAJOR_MINOR_64BIT. The names are those
//! of the SMS list of supported systems; a system that is not in it is spelled by its own `ID`.

/// What the system says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsRelease {
    /// `ID`, such as `debian`.
    pub id: String,
    /// `VERSION_ID`, such as `12` or `9.4`; empty for rolling releases.
    pub version_id: String,
    /// `PRETTY_NAME`, for people.
    pub pretty_name: String,
}

/// Reads the text of `/etc/os-release` (os-release(5)): shell-like assignments. Unknown lines are
/// skipped.
pub(crate) fn parse_os_release(text: &str) -> OsRelease {
    let mut release = OsRelease::default();
    for line in text.lines() {
        let Some((key, value)) = line.trim().split_once('=') else {
            continue;
        };
        let value = unquote(value);
        match key {
            "ID" => release.id = value,
            "VERSION_ID" => release.version_id = value,
            "PRETTY_NAME" => release.pretty_name = value,
            _ => {}
        }
    }
    release
}

/// Reads the one line of `/etc/redhat-release`, which older systems have instead:
/// `CentOS release 6.10 (Final)`.
pub(crate) fn parse_redhat_release(text: &str) -> OsRelease {
    let line = text.lines().next().unwrap_or_default().trim();
    let lower = line.to_ascii_lowercase();
    let id = [
        ("centos", "centos"),
        ("red hat", "rhel"),
        ("oracle", "ol"),
        ("fedora", "fedora"),
    ]
    .into_iter()
    .find_map(|(words, id)| lower.contains(words).then_some(id))
    .unwrap_or("linux");
    let version_id = line
        .split_whitespace()
        .find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
        .unwrap_or_default();
    OsRelease {
        id: id.into(),
        version_id: version_id.into(),
        pretty_name: line.into(),
    }
}

/// The text that SMS wants, for a machine of this architecture (`uname -m`).
pub(crate) fn sms_os_version(release: &OsRelease, machine: &str) -> String {
    let name = match release.id.as_str() {
        "rhel" => "REDHAT".to_owned(),
        "ol" => "ORACLE".to_owned(),
        "sles" | "sles_sap" => "SUSE".to_owned(),
        "opensuse-leap" | "opensuse-tumbleweed" => "OPENSUSE".to_owned(),
        "amzn" => "AMAZON".to_owned(),
        "" => "LINUX".to_owned(),
        other => other
            .to_ascii_uppercase()
            .replace(|c: char| !c.is_ascii_alphanumeric(), ""),
    };
    let mut numbers = release
        .version_id
        .split('.')
        .map(|part| {
            part.chars()
                .take_while(char::is_ascii_digit)
                .collect::<String>()
        })
        .map(|digits| digits.trim_start_matches('0').to_owned())
        .map(|digits| {
            if digits.is_empty() {
                "0".to_owned()
            } else {
                digits
            }
        });
    let major = numbers.next().unwrap_or_else(|| "0".into());
    let minor = numbers.next().unwrap_or_else(|| "0".into());
    let bits = if matches!(machine, "i386" | "i486" | "i586" | "i686") {
        "32BIT"
    } else {
        "64BIT"
    };
    format!("{name}_{major}_{minor}_{bits}")
}

fn unquote(value: &str) -> String {
    let value = value.trim();
    let inner = ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value);
    // os-release(5) escapes only these, by a backslash.
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_spelled_as_sms_does() {
        for (id, version, expected) in [
            ("debian", "12", "DEBIAN_12_0_64BIT"),
            ("ubuntu", "22.04", "UBUNTU_22_4_64BIT"),
            ("centos", "7.4.1708", "CENTOS_7_4_64BIT"),
            ("rhel", "9.4", "REDHAT_9_4_64BIT"),
            ("sles", "15.6", "SUSE_15_6_64BIT"),
            ("rocky", "9.3", "ROCKY_9_3_64BIT"),
            ("arch", "", "ARCH_0_0_64BIT"),
            ("", "", "LINUX_0_0_64BIT"),
        ] {
            let release = OsRelease {
                id: id.into(),
                version_id: version.into(),
                ..OsRelease::default()
            };
            assert_eq!(sms_os_version(&release, "x86_64"), expected);
        }
    }

    #[test]
    fn os_release_is_read_with_and_without_quotes() {
        let debian = parse_os_release(include_str!("../../fixtures/debian-12/os-release"));
        assert_eq!(debian.id, "debian");
        assert_eq!(debian.version_id, "12");
        assert_eq!(debian.pretty_name, "Debian GNU/Linux 12 (bookworm)");
        assert_eq!(
            parse_os_release("PRETTY_NAME='a \\\"b\\\"'\n").pretty_name,
            "a \"b\""
        );
    }

    #[test]
    fn systems_before_os_release_are_known_too() {
        let centos = parse_redhat_release("CentOS release 6.10 (Final)\n");
        assert_eq!(
            (centos.id.as_str(), centos.version_id.as_str()),
            ("centos", "6.10")
        );
        assert_eq!(sms_os_version(&centos, "i686"), "CENTOS_6_10_32BIT");
    }
}
