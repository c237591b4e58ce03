//! Network cards and their addresses, from the kernel itself.
//!
//! IPv4 addresses come from rtnetlink(7), the only source that every kernel has and that needs no
//! tool; the rest is text below `/proc/net` and `/sys/class/net`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};

/// A network card with its first address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkCard {
    /// Its name, such as `eth0`.
    pub name: String,
    /// Its hardware address, lower case with colons.
    pub mac: String,
    /// Largest packet in bytes.
    pub mtu: u32,
    /// First IPv4 address.
    pub ipv4: Option<Ipv4Addr>,
    /// Length of that address's network prefix in bits.
    pub prefix_length: u8,
    /// First IPv6 address that is not link-local.
    pub ipv6: Option<Ipv6Addr>,
    /// Where the default route through this card leads.
    pub gateway: Option<Ipv4Addr>,
}

impl NetworkCard {
    /// The network mask of the IPv4 address, such as `255.255.255.0`.
    #[must_use]
    pub fn netmask(&self) -> Ipv4Addr {
        let bits = u32::MAX
            .checked_shl(32 - u32::from(self.prefix_length.min(32)))
            .unwrap_or(0);
        Ipv4Addr::from(bits)
    }
}

/// Cards that have an address, the one with the default route first. The loopback is listed only on
/// a machine that has nothing else.
///
/// # Errors
/// If the kernel does not answer.
pub(crate) fn list() -> io::Result<Vec<NetworkCard>> {
    let addresses = read_ipv4_addresses()?;
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let gateways = parse_routes(&text("/proc/net/route"));
    let ipv6 = parse_if_inet6(&text("/proc/net/if_inet6"));
    let mut cards = Vec::new();
    for entry in fs::read_dir("/sys/class/net")? {
        let directory = entry?.path();
        let attribute = |name: &str| read_attribute(&directory, name);
        let name = directory
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let index: u32 = attribute("ifindex").parse().unwrap_or(0);
        let address = addresses.iter().find(|address| address.card == index);
        cards.push(NetworkCard {
            mac: attribute("address"),
            mtu: attribute("mtu").parse().unwrap_or(0),
            ipv4: address.map(|address| address.ip),
            prefix_length: address.map_or(0, |address| address.prefix_length),
            ipv6: ipv6.get(&name).copied(),
            gateway: gateways.get(&name).copied(),
            name,
        });
    }
    Ok(in_order(cards))
}

fn in_order(mut cards: Vec<NetworkCard>) -> Vec<NetworkCard> {
    cards.retain(|card| card.ipv4.is_some() || card.ipv6.is_some());
    let real =
        |card: &NetworkCard| !card.ipv4.is_some_and(|ip| ip.is_loopback()) && card.name != "lo";
    if cards.iter().any(real) {
        cards.retain(real);
    }
    cards.sort_by(|one, other| {
        let rank = |card: &NetworkCard| (card.gateway.is_none(), card.ipv4.is_none());
        rank(one)
            .cmp(&rank(other))
            .then_with(|| one.name.cmp(&other.name))
    });
    cards
}

