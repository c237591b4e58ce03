//! Debian 12: BIOS and UEFI, with each of its ways to configure a network.

use rehost_boot_fixups::{
    Addressing, BootLoader, DiskFacts, Firmware, FixupName, FixupState, InitramfsTool, NetworkStack,
};

use crate::tree::{
    BOOT, ESP, ROOT, SOURCE_MAC, SWAP, TARGET_MAC, Tree, assert_good, facts, gpt_with_esp, mbr,
    outcome, request, shown, volume,
};

const VERSION: &str = "6.1.0-18-amd64";

/// What all Debian systems here have.
fn debian(root_device: &str) -> Tree {
    let tree = Tree::new();
    tree.file(
        "/etc/os-release",
        "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\nID=debian\n",
    )
    .kernel(VERSION)
    .link("/lib", "usr/lib")
    .systemd(252)
    .file(&format!("/boot/initrd.img-{VERSION}"), "old")
    .file("/usr/sbin/update-initramfs", "program")
    .file("/etc/initramfs-tools/initramfs.conf", "MODULES=most\n")
    .file("/etc/initramfs-tools/conf.d/driver-policy", "MODULES=dep\n")
    .file("/etc/initramfs-tools/modules", "# List of modules\n")
    .file("/usr/sbin/grub-install", "program")
    .file("/usr/sbin/grub-mkconfig", "program")
    .file(
        "/etc/default/grub",
        "GRUB_DEFAULT=0\nGRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet\"\nGRUB_CMDLINE_LINUX=\"\"\n",
    )
    .file(
        "/boot/grub/grub.cfg",
        format!(
            "### BEGIN /etc/grub.d/10_linux ###\nmenuentry 'Debian GNU/Linux' {{\n\
             \tinsmod part_msdos\n\tset root='hd0,msdos1'\n\
             \tsearch --no-floppy --fs-uuid --set=root {ROOT}\n\
             \tlinux\t/boot/vmlinuz-{VERSION} root={root_device} ro  quiet\n\
             \tinitrd\t/boot/initrd.img-{VERSION}\n}}\n### END /etc/grub.d/10_linux ###\n"
        ),
    )
    .file(
        "/etc/systemd/system/rehost-agent.service",
        "[Service]\nExecStart=/usr/local/bin/rehost agent\n",
    )
    .link(
        "/etc/systemd/system/multi-user.target.wants/rehost-agent.service",
        "/etc/systemd/system/rehost-agent.service",
    );
    tree
}

/// BIOS, one partition and swap, names of devices everywhere, disks that were not migrated.
fn bios_with_ifupdown() -> (Tree, DiskFacts) {
    let tree = debian("/dev/sda1");
    tree.file(
        "/etc/fstab",
        "# /etc/fstab: static file system information.\n\
         /dev/sda1 /               ext4    errors=remount-ro 0       1\n\
         /dev/sda5 none            swap    sw              0       0\n\
         /dev/sdb1 /srv/data       xfs     defaults        0       2\n\
         UUID=ffffffff-0000-4000-8000-000000000009 none swap sw 0 0\n\
         /dev/sr0  /media/cdrom0   udf,iso9660 user,noauto 0       0\n\
         nas:/home /home           nfs     defaults        0       0\n\
         tmpfs     /tmp            tmpfs   defaults        0       0\n",
    )
    .file(
        "/etc/initramfs-tools/conf.d/resume",
        "RESUME=/dev/sda5\n",
    )
    .file("/usr/lib/grub/i386-pc/modinfo.sh", "modules")
    .file("/boot/grub/i386-pc/core.img", "core")
    .file(
        "/var/cache/debconf/config.dat",
        "Name: grub-pc/install_devices\nTemplate: grub-pc/install_devices\nValue: /dev/disk/by-id/ata-VMware_1\nOwners: grub-pc\nFlags: seen\n\n",
    )
    .file("/boot/grub/device.map", "(hd0)\t/dev/sda\n")
    .file(
        "/etc/network/interfaces",
        "source /etc/network/interfaces.d/*\n\nauto lo\niface lo inet loopback\n\n\
         allow-hotplug ens192\niface ens192 inet static\n\taddress 192.0.2.10/24\n\tgateway 192.0.2.1\n",
    )
    .file(
        "/etc/udev/rules.d/70-persistent-net.rules",
        format!("SUBSYSTEM==\"net\", ACTION==\"add\", ATTR{{address}}==\"{SOURCE_MAC}\", NAME=\"ens192\"\n"),
    );
    let facts = mbr(vec![
        volume("/dev/vda1", "/", "ext4", ROOT),
        volume("/dev/vda5", "", "swap", SWAP),
    ]);
    (tree, facts)
}

