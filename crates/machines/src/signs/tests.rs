//! What real systems say on their consoles, and what is made of it.

use super::*;

/// Reads a console to its end; the last line has not ended.
fn read(heartbeat: bool, console: &str) -> Option<Result<BootSign, String>> {
    let mut text = crate::ConsoleText::default();
    let mut watch = BootWatch::new(heartbeat);
    text.push(console.as_bytes());
    let found = text.lines_from(0).0.find_map(|line| watch.read(line, true));
    found.or_else(|| watch.read(&text.open_line(), false))
}

fn reason(console: &str) -> String {
    match read(true, console) {
        Some(Err(reason)) => reason,
        other => panic!("{other:?} of {console}"),
    }
}

#[test]
fn a_system_that_is_up_is_seen() {
    let heartbeat = "[  OK  ] Reached target \x1b[0;1;39mmulti-user.target\x1b[0m.\r\n\
        REHOST-HEARTBEAT multi-user web1\r\n";
    let sign = BootSign::Heartbeat {
        host_name: "web1".into(),
    };
    assert_eq!(read(true, heartbeat), Some(Ok(sign.clone())));
    assert_eq!(read(false, heartbeat), Some(Ok(sign)));
    assert_eq!(read(true, "REHOST-HEARTBEAT multi-user we"), None);

    let prompt = "\r\nDebian GNU/Linux 12 web1.example.org ttyS0\r\n\r\nweb1.example.org login: ";
    let sign = BootSign::LoginPrompt {
        prompt: "web1.example.org login:".into(),
    };
    assert_eq!(read(false, prompt), Some(Ok(sign)));
    assert_eq!(read(true, prompt), None, "where a heart-beat is to come");
    for other in [
        "[   12.3] cloud-init[512]: ssh login: see below\r\n",
        "Last login: Mon Nov 30 10:00:00 UTC 2026 on ttyS0\r\n",
        " login: ",
    ] {
        assert_eq!(read(false, other), None, "{other}");
    }
}

#[test]
fn every_way_to_give_up_has_its_reason() {
    let table = [
        (
            "\x1b[2J\x1b[0mSeaBIOS (version 1.16.3)\r\nBooting from Hard Disk...\r\n\
             Boot failed: not a bootable disk\r\n\r\nNo bootable device.\r\n",
            "the firmware finds nothing to boot on the disks",
        ),
        (
            "BdsDxe: failed to load Boot0001 \"UEFI Misc Device\" from PciRoot(0x0)/Pci(0x2,0x0): \
             Not Found\r\nBdsDxe: No bootable option or device was found.\r\n\
             BdsDxe: Press any key to enter the Boot Manager Menu.\r\n",
            "the firmware finds nothing to boot on the disks",
        ),
        (
            "UEFI Interactive Shell v2.2\r\nEDK II\r\nUEFI v2.70 (EDK II, 0x00010000)\r\n",
            "the firmware finds nothing to boot on the disks, and has started its shell",
        ),
        (
            "GRUB loading.\r\nWelcome to GRUB!\r\n\r\nerror: no such device: \
             1b3f2c9e-7d6e-4e4f-9b3c-0d2a4a1b5c6d.\r\nEntering rescue mode...\r\ngrub rescue> ",
            "GRUB cannot find its files: error: no such device: \
             1b3f2c9e-7d6e-4e4f-9b3c-0d2a4a1b5c6d",
        ),
        (
            "   Minimal BASH-like line editing is supported. For the first word, TAB\r\n\
             grub> ",
            "GRUB has no configuration",
        ),
        (
            "[    4.199348] VFS: Cannot open root device \"(null)\" or unknown-block(0,0): error -6\
             \r\n[    4.200042] Kernel panic - not syncing: VFS: Unable to mount root fs on \
             unknown-block(0,0)\r\n",
            "the kernel panics: VFS: Unable to mount root fs on unknown-block(0,0)",
        ),
        (
            "[    2.1] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\r\n",
            "the kernel panics: Attempted to kill init! exitcode=0x00000100",
        ),
        (
            "Begin: Waiting for root file system ... Begin: Running /scripts/local-block ... done.\
             \r\nGave up waiting for root file system device.  Common problems:\r\n - Boot args\r\n",
            "the root file system's device does not appear",
        ),
        (
            "ALERT!  UUID=0a6b does not exist.  Dropping to a shell!\r\n\r\n\r\n\
             BusyBox v1.35.0 (Debian 1:1.35.0-4+b3) built-in shell (ash)\r\n\r\n(initramfs) ",
            "the initramfs cannot go on and has started a shell: UUID=0a6b does not exist.  \
             Dropping to a shell!",
        ),
        (
            "[  185.5] dracut-initqueue[391]: Warning: dracut-initqueue timeout - starting timeout \
             scripts\r\n[  186.0] dracut-initqueue[391]: Warning: dracut-initqueue timeout - \
             starting timeout scripts\r\nWarning: /dev/mapper/rhel-root does not exist\r\n\r\n\
             Generating \"/run/initramfs/rdsosreport.txt\"\r\n",
            "dracut cannot go on: /dev/mapper/rhel-root does not exist",
        ),
        (
            "/dev/vda1: UNEXPECTED INCONSISTENCY; RUN fsck MANUALLY.\r\n\
             \t(i.e., without -a or -p options)\r\n",
            "a file system has damage that fsck does not repair by itself",
        ),
        (
            "[ \x1b[0;31m*\x1b[0;1;31m*\x1b[0m] Job dev-disk-by\\x2duuid-0a6b.device/start running \
             (1min 29s / 1min 30s)\r\x1b[K[\x1b[0;1;31m TIME \x1b[0m] Timed out waiting for device \
             \x1b[0;1;39m/dev/disk/by-uuid/0a6b\x1b[0m.\r\n\
             [\x1b[0;1;38;5;185mDEPEND\x1b[0m] Dependency failed for \x1b[0;1;39m/data\x1b[0m.\r\n\
             [\x1b[0;1;38;5;185mDEPEND\x1b[0m] Dependency failed for Local File Systems.\r\n\
             You are in emergency mode. After logging in, type \"journalctl -xb\" to view\r\n",
            "the system is in emergency mode: Timed out waiting for device /dev/disk/by-uuid/0a6b",
        ),
        (
            "[\x1b[0;1;31mFAILED\x1b[0m] Failed to mount \x1b[0;1;39m/srv\x1b[0m.\r\n\
             See 'systemctl status srv.mount' for details.\r\n\
             Give root password for maintenance\r\n(or press Control-D to continue): ",
            "the system is in emergency mode: Failed to mount /srv",
        ),
        (
            "Cannot open access to console, the root account is locked.\r\n\
             See sulogin(8) man page for more details.\r\n",
            "the system is in emergency mode",
        ),
        (
            "[!!!!!!] Failed to mount API filesystems.\r\n\
             systemd[1]: Freezing execution.\r\n",
            "systemd cannot go on",
        ),
        (
            "Please unlock disk vda3_crypt: ",
            "an encrypted disk asks for its passphrase",
        ),
    ];
    for (console, expected) in table {
        assert_eq!(reason(console), expected, "of {console}");
    }
}

