//! The disks that fuzz targets begin with, each made by a script in a folder of its own.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::debian::Need;
use crate::process;

/// What the scripts use, beside the disk tools.
pub(super) const TOOLS: &[Need] = &[
    ("btrfs-progs", "makes btrfs"),
    ("dosfstools", "makes FAT"),
    ("exfatprogs", "makes exFAT"),
    ("lvm2", "makes volume groups, without the kernel's help"),
    ("mount", "losetup makes the disks that lvm2 wants"),
    ("ntfs-3g", "makes NTFS"),
    (
        "thin-provisioning-tools",
        "makes the metadata of thin pools",
    ),
];

const MIB: u64 = 1 << 20;

/// Disks that belong together.
struct Base {
    target: &'static str,
    name: &'static str,
    /// Size of each disk in MiB; they are `0.img`, `1.img`...
    disks_mib: &'static [u64],
    /// For `sh -eu`, which runs beside the images.
    script: &'static str,
}

const BASES: &[Base] = &[
    base("btrfs", "mixed", &[16], "mkfs.btrfs -q --mixed 0.img"),
    base(
        "btrfs",
        "single",
        &[128],
        "mkfs.btrfs -q -d single -m single 0.img",
    ),
    base("btrfs", "striped", &[128, 128], BTRFS_STRIPED),
    base("exfat", "plain", &[8], "mkfs.exfat 0.img"),
    base("ext", "ext2", &[8], "mke2fs -q -F -t ext2 -b 1024 0.img"),
    base(
        "ext",
        "ext4",
        &[24],
        "mke2fs -q -F -t ext4 -b 1024 -O 64bit,metadata_csum 0.img",
    ),
    base(
        "ext",
        "bigalloc",
        &[32],
        "mke2fs -q -F -t ext4 -O bigalloc,meta_bg,^resize_inode 0.img",
    ),
    base("fat", "fat12", &[2], "mkfs.fat -F 12 0.img"),
    base("fat", "fat16", &[16], "mkfs.fat -F 16 0.img"),
    base("fat", "fat32", &[40], "mkfs.fat -F 32 -s 1 0.img"),
    base("lvm", "linear", &[16, 16], include_str!("lvm_linear.sh")),
    base("lvm", "thin", &[48], include_str!("lvm_thin.sh")),
    base("md", "mirror", &[4, 4], include_str!("md_mirror.sh")),
    base("ntfs", "plain", &[8], "mkntfs -q -F -Q 0.img"),
    base("partitions", "gpt", &[24], PARTITIONS_GPT),
    base("partitions", "mbr", &[24], PARTITIONS_MBR),
    base("swap", "plain", &[1], "mkswap -q 0.img"),
    base("xfs", "version-5", &[300], "mkfs.xfs -q 0.img"),
    base("xfs", "version-4", &[300], "mkfs.xfs -q -m crc=0 0.img"),
];

const BTRFS_STRIPED: &str = "mkfs.btrfs -q -d raid0 -m raid1 0.img 1.img";

const PARTITIONS_GPT: &str = "
    sfdisk --quiet 0.img <<'END'
label: gpt
start=2048, size=8192
start=10240, size=8192, type=swap
start=20480, size=8192, type=uefi
END
    mke2fs -q -F -E offset=1048576 0.img 4096k
    truncate -s 4M swap
    mkswap -q swap
    dd if=swap of=0.img bs=1M seek=5 conv=notrunc status=none
    rm swap
";

const PARTITIONS_MBR: &str = "
    sfdisk --quiet 0.img <<'END'
label: dos
start=2048, size=8192, type=83, bootable
start=10240, size=32768, type=5
start=12288, size=4096, type=82
start=18432, size=8192, type=83
END
    mke2fs -q -F -E offset=1048576 0.img 4096k
    mke2fs -q -F -E offset=9437184 0.img 4096k
";

const fn base(
    target: &'static str,
    name: &'static str,
    disks_mib: &'static [u64],
    script: &'static str,
) -> Base {
    Base {
        target,
        name,
        disks_mib,
        script,
    }
}

/// The targets that have bases.
pub(super) fn targets() -> impl Iterator<Item = &'static str> {
    let mut names: Vec<&str> = BASES.iter().map(|base| base.target).collect();
    names.dedup();
    names.into_iter()
}

/// Makes the bases of a target that are not in its folder yet.
///
/// # Errors
/// If a script fails.
pub(super) fn make(target: &str, folder: &Path) -> Result<u8> {
    let mut count = 0;
    for base in BASES.iter().filter(|base| base.target == target) {
        let finished = folder.join(base.name);
        if !finished.exists() {
            base.make(folder, &finished)
                .with_context(|| format!("make the disks {target}/{}", base.name))?;
        }
        count += 1;
    }
    Ok(count)
}

impl Base {
    fn make(&self, folder: &Path, finished: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        let unfinished = tempfile::tempdir_in(folder)?;
        let images = unfinished.path().join("images");
        std::fs::create_dir(&images)?;
        for (number, size_mib) in self.disks_mib.iter().enumerate() {
            File::create(images.join(format!("{number}.img")))?.set_len(size_mib * MIB)?;
        }
        process::run(
            Command::new("sh")
                .args(["-euc", self.script])
                .current_dir(&images),
        )?;
        // Sparse files stay sparse only where they are.
        std::fs::rename(&images, finished)?;
        Ok(())
    }
}
