//! BIOS: GRUB is installed on the disk that holds its directory, for the target's disk names.

use crate::changes::{READABLE, Work};
use crate::contract::FixupName;
use crate::error::FixupError;
use crate::facts::{DiskFact, PartitionStyle};
use crate::fixups::marks;
use crate::system::BootLoader;
use crate::system::boot_loader::GRUB_DIRECTORIES;

/// Where distributions put GRUB's modules for BIOS.
const MODULES: [&str; 3] = [
    "/usr/lib/grub/i386-pc",
    "/usr/share/grub2/i386-pc",
    "/usr/lib/grub2/i386-pc",
];

/// What Debian's packages were answered.
const ANSWERS: &str = "/var/cache/debconf/config.dat";

pub(super) fn run(work: &mut Work<'_>) -> Result<(), FixupError> {
    match work.system.facts.boot_loader {
        BootLoader::Grub2 => grub(work),
        BootLoader::GrubLegacy => {
            work.remark("GRUB before version 2: its boot sector was copied with the disk");
            Ok(())
        }
        BootLoader::SystemdBoot => Err(FixupError::Essential(
            "the system has systemd-boot (loader/loader.conf), which cannot be started by BIOS"
                .to_owned(),
        )),
        BootLoader::Unknown => Err(FixupError::Essential(
            "no boot loader is known: neither /boot/grub, /boot/grub2 nor loader/loader.conf"
                .to_owned(),
        )),
    }
}

fn grub(work: &mut Work<'_>) -> Result<(), FixupError> {
    let Some(directory) = grub_directory(work) else {
        return Err(FixupError::Essential(
            "GRUB's directory is missing: neither /boot/grub nor /boot/grub2 is there".to_owned(),
        ));
    };
    let core = format!("{directory}/i386-pc/core.img");
    let was_copied = work.root.is_file(&core);
    let disk = boot_disk(work, directory)?;
    let path = disk.path.clone();
    if disk.partition_style.is_none() {
        return keep_copied(work, was_copied, &format!("{path} has no partition table"));
    }
    if disk.partition_style == Some(PartitionStyle::Gpt) && !disk.has_bios_boot_partition {
        return Err(FixupError::Essential(format!(
            "{path}, which holds {directory}, has a GPT without a BIOS boot partition: there is \
             no place for GRUB; start the target by UEFI"
        )));
    }
    let has_modules = MODULES.iter().any(|path| work.root.is_directory(path));
    let program = work.find_program(&["grub2-install", "grub-install"]);
    let (Some(program), true) = (program, has_modules) else {
        return keep_copied(
            work,
            was_copied,
            "grub-install with its modules for BIOS (grub/i386-pc) is not there",
        );
    };
    let index = disk.index;
    remember_disk(work, index)?;
    if index != 0 {
        work.remark(format!("the target has to start from {path}"));
    }
    if !work.has_changed() && marks::says(work, FixupName::BootLoader, &mark(work, &path, &core))? {
        return Ok(());
    }
    work.run(&program, &["--target=i386-pc", &path])?;
    if !work.root.is_file(&core) && was_copied {
        return Err(FixupError::Essential(format!("{core} is gone")));
    }
    let mark = mark(work, &path, &core);
    marks::leave(work, FixupName::BootLoader, &mark)
}

/// Debian's package remembers the disk that it installs GRUB on, and an update of it fails where
/// that disk is not there.
fn remember_disk(work: &mut Work<'_>, index: u32) -> Result<(), FixupError> {
    let request = work.request;
    let Some(disk) = request.disks.iter().find(|disk| disk.index == index) else {
        return Ok(());
    };
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    if !disk.serial.chars().all(is_plain) {
        return Ok(());
    }
    let name = format!("/dev/disk/by-id/virtio-{}", disk.serial);
    // It is only about updates to come: a file that cannot be read is no reason to fail.
    match work.read(ANSWERS) {
        Ok(Some(text)) => work.write(ANSWERS, &with_disk(&text, &name), READABLE),
        _ => Ok(()),
    }
}

/// The answers with `disk` as the one that GRUB is installed on, if there is an answer.
fn with_disk(answers: &str, disk: &str) -> String {
    let mut inside = false;
    let mut new = String::with_capacity(answers.len());
    for line in answers.split_inclusive('\n') {
        if let Some(name) = line.strip_prefix("Name:") {
            inside = name.trim() == "grub-pc/install_devices";
        }
        if inside && line.starts_with("Value:") && line.contains("/dev/") {
            new.push_str(&format!("Value: {disk}\n"));
        } else {
            new.push_str(line);
        }
    }
    new
}

/// The directory that has GRUB's configuration, else the one that is there.
fn grub_directory(work: &Work<'_>) -> Option<&'static str> {
    let with_configuration = GRUB_DIRECTORIES
        .into_iter()
        .find(|directory| work.root.is_file(&format!("{directory}/grub.cfg")));
    with_configuration.or_else(|| {
        GRUB_DIRECTORIES
            .into_iter()
            .find(|directory| work.root.is_directory(directory))
    })
}

/// Without means to install it anew, GRUB stays as it was copied: its boot sector names sectors,
/// and they are where they were.
fn keep_copied(work: &mut Work<'_>, was_copied: bool, why: &str) -> Result<(), FixupError> {
    if !was_copied {
        return Err(FixupError::Essential(format!(
            "GRUB cannot be installed for BIOS: {why}, and there is no i386-pc/core.img in \
             /boot/grub or /boot/grub2"
        )));
    }
    work.remark(format!("GRUB stays as it was copied: {why}"));
    Ok(())
}

fn disk_index(work: &Work<'_>, directory: &str) -> Option<u32> {
    work.facts.holder_of(directory)?.disk_index
}

/// The disk that holds `directory`; for one on several disks, as with LVM, the first that has a
/// partition table.
fn boot_disk<'a>(work: &Work<'a>, directory: &str) -> Result<&'a DiskFact, FixupError> {
    let facts = work.facts;
    if let Some(disk) = disk_index(work, directory).and_then(|index| facts.disk(index)) {
        return Ok(disk);
    }
    facts
        .disks
        .iter()
        .filter(|disk| disk.partition_style.is_some())
        .min_by_key(|disk| disk.index)
        .ok_or_else(|| FixupError::Essential(format!("no disk is known that {directory} lies on")))
}

fn mark(work: &Work<'_>, disk: &str, core: &str) -> String {
    let holder = work.facts.holder_of(core);
    let partition = holder.and_then(|volume| volume.partition_uuid.as_deref());
    format!(
        "disk {disk}\npartition {}\n{}",
        partition.unwrap_or("unknown"),
        marks::state_of(work, core)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remembered_disk_alone_is_replaced() {
        let text = "Name: grub-pc/install_devices\nValue: /dev/disk/by-id/ata-x\nFlags: seen\n\n\
                    Name: grub-pc/timeout\nValue: 5\n";
        let once = with_disk(text, "/dev/disk/by-id/virtio-rehost-0");
        assert_eq!(
            once,
            "Name: grub-pc/install_devices\nValue: /dev/disk/by-id/virtio-rehost-0\nFlags: seen\n\n\
             Name: grub-pc/timeout\nValue: 5\n"
        );
    }
}