#[test]
fn what_sounds_bad_and_passes_is_no_failure() {
    let console = "error: no suitable video mode found.\r\n\
        Loading Linux 6.1.0-28-amd64 ...\r\n\
        [    0.000000] Linux version 6.1.0-28-amd64 (debian-kernel@lists.debian.org)\r\n\
        [    0.0] Kernel command line: root=/dev/vda1 panic=30\r\n\
        [    3.2] systemd[1]: Created slice system-emergency.slice\r\n\
        [  OK  ] Started emergency shell helper.\r\n\
        [\x1b[0;1;31mFAILED\x1b[0m] Failed to start \x1b[0;1;39mapache2.service\x1b[0m.\r\n\
        [    9.1] dracut-initqueue[391]: Warning: dracut-initqueue timeout - starting timeout \
        scripts\r\n";
    assert_eq!(read(true, console), None);
    let up = format!("{console}REHOST-HEARTBEAT multi-user web1\r\n");
    assert!(matches!(read(true, &up), Some(Ok(_))));
}

#[test]
fn a_cause_of_an_earlier_start_is_forgotten() {
    let console = "[FAILED] Failed to mount /srv.\r\n\
        [    0.000000] Linux version 6.1.0-28-amd64\r\nYou are in rescue mode\r\n";
    assert_eq!(reason(console), "the system is in rescue mode");
}

#[test]
fn when_time_is_up_the_best_that_is_known_is_told() {
    let mut watch = BootWatch::new(true);
    assert_eq!(
        watch.out_of_time(90, None),
        "the system is not up after 90 s; it says nothing on its serial console"
    );
    assert_eq!(
        watch.out_of_time(90, Some("Booting `Debian'\u{7}")),
        "the system is not up after 90 s; the last that it says on its serial console is \
         `Booting `Debian' `"
    );
    assert_eq!(
        watch.read("[FAILED] Failed to start ssh.service.", true),
        None
    );
    assert_eq!(
        watch.out_of_time(90, Some("x")),
        "the system is not up after 90 s: Failed to start ssh.service"
    );
    assert_eq!(watch.read("web1 login:", false), None);
    assert!(
        watch
            .out_of_time(90, Some("x"))
            .contains("its heart-beat is missing")
    );
}

#[test]
fn foreign_words_are_cut_short() {
    let long = format!("Kernel panic - not syncing: {}\r\n", "x".repeat(5000));
    assert!(reason(&long).len() < 300);
}
