//! What keeps a system from starting is failed, and the summary names the file.

use rehost_boot_fixups::{DiskFacts, Firmware, FixupName, FixupState};

use crate::tree::{ESP, ROOT, Tree, gpt_with_esp, mbr, outcome, request, volume};

/// The least that starts: a kernel, tools, GRUB, a line for the root file system.
fn least() -> (Tree, DiskFacts) {
    let tree = Tree::new();
    tree.file("/etc/os-release", "ID=debian\nVERSION_ID=12\n")
        .file("/etc/fstab", format!("UUID={ROOT} / ext4 defaults 0 1\n"))
        .kernel("6.1.0-18-amd64")
        .file("/boot/initrd.img-6.1.0-18-amd64", "old")
        .directory("/etc/initramfs-tools")
        .file("/usr/sbin/update-initramfs", "program")
        .file("/usr/sbin/grub-install", "program")
        .directory("/usr/lib/grub/i386-pc")
        .file(
            "/boot/grub/grub.cfg",
            format!("linux /boot/vmlinuz-6.1.0-18-amd64 root=UUID={ROOT} ro\n"),
        );
    let facts = mbr(vec![volume("/dev/vda1", "/", "ext4", ROOT)]);
    (tree, facts)
}

fn summary_of_failed(
    tree: &Tree,
    facts: &DiskFacts,
    firmware: Firmware,
    name: FixupName,
) -> String {
    let report = tree.fix_twice(facts, &request(firmware));
    let found = outcome(&report, name);
    assert_eq!(found.state, FixupState::Failed, "{found:#?}");
    found.summary.clone()
}

#[test]
fn the_least_that_starts_fails_nowhere() {
    let (tree, facts) = least();
    crate::tree::assert_good(&tree.fix_twice(&facts, &request(Firmware::Bios)));
}

#[test]
fn a_system_without_a_kernel_is_failed() {
    let (tree, facts) = least();
    tree.remove("/boot/vmlinuz-6.1.0-18-amd64");
    let summary = summary_of_failed(&tree, &facts, Firmware::Bios, FixupName::Initramfs);
    assert!(
        summary.contains("/boot") && summary.contains("/lib/modules"),
        "{summary}"
    );
}

#[test]
fn a_kernel_without_drivers_for_the_new_disks_is_failed() {
    let (tree, facts) = least();
    tree.file(
        "/usr/lib/modules/6.1.0-18-amd64/modules.dep",
        "kernel/fs/ext4/ext4.ko:\n",
    );
    let summary = summary_of_failed(&tree, &facts, Firmware::Bios, FixupName::Initramfs);
    assert!(summary.contains("/lib/modules/6.1.0-18-amd64"), "{summary}");
}

#[test]
fn a_system_without_a_tool_for_the_initramfs_is_failed() {
    let (tree, facts) = least();
    tree.remove("/usr/sbin/update-initramfs");
    let summary = summary_of_failed(&tree, &facts, Firmware::Bios, FixupName::Initramfs);
    assert!(summary.contains("/usr/sbin/update-initramfs"), "{summary}");
    // A kernel that has its drivers inside needs none.
    tree.file(
        "/usr/lib/modules/6.1.0-18-amd64/modules.builtin",
        "kernel/drivers/block/virtio_blk.ko\n",
    );
    crate::tree::assert_good(&tree.fix_twice(&facts, &request(Firmware::Bios)));
}

#[test]
fn a_system_without_a_root_line_is_failed() {
    let (tree, facts) = least();
    tree.file("/etc/fstab", "proc /proc proc defaults 0 0\n");
    let summary = summary_of_failed(&tree, &facts, Firmware::Bios, FixupName::Fstab);
    assert!(summary.contains("/etc/fstab"), "{summary}");
    tree.remove("/etc/fstab");
    let summary = summary_of_failed(&tree, &facts, Firmware::Bios, FixupName::Fstab);
    assert!(summary.contains("/etc/fstab"), "{summary}");
}

#[test]
fn an_essential_mount_that_is_not_on_the_target_is_failed_and_its_line_stays() {
    let (tree, facts) = least();
    let text = format!("UUID={ROOT} / ext4 defaults 0 1\n/dev/sdx1 /boot ext4 defaults 0 2\n");
    tree.file("/etc/fstab", &text);
    let summary = summary_of_failed(&tree, &facts, Firmware::Bios, FixupName::Fstab);
    assert!(summary.contains("/dev/sdx1 for /boot"), "{summary}");
    assert_eq!(tree.read("/etc/fstab"), text);
}

