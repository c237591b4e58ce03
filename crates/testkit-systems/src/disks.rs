//! The disks of each layout, as raw images, filled from one archive and able to boot by themselves.
//!
//! The host may have no device mapper and no FAT. So the volume group is made by LVM's tools without
//! the kernel (`--driverloaded n`), and its linear volumes are found by their extents and mounted
//! through loop devices with an offset; the EFI system partition is a file that mtools fill.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rehost_testkit::{needs_root, run_tool};

use crate::block::{
    Partition, PartitionedDisk, WindowDevice, partition_disk, partitions, text, uuid,
};
use crate::boot_loader;
use crate::cache::Cache;
use crate::debian_tree::debian_tree;
use crate::layout::{FileSystem, Layout, Place};
use crate::settings;

const MIB: u64 = 1024 * 1024;
const SYSTEM_DISK_BYTES: u64 = 3072 * MIB;
const DATA_DISK_BYTES: u64 = 512 * MIB;
/// Name of the list of file systems beside the images.
const PLACES: &str = "places.json";
/// LVM calls the group of a server this.
const VOLUME_GROUP: &str = "vg0";

/// Everything that decides what the images hold, beside the archive.
const RECIPE: &[&str] = &[
    include_str!("disks.rs"),
    include_str!("boot_loader.rs"),
    include_str!("settings.rs"),
];

/// The images of a layout.
pub(crate) struct SourceDisks {
    /// Raw images, the first is the one that boots.
    pub(crate) images: Vec<PathBuf>,
    /// Changes when their content does.
    pub(crate) recipe: String,
    /// Where their file systems lie.
    pub(crate) places: Vec<Place>,
}

/// The images; made if they are not there. Needs root.
///
/// # Errors
/// If they cannot be made.
pub(crate) fn source_disks(cache: &Cache, layout: Layout) -> Result<SourceDisks> {
    needs_root()?;
    let tree = debian_tree(cache)?;
    let recipe = format!("{} {} {}", tree.recipe, layout.name(), RECIPE.concat());
    let name = format!("{}-disks", layout.name());
    let entry = cache.entry(&name, &[&recipe], |directory| {
        make(layout, &tree.archive, directory)
    })?;
    let places = std::fs::read(entry.join(PLACES)).context("read the list of file systems")?;
    Ok(SourceDisks {
        images: (0..layout.disk_count())
            .map(|number| entry.join(image_name(number)))
            .collect(),
        recipe,
        places: serde_json::from_slice(&places).context("read the list of file systems")?,
    })
}

fn image_name(number: usize) -> String {
    format!("disk-{number}.raw")
}

fn make(layout: Layout, archive: &Path, directory: &Path) -> Result<()> {
    let image = directory.join(image_name(0));
    File::create(&image)?.set_len(SYSTEM_DISK_BYTES)?;
    let root = MountPoint::new()?;
    let mut ground = match layout {
        Layout::BiosExt4Mbr => bios_ext4_mbr(&image, root.path()),
        Layout::UefiExt4Boot => uefi_ext4_boot(&image, root.path()),
        Layout::Lvm => lvm(&image, &directory.join(image_name(1)), root.path()),
        Layout::Btrfs => btrfs(&image, root.path()),
        Layout::Xfs => xfs(&image, root.path()),
    }
    .context("lay out the disks")?;
    let words = ["--numeric-owner", "--xattrs", "--xattrs-include=*", "-xf"];
    let places = [text(archive)?, "-C", text(root.path())?];
    run_tool("tar", words.into_iter().chain(places)).context("fill the disks")?;
    settings::write(root.path(), layout, &ground.fstab)?;
    ground.mounts.bind_kernel(root.path())?;
    let disk = ground.system.device();
    boot_loader::install(root.path(), layout, disk, &ground.root_argument)?;

    let esp = ground.esp;
    let places = serde_json::to_vec_pretty(&ground.places)?;
    std::fs::write(directory.join(PLACES), places)?;
    let boot_uuid = ground.boot_uuid.clone();
    ground.mounts.unmount()?;
    drop(ground);
    match esp {
        Some(esp) => boot_loader::fill_esp(&image, esp, archive, &boot_uuid),
        None => Ok(()),
    }
}

