//! Which distribution it is, from `os-release(5)`.

use crate::formats::assignments;

/// What a system says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OsRelease {
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) name: String,
    like: String,
}

impl Default for OsRelease {
    fn default() -> Self {
        Self {
            id: "unknown".into(),
            version: String::new(),
            name: String::new(),
            like: String::new(),
        }
    }
}

/// Distributions that put things at the same places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Debian,
    RedHat,
    Suse,
    Other,
}

/// Longest text that is taken from a foreign file into the report.
const LONGEST: usize = 128;

/// Reads the text of an `os-release`.
pub(crate) fn parse(text: &str) -> OsRelease {
    let get = |key| {
        let value = assignments::get(text, key).unwrap_or_default();
        value
            .chars()
            .filter(|letter| !letter.is_control())
            .take(LONGEST)
            .collect::<String>()
    };
    let id = get("ID");
    OsRelease {
        id: if id.is_empty() { "unknown".into() } else { id },
        version: get("VERSION_ID"),
        name: get("PRETTY_NAME"),
        like: get("ID_LIKE"),
    }
}

impl OsRelease {
    /// Which distributions it is like.
    pub(crate) fn family(&self) -> Family {
        let words = || self.like.split(' ').chain([self.id.as_str()]);
        let is = |names: &[&str]| words().any(|word| names.contains(&word));
        if is(&["debian", "ubuntu"]) {
            Family::Debian
        } else if is(&["rhel", "fedora", "centos"]) {
            Family::RedHat
        } else if is(&["suse", "opensuse", "sles"]) {
            Family::Suse
        } else {
            Family::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_told_by_what_they_are_like() {
        for (text, expected) in [
            ("ID=debian\n", Family::Debian),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n", Family::Debian),
            (
                "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n",
                Family::RedHat,
            ),
            (
                "ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\n",
                Family::Suse,
            ),
            ("", Family::Other),
        ] {
            assert_eq!(parse(text).family(), expected, "{text}");
        }
        assert_eq!(parse("").id, "unknown");
    }
}
