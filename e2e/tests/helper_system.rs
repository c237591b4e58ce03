//! The promise: a machine that starts the helper system finds the copied system on its disks, says
//! what it did to it, and switches itself off, whatever is on the disks and whatever the host does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use rehost_boot_fixups::{Firmware, FixupName, FixupRequest, FixupState, TargetDisk};
use rehost_e2e::helper_machine::HelperMachine;
use rehost_helper_system::protocol::{Event, Request, VERSION};
use rehost_testkit::run_tool;

const MIB: u64 = 1 << 20;
/// Where the only partition begins.
const PARTITION: u64 = MIB;
const UUID: &str = "5e1f0c3a-7a52-4f0e-9b8e-0d6e5f1c2b3a";

#[test]
fn the_system_on_a_disk_is_found_and_what_it_needs_is_mounted_and_changed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tree = folder.path().join("tree");
    // The source's names mean its disks, not those that happen to be called so here.
    system(&tree, "/dev/sdb1 / ext4 errors=remount-ro 0 1\n")?;
    let disk = disk(&folder.path().join("disk"), &tree)?;

    let mut machine = HelperMachine::start(&[&disk])?;
    assert_eq!(machine.event()?, Event::Ready);
    machine.ask(&request("/dev/sdb"))?;
    let report = match machine.event()? {
        Event::Done { report } => report,
        // A tree of a few files has no kernel, so that some fix-up may find nothing to do its work on.
        Event::Failed {
            report: Some(report),
            ..
        } => report,
        other => bail!("{other:?}"),
    };
    machine.wait_for_end()?;

    assert_eq!(report.system.os_id, "debian");
    assert_eq!(report.system.root_device.as_deref(), Some("/dev/vda1"));
    let fstab = report
        .fixups
        .iter()
        .find(|fixup| fixup.name == FixupName::Fstab)
        .context("the fix-up of fstab")?;
    assert_eq!(fstab.state, FixupState::Applied, "{}", fstab.summary);
    // What was said is on the disk, and the file system was left as one that was unmounted.
    let text = read_file(&disk, "/etc/fstab")?;
    assert!(text.contains(&format!("UUID={UUID}")), "{text}");
    check(&disk)
}

#[test]
fn a_disk_without_a_system_is_refused_with_the_reason() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("data"))?;
    let disk = disk(&folder.path().join("disk"), &tree)?;

    let mut machine = HelperMachine::start(&[&disk])?;
    assert_eq!(machine.event()?, Event::Ready);
    machine.ask(&request("/dev/sda"))?;
    let Event::Failed { reason, report } = machine.event()? else {
        bail!("there is nothing to be done on this disk");
    };
    assert!(reason.contains("/etc/os-release"), "{reason}");
    assert_eq!(report, None);
    machine.wait_for_end()?;
    check(&disk)
}

#[test]
#[ignore = "starts machines of its own: cargo nextest run --run-ignored all"]
fn a_host_that_hangs_up_ends_the_machine() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let disk = folder.path().join("disk");
    fs::File::create(&disk)?.set_len(MIB)?;
    let mut machine = HelperMachine::start(&[&disk])?;
    assert_eq!(machine.event()?, Event::Ready);
    machine.hang_up()?;
    machine.wait_for_end()
}

/// The files of a system, as few as make one.
fn system(tree: &Path, fstab: &str) -> Result<()> {
    for name in ["boot", "dev", "etc", "proc", "run", "sys", "usr/lib"] {
        fs::create_dir_all(tree.join(name))?;
    }
    fs::write(tree.join("etc/fstab"), fstab)?;
    fs::write(
        tree.join("usr/lib/os-release"),
        "ID=debian\nVERSION_ID=\"12\"\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n",
    )?;
    std::os::unix::fs::symlink("../usr/lib/os-release", tree.join("etc/os-release"))?;
    Ok(())
}

/// A disk with one partition, an ext4 that holds `tree`.
fn disk(path: &Path, tree: &Path) -> Result<PathBuf> {
    fs::File::create(path)?.set_len(64 * MIB)?;
    let table = path.with_extension("table");
    fs::write(&table, "label: dos\nstart=2048, type=83, bootable\n")?;
    let written = Command::new("sfdisk")
        .arg("--quiet")
        .arg(path)
        .stdin(fs::File::open(&table)?)
        .status()?;
    ensure!(written.success(), "sfdisk ended with {written}");
    let offset = format!("offset={PARTITION}");
    let tree = tree.display().to_string();
    let disk = path.display().to_string();
    let options = [
        "-q", "-t", "ext4", "-U", UUID, "-E", &offset, "-d", &tree, &disk, "63M",
    ];
    run_tool("mke2fs", options)?;
    Ok(path.to_path_buf())
}

fn request(source_name: &str) -> Request {
    Request {
        version: VERSION,
        fixups: FixupRequest {
            firmware: Firmware::Bios,
            disks: vec![TargetDisk {
                index: 0,
                serial: "rehost-0".into(),
                source_name: source_name.into(),
            }],
            networks: Vec::new(),
            skip: Vec::new(),
            heartbeat: false,
            serial_console: false,
        },
    }
}

/// The file system on the disk, for tools that know of partitions.
fn partition(disk: &Path) -> String {
    format!("{}?offset={PARTITION}", disk.display())
}

fn read_file(disk: &Path, name: &str) -> Result<String> {
    let output = Command::new("debugfs")
        .args(["-R", &format!("cat {name}"), &partition(disk)])
        .output()?;
    Ok(String::from_utf8(output.stdout)?)
}

/// The file system needs no repair, not even its journal.
fn check(disk: &Path) -> Result<()> {
    let output = Command::new("e2fsck")
        .args(["-f", "-n", &partition(disk)])
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "{text}");
    ensure!(!text.contains("recovering"), "{text}");
    Ok(())
}
