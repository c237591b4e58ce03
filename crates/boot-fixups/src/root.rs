//! The copied system's files, seen from its own root directory.
//!
//! The disks are foreign. The kernel resolves every path as if the root directory were the whole
//! world (`RESOLVE_IN_ROOT`), so that a link to `/etc/passwd` or `../../..` ends inside; only
//! ordinary files are read, up to a limit; and a new text takes the place of an old one at once,
//! by renaming, with owner, mode and labels of the old one.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::error::RootError;

mod attributes;

/// Configuration files are smaller.
pub(crate) const TEXT_LIMIT_BYTES: u64 = 512 * 1024;
/// Boot loaders and lists of a kernel's modules are smaller.
pub(crate) const FILE_LIMIT_BYTES: u64 = 16 * 1024 * 1024;
/// Directories that are listed have fewer entries.
const ENTRIES_LIMIT: usize = 4096;
/// As many links the kernel follows, too.
const LINKS_LIMIT: usize = 40;
/// How often a look-up that raced with a rename is tried again.
const RACES_LIMIT: usize = 16;

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Other,
}

/// What can be said of a file without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileState {
    pub(crate) size_bytes: i64,
    pub(crate) modified_seconds: i64,
}

/// An opened root directory.
#[derive(Debug)]
pub(crate) struct Root {
    directory: OwnedFd,
}

/// Where a path ends after all links: an opened directory, and a name in it.
struct Place {
    directory: OwnedFd,
    name: String,
}

