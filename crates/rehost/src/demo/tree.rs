//! Which real files go onto the demo's disks: a tree that every machine with a Rust toolchain or a
//! distribution has, big enough to be worth copying and small enough to be copied at once.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

const MIB: u64 = 1024 * 1024;
/// A smaller tree would be copied before anybody sees a progress bar.
const ENOUGH_BYTES: u64 = 300 * MIB;
/// A larger tree is only taken when there is no other.
const PLENTY_BYTES: u64 = 1024 * MIB;
/// Space is given out in blocks of this size.
const BLOCK_BYTES: u64 = 4096;

/// A directory and how much it holds.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// The directory.
    pub(crate) path: PathBuf,
    /// Bytes in its files, each rounded up to whole blocks.
    pub(crate) size_bytes: u64,
    /// Files, directories and symbolic links.
    pub(crate) entries: u64,
}

/// Measures the given directory, or finds a fitting one.
///
/// # Errors
/// If the directory cannot be read, or if there is none with 300 MiB.
pub(crate) fn choose(given: Option<&Path>) -> Result<Tree> {
    if let Some(path) = given {
        return measure(path);
    }
    let mut too_big = None;
    for candidate in candidates() {
        let Ok(tree) = measure(&candidate) else {
            continue;
        };
        match tree.size_bytes {
            ..ENOUGH_BYTES => {}
            ENOUGH_BYTES..=PLENTY_BYTES => return Ok(tree),
            _ => too_big = too_big.or(Some(tree)),
        }
    }
    match too_big {
        Some(tree) => Ok(tree),
        None => bail!("no directory with 300 MiB of files found: name one with --tree"),
    }
}

fn candidates() -> Vec<PathBuf> {
    let mut found = Vec::new();
    if let Ok(output) = Command::new("rustc").args(["--print", "sysroot"]).output()
        && output.status.success()
    {
        let sysroot = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        found.push(sysroot.join("lib"));
        found.push(sysroot);
    }
    found.extend(["/usr/share", "/usr/lib", "/usr"].map(PathBuf::from));
    found
}

fn measure(path: &Path) -> Result<Tree> {
    // mke2fs takes what a directory holds: a link to one would give an empty file system.
    let path = path
        .canonicalize()
        .with_context(|| format!("find {}", path.display()))?;
    let mut tree = Tree {
        path,
        size_bytes: 0,
        entries: 0,
    };
    for entry in walk(&tree.path)? {
        tree.entries += 1;
        tree.size_bytes += entry.blocks_bytes;
    }
    Ok(tree)
}

/// A file, directory or link below a tree.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// Whether it is an ordinary file.
    pub(crate) is_file: bool,
    /// What it takes, in bytes, in whole blocks.
    pub(crate) blocks_bytes: u64,
}

/// Everything below a directory; links are not followed.
///
/// # Errors
/// If a directory cannot be read.
pub(crate) fn walk(root: &Path) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    let mut waiting = vec![root.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        let entries = std::fs::read_dir(&directory)
            .with_context(|| format!("list {}", directory.display()))?;
        for entry in entries {
            let path = entry
                .with_context(|| format!("list {}", directory.display()))?
                .path();
            let metadata = path
                .symlink_metadata()
                .with_context(|| format!("look at {}", path.display()))?;
            if metadata.is_dir() {
                waiting.push(path.clone());
            }
            found.push(Entry {
                path,
                is_file: metadata.is_file(),
                blocks_bytes: metadata.size().div_ceil(BLOCK_BYTES) * BLOCK_BYTES,
            });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_measured_in_whole_blocks_and_links_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("inner")).unwrap();
        std::fs::write(directory.path().join("inner/one"), b"1").unwrap();
        std::os::unix::fs::symlink("/usr", directory.path().join("link")).unwrap();
        let tree = choose(Some(directory.path())).unwrap();
        assert_eq!(tree.entries, 3);
        let file = walk(&tree.path)
            .unwrap()
            .into_iter()
            .find(|entry| entry.is_file)
            .unwrap();
        assert_eq!(file.blocks_bytes, 4096);
    }
}
