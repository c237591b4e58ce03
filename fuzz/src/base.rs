//! Disks as tools make them, which inputs begin with. Only what is not zero is kept.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Disks are kept in blocks of this many bytes.
pub(crate) const BLOCK_BYTES: usize = 4096;

/// A block of a disk.
pub(crate) type Block = Box<[u8; BLOCK_BYTES]>;

/// One disk.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) size_bytes: u64,
    /// By number.
    pub(crate) blocks: BTreeMap<u64, Block>,
}

/// Disks that belong together.
pub(crate) type Base = Vec<Disk>;

/// The bases of a target, by name; at least one.
pub(crate) fn load(target: &str) -> Vec<Base> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("bases")
        .join(target);
    let bases: Vec<Base> = entries(&folder)
        .iter()
        .map(|base| entries(base).iter().map(|image| read(image)).collect())
        .collect();
    assert!(
        !bases.is_empty(),
        "nothing in {}: run `cargo xtask fuzz`",
        folder.display()
    );
    bases
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let Ok(found) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = found.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

fn read(image: &Path) -> Disk {
    let mut file = File::open(image).expect("an image can be opened");
    let mut disk = Disk::default();
    let mut piece = vec![0; 256 * BLOCK_BYTES];
    loop {
        let mut filled = 0;
        while filled < piece.len() {
            match file
                .read(&mut piece[filled..])
                .expect("an image can be read")
            {
                0 => break,
                more => filled += more,
            }
        }
        if filled == 0 {
            return disk;
        }
        piece[filled..].fill(0);
        for (number, block) in (disk.size_bytes / BLOCK_BYTES as u64..).zip(piece.as_chunks().0) {
            if block != &[0; BLOCK_BYTES] {
                disk.blocks.insert(number, Box::new(*block));
            }
        }
        disk.size_bytes += filled as u64;
    }
}