#[test]
fn a_bios_system_with_old_names_starts_on_new_disks() {
    let (tree, facts) = bios_with_ifupdown();
    let report = tree.fix_twice(&facts, &request(Firmware::Bios));
    assert_good(&report);
    assert_eq!(report.system.os_id, "debian");
    assert_eq!(report.system.os_version, "12");
    assert_eq!(report.system.boot_loader, BootLoader::Grub2);
    assert_eq!(report.system.initramfs_tool, InitramfsTool::InitramfsTools);
    assert_eq!(report.system.network_stacks, [NetworkStack::Ifupdown]);
    assert_eq!(report.system.kernels, [VERSION]);
    assert_eq!(report.system.root_device.as_deref(), Some("/dev/vda1"));
    insta::assert_snapshot!(shown(&report));
}

#[test]
fn every_fix_up_can_be_left_out_by_its_name() {
    for name in FixupName::ALL {
        let (tree, facts) = bios_with_ifupdown();
        tree.file("/etc/crypttab", "secret /dev/sdb2 none luks\n");
        tree.directory("/etc/cloud/cloud.cfg.d");
        let mut asked = request(Firmware::Bios);
        asked.networks[0].addressing = Addressing::Dhcp;
        asked.skip = vec![name];
        let report = tree.fix_twice(&facts, &asked);
        for fixup in &report.fixups {
            assert_eq!(
                fixup.state == FixupState::Skipped,
                fixup.name == name,
                "{fixup:#?}"
            );
        }
        let skipped = outcome(&report, name);
        assert!(skipped.changes.is_empty() && skipped.commands.is_empty());
    }
}

#[test]
fn a_uefi_system_is_found_by_firmware_that_does_not_know_it() {
    let tree = debian(&format!("UUID={ROOT}"));
    tree.file(
        "/etc/fstab",
        format!(
            "UUID={ROOT} / ext4 errors=remount-ro 0 1\n\
             /dev/disk/by-path/pci-0000:03:00.0-scsi-0:0:0:0-part1 /boot/efi vfat umask=0077 0 1\n\
             /dev/disk/by-id/scsi-36000c29-part4 /data ext4 defaults 0 2\n"
        ),
    )
    .file("/boot/efi/EFI/debian/shimx64.efi", "signed first loader")
    .file("/boot/efi/EFI/debian/grubx64.efi", "signed grub")
    .file("/boot/efi/EFI/debian/mmx64.efi", "key manager")
    .file("/boot/efi/EFI/debian/fbx64.efi", "fallback")
    .file("/boot/efi/EFI/debian/BOOTX64.CSV", "list")
    .file(
        "/boot/efi/EFI/debian/grub.cfg",
        format!("search.fs_uuid {ROOT} root\nset prefix=($root)'/boot/grub'\nconfigfile $prefix/grub.cfg\n"),
    )
    .file("/boot/efi/EFI/Microsoft/Boot/bootmgfw.efi", "other system")
    .file(
        "/etc/netplan/50-cloud-init.yaml",
        format!(
            "network:\n  version: 2\n  ethernets:\n    ens192:\n      dhcp4: true\n      match:\n        macaddress: \"{}\"\n      set-name: ens192\n",
            SOURCE_MAC.to_uppercase()
        ),
    )
    .file("/etc/cloud/cloud.cfg", "users: [default]\n");
    let facts = gpt_with_esp(vec![
        volume("/dev/vda1", "/boot/efi", "vfat", ESP),
        volume("/dev/vda2", "/", "ext4", ROOT),
    ]);
    let report = tree.fix_twice(&facts, &request(Firmware::Uefi));
    assert_good(&report);
    assert!(report.system.has_uefi_traces);
    assert_eq!(
        tree.read("/boot/efi/EFI/BOOT/BOOTX64.EFI"),
        "signed first loader"
    );
    assert_eq!(tree.read("/boot/efi/EFI/BOOT/grubx64.efi"), "signed grub");
    assert_eq!(tree.read("/boot/efi/EFI/BOOT/mmx64.efi"), "key manager");
    // It would write entries into the firmware's memory and start anew.
    assert!(!tree.exists("/boot/efi/EFI/BOOT/fbx64.efi"));
    insta::assert_snapshot!(shown(&report));
}

#[test]
fn networkd_keeps_names_and_takes_the_new_hardware_address() {
    let (tree, facts) = bios_with_ifupdown();
    tree.file(
        "/etc/network/interfaces",
        "auto lo\niface lo inet loopback\n",
    )
    .file(
        "/etc/systemd/network/20-wired.network",
        format!("[Match]\nMACAddress={SOURCE_MAC}\n\n[Network]\nAddress=192.0.2.10/24\nGateway=192.0.2.1\n"),
    );
    let report = tree.fix_twice(&facts, &request(Firmware::Bios));
    assert_good(&report);
    assert_eq!(report.system.network_stacks, [NetworkStack::Networkd]);
    assert!(
        tree.read("/etc/systemd/network/20-wired.network")
            .contains(&format!("MACAddress={TARGET_MAC}\n"))
    );
    assert_eq!(
        tree.read("/etc/systemd/network/10-rehost-ens192.link"),
        format!(
            "# Written by rehost: the card has the name that it had on the source.\n[Match]\n\
             MACAddress={TARGET_MAC}\nType=ether\n\n[Link]\nName=ens192\n"
        )
    );
}

