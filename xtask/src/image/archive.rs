//! A cpio archive in the form that the kernel unpacks as an initramfs ("newc"), with nothing in it
//! that differs from one build to the next: names are sorted, owners are root, times are zero.
//!
//! It is written here because it is short, and because tools for it take owners, times and inode
//! numbers from whatever directory they are given.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context as _, Result};

const FILE: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const LINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;
/// The archive's end is an entry of this name.
const TRAILER: &str = "TRAILER!!!";

/// What an archive holds under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Directory,
    /// A copy of a file of the build machine.
    Copy {
        from: PathBuf,
        executable: bool,
    },
    /// A file made here.
    Text(Vec<u8>),
    /// A symbolic link, and where to.
    Link(String),
    /// A character device by its numbers.
    Device {
        major: u32,
        minor: u32,
    },
}

/// An archive to be. Names are relative, such as `usr/bin/lvm`.
#[derive(Debug, Default)]
pub(super) struct Archive {
    entries: BTreeMap<String, Entry>,
}

impl Archive {
    /// Puts an entry in, with the directories that lead to it.
    pub(super) fn insert(&mut self, name: &str, entry: Entry) {
        for (end, _) in name.match_indices('/') {
            self.entries
                .entry(name[..end].to_owned())
                .or_insert(Entry::Directory);
        }
        self.entries.insert(name.to_owned(), entry);
    }

    /// The files in it, sorted by name.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries
            .iter()
            .filter(|(_, entry)| matches!(entry, Entry::Copy { .. } | Entry::Text(_)))
            .map(|(name, entry)| (name.as_str(), entry))
    }

    /// Writes it. Each entry is in memory while it is written.
    ///
    /// # Errors
    /// If a file cannot be read, is too big for the format, or the archive cannot be written.
    pub(super) fn write(&self, output: &mut impl Write) -> Result<()> {
        let mut inode = 0;
        for (name, entry) in &self.entries {
            inode += 1;
            let content = entry
                .content()
                .with_context(|| format!("read what becomes {name}"))?;
            write_entry(output, inode, name, entry, &content)
                .with_context(|| format!("write {name} into the archive"))?;
        }
        let end = Header {
            links: 1,
            ..Header::default()
        };
        end.write(output, TRAILER)
            .context("write the end of the archive")
    }
}

impl Entry {
    fn mode(&self) -> u32 {
        match self {
            Self::Directory => DIRECTORY | 0o755,
            Self::Copy {
                executable: true, ..
            } => FILE | 0o755,
            Self::Copy { .. } | Self::Text(_) => FILE | 0o644,
            Self::Link(_) => LINK | 0o777,
            Self::Device { .. } => CHARACTER_DEVICE | 0o600,
        }
    }

    /// The bytes that are stored for it.
    pub(super) fn content(&self) -> io::Result<Vec<u8>> {
        match self {
            Self::Copy { from, .. } => std::fs::read(from),
            Self::Text(text) => Ok(text.clone()),
            Self::Link(target) => Ok(target.clone().into_bytes()),
            Self::Directory | Self::Device { .. } => Ok(Vec::new()),
        }
    }
}

/// The numbers of an entry's header that are not always zero.
#[derive(Debug, Default)]
struct Header {
    inode: u32,
    mode: u32,
    links: u32,
    size_bytes: u32,
    device: [u32; 2],
}

impl Header {
    /// Writes the header, the name and the bytes that align what follows.
    fn write(&self, output: &mut impl Write, name: &str) -> io::Result<()> {
        let name_bytes = u32::try_from(name.len() + 1).map_err(|_| io::ErrorKind::InvalidInput)?;
        let [major, minor] = self.device;
        let numbers = [
            self.inode,
            self.mode,
            0, // owner
            0, // group
            self.links,
            0, // time of the last change
            self.size_bytes,
            0, // the device that the file was on
            0,
            major,
            minor,
            name_bytes,
            0, // checksum, which this form does not have
        ];
        let mut bytes = b"070701".to_vec();
        for number in numbers {
            write!(bytes, "{number:08x}")?;
        }
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
        output.write_all(&bytes)?;
        align(output, bytes.len())
    }
}

fn write_entry(
    output: &mut impl Write,
    inode: u32,
    name: &str,
    entry: &Entry,
    content: &[u8],
) -> io::Result<()> {
    let header = Header {
        inode,
        mode: entry.mode(),
        links: if *entry == Entry::Directory { 2 } else { 1 },
        size_bytes: u32::try_from(content.len()).map_err(|_| io::ErrorKind::FileTooLarge)?,
        device: match entry {
            Entry::Device { major, minor } => [*major, *minor],
            _ => [0, 0],
        },
    };
    header.write(output, name)?;
    output.write_all(content)?;
    align(output, content.len())
}

/// Fills up to a multiple of four bytes after `length` bytes.
fn align(output: &mut impl Write, length: usize) -> io::Result<()> {
    output.write_all(&[0; 3][..length.next_multiple_of(4) - length])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(archive: &Archive) -> Vec<u8> {
        let mut bytes = Vec::new();
        archive.write(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_order_of_insertion_does_not_show() {
        let text = |text: &str| Entry::Text(text.as_bytes().to_vec());
        let mut one = Archive::default();
        one.insert("b/c", text("1"));
        one.insert("a", text("22"));
        let mut other = Archive::default();
        other.insert("a", text("22"));
        other.insert("b/c", text("1"));
        assert_eq!(bytes(&one), bytes(&other));
    }

    #[test]
    fn an_archive_is_what_the_kernel_expects() {
        let mut archive = Archive::default();
        archive.insert("dev/console", Entry::Device { major: 5, minor: 1 });
        archive.insert("init", Entry::Link("usr/x".into()));
        let zeros = "00000000";
        let header = |inode: &str, mode: &str, links: &str, size: &str, minor: &str, name: &str| {
            let major = if minor == zeros { zeros } else { "00000005" };
            let name_bytes = name.len() + 1;
            format!(
                "070701{inode}{mode}{zeros}{zeros}{links}{zeros}{size}{zeros}{zeros}{major}{minor}{name_bytes:08x}{zeros}{name}\0"
            )
        };
        let mut expected = String::new();
        let mut add = |text: &str| {
            expected.push_str(text);
            while !expected.len().is_multiple_of(4) {
                expected.push('\0');
            }
        };
        add(&header(
            "00000001", "000041ed", "00000002", zeros, zeros, "dev",
        ));
        add(&header(
            "00000002",
            "00002180",
            "00000001",
            zeros,
            "00000001",
            "dev/console",
        ));
        add(&header(
            "00000003", "0000a1ff", "00000001", "00000005", zeros, "init",
        ));
        add("usr/x");
        add(&header(
            zeros,
            zeros,
            "00000001",
            zeros,
            zeros,
            "TRAILER!!!",
        ));
        assert_eq!(String::from_utf8(bytes(&archive)).unwrap(), expected);
    }
}
