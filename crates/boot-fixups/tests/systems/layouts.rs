//! Layouts that no distribution stands for alone: LVM, old device names, cards that change
//! places, systems without systemd, encrypted volumes, labels.

use rehost_boot_fixups::{
    BootLoader, DiskFacts, Firmware, FixupName, FixupState, LogicalVolume, MacAddress,
};

use crate::tree::{BOOT, ROOT, SOURCE_MAC, SWAP, TARGET_MAC, Tree, mbr, outcome, request, volume};

fn system(fstab: &str) -> (Tree, DiskFacts) {
    let tree = Tree::new();
    tree.file("/etc/fstab", fstab).systemd(252);
    (tree, mbr(vec![volume("/dev/vda1", "/", "ext4", ROOT)]))
}

#[test]
fn logical_volumes_keep_their_names() {
    let text = format!(
        "/dev/mapper/vg--a-root / ext4 defaults 0 1\nUUID={BOOT} /boot ext4 defaults 0 2\n\
         /dev/vg-a/data /data xfs defaults 0 2\n/dev/mapper/vg--a-swap none swap sw 0 0\n"
    );
    let (tree, _) = system(&text);
    let logical = |device: &str, mount_point| {
        let mut found = volume(device, mount_point, "ext4", ROOT);
        found.disk_index = None;
        found
    };
    let mut facts = mbr(vec![
        logical("/dev/mapper/vg--a-root", "/"),
        logical("/dev/mapper/vg--a-data", "/data"),
        volume("/dev/vda1", "/boot", "ext4", BOOT),
    ]);
    facts.logical_volumes = ["root", "data", "swap"]
        .map(|name| LogicalVolume {
            group: "vg-a".into(),
            name: name.into(),
        })
        .into();
    let grub = "linux /vmlinuz root=/dev/mapper/vg--a-root ro console=ttyS0\n";
    tree.file("/boot/grub/grub.cfg", grub);
    let report = tree.fix_twice(&facts, &request(Firmware::Bios));
    assert_eq!(
        outcome(&report, FixupName::Fstab).state,
        FixupState::Unchanged
    );
    assert_eq!(tree.read("/etc/fstab"), text);
    assert_eq!(tree.read("/boot/grub/grub.cfg"), grub);
}

#[test]
fn mounts_that_are_not_there_do_not_stop_the_start() {
    let (tree, facts) = system(
        "/dev/sda1 / ext4 defaults 0 1\n\
         LABEL=data /data ext4 defaults,nofail 0 2\n\
         /dev/mapper/mpatha-part1 /san xfs defaults 0 0\n\
         /dev/disk/by-label/cd /cd iso9660 ro,noauto 0 0\n\
         /data/a /srv/a none bind 0 0\n\
         /dev/cdrom /media iso9660 ro,user 0 0\n\
         /swapfile none swap sw 0 0\n\
         PARTUUID=\"aaaa-02\" none swap sw 0 0\n",
    );
    let report = tree.fix_twice(&facts, &request(Firmware::Bios));
    assert_eq!(
        outcome(&report, FixupName::Fstab).state,
        FixupState::Applied
    );
    assert_eq!(
        tree.read("/etc/fstab"),
        format!(
            "UUID={ROOT} / ext4 defaults 0 1\n\
             LABEL=data /data ext4 defaults,nofail,x-systemd.device-timeout=10s 0 2\n\
             /dev/mapper/mpatha-part1 /san xfs defaults,nofail,x-systemd.device-timeout=10s 0 0\n\
             /dev/disk/by-label/cd /cd iso9660 ro,noauto 0 0\n\
             /data/a /srv/a none bind 0 0\n\
             /dev/cdrom /media iso9660 ro,user 0 0\n\
             /swapfile none swap sw 0 0\n\
             # rehost: this swap device is not on the target: PARTUUID=\"aaaa-02\" none swap sw 0 0\n"
        )
    );
}

#[test]
fn cards_that_change_places_are_not_mixed_up() {
    let (tree, facts) = system("/dev/sda1 / ext4 defaults 0 1\n");
    let mut asked = request(Firmware::Bios);
    let mut second = asked.networks[0].clone();
    second.source_name = "ens224".into();
    // Each card gets the other's address.
    second.source_mac = TARGET_MAC.parse::<MacAddress>().unwrap();
    second.target_mac = SOURCE_MAC.parse::<MacAddress>().unwrap();
    asked.networks.push(second);
    let path = "/etc/netplan/a.yaml";
    tree.file(path, format!("a: {SOURCE_MAC}\nb: {TARGET_MAC}\n"));
    tree.fix_twice(&facts, &asked);
    assert_eq!(
        tree.read(path),
        format!("a: {TARGET_MAC}\nb: {SOURCE_MAC}\n")
    );
}

