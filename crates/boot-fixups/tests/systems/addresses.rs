//! Addresses that were asked for, in each way to configure a network.

use rehost_boot_fixups::{Addressing, DiskFacts, Firmware, FixupName, FixupRequest, FixupState};

use crate::tree::{ROOT, TARGET_MAC, Tree, mbr, outcome, request, volume};

fn system() -> (Tree, DiskFacts) {
    let tree = Tree::new();
    tree.file("/etc/fstab", "/dev/sda1 / ext4 defaults 0 1\n")
        .systemd(252);
    (tree, mbr(vec![volume("/dev/vda1", "/", "ext4", ROOT)]))
}

fn dhcp() -> FixupRequest {
    let mut asked = request(Firmware::Bios);
    asked.networks[0].addressing = Addressing::Dhcp;
    asked
}

fn fixed() -> FixupRequest {
    let mut asked = request(Firmware::Bios);
    asked.networks[0].addressing = Addressing::Static {
        addresses: vec![
            "10.0.0.5/24".parse().unwrap(),
            "fd00::5/64".parse().unwrap(),
        ],
        gateway: Some("10.0.0.1".parse().unwrap()),
        dns: vec!["10.0.0.2".parse().unwrap()],
    };
    asked
}

/// The text of a file after each request, each time from the same beginning.
fn texts(files: &[(&str, &str)], shown: &str) -> [String; 2] {
    [dhcp(), fixed()].map(|asked| {
        let (tree, facts) = system();
        for (path, text) in files {
            tree.private_file(path, text);
        }
        let report = tree.fix_twice(&facts, &asked);
        let found = outcome(&report, FixupName::NetworkAddresses);
        assert_eq!(found.state, FixupState::Applied, "{found:#?}");
        for (path, _) in files {
            assert_eq!(tree.mode(path), 0o600, "{path}");
        }
        tree.read(shown)
    })
}

#[test]
fn ifupdown() {
    let path = "/etc/network/interfaces";
    let text = "auto lo\niface lo inet loopback\nauto ens192\niface ens192 inet static\n  address 192.0.2.10\n  netmask 255.255.255.0\n  mtu 1400\n";
    let [dhcp, fixed] = texts(&[(path, text)], path);
    let begin = "auto lo\niface lo inet loopback\nauto ens192\n";
    assert_eq!(
        dhcp,
        format!("{begin}iface ens192 inet dhcp\n    mtu 1400\n")
    );
    assert_eq!(
        fixed,
        format!(
            "{begin}iface ens192 inet static\n    address 10.0.0.5/24\n    gateway 10.0.0.1\n    \
             dns-nameservers 10.0.0.2\n    mtu 1400\niface ens192 inet6 static\n    address fd00::5/64\n"
        )
    );
}

#[test]
fn netplan() {
    let path = "/etc/netplan/01-netcfg.yaml";
    let text = "network:\n  version: 2\n  ethernets:\n    ens192:\n      addresses: [192.0.2.10/24]\n      gateway4: 192.0.2.1\n      nameservers:\n        addresses: [192.0.2.2]\n      optional: true\n";
    let [dhcp, fixed] = texts(&[(path, text)], path);
    let begin = "network:\n  version: 2\n  ethernets:\n    ens192:\n";
    assert_eq!(
        dhcp,
        format!("{begin}      dhcp4: true\n      optional: true\n")
    );
    assert_eq!(
        fixed,
        format!(
            "{begin}      dhcp4: false\n      addresses: [\"10.0.0.5/24\", \"fd00::5/64\"]\n      \
             routes: [{{to: \"0.0.0.0/0\", via: \"10.0.0.1\"}}]\n      \
             nameservers: {{addresses: [\"10.0.0.2\"]}}\n      optional: true\n"
        )
    );
}

#[test]
fn networkd_for_one_interface() {
    let path = "/etc/systemd/network/20-wired.network";
    let text = "[Match]\nName=ens192\n[Network]\nAddress=192.0.2.10/24\nDNS=192.0.2.2\nLLDP=yes\n[Route]\nGateway=192.0.2.1\n";
    let [dhcp, fixed] = texts(&[(path, text)], path);
    assert_eq!(
        dhcp,
        "[Match]\nName=ens192\n[Network]\nDHCP=yes\nLLDP=yes\n"
    );
    assert_eq!(
        fixed,
        "[Match]\nName=ens192\n[Network]\nAddress=10.0.0.5/24\nAddress=fd00::5/64\n\
         Gateway=10.0.0.1\nDNS=10.0.0.2\nLLDP=yes\n"
    );
}