impl Root {
    /// Opens the directory that is the root of the copied system.
    pub(crate) fn open(path: &Path) -> Result<Self, RootError> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let directory =
            rustix::fs::open(path, flags, Mode::empty()).map_err(|error| RootError::Open {
                path: path.into(),
                source: error.into(),
            })?;
        Ok(Self { directory })
    }

    fn open_at(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::CLOEXEC;
        let mut races = 0;
        loop {
            match rustix::fs::openat2(&self.directory, path, flags, Mode::empty(), resolve) {
                Err(Errno::AGAIN) if races < RACES_LIMIT => races += 1,
                result => return result,
            }
        }
    }

    /// What `path` leads to, if anything. Links are followed.
    pub(crate) fn kind(&self, path: &str) -> Option<Kind> {
        let file = self.open_at(path, OFlags::PATH).ok()?;
        let status = rustix::fs::fstat(&file).ok()?;
        Some(match FileType::from_raw_mode(status.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            _ => Kind::Other,
        })
    }

    pub(crate) fn is_file(&self, path: &str) -> bool {
        self.kind(path) == Some(Kind::File)
    }

    pub(crate) fn is_directory(&self, path: &str) -> bool {
        self.kind(path) == Some(Kind::Directory)
    }

    /// Whether something is at `path`, even a link that leads nowhere.
    pub(crate) fn has_entry(&self, path: &str) -> bool {
        self.open_at(path, OFlags::PATH | OFlags::NOFOLLOW).is_ok()
    }

    /// Size and time of the file at `path`, if there is one.
    pub(crate) fn file_state(&self, path: &str) -> Option<FileState> {
        let file = self.open_at(path, OFlags::PATH).ok()?;
        let status = rustix::fs::fstat(&file).ok()?;
        let is_file = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile;
        is_file.then_some(FileState {
            size_bytes: status.st_size,
            modified_seconds: status.st_mtime,
        })
    }

    /// The target of the link at `path`, if it is one.
    pub(crate) fn link_target(&self, path: &str) -> Option<String> {
        let link = self.open_at(path, OFlags::PATH | OFlags::NOFOLLOW).ok()?;
        let target = rustix::fs::readlinkat(&link, "", Vec::new()).ok()?;
        target.into_string().ok()
    }

    /// The bytes of the file at `path`; none if nothing is there.
    pub(crate) fn read(&self, path: &str, limit_bytes: u64) -> Result<Option<Vec<u8>>, RootError> {
        let refused = |error: Errno| refused("read", path, error);
        // Merely opening a device can have effects, so that its kind is asked first.
        let place = match self.open_at(path, OFlags::PATH) {
            Ok(place) => place,
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
            Err(Errno::LOOP) => return Err(RootError::LeadsNowhere { path: path.into() }),
            Err(error) => return Err(refused(error)),
        };
        require_file(path, &rustix::fs::fstat(&place).map_err(refused)?)?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = self.open_at(path, flags).map_err(refused)?;
        require_file(path, &rustix::fs::fstat(&file).map_err(refused)?)?;
        if attributes::is_kernels_own(&file).map_err(refused)? {
            return Err(RootError::NotAFile { path: path.into() });
        }
        let mut bytes = Vec::new();
        File::from(file)
            .take(limit_bytes + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| RootError::Refused {
                act: "read",
                path: path.into(),
                source,
            })?;
        if bytes.len() as u64 > limit_bytes {
            return Err(RootError::TooLarge {
                path: path.into(),
                limit_bytes,
            });
        }
        Ok(Some(bytes))
    }

    /// The text of the file at `path`; none if nothing is there.
    ///
    /// Old files have comments in old encodings: a text that is not UTF-8 is taken byte by byte,
    /// and [`encode`] writes it back the same way.
    pub(crate) fn read_text(&self, path: &str) -> Result<Option<String>, RootError> {
        Ok(self.read(path, TEXT_LIMIT_BYTES)?.map(decode))
    }

    /// The names in the directory at `path`, sorted; none if there is no such directory.
    /// Names that are not UTF-8 are left out: nothing that is looked for has one.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<String>, RootError> {
        let refused = |error: Errno| refused("list", path, error);
        let directory = match self.open_at(path, OFlags::DIRECTORY | OFlags::RDONLY) {
            Ok(directory) => directory,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(Vec::new()),
            Err(error) => return Err(refused(error)),
        };
        let mut names = BTreeSet::new();
        for entry in Dir::new(directory).map_err(refused)? {
            let entry = entry.map_err(refused)?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if name == "." || name == ".." {
                continue;
            }
            names.insert(name.to_owned());
            if names.len() > ENTRIES_LIMIT {
                return Err(RootError::TooMany {
                    path: path.into(),
                    limit: ENTRIES_LIMIT,
                });
            }
        }
        Ok(names.into_iter().collect())
    }

    /// Puts `bytes` at `path`, durably and at once.
    ///
    /// A file that is there keeps owner, mode and labels; a link to it stays a link. A new file
    /// has the owner of its directory, `mode`, and the label of its neighbours. Directories on the
    /// way are made.
    pub(crate) fn write(&self, path: &str, bytes: &[u8], mode: u32) -> Result<(), RootError> {
        self.make_parents(path)?;
        let place = self.place(path)?;
        let refused = |error: Errno| refused("write", path, error);
        let old = match rustix::fs::openat(
            &place.directory,
            place.name.as_str(),
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        ) {
            Ok(old) => Some(old),
            Err(Errno::NOENT) => None,
            Err(error) => return Err(refused(error)),
        };
        if let Some(old) = &old {
            require_file(path, &rustix::fs::fstat(old).map_err(refused)?)?;
        }

        let aside = format!(".{}.rehost-new", place.name);
        match rustix::fs::unlinkat(&place.directory, aside.as_str(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(refused(error)),
        }
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(
            &place.directory,
            aside.as_str(),
            flags,
            Mode::RUSR | Mode::WUSR,
        )
        .map_err(refused)?;
        let written = (|| -> Result<(), io::Error> {
            let mut file = File::from(file);
            file.write_all(bytes)?;
            if old.is_some() {
                attributes::copy_all(&place.directory, &place.name, &file)?;
            } else {
                attributes::give_new(&place.directory, &place.name, &file, mode)?;
            }
            file.sync_all()?;
            rustix::fs::renameat(
                &place.directory,
                aside.as_str(),
                &place.directory,
                place.name.as_str(),
            )?;
            Ok(())
        })();
        written.map_err(|source| {
            // The half of a file is of no use; that it cannot be removed changes nothing.
            let _ = rustix::fs::unlinkat(&place.directory, aside.as_str(), AtFlags::empty());
            RootError::Refused {
                act: "write",
                path: path.into(),
                source,
            }
        })
    }

    /// Makes a link at `path`, in place of a link or file that is there.
    pub(crate) fn link(&self, path: &str, target: &str) -> Result<(), RootError> {
        self.remove(path)?;
        self.make_parents(path)?;
        let (directory, name) = self.parent(path)?;
        rustix::fs::symlinkat(target, &directory, name)
            .map_err(|error| refused("link", path, error))?;
        attributes::label_link(&directory, name);
        Ok(())
    }

    /// Removes the file or link at `path`, not what a link leads to. Nothing there is no error.
    pub(crate) fn remove(&self, path: &str) -> Result<(), RootError> {
        if !self.has_entry(path) {
            return Ok(());
        }
        let (directory, name) = self.parent(path)?;
        rustix::fs::unlinkat(&directory, name, AtFlags::empty())
            .map_err(|error| refused("remove", path, error))
    }

    /// Makes the directories above `path` that are not there.
    fn make_parents(&self, path: &str) -> Result<(), RootError> {
        let names: Vec<&str> = path.split('/').filter(|name| !name.is_empty()).collect();
        let Some((_, above)) = names.split_last() else {
            return Err(RootError::NotAFile { path: path.into() });
        };
        let mut so_far = String::new();
        for name in above {
            so_far.push('/');
            so_far.push_str(name);
            if self.is_directory(&so_far) {
                continue;
            }
            let (directory, name) = self.parent(&so_far)?;
            let mode = Mode::from_raw_mode(0o755);
            match rustix::fs::mkdirat(&directory, name, mode) {
                Ok(()) => attributes::label_directory(&directory, name),
                Err(Errno::EXIST) => return Err(RootError::LeadsNowhere { path: so_far }),
                Err(error) => return Err(refused("make the directory", &so_far, error)),
            }
        }
        Ok(())
    }

    /// The opened directory that `path` is in, and its last name, links not followed.
    fn parent<'p>(&self, path: &'p str) -> Result<(OwnedFd, &'p str), RootError> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        if matches!(name, "" | "." | "..") {
            return Err(RootError::LeadsNowhere { path: path.into() });
        }
        let above = if above.is_empty() { "/" } else { above };
        let directory = self
            .open_at(above, OFlags::DIRECTORY | OFlags::RDONLY)
            .map_err(|error| refused("open the directory of", path, error))?;
        Ok((directory, name))
    }

    /// Where a file at `path` is or would be, after all links.
    fn place(&self, path: &str) -> Result<Place, RootError> {
        let nowhere = || RootError::LeadsNowhere { path: path.into() };
        let mut current = path.to_owned();
        for _ in 0..LINKS_LIMIT {
            let (directory, name) = self.parent(&current).map_err(|_| nowhere())?;
            match rustix::fs::readlinkat(&directory, name, Vec::new()) {
                Ok(target) => {
                    let target = target.into_string().map_err(|_| nowhere())?;
                    current = if target.starts_with('/') {
                        target
                    } else {
                        let above = current.rsplit_once('/').map_or("", |(above, _)| above);
                        format!("{above}/{target}")
                    };
                    if current.len() > 4096 {
                        return Err(nowhere());
                    }
                }
                // Nothing there yet, or no link.
                Err(Errno::NOENT | Errno::INVAL) => {
                    let name = name.to_owned();
                    return Ok(Place { directory, name });
                }
                Err(error) => return Err(refused("look up", path, error)),
            }
        }
        Err(nowhere())
    }
}

/// Bytes as a text: UTF-8, or else one character a byte.
pub(crate) fn decode(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let bytes = error.into_bytes();
        bytes.into_iter().map(char::from).collect()
    })
}

/// The bytes of a text that took the place of `old`, in the encoding of `old`.
pub(crate) fn encode(text: &str, old: &[u8]) -> Vec<u8> {
    if std::str::from_utf8(old).is_ok() {
        return text.as_bytes().to_vec();
    }
    text.chars()
        .map(|letter| u8::try_from(letter).unwrap_or(b'?'))
        .collect()
}

fn require_file(path: &str, status: &Stat) -> Result<(), RootError> {
    match FileType::from_raw_mode(status.st_mode) {
        FileType::RegularFile => Ok(()),
        _ => Err(RootError::NotAFile { path: path.into() }),
    }
}

fn refused(act: &'static str, path: &str, error: Errno) -> RootError {
    RootError::Refused {
        act,
        path: path.into(),
        source: error.into(),
    }
}