/// Disks while they are filled. Fields are dropped in this order.
struct Ground {
    mounts: Mounts,
    windows: Vec<WindowDevice>,
    system: PartitionedDisk,
    /// Lines of /etc/fstab.
    fstab: Vec<String>,
    places: Vec<Place>,
    /// What the kernel's `root=` is.
    root_argument: String,
    /// UUID of the file system with the kernel.
    boot_uuid: String,
    esp: Option<Partition>,
}

impl Ground {
    fn new(image: &Path) -> Result<Self> {
        Ok(Self {
            mounts: Mounts::default(),
            windows: Vec::new(),
            system: PartitionedDisk::attach(image)?,
            fstab: Vec::new(),
            places: Vec::new(),
            root_argument: String::new(),
            boot_uuid: String::new(),
            esp: None,
        })
    }

    /// Makes a file system, mounts it below `root`, and notes it. `/` comes first.
    fn file_system(
        &mut self,
        device: &Path,
        place: Place,
        root: &Path,
        fstab_options: &str,
    ) -> Result<String> {
        let (tool, options) = match place.file_system {
            FileSystem::Ext4 => ("mke2fs", &["-q", "-F", "-t", "ext4"][..]),
            FileSystem::Xfs => ("mkfs.xfs", &["-q", "-f"][..]),
            FileSystem::Btrfs => ("mkfs.btrfs", &["-q", "-f"][..]),
        };
        run_tool(tool, options.iter().copied().chain([text(device)?]))?;
        let uuid = uuid(device)?;
        self.mounts
            .mount(&[text(device)?], &inside(root, &place.mount_point))?;
        let kind = tool_name(place.file_system);
        let check = if place.mount_point == "/" { 1 } else { 2 };
        self.fstab.push(format!(
            "UUID={uuid} {} {kind} {fstab_options} 0 {check}",
            place.mount_point
        ));
        if place.mount_point == "/" {
            self.root_argument = format!("UUID={uuid}");
        }
        if matches!(place.mount_point.as_str(), "/" | "/boot") {
            self.boot_uuid.clone_from(&uuid);
        }
        self.places.push(place);
        Ok(uuid)
    }

    fn swap(&mut self, device: &Path) -> Result<()> {
        run_tool("mkswap", [device])?;
        self.fstab
            .push(format!("UUID={} none swap sw 0 0", uuid(device)?));
        Ok(())
    }
}

fn tool_name(kind: FileSystem) -> &'static str {
    match kind {
        FileSystem::Ext4 => "ext4",
        FileSystem::Xfs => "xfs",
        FileSystem::Btrfs => "btrfs",
    }
}

fn place(part: Partition, file_system: FileSystem, mount_point: &str) -> Place {
    Place {
        disk: 0,
        offset_bytes: part.offset_bytes,
        size_bytes: part.size_bytes,
        file_system,
        mount_point: mount_point.into(),
    }
}

fn bios_ext4_mbr(image: &Path, root: &Path) -> Result<Ground> {
    partition_disk(
        image,
        "label: dos\nsize=2560M, type=83, bootable\ntype=82\n",
    )?;
    let parts = partitions(image)?;
    let mut ground = Ground::new(image)?;
    let device = ground.system.partition(1);
    let at = place(parts[0], FileSystem::Ext4, "/");
    ground.file_system(&device, at, root, "errors=remount-ro")?;
    ground.swap(&ground.system.partition(2))?;
    Ok(ground)
}

fn uefi_ext4_boot(image: &Path, root: &Path) -> Result<Ground> {
    partition_disk(
        image,
        "label: gpt\nsize=64M, type=U\nsize=256M, type=L\ntype=L\n",
    )?;
    let parts = partitions(image)?;
    let mut ground = Ground::new(image)?;
    let device = ground.system.partition(3);
    let at = place(parts[2], FileSystem::Ext4, "/");
    ground.file_system(&device, at, root, "errors=remount-ro")?;
    let device = ground.system.partition(2);
    let at = place(parts[1], FileSystem::Ext4, "/boot");
    ground.file_system(&device, at, root, "defaults")?;
    ground.esp = Some(parts[0]);
    let esp = boot_loader::ESP_UUID;
    ground
        .fstab
        .push(format!("UUID={esp} /boot/efi vfat umask=0077 0 1"));
    Ok(ground)
}

