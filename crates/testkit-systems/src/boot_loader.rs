//! Makes disks boot by themselves: GRUB in the boot sector, or Debian's signed loaders in the EFI
//! system partition, and the menu that `grub-mkconfig` writes, as on any Debian server.

use std::path::Path;

use anyhow::{Context as _, Result};
use rehost_testkit::run_tool;

use crate::block::{Partition, text};
use crate::layout::{Firmware, Layout};

/// Serial number of the FAT in the EFI system partition, as blkid and fstab write it.
pub(crate) const ESP_UUID: &str = "1234-ABCD";

/// Installs below `root`, which is mounted with /dev, /proc and /sys. Without udev GRUB finds no
/// name for the root device that would be true on the server, so `root_argument` replaces it.
///
/// # Errors
/// If one of GRUB's programs fails.
pub(crate) fn install(root: &Path, layout: Layout, disk: &Path, root_argument: &str) -> Result<()> {
    let inside = |words: &[&str]| -> Result<String> {
        run_tool("chroot", [text(root)?].iter().chain(words))
    };
    if layout.firmware() == Firmware::Bios {
        let file_system = match layout {
            Layout::Btrfs => "btrfs",
            _ => "ext2",
        };
        let modules = format!("--modules=part_msdos {file_system}");
        inside(&["grub-install", "--target=i386-pc", &modules, text(disk)?])?;
    } else {
        std::fs::create_dir_all(root.join("boot/grub"))?;
    }
    inside(&["grub-mkconfig", "-o", "/boot/grub/grub.cfg"])?;

    let menu = root.join("boot/grub/grub.cfg");
    let text = std::fs::read_to_string(&menu).context("read the menu")?;
    let text: Vec<String> = text
        .lines()
        .map(|line| with_root(line, root_argument))
        .collect();
    std::fs::write(&menu, text.join("\n") + "\n").context("write the menu")
}

/// A line of the menu with another root device.
fn with_root(line: &str, root_argument: &str) -> String {
    const NAMED: &str = "root=/dev/loop";
    let Some(begin) = line.find(NAMED) else {
        return line.into();
    };
    let rest = &line[begin + NAMED.len()..];
    let rest = rest.find(' ').map_or("", |end| &rest[end..]);
    format!("{}root={root_argument}{rest}", &line[..begin])
}

/// Fills the EFI system partition of an image that nobody has mounted, by mtools. The loaders are
/// the ones of the server's own packages.
///
/// # Errors
/// If a tool fails.
pub(crate) fn fill_esp(
    image: &Path,
    esp: Partition,
    archive: &Path,
    boot_uuid: &str,
) -> Result<()> {
    const LOADERS: [(&str, &str); 2] = [
        ("usr/lib/shim/shimx64.efi.signed", "shimx64.efi"),
        (
            "usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed",
            "grubx64.efi",
        ),
    ];
    let directory = tempfile::tempdir().context("make a folder")?;
    let place = |name: &str| directory.path().join(name);
    let members = LOADERS.map(|(member, _)| format!("./{member}"));
    let words = ["-xf", text(archive)?, "-C", text(directory.path())?];
    let members = members.iter().map(String::as_str);
    run_tool("tar", words.into_iter().chain(members)).context("take out the loaders")?;

    let menu = format!(
        "search.fs_uuid {boot_uuid} root\nset prefix=($root)'/grub'\nconfigfile $prefix/grub.cfg\n"
    );
    std::fs::write(place("grub.cfg"), menu)?;
    let file = place("esp.img");
    std::fs::File::create(&file)?.set_len(esp.size_bytes)?;
    let serial = ESP_UUID.replace('-', "");
    run_tool("mkfs.vfat", ["-i", &serial, text(&file)?])?;
    for folder in ["::/EFI", "::/EFI/BOOT", "::/EFI/debian"] {
        run_tool("mmd", ["-i", text(&file)?, folder])?;
    }
    let copy = |from: &Path, to: String| -> Result<()> {
        run_tool("mcopy", ["-i", text(&file)?, text(from)?, &to]).map(|_| ())
    };
    for (member, name) in LOADERS {
        copy(&place(member), format!("::/EFI/debian/{name}"))?;
        // Firmware without an entry for Debian looks here.
        let removable = name.replace("shimx64.efi", "BOOTX64.EFI");
        copy(&place(member), format!("::/EFI/BOOT/{removable}"))?;
    }
    copy(&place("grub.cfg"), "::/EFI/debian/grub.cfg".into())?;
    let to = format!("of={}", text(image)?);
    let seek = format!("seek={}", esp.offset_bytes);
    let from = format!("if={}", text(&file)?);
    run_tool(
        "dd",
        [
            from.as_str(),
            &to,
            &seek,
            "bs=1M",
            "oflag=seek_bytes",
            "conv=notrunc,sparse",
            "status=none",
        ],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_root_device_of_a_menu_line_is_replaced() {
        let line = "\tlinux /vmlinuz root=/dev/loop0p1 ro quiet";
        assert_eq!(
            with_root(line, "UUID=1"),
            "\tlinux /vmlinuz root=UUID=1 ro quiet"
        );
        assert_eq!(with_root("x root=/dev/loop1", "UUID=1"), "x root=UUID=1");
        let other = "search --fs-uuid --set=root 1";
        assert_eq!(with_root(other, "UUID=1"), other);
    }
}
