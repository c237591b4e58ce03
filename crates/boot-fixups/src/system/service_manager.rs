//! Which version of systemd a system has: older ones understand less.

/// The version, from the names of the libraries beside systemd itself; 0 for one that is older
/// than such libraries, none for a system without systemd.
pub(crate) fn systemd_version(names: &[String]) -> Option<u32> {
    let from_library = names.iter().find_map(|name| {
        let version = name.strip_prefix("libsystemd-shared-")?;
        version
            .split(|letter: char| !letter.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    });
    let is_there = names.iter().any(|name| name == "systemd");
    from_library.or(is_there.then_some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_in_the_librarys_name() {
        let names = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (list, expected) in [
            (&["systemd", "libsystemd-shared-252.so"][..], Some(252)),
            (&["libsystemd-shared-257.9-1.fc42.so"], Some(257)),
            (&["systemd", "systemd-udevd"], Some(0)),
            (&[], None),
        ] {
            assert_eq!(systemd_version(&names(list)), expected);
        }
    }
}