fn xfs(image: &Path, root: &Path) -> Result<Ground> {
    partition_disk(image, "label: dos\nsize=256M, type=83, bootable\ntype=83\n")?;
    let parts = partitions(image)?;
    let mut ground = Ground::new(image)?;
    let device = ground.system.partition(2);
    let at = place(parts[1], FileSystem::Xfs, "/");
    ground.file_system(&device, at, root, "defaults")?;
    let device = ground.system.partition(1);
    let at = place(parts[0], FileSystem::Ext4, "/boot");
    ground.file_system(&device, at, root, "defaults")?;
    Ok(ground)
}

/// As Debian's installer does it: the file system's own top is mounted nowhere.
fn btrfs(image: &Path, root: &Path) -> Result<Ground> {
    partition_disk(image, "label: dos\ntype=83, bootable\n")?;
    let parts = partitions(image)?;
    let mut ground = Ground::new(image)?;
    let device = ground.system.partition(1);
    let at = place(parts[0], FileSystem::Btrfs, "/");
    let uuid = ground.file_system(&device, at, root, "subvol=@")?;
    for subvolume in ["@", "@home"] {
        let path = root.join(subvolume);
        run_tool("btrfs", ["subvolume", "create", text(&path)?])?;
    }
    ground.mounts.unmount()?;
    for (subvolume, mount_point) in [("subvol=@", "/"), ("subvol=@home", "/home")] {
        let words = ["-o", subvolume, text(&device)?];
        ground.mounts.mount(&words, &inside(root, mount_point))?;
    }
    ground
        .fstab
        .push(format!("UUID={uuid} /home btrfs subvol=@home 0 0"));
    Ok(ground)
}

fn lvm(image: &Path, data_image: &Path, root: &Path) -> Result<Ground> {
    partition_disk(image, "label: dos\nsize=256M, type=83, bootable\ntype=8e\n")?;
    let parts = partitions(image)?;
    let mut ground = Ground::new(image)?;
    let group = VolumeGroup::make(ground.system.partition(2), parts[1])?;
    let swap = group.volume("swap", 128)?;
    let linear = group.volume("root", 2048)?;

    let window = WindowDevice::attach(image, linear, false)?;
    let device = window.device().to_owned();
    ground.windows.push(window);
    let at = place(linear, FileSystem::Ext4, "/");
    ground.file_system(&device, at, root, "errors=remount-ro")?;
    // The way Debian writes it.
    ground.root_argument = format!("/dev/mapper/{VOLUME_GROUP}-root");
    ground.fstab = vec![format!(
        "/dev/mapper/{VOLUME_GROUP}-root / ext4 errors=remount-ro 0 1"
    )];
    let device = ground.system.partition(1);
    let at = place(parts[0], FileSystem::Ext4, "/boot");
    ground.file_system(&device, at, root, "defaults")?;
    let window = WindowDevice::attach(image, swap, false)?;
    run_tool("mkswap", [window.device()])?;
    ground.windows.push(window);
    ground
        .fstab
        .push(format!("/dev/mapper/{VOLUME_GROUP}-swap none swap sw 0 0"));

    File::create(data_image)?.set_len(DATA_DISK_BYTES)?;
    let whole = Partition {
        offset_bytes: 0,
        size_bytes: DATA_DISK_BYTES,
    };
    let window = WindowDevice::attach(data_image, whole, false)?;
    let device = window.device().to_owned();
    ground.windows.push(window);
    let at = Place {
        disk: 1,
        ..place(whole, FileSystem::Xfs, "/srv/data")
    };
    ground.file_system(&device, at, root, "defaults")?;
    Ok(ground)
}

/// A volume group of one physical volume, made without the kernel's help.
struct VolumeGroup {
    device: PathBuf,
    partition: Partition,
}