#[test]
fn grub_goes_to_the_disk_that_holds_its_directory() {
    let (tree, _) = bios_with_ifupdown();
    tree.file(
        "/etc/fstab",
        "/dev/sdb1 / ext4 defaults 0 1\n/dev/sda1 /boot ext4 defaults 0 1\n",
    );
    let mut root = volume("/dev/vdb1", "/", "ext4", ROOT);
    root.disk_index = Some(1);
    let mut facts = mbr(vec![root, volume("/dev/vdc1", "/boot", "ext4", BOOT)]);
    facts.disks[0].path = "/dev/vdc".into();
    let mut second = facts.disks[0].clone();
    second.index = 1;
    second.path = "/dev/vdb".into();
    facts.disks.push(second);
    let report = tree.fix_twice(&facts, &request(Firmware::Bios));
    let boot_loader = outcome(&report, FixupName::BootLoader);
    assert_eq!(boot_loader.state, FixupState::Applied);
    assert_eq!(
        boot_loader.commands[0].command,
        "/usr/sbin/grub-install --target=i386-pc /dev/vdc"
    );
    // Each was found by the place where it is mounted: `/dev/sdb` is no disk of the request.
    assert_eq!(
        tree.read("/etc/fstab"),
        format!("UUID={ROOT} / ext4 defaults 0 1\nUUID={BOOT} /boot ext4 defaults 0 1\n")
    );
}

#[test]
fn a_gpt_without_room_for_grub_is_said_before_the_start() {
    let (tree, _) = bios_with_ifupdown();
    let volumes = vec![volume("/dev/vda1", "/", "ext4", ROOT)];
    let without = facts(
        rehost_boot_fixups::PartitionStyle::Gpt,
        false,
        None,
        volumes.clone(),
    );
    let report = tree.fix(&without, &request(Firmware::Bios));
    let failed = report.first_failure().unwrap();
    assert_eq!(failed.name, FixupName::BootLoader);
    assert!(failed.summary.contains("/boot/grub"), "{}", failed.summary);
    let with = facts(rehost_boot_fixups::PartitionStyle::Gpt, true, None, volumes);
    assert_good(&tree.fix(&with, &request(Firmware::Bios)));
}

#[test]
fn the_agent_of_the_source_stays_off_and_the_copy_says_that_it_is_up() {
    let (tree, facts) = bios_with_ifupdown();
    tree.file("/var/lib/rehost-agent/agent.json", "{}");
    let report = tree.fix_twice(&facts, &request(Firmware::Bios));
    assert_good(&report);
    let wants = "/etc/systemd/system/multi-user.target.wants";
    assert!(!tree.exists(&format!("{wants}/rehost-agent.service")));
    assert!(tree.exists(&format!("{wants}/rehost-heartbeat.service")));
    assert!(tree.exists("/etc/rehost/copied") && tree.exists("/var/lib/rehost-agent/copied"));
    assert!(
        tree.read("/etc/systemd/system/rehost-heartbeat.service")
            .contains("REHOST-HEARTBEAT multi-user %H")
    );
    assert_eq!(
        tree.link_target("/etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service"),
        std::path::Path::new("/usr/lib/systemd/system/serial-getty@.service")
    );
}

#[test]
fn an_interrupted_run_is_finished_by_the_next() {
    let (tree, facts) = bios_with_ifupdown();
    let mut programs = crate::tree::Programs::of(&tree.root());
    programs.failing = vec!["update-initramfs", "grub-install"];
    let asked = request(Firmware::Bios);
    let report = rehost_boot_fixups::fix(&tree.root(), &facts, &asked, &programs);
    let failed = outcome(&report, FixupName::Initramfs);
    assert_eq!(failed.state, FixupState::Failed);
    assert!(failed.summary.contains("no space left on device"));
    assert_eq!(
        outcome(&report, FixupName::BootLoader).state,
        FixupState::Failed
    );
    // No text is left to change; the programs still have to run.
    let report = tree.fix_twice(&facts, &asked);
    assert_good(&report);
    assert_eq!(outcome(&report, FixupName::Initramfs).commands.len(), 1);
    assert_eq!(outcome(&report, FixupName::BootLoader).commands.len(), 1);
}