#[test]
fn a_system_without_systemd_is_told_by_udev_and_inittab() {
    let tree = Tree::new();
    tree.file("/etc/fstab", "/dev/hda1 / ext3 defaults 0 1\n/dev/sdb1 /x ext3 defaults 0 2\n")
        .file("/etc/inittab", "id:3:initdefault:\n")
        .file("/etc/sysconfig/network-scripts/ifcfg-eth0", format!("DEVICE=eth0\nHWADDR={}\n", SOURCE_MAC.to_uppercase()))
        .file("/lib/udev/rules.d/75-persistent-net-generator.rules", "generates\n")
        .file(
            "/etc/udev/rules.d/70-persistent-net.rules",
            format!("SUBSYSTEM==\"net\", ATTR{{address}}==\"{SOURCE_MAC}\", NAME=\"eth0\"\n"),
        )
        .file("/boot/grub/grub.conf", "title CentOS (2.6.32)\n\troot (hd0,0)\n\tkernel /boot/vmlinuz-2.6.32 ro root=/dev/hda1 rhgb\n")
        .link("/boot/grub/menu.lst", "./grub.conf");
    let facts = mbr(vec![volume("/dev/vda1", "/", "ext3", ROOT)]);
    let mut asked = request(Firmware::Bios);
    asked.networks[0].source_name = "eth0".into();
    let report = tree.fix_twice(&facts, &asked);
    assert_eq!(report.system.boot_loader, BootLoader::GrubLegacy);
    assert_eq!(
        tree.read("/etc/fstab"),
        format!("UUID={ROOT} / ext3 defaults 0 1\n/dev/sdb1 /x ext3 defaults,nofail 0 2\n")
    );
    let rules = tree.read("/etc/udev/rules.d/70-rehost-net.rules");
    assert!(
        rules.contains(&format!("ATTR{{address}}==\"{TARGET_MAC}\""))
            && rules.contains("NAME=\"eth0\"")
    );
    assert!(!tree.exists("/etc/systemd/network"));
    assert_eq!(
        tree.link_target("/etc/udev/rules.d/75-persistent-net-generator.rules"),
        std::path::Path::new("/dev/null")
    );
    assert!(tree.read("/etc/inittab").contains("ttyS0"));
    assert_eq!(
        tree.read("/boot/grub/grub.conf"),
        format!(
            "title CentOS (2.6.32)\n\troot (hd0,0)\n\tkernel /boot/vmlinuz-2.6.32 ro root=UUID={ROOT} rhgb console=tty0 console=ttyS0,115200n8\n"
        )
    );
    assert_eq!(
        outcome(&report, FixupName::Heartbeat).state,
        FixupState::Unchanged
    );
}

#[test]
fn encrypted_volumes_are_said_and_left_alone() {
    let (tree, facts) = system("/dev/sda1 / ext4 defaults 0 1\n");
    let text = "# <name> <device> <key>\nhome UUID=cccc none luks\nold /dev/sdb3 /root/key luks\n";
    tree.file("/etc/crypttab", text);
    let report = tree.fix_twice(&facts, &request(Firmware::Bios));
    let found = outcome(&report, FixupName::Crypttab);
    assert_eq!(found.state, FixupState::Unchanged);
    assert!(found.summary.contains("opens home") && found.summary.contains("/dev/sdb3"));
    assert_eq!(tree.read("/etc/crypttab"), text);
}

#[test]
fn a_resume_device_that_is_not_there_is_not_waited_for() {
    let (tree, mut facts) = system("/dev/sda1 / ext4 defaults 0 1\n");
    let at = "/etc/initramfs-tools/conf.d/resume";
    tree.kernel("6.1.0-18-amd64")
        .file("/boot/initrd.img-6.1.0-18-amd64", "old")
        .file("/usr/sbin/update-initramfs", "program")
        .file(at, "RESUME=/dev/sda5\n")
        .file(
            "/boot/grub/grub.cfg",
            "linux /vmlinuz root=/dev/sda1 resume=/dev/sda5 quiet\n",
        );
    tree.fix_twice(&facts, &request(Firmware::Bios));
    assert_eq!(tree.read(at), "RESUME=none\n");
    assert!(!tree.read("/boot/grub/grub.cfg").contains("resume"));

    facts.volumes.push(volume("/dev/vda5", "", "swap", SWAP));
    tree.file(at, "RESUME=/dev/sda5\n");
    tree.fix_twice(&facts, &request(Firmware::Bios));
    assert_eq!(tree.read(at), format!("RESUME=UUID={SWAP}\n"));
}