impl VolumeGroup {
    fn make(device: PathBuf, partition: Partition) -> Result<Self> {
        let group = Self { device, partition };
        let device = text(&group.device)?;
        group.lvm("pvcreate", &["--yes", device])?;
        group.lvm("vgcreate", &["-An", VOLUME_GROUP, device])?;
        Ok(group)
    }

    /// Makes a linear volume and tells where on the disk it lies.
    fn volume(&self, name: &str, size_mib: u64) -> Result<Partition> {
        let size = format!("{size_mib}M");
        let how = ["-An", "-an", "-Zn", "-Wn", "-n", name, "-L", &size];
        self.lvm("lvcreate", &[&how[..], &[VOLUME_GROUP]].concat())?;
        let number = |tool: &str, field: &str, of: &str| -> Result<u64> {
            let words = [
                "--noheadings",
                "--nosuffix",
                "--units",
                "b",
                "-o",
                field,
                of,
            ];
            let said = self.lvm(tool, &words)?;
            let first = said.split_whitespace().next().unwrap_or_default();
            first
                .parse()
                .with_context(|| format!("{field} is {said:?}"))
        };
        let begin = number("pvs", "pe_start", text(&self.device)?)?;
        let extent_bytes = number("vgs", "vg_extent_size", VOLUME_GROUP)?;
        let volume = format!("{VOLUME_GROUP}/{name}");
        let ranges = self.lvm("lvs", &["--noheadings", "-o", "seg_pe_ranges", &volume])?;
        // Such as `/dev/loop0p2:32-543`.
        let first_extent: u64 = ranges
            .trim()
            .rsplit_once(':')
            .and_then(|(_, range)| range.split_once('-'))
            .and_then(|(first, _)| first.parse().ok())
            .with_context(|| format!("extents of {name} are {ranges:?}"))?;
        Ok(Partition {
            offset_bytes: self.partition.offset_bytes + begin + first_extent * extent_bytes,
            size_bytes: size_mib * MIB,
        })
    }

    fn lvm(&self, command: &str, words: &[&str]) -> Result<String> {
        let fixed = [
            command,
            "--driverloaded",
            "n",
            "--devices",
            text(&self.device)?,
        ];
        run_tool("lvm", fixed.into_iter().chain(words.iter().copied()))
    }
}

/// Where a mount point of the server is on the host.
fn inside(root: &Path, mount_point: &str) -> PathBuf {
    root.join(mount_point.trim_start_matches('/'))
}

/// An empty folder. Whatever goes wrong with what is mounted on it, it is never emptied: the host's
/// own /dev may be below.
struct MountPoint(PathBuf);

impl MountPoint {
    fn new() -> Result<Self> {
        let directory = tempfile::tempdir().context("make a mount point")?;
        Ok(Self(directory.keep()))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for MountPoint {
    fn drop(&mut self) {
        // It fails if it is not empty, and then it has to stay.
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// What is mounted, unmounted in reverse when dropped.
#[derive(Default)]
struct Mounts(Vec<PathBuf>);

impl Mounts {
    fn mount(&mut self, words: &[&str], at: &Path) -> Result<()> {
        std::fs::create_dir_all(at)?;
        run_tool("mount", words.iter().copied().chain([text(at)?]))?;
        self.0.push(at.to_owned());
        Ok(())
    }

    /// Lets programs that run below `root` see devices and the kernel.
    fn bind_kernel(&mut self, root: &Path) -> Result<()> {
        for folder in ["/dev", "/proc", "/sys"] {
            self.mount(&["--bind", folder], &inside(root, folder))?;
        }
        Ok(())
    }

    /// # Errors
    /// If something stays mounted: then the images are not complete.
    fn unmount(&mut self) -> Result<()> {
        while let Some(path) = self.0.pop() {
            run_tool("umount", [&path])?;
        }
        Ok(())
    }
}

impl Drop for Mounts {
    fn drop(&mut self) {
        for path in self.0.drain(..).rev() {
            // Lazily, for something has failed already.
            let _ = run_tool("umount", [OsStr::new("--lazy"), path.as_os_str()]);
        }
    }
}
