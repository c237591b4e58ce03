//! RHEL 9 (entries of the Boot Loader Specification, key files, dracut, LVM) and CentOS 7
//! (ifcfg files, a whole grub.cfg).

use rehost_boot_fixups::{
    DiskFacts, Firmware, FixupName, FixupState, InitramfsTool, LogicalVolume, NetworkStack,
};

use crate::tree::{
    BOOT, ESP, ROOT, SOURCE_MAC, SWAP, TARGET_MAC, Tree, assert_good, gpt_with_esp, mbr, outcome,
    request, shown, volume,
};

const VERSION: &str = "5.14.0-362.8.1.el9_3.x86_64";
const MACHINE: &str = "0123456789abcdef0123456789abcdef";

/// UEFI, LVM, BLS, NetworkManager; `kernelopts` or plain options in its entries.
fn rhel_9(options: &str) -> (Tree, DiskFacts) {
    let tree = Tree::new();
    let entry = format!("/boot/loader/entries/{MACHINE}-{VERSION}.conf");
    let mut environment = format!(
        "# GRUB Environment Block\nsaved_entry={MACHINE}-{VERSION}\nkernelopts=root=/dev/mapper/rhel-root ro resume=/dev/sda3 rd.lvm.lv=rhel/root \nboot_success=0\n"
    );
    environment.push_str(&"#".repeat(1024 - environment.len()));
    tree.file(
        "/usr/lib/os-release",
        "NAME=\"Red Hat Enterprise Linux\"\nID=\"rhel\"\nID_LIKE=\"fedora\"\nVERSION_ID=\"9.3\"\nPRETTY_NAME=\"Red Hat Enterprise Linux 9.3 (Plow)\"\n",
    )
    .link("/etc/os-release", "../usr/lib/os-release")
    .kernel(VERSION)
    .link("/lib", "usr/lib")
    .systemd(252)
    .file(&format!("/boot/initramfs-{VERSION}.img"), "old")
    .file(
        &format!("/boot/initramfs-0-rescue-{MACHINE}.img"),
        "for any hardware",
    )
    .file("/usr/bin/dracut", "program")
    .file("/usr/sbin/NetworkManager", "program")
    .file("/usr/sbin/grub2-install", "program")
    .file(
        "/etc/default/grub",
        "GRUB_TIMEOUT=5\nGRUB_TERMINAL_OUTPUT=\"console\"\nGRUB_CMDLINE_LINUX=\"crashkernel=1G resume=/dev/sda3 rd.lvm.lv=rhel/root rhgb quiet\"\nGRUB_ENABLE_BLSCFG=true\n",
    )
    .file(
        "/boot/grub2/grub.cfg",
        "set default_kernelopts=\"root=/dev/mapper/rhel-root ro \"\ninsmod blscfg\nblscfg\n",
    )
    .file("/boot/grub2/grubenv", environment)
    .file(
        &entry,
        format!(
            "title Red Hat Enterprise Linux\nversion {VERSION}\nlinux /vmlinuz-{VERSION}\n\
             initrd /initramfs-{VERSION}.img $tuned_initrd\noptions {options}\ngrub_class rhel\n"
        ),
    )
    .file("/etc/kernel/cmdline", "root=/dev/mapper/rhel-root ro resume=/dev/sda3\n")
    .file(
        "/etc/fstab",
        format!(
            "/dev/mapper/rhel-root   /         xfs  defaults 0 0\n\
             UUID={BOOT} /boot xfs defaults 0 0\n\
             UUID={ESP} /boot/efi vfat umask=0077,shortname=winnt 0 2\n\
             /dev/sda3 none swap defaults 0 0\n\
             /dev/mapper/data-old /old xfs defaults 0 0\n"
        ),
    )
    .private_file(
        "/etc/NetworkManager/system-connections/ens192.nmconnection",
        &format!(
            "[connection]\nid=ens192\nuuid=11111111-0000-4000-8000-000000000001\ntype=ethernet\ninterface-name=ens192\n\n[ethernet]\nmac-address={}\n\n[802-1x]\npassword=hunter2\n\n[ipv4]\naddress1=192.0.2.10/24,192.0.2.1\ndns=192.0.2.2;\nmethod=manual\n\n[ipv6]\nmethod=auto\n",
            SOURCE_MAC.to_uppercase()
        ),
    )
    .file("/boot/efi/EFI/redhat/shimx64.efi", "first loader")
    .file("/boot/efi/EFI/redhat/grubx64.efi", "grub")
    .file("/boot/efi/EFI/redhat/BOOTX64.CSV", "list")
    .file("/boot/efi/EFI/redhat/grub.cfg", "search --fs-uuid x\nconfigfile $prefix/grub.cfg\n")
    .file("/boot/efi/EFI/BOOT/BOOTX64.EFI", "first loader")
    .file("/boot/efi/EFI/BOOT/fbx64.efi", "fallback");
    let mut root = volume("/dev/mapper/rhel-root", "/", "xfs", ROOT);
    root.disk_index = None;
    let mut facts = gpt_with_esp(vec![
        root,
        volume("/dev/vda1", "/boot/efi", "vfat", ESP),
        volume("/dev/vda2", "/boot", "xfs", BOOT),
        volume("/dev/vda3", "", "swap", SWAP),
    ]);
    facts.logical_volumes = vec![LogicalVolume {
        group: "rhel".into(),
        name: "root".into(),
    }];
    (tree, facts)
}