#[test]
fn a_kernel_whose_initramfs_is_missing_gets_one() {
    let (tree, facts) = system("/dev/sda1 / ext4 defaults 0 1\n");
    tree.kernel("6.1.0-18-amd64")
        .kernel("6.1.0-9-amd64")
        .file("/boot/initrd.img-6.1.0-9-amd64", "old")
        .file("/usr/sbin/update-initramfs", "program")
        .directory("/etc/initramfs-tools");
    let report = tree.fix_twice(&facts, &request(Firmware::Bios));
    assert_eq!(report.system.kernels, ["6.1.0-9-amd64", "6.1.0-18-amd64"]);
    let commands = &outcome(&report, FixupName::Initramfs).commands;
    assert_eq!(commands.len(), 2);
    assert_eq!(
        commands[1].command,
        "/usr/sbin/update-initramfs -c -k 6.1.0-18-amd64"
    );
    assert!(tree.exists("/boot/initrd.img-6.1.0-18-amd64"));
}

/// Labels can be set by root alone.
#[test]
fn privileged_new_and_changed_files_have_labels_of_selinux() {
    use rustix::fs::{XattrFlags, lgetxattr, lsetxattr};

    let (tree, facts) = system("/dev/sda1 / ext4 defaults 0 1\n");
    tree.file("/etc/systemd/network/20-x.network", "[Match]\nName=x\n");
    let label = |path: &str| {
        let mut value = vec![0; 256];
        let at = tree.root().join(path.trim_start_matches('/'));
        let length = lgetxattr(at, "security.selinux", value.as_mut_slice()).unwrap();
        value.truncate(length);
        String::from_utf8(value).unwrap()
    };
    for (path, value) in [
        ("/etc", "system_u:object_r:etc_t:s0"),
        ("/etc/fstab", "system_u:object_r:fstab_t:s0"),
        ("/etc/systemd", "system_u:object_r:systemd_dir_t:s0"),
        ("/etc/systemd/network", "system_u:object_r:net_dir_t:s0"),
        (
            "/etc/systemd/network/20-x.network",
            "system_u:object_r:net_conf_t:s0",
        ),
    ] {
        let at = tree.root().join(path.trim_start_matches('/'));
        lsetxattr(
            at,
            "security.selinux",
            value.as_bytes(),
            XattrFlags::empty(),
        )
        .unwrap();
    }
    let report = tree.fix(&facts, &request(Firmware::Bios));
    assert_eq!(
        outcome(&report, FixupName::Fstab).state,
        FixupState::Applied
    );
    assert_eq!(label("/etc/fstab"), "system_u:object_r:fstab_t:s0");
    assert_eq!(
        label("/etc/systemd/network/10-rehost-ens192.link"),
        "system_u:object_r:net_conf_t:s0"
    );
    // A new directory has the label of the one above, and files in it have its.
    assert_eq!(
        label("/etc/systemd/system/multi-user.target.wants"),
        "system_u:object_r:systemd_dir_t:s0"
    );
    assert_eq!(
        label("/etc/systemd/system/rehost-heartbeat.service"),
        "system_u:object_r:systemd_dir_t:s0"
    );
    assert!(!tree.exists("/.autorelabel"));
}

#[test]
fn cloud_init_is_kept_from_undoing_what_is_configured() {
    let (tree, facts) = system("/dev/sda1 / ext4 defaults 0 1\n");
    tree.file("/etc/cloud/cloud.cfg", "users: [default]\n");
    let report = tree.fix_twice(&facts, &request(Firmware::Bios));
    assert_eq!(
        outcome(&report, FixupName::CloudInit).state,
        FixupState::Applied
    );
    let text = tree.read("/etc/cloud/cloud.cfg.d/99-rehost.cfg");
    assert!(
        text.contains("network: {config: disabled}\n")
            && text.contains("preserve_hostname: true\n")
    );
}
