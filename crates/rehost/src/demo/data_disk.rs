//! The second disk of the demo's source: xfs on the whole disk, with real files and a file that is
//! rewritten in place as a database does, without root rights and without mounting anything.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

use super::{programs, random, tree};

const MIB: u64 = 1024 * 1024;
/// Size of the disk in bytes.
pub(super) const SIZE_BYTES: u64 = 512 * MIB;
const DATABASE_BYTES: u64 = 64 * MIB;
/// At most this much of real files goes beside the database. mkfs.xfs puts them all into the one
/// allocation group of their directory, a fourth of the disk, and fails when that is full.
const FILES_BYTES: u64 = 80 * MIB;
/// Databases write pages of this size.
const PAGE_BYTES: u64 = 16 * 1024;
/// Where the real files come from: every Linux has it.
const FILES_FROM: &str = "/usr/bin";

/// A disk image with a file that can be rewritten in place as a running database would.
#[derive(Debug)]
pub(crate) struct DataDisk {
    path: PathBuf,
    extents: Vec<Extent>,
}

/// Where a part of the database file is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    offset_bytes: u64,
    length_bytes: u64,
}

impl DataDisk {
    /// Makes the image with an xfs that holds real files and the database file.
    ///
    /// # Errors
    /// If a tool fails or the disk is full.
    pub(crate) fn make(directory: &Path) -> Result<Self> {
        let database = directory.join("database");
        random::make_file(&database, DATABASE_BYTES)?;
        let prototype = directory.join("xfs-prototype");
        std::fs::write(&prototype, prototype_text(&database)?).context("write xfs prototype")?;

        let path = directory.join("data.img");
        let data = format!("file=1,name={},size={SIZE_BYTES}", path.display());
        programs::output(
            "mkfs.xfs",
            [
                "-q".as_ref(),
                "-d".as_ref(),
                OsStr::new(&data),
                "-p".as_ref(),
                prototype.as_ref(),
            ],
        )?;
        for leftover in [&database, &prototype] {
            std::fs::remove_file(leftover)
                .with_context(|| format!("remove {}", leftover.display()))?;
        }
        let extents = find_database(&path)?;
        Ok(Self { path, extents })
    }

    /// The image file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Rewrites some pages of the database file where they are, and gives the bytes written.
    /// xfs keeps no checksums over the content of files, so it stays consistent.
    ///
    /// # Errors
    /// If the image cannot be written.
    pub(crate) fn rewrite_pages(&self, pages: u32) -> Result<u64> {
        let disk = OpenOptions::new()
            .write(true)
            .open(&self.path)
            .context("open data disk")?;
        let mut random = random::source()?;
        let size_bytes: u64 = self.extents.iter().map(|extent| extent.length_bytes).sum();
        let mut page = vec![0; usize::try_from(PAGE_BYTES).context("size of a page")?];
        for _ in 0..pages {
            let mut number = [0; 8];
            random.read_exact(&mut number).context("choose a page")?;
            random.read_exact(&mut page).context("fill a page")?;
            let wanted = u64::from_le_bytes(number) % (size_bytes / PAGE_BYTES) * PAGE_BYTES;
            let offset_bytes = place(&self.extents, wanted).context("find a page on the disk")?;
            disk.write_all_at(&page, offset_bytes)
                .context("rewrite a page")?;
        }
        Ok(u64::from(pages) * PAGE_BYTES)
    }
}

/// What `mkfs.xfs -p` reads: a tree, one entry a line, `$` at the end of each directory.
fn prototype_text(database: &Path) -> Result<String> {
    let mut text = String::from("none\n0 0\nd--755 0 0\n");
    writeln!(text, "database ---600 0 0 {}", database.display())?;
    text.push_str("files d--755 0 0\n");
    let mut taken_bytes = 0;
    for entry in tree::walk(Path::new(FILES_FROM))? {
        let name = entry
            .path
            .file_name()
            .and_then(OsStr::to_str)
            .unwrap_or_default();
        // The format knows no quoting, and knows no directories above this one.
        let fits = entry.is_file
            && entry.path.parent() == Some(Path::new(FILES_FROM))
            && !name.is_empty()
            && !name.contains(char::is_whitespace)
            && taken_bytes + entry.blocks_bytes <= FILES_BYTES
            && std::fs::File::open(&entry.path).is_ok();
        if !fits {
            continue;
        }
        taken_bytes += entry.blocks_bytes;
        let mode = entry
            .path
            .metadata()
            .map_or(0o644, |data| data.permissions().mode() & 0o777);
        writeln!(text, "{name} ---{mode:03o} 0 0 {}", entry.path.display())?;
    }
    text.push_str("$\n$\n");
    Ok(text)
}

