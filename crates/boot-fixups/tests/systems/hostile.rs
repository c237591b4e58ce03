//! Foreign disks are hostile: nothing leads out of the root directory, nothing that is large or
//! odd is read, nothing panics.

use std::fs;
use std::os::unix::fs::symlink;

use rehost_boot_fixups::{DiskFacts, Firmware, FixupName, FixupState};

use crate::tree::{ROOT, Tree, mbr, outcome, request, volume};

const SECRET: &str = "root:x:0:0:of the host\n";

fn system() -> (Tree, DiskFacts) {
    let tree = Tree::new();
    fs::write(tree.outside().join("passwd"), SECRET).unwrap();
    tree.file("/etc/os-release", "ID=debian\n")
        .file("/etc/fstab", "/dev/sda1 / ext4 defaults 0 1\n")
        .kernel("6.1.0-18-amd64")
        .systemd(252);
    let facts = mbr(vec![volume("/dev/vda1", "/", "ext4", ROOT)]);
    (tree, facts)
}

/// Holds that nothing outside was touched.
fn assert_untouched(tree: &Tree) {
    let names: Vec<_> = fs::read_dir(tree.outside())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["passwd"]);
    assert_eq!(
        fs::read_to_string(tree.outside().join("passwd")).unwrap(),
        SECRET
    );
}

#[test]
fn links_to_files_outside_are_neither_read_nor_written() {
    let (tree, facts) = system();
    let outside = tree.outside().join("passwd");
    let outside = outside.to_str().unwrap();
    let climbing = format!("../../../../../../../../..{outside}");
    tree.remove("/etc/fstab");
    for path in [
        "/etc/fstab",
        "/etc/network/interfaces",
        "/etc/default/grub",
        "/etc/kernel/cmdline",
        "/boot/grub/grubenv",
        "/etc/systemd/system/rehost-heartbeat.service",
        "/etc/systemd/network/10-rehost-ens192.link",
        "/etc/cloud/cloud.cfg.d/99-rehost.cfg",
    ] {
        tree.link(path, outside);
    }
    tree.link("/boot/grub/grub.cfg", &climbing);
    let report = tree.fix(&facts, &request(Firmware::Bios));
    assert_untouched(&tree);
    let shown = serde_json::to_string(&report).unwrap();
    assert!(!shown.contains("of the host"), "{shown}");
    let fstab = outcome(&report, FixupName::Fstab);
    assert_eq!(fstab.state, FixupState::Failed);
}

#[test]
fn directories_that_are_links_outside_are_not_entered() {
    let (tree, facts) = system();
    let outside = tree.outside();
    fs::create_dir_all(tree.root().join("etc/systemd")).unwrap();
    for (path, target) in [
        ("etc/systemd/network", outside.clone()),
        ("etc/systemd/system", "../../../outside".into()),
        ("etc/dracut.conf.d", outside.clone()),
        ("etc/initramfs-tools", outside.clone()),
        ("boot/grub", outside.clone()),
        ("boot/efi", outside.clone()),
        ("var", outside),
    ] {
        symlink(target, tree.root().join(path)).unwrap();
    }
    tree.file("/usr/sbin/update-initramfs", "program");
    tree.fix(&facts, &request(Firmware::Bios));
    tree.fix(&facts, &request(Firmware::Uefi));
    assert_untouched(&tree);
}

#[test]
fn links_inside_are_followed_as_the_system_itself_would() {
    let (tree, facts) = system();
    tree.remove("/etc/fstab")
        .file("/srv/settings/fstab", "/dev/sda1 / ext4 defaults 0 1\n")
        .link("/etc/fstab", "/srv/settings/fstab")
        .directory("/srv/grub")
        .file("/srv/grub/grub.cfg", "linux /vmlinuz root=/dev/sda1\n")
        .link("/boot/grub", "../srv/grub");
    let report = tree.fix_twice(&facts, &request(Firmware::Bios));
    assert_eq!(
        outcome(&report, FixupName::Fstab).state,
        FixupState::Applied
    );
    assert_eq!(
        tree.read("/srv/settings/fstab"),
        format!("UUID={ROOT} / ext4 defaults 0 1\n")
    );
    assert_eq!(
        tree.link_target("/etc/fstab"),
        std::path::Path::new("/srv/settings/fstab")
    );
    assert!(tree.read("/srv/grub/grub.cfg").contains("root=UUID="));
}