fn read_attribute(directory: &Path, name: &str) -> String {
    fs::read_to_string(directory.join(name))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

/// Gateways of the default routes by card, from `/proc/net/route`: numbers in hexadecimal, in the
/// byte order of the machine.
fn parse_routes(text: &str) -> BTreeMap<String, Ipv4Addr> {
    let mut gateways = BTreeMap::new();
    for line in text.lines().skip(1) {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [card, "00000000", gateway, ..] = fields[..] else {
            continue;
        };
        if let Ok(number) = u32::from_str_radix(gateway, 16)
            && number != 0
        {
            let gateway = Ipv4Addr::from(number.to_ne_bytes());
            gateways.entry(card.to_owned()).or_insert(gateway);
        }
    }
    gateways
}

/// First IPv6 address of each card with more than link scope, from `/proc/net/if_inet6`.
fn parse_if_inet6(text: &str) -> BTreeMap<String, Ipv6Addr> {
    const LINK_SCOPE: &str = "20";
    const HOST_SCOPE: &str = "10";
    let mut addresses = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<_> = line.split_whitespace().collect();
        let [address, _, _, scope, _, card] = fields[..] else {
            continue;
        };
        if scope == LINK_SCOPE || scope == HOST_SCOPE {
            continue;
        }
        if let Ok(number) = u128::from_str_radix(address, 16) {
            addresses
                .entry(card.to_owned())
                .or_insert_with(|| Ipv6Addr::from(number));
        }
    }
    addresses
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CardAddress {
    card: u32,
    ip: Ipv4Addr,
    prefix_length: u8,
}

// From <linux/netlink.h>, <linux/rtnetlink.h> and <linux/if_addr.h>.
const HEADER_BYTES: usize = 16;
const ADDRESS_MESSAGE_BYTES: usize = 8;
const NLM_F_REQUEST_DUMP: u16 = 0x301;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const AF_INET: u8 = 2;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

fn read_ipv4_addresses() -> io::Result<Vec<CardAddress>> {
    // NETLINK_ROUTE has the number of "no protocol".
    let socket = socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let mut request = Vec::with_capacity(HEADER_BYTES + ADDRESS_MESSAGE_BYTES);
    request.extend(24_u32.to_ne_bytes());
    request.extend(RTM_GETADDR.to_ne_bytes());
    request.extend(NLM_F_REQUEST_DUMP.to_ne_bytes());
    request.extend([0; 8]);
    request.extend([AF_INET, 0, 0, 0, 0, 0, 0, 0]);
    sendto(
        &socket,
        &request,
        SendFlags::empty(),
        &SocketAddrNetlink::new(0, 0),
    )?;

    let mut addresses = Vec::new();
    let mut buffer = vec![0; 32768];
    loop {
        let (count, _) = recv(&socket, buffer.as_mut_slice(), RecvFlags::empty())?;
        if parse_netlink(&buffer[..count], &mut addresses) {
            return Ok(addresses);
        }
    }
}

/// Reads the messages of one datagram; returns whether the answer ends with it. Messages that are
/// cut off end it, too: the kernel does not send such.
fn parse_netlink(datagram: &[u8], addresses: &mut Vec<CardAddress>) -> bool {
    let mut rest = datagram;
    while !rest.is_empty() {
        let (Some(length), Some(kind)) = (u32_at(rest, 0), u16_at(rest, 4)) else {
            return true;
        };
        let length = length as usize;
        if kind == NLMSG_DONE || kind == NLMSG_ERROR || length < HEADER_BYTES {
            return true;
        }
        let Some(body) = rest.get(HEADER_BYTES..length) else {
            return true;
        };
        if kind == RTM_NEWADDR {
            addresses.extend(parse_address(body));
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    false
}

/// A `struct ifaddrmsg` and its attributes. The local address is the card's own; on cards without
/// a peer both attributes say the same.
fn parse_address(body: &[u8]) -> Option<CardAddress> {
    let prefix_length = *body.get(1)?;
    let card = u32_at(body, 4)?;
    let mut local = None;
    let mut address = None;
    let mut rest = body.get(ADDRESS_MESSAGE_BYTES..)?;
    while let (Some(length), Some(kind)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let length = usize::from(length);
        let value = rest.get(4..length)?;
        let ip = <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from);
        match kind {
            IFA_LOCAL => local = ip,
            IFA_ADDRESS => address = ip,
            _ => {}
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(CardAddress {
        card,
        ip: local.or(address)?,
        prefix_length,
    })
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(
        bytes.get(offset..offset + 4)?.try_into().ok()?,
    ))
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(
        bytes.get(offset..offset + 2)?.try_into().ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER_BYTES + body.len()).unwrap();
        let mut message = length.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend([0; 10]);
        message.extend(body);
        message
    }

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut attribute = u16::try_from(4 + value.len())
            .unwrap()
            .to_ne_bytes()
            .to_vec();
        attribute.extend(kind.to_ne_bytes());
        attribute.extend(value);
        attribute.resize(attribute.len().next_multiple_of(4), 0);
        attribute
    }

    #[test]
    fn addresses_are_read_from_netlink_messages() {
        let mut body = vec![AF_INET, 24, 0, 0];
        body.extend(4_u32.to_ne_bytes());
        body.extend(attribute(3, b"eth0\0"));
        body.extend(attribute(IFA_ADDRESS, &[192, 0, 2, 9]));
        body.extend(attribute(IFA_LOCAL, &[192, 0, 2, 2]));
        let mut datagram = message(RTM_NEWADDR, &body);
        let mut addresses = Vec::new();
        assert!(!parse_netlink(&datagram, &mut addresses));
        let expected = CardAddress {
            card: 4,
            ip: Ipv4Addr::new(192, 0, 2, 2),
            prefix_length: 24,
        };
        assert_eq!(addresses, [expected]);

        datagram.extend(message(NLMSG_DONE, &[0; 4]));
        assert!(parse_netlink(&datagram, &mut addresses));
        for cut in 1..datagram.len() {
            parse_netlink(&datagram[..cut], &mut Vec::new());
        }
    }

    #[test]
    fn routes_and_ipv6_addresses_are_read() {
        let routes = parse_routes(
            "Iface\tDestination\tGateway\nlo\t00000000\t00000000\neth0\t00000000\t010200C0\t0003\n",
        );
        let expected = Ipv4Addr::from(0x0102_00C0_u32.to_ne_bytes());
        assert_eq!(routes, BTreeMap::from([("eth0".to_owned(), expected)]));
        let ipv6 = parse_if_inet6(
            "00000000000000000000000000000001 01 80 10 80 lo\n\
             fe800000000000000000000000000001 04 40 20 80 eth0\n\
             20010db8000000000000000000000005 04 40 00 80 eth0\n",
        );
        let global: Ipv6Addr = "2001:db8::5".parse().unwrap();
        assert_eq!(ipv6, BTreeMap::from([("eth0".to_owned(), global)]));
    }

    #[test]
    fn the_card_of_the_default_route_is_first_and_loopback_is_a_last_resort() {
        let card = |name: &str, ip: [u8; 4], gateway: Option<[u8; 4]>| NetworkCard {
            name: name.into(),
            ipv4: Some(ip.into()),
            gateway: gateway.map(Into::into),
            prefix_length: 24,
            ..NetworkCard::default()
        };
        let lo = card("lo", [127, 0, 0, 1], None);
        let inner = card("eth0", [10, 0, 0, 2], None);
        let outer = card("eth1", [192, 0, 2, 2], Some([192, 0, 2, 1]));
        let silent = NetworkCard::default();
        let names = |cards: Vec<NetworkCard>| {
            in_order(cards)
                .into_iter()
                .map(|card| card.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(vec![lo.clone(), silent, inner.clone(), outer]),
            ["eth1", "eth0"]
        );
        assert_eq!(names(vec![lo]), ["lo"]);
        assert_eq!(inner.netmask(), Ipv4Addr::new(255, 255, 255, 0));
        assert_eq!(NetworkCard::default().netmask(), Ipv4Addr::UNSPECIFIED);
    }

    #[test]
    fn this_machine_has_a_card() {
        assert!(!list().unwrap().is_empty());
    }
}