fn find_database(image: &Path) -> Result<Vec<Extent>> {
    let geometry = programs::output(
        "xfs_db",
        ["-r", "-c", "sb 0", "-c", "print blocksize agblocks"]
            .map(OsStr::new)
            .into_iter()
            .chain([image.as_os_str()]),
    )?;
    let map = programs::output(
        "xfs_db",
        ["-r", "-c", "path /database", "-c", "bmap"]
            .map(OsStr::new)
            .into_iter()
            .chain([image.as_os_str()]),
    )?;
    let extents = parse_map(&geometry, &map)
        .with_context(|| format!("read what xfs_db says: {geometry}{map}"))?;
    let found_bytes: u64 = extents.iter().map(|extent| extent.length_bytes).sum();
    ensure!(
        found_bytes == DATABASE_BYTES,
        "xfs_db shows {found_bytes} bytes of the database file"
    );
    Ok(extents)
}

/// Reads `blocksize = 4096`, `agblocks = 32768` and lines such as
/// `data offset 0 startblock 24 (0/24) count 16384 flag 0`, where `(0/24)` is allocation group and
/// block within it.
fn parse_map(geometry: &str, map: &str) -> Option<Vec<Extent>> {
    let value = |name: &str| -> Option<u64> {
        let line = geometry.lines().find(|line| line.starts_with(name))?;
        line.split('=').nth(1)?.trim().parse().ok()
    };
    let (block_bytes, group_blocks) = (value("blocksize")?, value("agblocks")?);
    let mut extents = Vec::new();
    for line in map.lines().filter(|line| line.starts_with("data offset")) {
        let place = line.split('(').nth(1)?.split(')').next()?;
        let (group, block) = place.split_once('/')?;
        let count: u64 = line
            .split(" count ")
            .nth(1)?
            .split(' ')
            .next()?
            .parse()
            .ok()?;
        let group: u64 = group.parse().ok()?;
        let block: u64 = block.parse().ok()?;
        extents.push(Extent {
            offset_bytes: (group * group_blocks + block) * block_bytes,
            length_bytes: count * block_bytes,
        });
    }
    Some(extents)
}

/// Where on the disk a whole page of the file starts, moved back so that it ends in its extent.
fn place(extents: &[Extent], mut offset_bytes: u64) -> Option<u64> {
    for extent in extents
        .iter()
        .filter(|extent| extent.length_bytes >= PAGE_BYTES)
    {
        if offset_bytes < extent.length_bytes {
            let inside = offset_bytes.min(extent.length_bytes - PAGE_BYTES);
            return Some(extent.offset_bytes + inside);
        }
        offset_bytes -= extent.length_bytes;
    }
    extents
        .first()
        .filter(|extent| extent.length_bytes >= PAGE_BYTES)
        .map(|e| e.offset_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_are_read_from_what_xfs_db_prints() {
        let geometry = "blocksize = 4096\nagblocks = 32768\n";
        let map = "data offset 0 startblock 24 (0/24) count 8 flag 0\n\
                   data offset 8 startblock 65537 (2/1) count 4 flag 0\n";
        let extents = parse_map(geometry, map).unwrap();
        let expected = [
            Extent {
                offset_bytes: 24 * 4096,
                length_bytes: 8 * 4096,
            },
            Extent {
                offset_bytes: (2 * 32768 + 1) * 4096,
                length_bytes: 4 * 4096,
            },
        ];
        assert_eq!(extents, expected);
        assert!(parse_map("agblocks = x", map).is_none());
    }

    #[test]
    fn a_page_lies_within_one_extent() {
        let extents = [
            Extent {
                offset_bytes: 1_000_000,
                length_bytes: 5 * 4096,
            },
            Extent {
                offset_bytes: 9_000_000,
                length_bytes: 8 * 4096,
            },
        ];
        for wanted in (0..13 * 4096).step_by(4096) {
            let start = place(&extents, wanted).unwrap();
            let end = start + PAGE_BYTES;
            assert!(
                extents
                    .iter()
                    .any(|e| start >= e.offset_bytes && end <= e.offset_bytes + e.length_bytes)
            );
        }
    }
}