#[test]
fn loops_huge_files_pipes_and_directories_fail_with_their_names() {
    let (tree, facts) = system();
    tree.remove("/etc/fstab").link("/etc/fstab", "fstab");
    tree.file("/etc/default/grub", vec![b'A'; 600 * 1024]);
    tree.directory("/etc/crypttab");
    tree.link("/etc/network/interfaces.d", "interfaces.d");
    let pipe = tree.root().join("etc/kernel");
    fs::create_dir_all(&pipe).unwrap();
    rustix_mkfifo(&pipe.join("cmdline"));

    let report = tree.fix(&facts, &request(Firmware::Bios));
    let summary = |name| {
        let found = outcome(&report, name);
        assert_eq!(found.state, FixupState::Failed, "{found:#?}");
        found.summary.clone()
    };
    // The fstab is read when the system is looked at, before anything else.
    for name in FixupName::ALL {
        assert!(summary(name).contains("/etc/fstab"));
    }

    tree.remove("/etc/fstab")
        .file("/etc/fstab", "/dev/sda1 / ext4 defaults 0 1\n");
    let report = tree.fix(&facts, &request(Firmware::Bios));
    let summary = |name| outcome(&report, name).summary.clone();
    assert!(summary(FixupName::Crypttab).contains("/etc/crypttab"));
    assert!(summary(FixupName::KernelParameters).contains("/etc/default/grub"));

    tree.file("/etc/default/grub", "GRUB_CMDLINE_LINUX=\"\"\n")
        .file("/boot/grub/grub.cfg", "linux /vmlinuz root=/dev/sda1\n");
    let report = tree.fix(&facts, &request(Firmware::Bios));
    let found = outcome(&report, FixupName::KernelParameters);
    assert!(found.summary.contains("/etc/kernel/cmdline"), "{found:#?}");
}

fn rustix_mkfifo(path: &std::path::Path) {
    let status = std::process::Command::new("mkfifo")
        .arg(path)
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn a_huge_directory_is_not_listed() {
    let (tree, facts) = system();
    tree.directory("/etc/udev/rules.d");
    for number in 0..5000 {
        fs::write(
            tree.root().join(format!("etc/udev/rules.d/{number}.rules")),
            "",
        )
        .unwrap();
    }
    let report = tree.fix(&facts, &request(Firmware::Bios));
    let found = outcome(&report, FixupName::UdevRules);
    assert_eq!(found.state, FixupState::Failed);
    assert!(found.summary.contains("/etc/udev/rules.d"), "{found:#?}");
}

#[test]
fn what_the_disk_names_is_never_an_argument_or_a_path_of_its_own() {
    let (tree, facts) = system();
    tree.file("/usr/bin/dracut", "program");
    for version in ["--help", "6.1; reboot", "..6"] {
        tree.file(&format!("/boot/vmlinuz-{version}"), "kernel")
            .file(
                &format!("/usr/lib/modules/{version}/modules.dep"),
                "kernel/drivers/block/virtio_blk.ko:\n",
            );
    }
    let report = tree.fix(&facts, &request(Firmware::Bios));
    assert_eq!(report.system.kernels, ["6.1.0-18-amd64"]);
    let commands = &outcome(&report, FixupName::Initramfs).commands;
    assert_eq!(commands.len(), 1, "{commands:#?}");

    let mut asked = request(Firmware::Bios);
    asked.networks[0].source_name = "../../../x".into();
    let report = tree.fix(&facts, &asked);
    assert_eq!(
        outcome(&report, FixupName::NetworkNames).state,
        FixupState::Failed
    );
}

#[test]
fn a_text_in_an_old_encoding_keeps_its_bytes() {
    let (tree, facts) = system();
    let mut text = b"# Ger\xe4te\n/dev/sda1 / ext4 defaults 0 1\n".to_vec();
    tree.file("/etc/fstab", &text);
    tree.fix(&facts, &request(Firmware::Bios));
    let device = b"/dev/sda1";
    let at = text.windows(device.len()).position(|part| part == device);
    let at = at.unwrap();
    text.splice(at..at + device.len(), format!("UUID={ROOT}").into_bytes());
    assert_eq!(fs::read(tree.root().join("etc/fstab")).unwrap(), text);
}

#[test]
fn secrets_are_not_in_the_report() {
    let (tree, facts) = system();
    tree.file(
        "/etc/fstab",
        "//nas/x /mnt cifs user=a,password=hunter2 0 0\n/dev/sda1 / ext4 defaults 0 1\n",
    );
    let report = tree.fix(&facts, &request(Firmware::Bios));
    assert_eq!(
        outcome(&report, FixupName::Fstab).state,
        FixupState::Applied
    );
    let shown = serde_json::to_string(&report).unwrap();
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(tree.read("/etc/fstab").contains("hunter2"));
}

#[test]
fn modes_stay_and_nothing_is_left_aside() {
    let (tree, facts) = system();
    tree.private_file("/boot/grub/grub.cfg", "linux /vmlinuz root=/dev/sda1\n");
    fs::write(tree.root().join("etc/.fstab.rehost-new"), "of a run before").unwrap();
    tree.fix(&facts, &request(Firmware::Bios));
    assert_eq!(tree.mode("/boot/grub/grub.cfg"), 0o600);
    assert_eq!(
        tree.mode("/etc/systemd/network/10-rehost-ens192.link"),
        0o644
    );
    assert!(!tree.exists("/etc/.fstab.rehost-new"));
}
