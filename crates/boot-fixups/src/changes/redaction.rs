//! Hides secrets in what is shown: connection files hold keys of networks, mounts passwords.
//!
//! Fix-ups never change a secret, so that hiding them in both texts leaves a diff what it was.

/// Words whose values are secret. They match as the end of a longer key, too: `wpa-psk`.
const SECRET_KEYS: [&str; 9] = [
    "password",
    "passwd",
    "passphrase",
    "psk",
    "secret",
    "private-key",
    "privatekey",
    "wep-key0",
    "key-data",
];
const HIDDEN: &str = "[hidden]";

/// The same text with the values of secret keys hidden.
pub(super) fn hide_secrets(text: &str) -> String {
    text.split_inclusive('\n').map(hide_in_line).collect()
}

fn hide_in_line(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let Some(end) = SECRET_KEYS
        .iter()
        .filter_map(|key| {
            let end = lower.find(key)? + key.len();
            // A boot loader's `password_pbkdf2 user hash` has no sign between.
            let rest = lower.get(end..)?;
            let rest = rest.trim_start_matches(|letter: char| {
                letter.is_ascii_alphanumeric() || letter == '_' || letter == '"'
            });
            (rest.trim_start().starts_with([':', '=']) || rest.starts_with([' ', '\t']))
                .then_some(end)
        })
        .min()
    else {
        return line.to_owned();
    };
    let Some((key, value)) = line.split_at_checked(end) else {
        return line.to_owned();
    };
    let newline = if value.ends_with('\n') { "\n" } else { "" };
    let sign_at = value.find([':', '=', ' ', '\t']).map_or(0, |at| at + 1);
    let (sign, value) = value.split_at_checked(sign_at).unwrap_or(("", value));
    if value.trim().is_empty() {
        return line.to_owned();
    }
    format!("{key}{sign}{HIDDEN}{newline}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_networks_mounts_and_boot_loaders_are_hidden() {
        let text = "psk=top secret\n\
                    wpa-psk \"abc\"\n\
                    password: \"abc\"\n\
                    //srv/x /mnt cifs username=a,password=abc,rw 0 0\n\
                    password_pbkdf2 root grub.pbkdf2.abc\n\
                    WPA_PSK='abc'\n\
                    id=net\n";
        let hidden = hide_secrets(text);
        assert!(
            !hidden.contains("abc") && !hidden.contains("top"),
            "{hidden}"
        );
        assert!(hidden.contains("psk=[hidden]\n"));
        assert!(hidden.contains("username=a,password=[hidden]\n"));
        assert!(hidden.ends_with("id=net\n"));
        assert_eq!(hidden.lines().count(), text.lines().count());
    }
}
