//! UEFI: entries for systems are in the memory of the old machine. A new one looks at the
//! removable path of the EFI system partition, so that the system's loader has to be there, too.
//! What is on the partition stays.

use super::removable_path::{ARCHITECTURES, Architecture, Vendor, choose, hand_over};
use crate::changes::{READABLE, Work};
use crate::error::FixupError;
use crate::facts::VolumeFact;
use crate::root::FILE_LIMIT_BYTES;
use crate::system::boot_loader::EFI_DIRECTORIES;

pub(super) fn run(work: &mut Work<'_>) -> Result<(), FixupError> {
    let (mount_point, partition) = efi_system_partition(work)?;
    let efi = spelled(work, &mount_point, "EFI")?;
    let vendors = vendors(work, &efi)?;
    let boot = spelled(work, &efi, "BOOT")?;
    let present = Vendor {
        name: "BOOT".to_owned(),
        files: work.root.list(&boot)?,
    };
    let os_id = work.system.facts.os_id.clone();
    let Some((vendor, architecture)) = choose(&vendors, &os_id) else {
        return without_vendor(work, &mount_point, &efi, &present);
    };
    let directory = format!("{efi}/{}", vendor.name);
    if !complete(work, &boot, &present, &directory, vendor, architecture)? {
        return Ok(());
    }
    let has_configuration = vendor.spelling("grub.cfg").is_some();
    if has_configuration && present.spelling("grub.cfg").is_none() {
        let text = hand_over(&vendor.name, partition.as_deref());
        work.write(&format!("{boot}/grub.cfg"), &text, READABLE)?;
    }
    Ok(())
}

/// Puts the vendor's loader, and what it starts, at the removable path. Tells whether a GRUB that
/// looks for its configuration is there by that.
fn complete(
    work: &mut Work<'_>,
    boot: &str,
    present: &Vendor,
    directory: &str,
    vendor: &Vendor,
    architecture: Architecture,
) -> Result<bool, FixupError> {
    let Architecture {
        removable,
        shim,
        grub,
        systemd_boot,
        fallback,
        key_manager,
    } = architecture;
    let first = [shim, grub, systemd_boot]
        .into_iter()
        .find_map(|name| vendor.spelling(name));
    let Some(first) = first else {
        return Ok(false);
    };
    let source = format!("{directory}/{first}");
    let is_shim = first.eq_ignore_ascii_case(shim);
    if let Some(spelling) = present.spelling(removable) {
        let target = format!("{boot}/{spelling}");
        let same = work.root.read(&source, FILE_LIMIT_BYTES)?
            == work.root.read(&target, FILE_LIMIT_BYTES)?;
        if !same {
            // Another version of the loader, or one that the owner chose.
            work.remark(format!("{target} is not {source}, and stays as it is"));
            return Ok(false);
        }
    } else {
        work.copy(&source, &format!("{boot}/{removable}"))?;
    }
    // The signed loader starts the list beside a vendor's loader, or GRUB beside itself.
    let lists = vendor
        .files
        .iter()
        .any(|name| name.to_ascii_lowercase().ends_with(".csv"));
    let starts_list = present.spelling(fallback).is_some() && lists;
    if is_shim && !starts_list {
        let Some(second) = vendor.spelling(grub) else {
            return Err(FixupError::Essential(format!(
                "{directory} has {first} without {grub}, which it starts"
            )));
        };
        let also = vendor.spelling(key_manager);
        for (wanted, source) in [(grub, Some(second)), (key_manager, also)] {
            if let (None, Some(source)) = (present.spelling(wanted), source) {
                work.copy(
                    &format!("{directory}/{source}"),
                    &format!("{boot}/{wanted}"),
                )?;
            }
        }
    }
    let is_grub = first.eq_ignore_ascii_case(grub);
    Ok(is_grub || (is_shim && !starts_list))
}

/// No vendor's loader: the removable path has one already, or GRUB is installed there.
fn without_vendor(
    work: &mut Work<'_>,
    mount_point: &str,
    efi: &str,
    present: &Vendor,
) -> Result<(), FixupError> {
    let has_one = ARCHITECTURES
        .iter()
        .any(|architecture| present.spelling(architecture.removable).is_some());
    if has_one {
        return Ok(());
    }
    let program = work.find_program(&["grub2-install", "grub-install"]);
    let has_modules = ["/usr/lib/grub/x86_64-efi", "/usr/share/grub2/x86_64-efi"]
        .iter()
        .any(|path| work.root.is_directory(path));
    let (Some(program), true) = (program, has_modules) else {
        return Err(FixupError::Essential(format!(
            "{efi} has no boot loader, and grub-install with its modules for UEFI \
             (grub/x86_64-efi) is not there to install one"
        )));
    };
    let directory = format!("--efi-directory={mount_point}");
    work.run(
        &program,
        &[
            "--target=x86_64-efi",
            &directory,
            "--removable",
            "--no-nvram",
        ],
    )
}

/// Where the EFI system partition is mounted, and its UUID.
fn efi_system_partition(work: &Work<'_>) -> Result<(String, Option<String>), FixupError> {
    let mounted: Option<(&str, &VolumeFact)> = EFI_DIRECTORIES
        .iter()
        .filter_map(|directory| Some((*directory, work.facts.mounted_at(directory)?)))
        .find(|(_, volume)| volume.file_system == "vfat");
    let by_disk = || {
        let known = |volume: &&VolumeFact| {
            work.facts
                .disks
                .iter()
                .any(|disk| disk.efi_system_partition.as_deref() == Some(&volume.device))
        };
        let volume = work.facts.volumes.iter().find(known)?;
        Some((volume.mount_point.as_deref()?, volume))
    };
    let Some((mount_point, volume)) = mounted.or_else(by_disk) else {
        return Err(FixupError::Essential(
            "no EFI system partition is mounted, at /boot/efi or elsewhere: the system cannot be \
             started by UEFI; start the target by BIOS"
                .to_owned(),
        ));
    };
    let uuid = volume.uuid.as_deref().filter(|uuid| {
        uuid.chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
    });
    Ok((mount_point.to_owned(), uuid.map(str::to_owned)))
}

fn vendors(work: &Work<'_>, efi: &str) -> Result<Vec<Vendor>, FixupError> {
    let mut found = Vec::new();
    for name in work.root.list(efi)? {
        let is_removable_path = name.eq_ignore_ascii_case("BOOT");
        let is_plain = name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter));
        if is_removable_path || !is_plain {
            continue;
        }
        let files = work.root.list(&format!("{efi}/{name}"))?;
        found.push(Vendor { name, files });
    }
    Ok(found)
}

/// `directory/name` in the spelling that is there.
fn spelled(work: &Work<'_>, directory: &str, name: &str) -> Result<String, FixupError> {
    let names = work.root.list(directory)?;
    let found = names.iter().find(|found| found.eq_ignore_ascii_case(name));
    Ok(format!(
        "{directory}/{}",
        found.map_or(name, String::as_str)
    ))
}