#[test]
fn rhel_9_with_lvm_starts_on_new_disks() {
    let (tree, facts) =
        rhel_9("root=/dev/mapper/rhel-root ro resume=/dev/sda3 rd.lvm.lv=rhel/root");
    let report = tree.fix_twice(&facts, &request(Firmware::Uefi));
    assert_good(&report);
    assert_eq!(report.system.os_version, "9.3");
    assert_eq!(report.system.initramfs_tool, InitramfsTool::Dracut);
    assert_eq!(report.system.network_stacks, [NetworkStack::NetworkManager]);
    assert_eq!(tree.read("/boot/grub2/grubenv").len(), 1024);
    // The list beside the vendor's loader does the rest.
    assert_eq!(
        outcome(&report, FixupName::BootLoader).state,
        FixupState::Unchanged
    );
    assert_eq!(
        tree.mode("/etc/NetworkManager/system-connections/ens192.nmconnection"),
        0o600
    );
    assert_eq!(
        tree.read(&format!("/boot/initramfs-0-rescue-{MACHINE}.img")),
        "for any hardware"
    );
    insta::assert_snapshot!(shown(&report));
}

#[test]
fn entries_that_stand_for_other_options_get_the_console_once() {
    let (tree, facts) = rhel_9("$kernelopts $tuned_params");
    let report = tree.fix_twice(&facts, &request(Firmware::Uefi));
    assert_good(&report);
    let entry = tree.read(&format!("/boot/loader/entries/{MACHINE}-{VERSION}.conf"));
    assert!(
        entry.contains("options $kernelopts $tuned_params\n"),
        "{entry}"
    );
    let environment = tree.read("/boot/grub2/grubenv");
    let expected = format!(
        "kernelopts=root=/dev/mapper/rhel-root ro resume=UUID={SWAP} rd.lvm.lv=rhel/root \
         console=tty0 console=ttyS0,115200n8 \n"
    );
    assert!(environment.contains(&expected), "{environment}");
}

/// BIOS, plain partitions, scripts for the network.
fn centos_7() -> (Tree, DiskFacts) {
    const VERSION: &str = "3.10.0-1160.el7.x86_64";
    let tree = Tree::new();
    tree.file(
        "/etc/os-release",
        "NAME=\"CentOS Linux\"\nVERSION_ID=\"7\"\nID=\"centos\"\nID_LIKE=\"rhel fedora\"\nPRETTY_NAME=\"CentOS Linux 7 (Core)\"\n",
    )
    .kernel(VERSION)
    .link("/lib", "usr/lib")
    .file("/usr/lib/systemd/systemd", "program of version 219")
    .file("/usr/lib/systemd/system/serial-getty@.service", "[Service]\n")
    .file("/etc/securetty", "console\ntty1\n")
    .file(&format!("/boot/initramfs-{VERSION}.img"), "old")
    .file("/usr/sbin/dracut", "program")
    .file("/usr/sbin/grub2-install", "program")
    .file("/usr/sbin/grub2-mkconfig", "program")
    .directory("/usr/lib/grub/i386-pc")
    .file("/boot/grub2/i386-pc/core.img", "core")
    .file("/boot/grub2/device.map", "(hd0)      /dev/sda\n")
    .file(
        "/etc/default/grub",
        "GRUB_TERMINAL_OUTPUT=\"console\"\nGRUB_CMDLINE_LINUX=\"crashkernel=auto net.ifnames=0 rhgb quiet\"\nGRUB_DISABLE_RECOVERY=\"true\"\n",
    )
    .file(
        "/boot/grub2/grub.cfg",
        format!("menuentry 'CentOS Linux (3.10.0)' {{\n\tinsmod xfs\n\tset root='hd0,msdos1'\n\tlinux16 /vmlinuz-{VERSION} root=/dev/sda2 ro crashkernel=auto rhgb quiet LANG=en_US.UTF-8\n\tinitrd16 /initramfs-{VERSION}.img\n}}\n"),
    )
    .link("/etc/grub2.cfg", "../boot/grub2/grub.cfg")
    .file(
        "/etc/fstab",
        "/dev/sda2 / xfs defaults 0 0\n/dev/sda1 /boot xfs defaults 0 0\n/dev/sda3 swap swap defaults 0 0\n",
    )
    .file(
        "/etc/sysconfig/network-scripts/ifcfg-eth0",
        format!("TYPE=Ethernet\nBOOTPROTO=none\nNAME=eth0\nDEVICE=eth0\nHWADDR={SOURCE_MAC}\nONBOOT=yes\nIPADDR=192.0.2.10\nPREFIX=24\nGATEWAY=192.0.2.1\nDNS1=192.0.2.2\n"),
    )
    .file("/etc/sysconfig/network-scripts/ifcfg-lo", "DEVICE=lo\nIPADDR=127.0.0.1\n")
    .file(
        "/etc/udev/rules.d/70-persistent-ipoib.rules",
        "# This is a sample udev rules file\n",
    );
    let facts = mbr(vec![
        volume("/dev/vda1", "/boot", "xfs", BOOT),
        volume("/dev/vda2", "/", "xfs", ROOT),
        volume("/dev/vda3", "", "swap", SWAP),
    ]);
    (tree, facts)
}

#[test]
fn centos_7_starts_on_new_disks() {
    let (tree, facts) = centos_7();
    let mut asked = request(Firmware::Bios);
    asked.networks[0].source_name = "eth0".into();
    let report = tree.fix_twice(&facts, &asked);
    assert_good(&report);
    assert_eq!(report.system.network_stacks, [NetworkStack::Ifcfg]);
    assert!(
        tree.read("/etc/sysconfig/network-scripts/ifcfg-eth0")
            .contains(&format!("HWADDR={TARGET_MAC}\n"))
    );
    // This systemd would not match a card by its type.
    assert!(
        !tree
            .read("/etc/systemd/network/10-rehost-eth0.link")
            .contains("Type=")
    );
    insta::assert_snapshot!(shown(&report));
}