#[test]
fn a_system_without_a_boot_loader_is_failed() {
    let (tree, facts) = least();
    std::fs::remove_dir_all(tree.root().join("boot/grub")).unwrap();
    let summary = summary_of_failed(&tree, &facts, Firmware::Bios, FixupName::BootLoader);
    assert!(summary.contains("/boot/grub"), "{summary}");
}

#[test]
fn grub_that_cannot_be_installed_stays_as_it_was_copied_or_is_failed() {
    let (tree, facts) = least();
    tree.remove("/usr/sbin/grub-install");
    let summary = summary_of_failed(&tree, &facts, Firmware::Bios, FixupName::BootLoader);
    assert!(summary.contains("core.img"), "{summary}");
    tree.file("/boot/grub/i386-pc/core.img", "core");
    let report = tree.fix_twice(&facts, &request(Firmware::Bios));
    let found = outcome(&report, FixupName::BootLoader);
    assert_eq!(found.state, FixupState::Unchanged);
    assert!(found.summary.contains("as it was copied"), "{found:?}");
}

#[test]
fn a_bios_system_cannot_be_started_by_uefi() {
    let (tree, facts) = least();
    let summary = summary_of_failed(&tree, &facts, Firmware::Uefi, FixupName::BootLoader);
    assert!(summary.contains("/boot/efi"), "{summary}");
}

#[test]
fn an_empty_efi_system_partition_is_failed_or_gets_grub() {
    let (tree, _) = least();
    tree.directory("/boot/efi");
    let facts = gpt_with_esp(vec![
        volume("/dev/vda1", "/boot/efi", "vfat", ESP),
        volume("/dev/vda2", "/", "ext4", ROOT),
    ]);
    let summary = summary_of_failed(&tree, &facts, Firmware::Uefi, FixupName::BootLoader);
    assert!(summary.contains("/boot/efi/EFI"), "{summary}");
    tree.directory("/usr/lib/grub/x86_64-efi");
    let report = tree.fix(&facts, &request(Firmware::Uefi));
    let found = outcome(&report, FixupName::BootLoader);
    assert_eq!(
        found.commands[0].command,
        "/usr/sbin/grub-install --target=x86_64-efi --efi-directory=/boot/efi --removable --no-nvram"
    );
}

#[test]
fn a_missing_configuration_of_grub_is_made_and_then_put_right() {
    let (tree, facts) = least();
    tree.remove("/boot/grub/grub.cfg");
    tree.file("/etc/default/grub", "GRUB_CMDLINE_LINUX=\"\"\n");
    let summary = summary_of_failed(&tree, &facts, Firmware::Bios, FixupName::KernelParameters);
    assert!(summary.contains("/boot/grub/grub.cfg"), "{summary}");
    tree.file("/usr/sbin/grub-mkconfig", "program");
    let report = tree.fix_twice(&facts, &request(Firmware::Bios));
    crate::tree::assert_good(&report);
    assert!(tree.read("/boot/grub/grub.cfg").contains(&format!(
        "root=UUID={ROOT} ro console=tty0 console=ttyS0,115200n8"
    )));
}

#[test]
fn a_root_directory_that_is_not_there_fails_everything() {
    let tree = Tree::new();
    let report = rehost_boot_fixups::fix(
        &tree.root().join("nothing"),
        &DiskFacts::default(),
        &request(Firmware::Bios),
        &crate::tree::Programs::of(&tree.root()),
    );
    assert_eq!(report.fixups.len(), FixupName::ALL.len());
    assert!(
        report
            .fixups
            .iter()
            .all(|fixup| fixup.state == FixupState::Failed)
    );
}

#[test]
fn nothing_outside_the_asked_for_is_made_in_an_empty_system() {
    let tree = Tree::new();
    let mut asked = request(Firmware::Bios);
    asked.heartbeat = false;
    asked.serial_console = false;
    asked.networks.clear();
    let report = tree.fix_twice(&DiskFacts::default(), &asked);
    assert!(report.fixups.iter().all(|fixup| fixup.changes.is_empty()));
    assert_eq!(std::fs::read_dir(tree.root()).unwrap().count(), 0);
}
