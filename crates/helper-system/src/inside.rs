//! Looking into a foreign directory tree. The kernel resolves every name as if the tree were all
//! there is, so that no symbolic link leads out of it, and nothing is read beyond a limit.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat2};
use rustix::io::Errno;

/// The root of a foreign tree.
#[derive(Debug)]
pub(crate) struct Inside(OwnedFd);

impl Inside {
    /// Opens a directory as the root of a tree.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(crate) fn open(root: &Path) -> Result<Self, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(open(root, flags, Mode::empty())?))
    }

    /// Opens what `path` names in the tree, only to refer to it.
    ///
    /// # Errors
    /// If there is no such thing.
    pub(crate) fn find(&self, path: &str) -> Result<OwnedFd, Errno> {
        self.open_with(path, OFlags::PATH)
    }

    /// Whether there is something of this name, even a link to nowhere.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.open_with(path, OFlags::PATH | OFlags::NOFOLLOW)
            .is_ok()
    }

    /// A text file of `limit` bytes at most.
    ///
    /// # Errors
    /// If it cannot be read, is no file, or is longer (`EFBIG`).
    pub(crate) fn read_text(&self, path: &str, limit: u64) -> Result<String, Errno> {
        // What looks like a file may be a pipe that nobody writes to.
        let file = self.open_with(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let status = fstat(&file)?;
        if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
            return Err(Errno::INVAL);
        }
        let mut bytes = Vec::new();
        let read = File::from(file).take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        if bytes.len() as u64 > limit {
            return Err(Errno::FBIG);
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn open_with(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        openat2(
            &self.0,
            path,
            flags | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
        )
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn no_link_leads_out_of_the_tree() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "secret").unwrap();
        let root = outside.path().join("root");
        std::fs::create_dir_all(root.join("etc")).unwrap();
        std::fs::write(root.join("secret"), "own").unwrap();
        symlink("/secret", root.join("etc/absolute")).unwrap();
        symlink("../../../secret", root.join("etc/relative")).unwrap();
        symlink("/nowhere", root.join("etc/dangling")).unwrap();

        let inside = Inside::open(&root).unwrap();
        for name in ["etc/absolute", "/etc/relative"] {
            assert_eq!(inside.read_text(name, 100).unwrap(), "own");
        }
        assert!(inside.has("etc/dangling"));
        assert_eq!(
            inside.read_text("etc/dangling", 9).unwrap_err(),
            Errno::NOENT
        );
    }

    #[test]
    fn what_is_no_file_or_too_long_is_not_read() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("long"), "12345").unwrap();
        let inside = Inside::open(root.path()).unwrap();
        assert_eq!(inside.read_text("long", 5).unwrap(), "12345");
        assert_eq!(inside.read_text("long", 4).unwrap_err(), Errno::FBIG);
        assert_eq!(inside.read_text(".", 4).unwrap_err(), Errno::INVAL);
    }
}
