//! Kernel modules: which of them the helper system loads and when, in which order, and loading them.
//!
//! Only what is needed is loaded: the sooner the host hears of us, the better, and every module
//! costs a machine without hardware acceleration some tens of milliseconds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::io::Errno;

/// Says which modules need which, one line a module: `kernel/a.ko: kernel/b.ko kernel/c.ko`.
pub const DEPENDENCIES_FILE: &str = "modules.dep";

/// What the port to the host needs, and the disks that we expect.
pub(crate) const FIRST: &[&str] = &["virtio_pci", "virtio_console", "virtio_blk"];
/// Other disks, loaded when those that were asked for have not appeared.
pub(crate) const OTHER_DISKS: &[&str] = &[
    "virtio_scsi",
    "sd_mod",
    "nvme",
    "ahci",
    "ata_piix",
    "vmw_pvscsi",
    "xen_blkfront",
    "hv_storvsc",
];
/// Arrays of disks.
pub(crate) const ARRAYS: &[&str] = &["md_mod", "linear", "raid0", "raid1", "raid10", "raid456"];
/// Volume groups.
pub(crate) const VOLUME_GROUPS: &[&str] = &[
    "dm_mod",
    "dm_snapshot",
    "dm_mirror",
    "dm_raid",
    "dm_thin_pool",
    "dm_cache",
    "dm_cache_smq",
    "dm_writecache",
    "dm_integrity",
];
const EXT4: &[&str] = &["crc32c_generic", "ext4"];
const XFS: &[&str] = &["crc32c_generic", "xfs"];
const BTRFS: &[&str] = &[
    "crc32c_generic",
    "xxhash_generic",
    "blake2b_generic",
    "sha256_generic",
    "btrfs",
];
const VFAT: &[&str] = &[
    "nls_cp437",
    "nls_ascii",
    "nls_iso8859_1",
    "nls_utf8",
    "vfat",
];

/// What a file system needs, by the name that it is mounted by. The ways to compute checksums are
/// among it, because the kernel finds them by names that no module depends on.
pub(crate) fn for_file_system(name: &str) -> &'static [&'static str] {
    match name {
        "ext4" => EXT4,
        "xfs" => XFS,
        "btrfs" => BTRFS,
        "vfat" => VFAT,
        _ => &[],
    }
}

/// Every module that may be loaded.
#[must_use]
pub fn every_module() -> Vec<&'static str> {
    [
        FIRST,
        OTHER_DISKS,
        ARRAYS,
        VOLUME_GROUPS,
        EXT4,
        XFS,
        BTRFS,
        VFAT,
    ]
    .concat()
}

/// The name of the module in a file, as the kernel writes it: `kernel/fs/nls/nls_iso8859-1.ko.xz`
/// holds `nls_iso8859_1`. `None` if it is no module.
#[must_use]
pub fn module_name(path: &str) -> Option<String> {
    let file = path.rsplit('/').next()?;
    let (name, packing) = file.split_once(".ko")?;
    let is_module = packing.is_empty() || packing.starts_with('.');
    is_module.then(|| name.replace('-', "_"))
}

/// The modules that there are, and which of them have been loaded.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    folder: PathBuf,
    list: ModuleList,
    loaded: BTreeSet<String>,
}

impl Modules {
    /// The modules of the kernel that runs.
    ///
    /// # Errors
    /// If their list cannot be read: then this is no helper system.
    pub(crate) fn of_this_kernel() -> Result<Self> {
        let release = rustix::system::uname();
        let folder = Path::new("/lib/modules").join(release.release().to_string_lossy().as_ref());
        let file = folder.join(DEPENDENCIES_FILE);
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        Ok(Self {
            folder,
            list: ModuleList::parse(&text),
            loaded: BTreeSet::new(),
        })
    }

    /// Loads modules and what they need, each once. Names that the image does not have are part of
    /// the kernel, or are not to be had; whoever needs them finds out by what is missing.
    ///
    /// # Errors
    /// If the kernel refuses one.
    pub(crate) fn load(&mut self, names: &[&str]) -> Result<()> {
        for name in names {
            for (name, path) in self.list.in_order_for(name) {
                if self.loaded.insert(name.to_owned()) {
                    let file = self.folder.join(path);
                    load(&file).with_context(|| format!("load {}", file.display()))?;
                }
            }
        }
        Ok(())
    }
}

fn load(file: &Path) -> Result<()> {
    let opened = File::open(file)?;
    match rustix::system::finit_module(opened, c"", 0) {
        // A driver for hardware that is not there.
        Ok(()) | Err(Errno::EXIST | Errno::NODEV) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Which modules need which.
#[derive(Debug, Default)]
struct ModuleList {
    by_name: BTreeMap<String, Module>,
}

#[derive(Debug)]
struct Module {
    path: String,
    needs: Vec<String>,
}

impl ModuleList {
    /// Reads [`DEPENDENCIES_FILE`].
    fn parse(text: &str) -> Self {
        let by_name = text.lines().filter_map(|line| {
            let (path, needs) = line.split_once(':')?;
            let module = Module {
                path: path.to_owned(),
                needs: needs.split_whitespace().filter_map(module_name).collect(),
            };
            Some((module_name(path)?, module))
        });
        Self {
            by_name: by_name.collect(),
        }
    }

    /// Names and files of a module and what it needs, each after what it needs itself. Empty if
    /// there is no module of that name.
    fn in_order_for(&self, name: &str) -> Vec<(&str, &str)> {
        let mut ordered = Vec::new();
        self.visit(name, &mut BTreeSet::new(), &mut ordered);
        ordered
    }

    fn visit<'list>(
        &'list self,
        name: &str,
        seen: &mut BTreeSet<&'list str>,
        ordered: &mut Vec<(&'list str, &'list str)>,
    ) {
        let Some((name, module)) = self.by_name.get_key_value(name) else {
            return;
        };
        // A circle in the list ends here, too.
        if !seen.insert(name) {
            return;
        }
        for needed in &module.needs {
            self.visit(needed, seen, ordered);
        }
        ordered.push((name, &module.path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_comes_after_everything_that_it_needs() {
        let list = ModuleList::parse(
            "k/btrfs.ko: k/xor.ko k/raid6-pq.ko k/libcrc32c.ko\nk/xor.ko:\n\
             k/raid6-pq.ko: k/libcrc32c.ko\nk/libcrc32c.ko:\n",
        );
        let order: Vec<&str> = list
            .in_order_for("btrfs")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        assert_eq!(order, ["xor", "libcrc32c", "raid6_pq", "btrfs"]);
        assert_eq!(
            list.in_order_for("raid6_pq"),
            [
                ("libcrc32c", "k/libcrc32c.ko"),
                ("raid6_pq", "k/raid6-pq.ko")
            ]
        );
    }

    #[test]
    fn a_circle_or_a_missing_module_ends_the_search() {
        let list = ModuleList::parse("a.ko: b.ko\nb.ko: a.ko gone.ko\n");
        assert_eq!(list.in_order_for("a"), [("b", "b.ko"), ("a", "a.ko")]);
        assert!(list.in_order_for("built_in").is_empty());
    }

    #[test]
    fn module_files_are_told_from_others() {
        assert_eq!(
            module_name("kernel/nls/nls_iso8859-1.ko.xz").unwrap(),
            "nls_iso8859_1"
        );
        assert_eq!(module_name("kernel/fs/xfs.ko").unwrap(), "xfs");
        assert_eq!(module_name("modules.builtin"), None);
        assert_eq!(module_name("a.kolibri"), None);
    }
}
