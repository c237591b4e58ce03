//! openSUSE Leap: wicked, btrfs with subvolumes, dracut, GRUB with its modules elsewhere.

use rehost_boot_fixups::{Addressing, DiskFacts, Firmware, FixupName, NetworkStack};

use crate::tree::{
    ROOT, SOURCE_MAC, SWAP, Tree, assert_good, facts, outcome, request, shown, volume,
};

const VERSION: &str = "5.14.21-150500.55-default";

fn leap() -> (Tree, DiskFacts) {
    let tree = Tree::new();
    tree.file(
        "/usr/lib/os-release",
        "NAME=\"openSUSE Leap\"\nVERSION_ID=\"15.5\"\nID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"\nPRETTY_NAME=\"openSUSE Leap 15.5\"\n",
    )
    .link("/etc/os-release", "../usr/lib/os-release")
    .kernel(VERSION)
    .link("/lib", "usr/lib")
    .systemd(249)
    .file(&format!("/boot/initrd-{VERSION}"), "old")
    .file("/usr/bin/dracut", "program")
    .file("/usr/sbin/grub2-install", "program")
    .directory("/usr/share/grub2/i386-pc")
    .file("/boot/grub2/i386-pc/core.img", "core")
    .file(
        "/etc/default/grub",
        "GRUB_DISTRIBUTOR=\nGRUB_CMDLINE_LINUX_DEFAULT=\"splash=silent resume=/dev/disk/by-id/ata-QEMU_HARDDISK_1-part2 quiet\"\nGRUB_CMDLINE_LINUX=\"\"\n",
    )
    .file(
        "/boot/grub2/grub.cfg",
        format!("menuentry 'openSUSE Leap 15.5' {{\n\tlinux /boot/vmlinuz-{VERSION} root=UUID={ROOT}  splash=silent resume=/dev/disk/by-id/ata-QEMU_HARDDISK_1-part2 quiet\n\tinitrd /boot/initrd-{VERSION}\n}}\n"),
    )
    .file(
        "/etc/fstab",
        "/dev/sda3  /             btrfs  defaults                      0  0\n\
         /dev/sda3  /var          btrfs  subvol=/@/var                 0  0\n\
         /dev/disk/by-id/ata-QEMU_HARDDISK_1-part3  /boot/grub2/i386-pc  btrfs  subvol=/@/boot/grub2/i386-pc  0  0\n\
         /dev/sda2  swap          swap   defaults                      0  0\n",
    )
    .file(
        "/etc/sysconfig/network/ifcfg-eth0",
        "BOOTPROTO='static'\nSTARTMODE='auto'\nIPADDR='192.0.2.10/24'\nZONE=public\n",
    )
    .file("/etc/sysconfig/network/ifcfg-lo", "IPADDR='127.0.0.1/8'\n")
    .file("/etc/sysconfig/network/routes", "default 192.0.2.1 - -\n198.51.100.0/24 192.0.2.7 - eth0\n")
    .file("/etc/sysconfig/network/config", "NETCONFIG_DNS_STATIC_SERVERS=\"192.0.2.2\"\nNETCONFIG_NTP_POLICY=\"auto\"\n")
    .file(
        "/etc/udev/rules.d/70-persistent-net.rules",
        format!("SUBSYSTEM==\"net\", ACTION==\"add\", DRIVERS==\"?*\", ATTR{{address}}==\"{SOURCE_MAC}\", ATTR{{dev_id}}==\"0x0\", KERNEL==\"eth*\", NAME=\"eth0\"\n"),
    );
    let subvolume = |mount_point| {
        let mut of_root = volume("/dev/vda3", mount_point, "btrfs", ROOT);
        of_root.partition_uuid = Some("0b1c2d3e-0000-4000-8000-00000000000a".into());
        of_root
    };
    let facts = facts(
        rehost_boot_fixups::PartitionStyle::Gpt,
        true,
        None,
        vec![
            subvolume("/"),
            subvolume("/var"),
            subvolume("/boot/grub2/i386-pc"),
            volume("/dev/vda2", "", "swap", SWAP),
        ],
    );
    (tree, facts)
}

#[test]
fn opensuse_on_subvolumes_starts_on_new_disks() {
    let (tree, facts) = leap();
    let mut asked = request(Firmware::Bios);
    asked.networks[0].source_name = "eth0".into();
    let report = tree.fix_twice(&facts, &asked);
    assert_good(&report);
    assert_eq!(report.system.network_stacks, [NetworkStack::Wicked]);
    insta::assert_snapshot!(shown(&report));
}

#[test]
fn wicked_gets_other_addresses_and_keeps_other_routes() {
    let (tree, facts) = leap();
    let mut asked = request(Firmware::Bios);
    asked.networks[0].source_name = "eth0".into();
    asked.networks[0].addressing = Addressing::Static {
        addresses: vec!["10.0.0.5/24".parse().unwrap()],
        gateway: Some("10.0.0.1".parse().unwrap()),
        dns: vec!["10.0.0.2".parse().unwrap()],
    };
    let report = tree.fix_twice(&facts, &asked);
    assert_good(&report);
    assert_eq!(
        outcome(&report, FixupName::NetworkAddresses).changes.len(),
        4
    );
    assert_eq!(
        tree.read("/etc/sysconfig/network/ifcfg-eth0"),
        "STARTMODE='auto'\nZONE=public\nBOOTPROTO='static'\nIPADDR='10.0.0.5/24'\n"
    );
    assert_eq!(
        tree.read("/etc/sysconfig/network/routes"),
        "198.51.100.0/24 192.0.2.7 - eth0\n"
    );
    assert_eq!(
        tree.read("/etc/sysconfig/network/ifroute-eth0"),
        "default 10.0.0.1 - eth0\n"
    );
    assert!(
        tree.read("/etc/sysconfig/network/config")
            .starts_with("NETCONFIG_DNS_STATIC_SERVERS=\"10.0.0.2\"\n")
    );
}
