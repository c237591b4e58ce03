//! Values that end up inside configuration files, checked when they arrive, so that no request
//! can smuggle a line into a file.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct NotAWord {
    text: String,
    expected: &'static str,
}

impl NotAWord {
    fn new(text: &str, expected: &'static str) -> Self {
        Self {
            text: text.chars().take(64).collect(),
            expected,
        }
    }
}

/// A hardware address, such as `52:54:00:12:34:56`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MacAddress([u8; 6]);

impl FromStr for MacAddress {
    type Err = NotAWord;

    /// Reads six pairs of hexadecimal digits with `:` or `-` between them.
    fn from_str(text: &str) -> Result<Self, NotAWord> {
        let wrong = || NotAWord::new(text, "a hardware address such as 52:54:00:12:34:56");
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().ok_or_else(wrong)?;
            if part.len() != 2 || !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return Err(wrong());
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| wrong())?;
        }
        if parts.next().is_some() {
            return Err(wrong());
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(formatter, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl TryFrom<String> for MacAddress {
    type Error = NotAWord;

    fn try_from(text: String) -> Result<Self, NotAWord> {
        text.parse()
    }
}

impl From<MacAddress> for String {
    fn from(address: MacAddress) -> Self {
        address.to_string()
    }
}

/// An address with the length of its network's prefix, such as `10.0.0.5/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NetworkAddress {
    /// The address.
    pub address: IpAddr,
    /// How many bits name the network.
    pub prefix_length: u8,
}

impl FromStr for NetworkAddress {
    type Err = NotAWord;

    fn from_str(text: &str) -> Result<Self, NotAWord> {
        let wrong = || NotAWord::new(text, "an address with a prefix length such as 10.0.0.5/24");
        let (address, length) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix_length: u8 = length.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        if prefix_length > most {
            return Err(wrong());
        }
        Ok(Self {
            address,
            prefix_length,
        })
    }
}

impl fmt::Display for NetworkAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix_length)
    }
}

impl TryFrom<String> for NetworkAddress {
    type Error = NotAWord;

    fn try_from(text: String) -> Result<Self, NotAWord> {
        text.parse()
    }
}

impl From<NetworkAddress> for String {
    fn from(address: NetworkAddress) -> Self {
        address.to_string()
    }
}

/// Longest name that the kernel gives to a network interface.
const MAX_INTERFACE_NAME_BYTES: usize = 15;

/// Whether `name` can be the name of a network interface, and of a file for it.
pub(crate) fn is_interface_name(name: &str) -> bool {
    (1..=MAX_INTERFACE_NAME_BYTES).contains(&name.len())
        && !name.starts_with(['.', '-'])
        && is_plain(name)
}

/// Whether `version` can be a kernel's version, as a directory and an argument.
pub(crate) fn is_kernel_version(version: &str) -> bool {
    (1..=128).contains(&version.len())
        && version.starts_with(|first: char| first.is_ascii_digit())
        && is_plain(version)
}

fn is_plain(text: &str) -> bool {
    text.chars()
        .all(|letter| letter.is_ascii_alphanumeric() || "._-+~@".contains(letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_addresses_are_read_in_either_form_and_said_in_one() {
        for text in ["52:54:00:AB:cd:01", "52-54-00-ab-cd-01"] {
            let address: MacAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), "52:54:00:ab:cd:01");
        }
        for text in [
            "",
            "52:54:00:ab:cd",
            "52:54:00:ab:cd:01:02",
            "+2:54:00:ab:cd:01",
        ] {
            assert!(text.parse::<MacAddress>().is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_need_a_prefix_that_fits() {
        for good in ["10.0.0.5/24", "fd00::1/64"] {
            assert_eq!(good.parse::<NetworkAddress>().unwrap().to_string(), good);
        }
        for bad in [
            "10.0.0.5",
            "10.0.0.5/33",
            "fd00::1/129",
            "x/1",
            "10.0.0.5/24\n",
        ] {
            assert!(bad.parse::<NetworkAddress>().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_that_could_be_paths_or_options_are_no_names() {
        assert!(is_interface_name("ens3") && is_interface_name("eth0.10"));
        for bad in [
            "",
            ".",
            "..",
            "-a",
            "a/b",
            "a b",
            "a\nb",
            "averyverylongname",
        ] {
            assert!(!is_interface_name(bad), "{bad:?}");
        }
        assert!(is_kernel_version("6.1.0-18-cloud-amd64"));
        for bad in ["", "--help", "../x", "6.1/..", "extra"] {
            assert!(!is_kernel_version(bad), "{bad:?}");
        }
    }
}
