//! Where marks live while no process of ours does: pinned in a bpf file system, in memory until the
//! machine is started anew. A directory for each disk, with the two bitmaps, the ledger, and the
//! link that keeps the program attached.

use std::fs::{DirBuilder, File};
use std::io::{Error as IoError, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use aya::maps::MapData;
use aya::programs::links::{FdLink, PinnedLink};
use rehost_linux::SharedWords;
use rustix::mount::{MountFlags, mount};

use crate::program::{BITMAP_WORD_BYTES, Loaded, Maps};
use crate::{DiskId, Error, ledger, words_for};

/// Where distributions mount the bpf file system, and where it is mounted if they did not.
const USUAL_MOUNT: &str = "/sys/fs/bpf";
/// From `<linux/magic.h>`.
const BPF_FS_MAGIC: i64 = 0xcafe_4a11;

const WRITTEN: &str = "written";
const DISCARDED: &str = "discarded";
const LEDGER: &str = "ledger";
const LINK: &str = "link";

/// The directory of one disk. Its name has no dot, which the bpf file system reserves.
#[derive(Debug)]
pub(crate) struct Pins {
    directory: PathBuf,
}

impl Pins {
    pub(crate) fn of(root: &Path, disk: &DiskId) -> Self {
        Self {
            directory: root.join(format!("disk-{}-{}", disk.major, disk.minor)),
        }
    }

    /// Whether something is pinned, complete or not.
    pub(crate) fn exist(&self) -> bool {
        self.directory.exists()
    }

    /// The maps, mapped, if all that must be pinned is there and has the size it must have.
    pub(crate) fn open(&self, disk: &DiskId) -> Option<Maps> {
        // Without its link the program marks nothing any more.
        PinnedLink::from_pin(self.directory.join(LINK)).ok()?;
        let map = |name, words, entries| {
            let data = MapData::from_pin(self.directory.join(name)).ok()?;
            let info = data.info().ok()?;
            let bytes = u64::from(info.value_size()) * u64::from(info.max_entries());
            let fits = usize::try_from(info.max_entries()) == Ok(entries)
                && bytes == words as u64 * BITMAP_WORD_BYTES;
            fits.then(|| SharedWords::map(data.fd(), words).ok())?
        };
        let words = words_for(disk.size_bytes);
        Some(Maps {
            written: map(WRITTEN, words, words)?,
            discarded: map(DISCARDED, words, words)?,
            ledger: map(LEDGER, ledger::WORDS, 1)?,
        })
    }

    /// Pins a program that is attached, the link last: where it is, all is.
    pub(crate) fn pin(&self, loaded: Loaded) -> Result<Maps, Error> {
        private_directory(&self.directory)?;
        for (name, data) in [
            (WRITTEN, &loaded.written),
            (DISCARDED, &loaded.discarded),
            (LEDGER, &loaded.ledger),
        ] {
            let path = self.directory.join(name);
            data.pin(&path)
                .map_err(|source| Error::Pin { path, source })?;
        }
        let path = self.directory.join(LINK);
        FdLink::from(loaded.link)
            .pin(&path)
            .map_err(|source| Error::Pin { path, source })?;
        Ok(loaded.maps)
    }

    /// Removes everything, the link first: once it is gone, and nobody holds it, the program is
    /// detached.
    pub(crate) fn remove(&self) -> Result<(), Error> {
        for name in [LINK, LEDGER, DISCARDED, WRITTEN] {
            absent_is_fine(&self.directory.join(name), |path| {
                std::fs::remove_file(path)
            })?;
        }
        absent_is_fine(&self.directory, |path| std::fs::remove_dir(path))
    }
}

/// Removes what is pinned for any disk below `root`, and `root` itself if nothing else is in it.
/// Tracking that a removed agent left behind ends with this.
///
/// # Errors
/// [`Error::Remove`].
pub fn remove_all(root: &Path) -> Result<(), Error> {
    let entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(Error::Remove {
                path: root.into(),
                source,
            });
        }
    };
    for entry in entries.flatten() {
        if entry.file_name().to_string_lossy().starts_with("disk-") {
            let directory = entry.path();
            Pins { directory }.remove()?;
        }
    }
    absent_is_fine(root, |path| match std::fs::remove_dir(path) {
        // Something else is in it, or it is where the file system is mounted.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::DirectoryNotEmpty | ErrorKind::ResourceBusy
            ) =>
        {
            Ok(())
        }
        other => other,
    })
}

/// Makes `root` a directory in a bpf file system, mounting one if need be.
pub(crate) fn prepare(root: &Path) -> Result<(), Error> {
    let error = |source: IoError| Error::Pins {
        path: root.into(),
        source,
    };
    if is_in_bpf_file_system(root).map_err(error)? {
        return private_directory(root);
    }
    let was_there = root.exists();
    let mount_point = if root.starts_with(USUAL_MOUNT) {
        Path::new(USUAL_MOUNT)
    } else {
        private_directory(root)?;
        root
    };
    let mounted = mount(
        "bpf",
        mount_point,
        "bpf",
        MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC,
        c"mode=0700",
    );
    if let Err(errno) = mounted {
        if !was_there {
            // An empty directory that stays harms nobody.
            let _ = std::fs::remove_dir(root);
        }
        return Err(error(errno.into()));
    }
    private_directory(root)
}

/// Whether the kernel knows the bpf file system.
pub(crate) fn are_known() -> bool {
    std::fs::read_to_string("/proc/filesystems")
        .is_ok_and(|list| list.lines().any(|line| line.ends_with("\tbpf")))
}

/// Asks the nearest directory that exists.
fn is_in_bpf_file_system(path: &Path) -> Result<bool, IoError> {
    for directory in path.ancestors() {
        match File::open(directory) {
            Ok(open) => {
                let open: OwnedFd = open.into();
                return Ok(rustix::fs::fstatfs(open.as_fd())?.f_type == BPF_FS_MAGIC);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

fn private_directory(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| Error::Pins {
            path: path.into(),
            source,
        })
}

fn absent_is_fine(
    path: &Path,
    remove: impl FnOnce(&Path) -> Result<(), IoError>,
) -> Result<(), Error> {
    match remove(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(Error::Remove {
            path: path.into(),
            source,
        }),
        _ => Ok(()),
    }
}
