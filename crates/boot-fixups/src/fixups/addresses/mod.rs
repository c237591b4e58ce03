//! Interfaces get the addresses that were asked for, in the configuration that the system uses.
//!
//! Only an interface whose addressing is not `keep` is touched. Every stack that configures it is
//! told; if none does, the system's main one gets a new file.

use std::net::IpAddr;

use crate::changes::Work;
use crate::contract::{Addressing, TargetNetwork};
use crate::error::FixupError;
use crate::system::NetworkStack;
use crate::words::{MacAddress, NetworkAddress, is_interface_name};

mod ifcfg;
mod ifupdown;
mod netplan;
mod network_manager;
mod networkd;

/// What an interface shall have.
struct Wanted<'a> {
    name: &'a str,
    macs: [MacAddress; 2],
    /// None for DHCP.
    fixed: Option<Fixed<'a>>,
}

struct Fixed<'a> {
    addresses: &'a [NetworkAddress],
    gateway: Option<IpAddr>,
    dns: &'a [IpAddr],
}

impl Wanted<'_> {
    /// Whether a text is one of the card's hardware addresses, old or new.
    fn is_mac(&self, text: &str) -> bool {
        text.parse().is_ok_and(|mac| self.macs.contains(&mac))
    }
}

impl Fixed<'_> {
    fn of_family(&self, ipv4: bool) -> Vec<NetworkAddress> {
        let mut addresses = self.addresses.to_vec();
        addresses.retain(|address| address.address.is_ipv4() == ipv4);
        addresses
    }

    fn gateway_of_family(&self, ipv4: bool) -> Option<IpAddr> {
        self.gateway.filter(|gateway| gateway.is_ipv4() == ipv4)
    }

    fn dns_of_family(&self, ipv4: bool) -> Vec<String> {
        self.dns
            .iter()
            .filter(|server| server.is_ipv4() == ipv4)
            .map(ToString::to_string)
            .collect()
    }
}

pub(super) fn run(work: &mut Work<'_>) -> Result<(), FixupError> {
    let networks = work.request.networks.clone();
    for network in &networks {
        let Some(wanted) = wanted(network)? else {
            continue;
        };
        apply(work, &wanted)?;
    }
    Ok(())
}

fn wanted(network: &TargetNetwork) -> Result<Option<Wanted<'_>>, FixupError> {
    let fixed = match &network.addressing {
        Addressing::Keep => return Ok(None),
        Addressing::Dhcp => None,
        Addressing::Static {
            addresses,
            gateway,
            dns,
        } => Some(Fixed {
            addresses,
            gateway: *gateway,
            dns,
        }),
    };
    if !is_interface_name(&network.source_name) {
        return Err(FixupError::Essential(format!(
            "{:?} cannot be the name of a network interface",
            network.source_name
        )));
    }
    Ok(Some(Wanted {
        name: &network.source_name,
        macs: [network.target_mac, network.source_mac],
        fixed,
    }))
}

fn apply(work: &mut Work<'_>, wanted: &Wanted<'_>) -> Result<(), FixupError> {
    let mut is_configured = false;
    for stack in work.system.facts.network_stacks.clone() {
        is_configured |= match stack {
            NetworkStack::Ifupdown => ifupdown::change(work, wanted)?,
            NetworkStack::Netplan => netplan::change(work, wanted)?,
            NetworkStack::Networkd => networkd::change(work, wanted)?,
            NetworkStack::NetworkManager => network_manager::change(work, wanted)?,
            NetworkStack::Ifcfg => ifcfg::change(work, wanted, ifcfg::Kind::RedHat)?,
            NetworkStack::Wicked => ifcfg::change(work, wanted, ifcfg::Kind::Suse)?,
        };
    }
    if is_configured {
        return Ok(());
    }
    // NetworkManager takes a card without a file as one for DHCP, but a fixed address needs one.
    let has = |path: &str| work.root.has_entry(path);
    if has("/usr/sbin/netplan") && has("/etc/netplan") {
        netplan::create(work, wanted)
    } else if has("/usr/sbin/NetworkManager") {
        network_manager::create(work, wanted)
    } else if has("/etc/network/interfaces") {
        ifupdown::create(work, wanted)
    } else if has("/etc/sysconfig/network-scripts") {
        ifcfg::create(work, wanted, ifcfg::Kind::RedHat)
    } else if has("/etc/sysconfig/network/config") {
        ifcfg::create(work, wanted, ifcfg::Kind::Suse)
    } else if has("/usr/lib/systemd/systemd-networkd") || has("/lib/systemd/systemd-networkd") {
        networkd::create(work, wanted)
    } else {
        Err(FixupError::Essential(format!(
            "nothing is known that configures {}: neither /etc/network/interfaces, /etc/netplan, \
             /etc/NetworkManager, /etc/sysconfig nor systemd-networkd",
            wanted.name
        )))
    }
}