#[test]
fn networkd_for_many_interfaces() {
    let pattern = (
        "/etc/systemd/network/20-all.network",
        "[Match]\nName=en*\n[Network]\nDHCP=yes\n",
    );
    let own = "/etc/systemd/network/05-rehost-ens192.network";
    let [_, fixed] = texts(&[pattern], own);
    assert!(
        fixed.contains("[Match]\nName=ens192\n\n[Network]\nAddress=10.0.0.5/24\n"),
        "{fixed}"
    );
}

#[test]
fn network_manager() {
    let path = "/etc/NetworkManager/system-connections/lan.nmconnection";
    let text = format!(
        "[connection]\nid=lan\ntype=ethernet\n\n[ethernet]\nmac-address={TARGET_MAC}\n\n[ipv4]\naddress1=192.0.2.10/24,192.0.2.1\nroute1=198.51.100.0/24,192.0.2.7\ndns-search=example.org;\nmethod=manual\n\n[ipv6]\nmethod=auto\n"
    );
    let [dhcp, fixed] = texts(&[(path, &text)], path);
    assert!(
        dhcp.ends_with("[ipv4]\nmethod=auto\ndns-search=example.org;\n\n[ipv6]\nmethod=auto\n"),
        "{dhcp}"
    );
    assert!(
        fixed.ends_with(
            "[ipv4]\nmethod=manual\naddress1=10.0.0.5/24\ngateway=10.0.0.1\ndns=10.0.0.2;\ndns-search=example.org;\n\n\
             [ipv6]\nmethod=manual\naddress1=fd00::5/64\n"
        ),
        "{fixed}"
    );
}

#[test]
fn ifcfg() {
    let path = "/etc/sysconfig/network-scripts/ifcfg-ens192";
    let text = "DEVICE=ens192\nBOOTPROTO=none\nIPADDR0=192.0.2.10\nPREFIX0=24\nGATEWAY0=192.0.2.1\nONBOOT=yes\n";
    let [dhcp, fixed] = texts(&[(path, text)], path);
    assert_eq!(dhcp, "DEVICE=ens192\nONBOOT=yes\nBOOTPROTO=\"dhcp\"\n");
    assert_eq!(
        fixed,
        "DEVICE=ens192\nONBOOT=yes\nBOOTPROTO=\"none\"\nIPADDR=\"10.0.0.5\"\nPREFIX=\"24\"\n\
         GATEWAY=\"10.0.0.1\"\nIPV6INIT=\"yes\"\nIPV6_AUTOCONF=\"no\"\nIPV6ADDR=\"fd00::5/64\"\n\
         DNS1=\"10.0.0.2\"\n"
    );
}

#[test]
fn an_interface_without_a_file_gets_one_in_the_systems_main_way() {
    for (there, made) in [
        (
            &["/usr/sbin/netplan", "/etc/netplan/readme"][..],
            "/etc/netplan/90-rehost-ens192.yaml",
        ),
        (
            &["/usr/sbin/NetworkManager"],
            "/etc/NetworkManager/system-connections/rehost-ens192.nmconnection",
        ),
        (&["/etc/network/interfaces"], "/etc/network/interfaces"),
        (
            &["/etc/sysconfig/network-scripts/ifcfg-lo"],
            "/etc/sysconfig/network-scripts/ifcfg-ens192",
        ),
        (
            &["/etc/sysconfig/network/config"],
            "/etc/sysconfig/network/ifcfg-ens192",
        ),
        (
            &["/usr/lib/systemd/systemd-networkd"],
            "/etc/systemd/network/05-rehost-ens192.network",
        ),
    ] {
        let (tree, facts) = system();
        for path in there {
            tree.file(path, "");
        }
        tree.fix_twice(&facts, &fixed());
        assert!(tree.read(made).contains("10.0.0.5"), "{made}");
    }
    let (tree, facts) = system();
    let report = tree.fix(&facts, &dhcp());
    let found = outcome(&report, FixupName::NetworkAddresses);
    assert_eq!(found.state, FixupState::Failed);
    assert!(found.summary.contains("/etc/network/interfaces"));
}

#[test]
fn what_cannot_be_changed_safely_is_failed_and_stays() {
    let (tree, facts) = system();
    let text = "network: {version: 2, ethernets: {ens192: {dhcp4: true}}}\n";
    tree.file("/etc/netplan/x.yaml", text);
    let report = tree.fix_twice(&facts, &fixed());
    let found = outcome(&report, FixupName::NetworkAddresses);
    assert_eq!(found.state, FixupState::Failed);
    assert!(found.summary.contains("/etc/netplan/x.yaml"), "{found:?}");
    assert_eq!(tree.read("/etc/netplan/x.yaml"), text);
}
