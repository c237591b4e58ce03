//! The disk that everybody copies: an ext4 file system, partly full of files with mixed data.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use rehost_testkit::{LoopDevice, Mount, run_tool};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Size of a clump of changes, in bytes.
const CLUMP_BYTES: u64 = 64 * KIB;

/// Small files beside each large one.
const SMALL_FILES: u64 = 8;

/// Makes an empty ext4 file system that fills the file. Its tables are written at once, so that no
/// mount goes on writing them, and are small, so that data is most of what is in use.
///
/// # Errors
/// If mke2fs fails.
pub(crate) fn make_file_system(image: &Path) -> Result<()> {
    let extended = "lazy_itable_init=0,lazy_journal_init=0";
    let words = ["-q", "-F", "-t", "ext4", "-m", "0", "-N", "65536"];
    let sizes = ["-J", "size=64", "-E", extended];
    let image = image.to_str().context("name of the image as text")?;
    run_tool("mke2fs", words.into_iter().chain(sizes).chain([image]))?;
    Ok(())
}

/// Makes an image of `disk_gib` with a file system that holds `used_gib` of files. The same every
/// time, as far as the file system's allocator is.
///
/// # Errors
/// If it cannot be written or mounted.
pub(crate) fn make(image: &Path, disk_gib: u64, used_gib: f64) -> Result<()> {
    let file = File::create(image).with_context(|| format!("make {}", image.display()))?;
    file.set_len(disk_gib << 30)?;
    drop(file);
    make_file_system(image)?;
    let folder = tempfile::tempdir().context("make a folder to mount on")?;
    let device = LoopDevice::attach(image)?;
    let mount = Mount::new(device.path(), folder.path())?;
    fill(mount.path(), bytes_of_gib(used_gib))
}

/// Bytes in so many GiB.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an option that a person gives"
)]
pub(crate) fn bytes_of_gib(gib: f64) -> u64 {
    (gib * f64::from(1 << 30)) as u64
}

/// Writes `bytes` of files: 64 KiB to 32 MiB each, in turn incompressible and text that compresses
/// well, with small ones between them.
fn fill(folder: &Path, bytes: u64) -> Result<()> {
    let mut random = blake3::Hasher::new().update(b"disk").finalize_xof();
    let mut block = vec![0; 1 << 20];
    let (mut written, mut number) = (0, 0u64);
    while written < bytes {
        let mut choice = [0];
        random.fill(&mut choice);
        let length = ((64 * KIB) << (choice[0] % 10)).min(bytes - written);
        let path = folder.join(format!("file-{number}"));
        let mut file = File::create(&path).with_context(|| format!("make {}", path.display()))?;
        let mut left = length;
        while left > 0 {
            let part = usize::try_from(left.min(MIB))?;
            if number % 2 == 0 {
                random.fill(&mut block[..part]);
            } else {
                fill_with_text(&mut block[..part], written + left);
            }
            file.write_all(&block[..part])
                .with_context(|| format!("write {}", path.display()))?;
            left -= part as u64;
        }
        for small in 0..SMALL_FILES {
            let mut text = [0; 3000];
            fill_with_text(&mut text, number * SMALL_FILES + small);
            std::fs::write(folder.join(format!("small-{number}-{small}")), text)?;
        }
        written += length;
        number += 1;
    }
    rustix::fs::syncfs(File::open(folder)?).context("write the file system back")
}

/// Overwrites `bytes` of the files in clumps of 64 KiB at random places, no place twice in a turn,
/// and has the file system write them to the disk. Each `turn` changes other places to other bytes.
/// Returns the bytes changed.
///
/// # Errors
/// If files cannot be written, or there are too few.
pub(crate) fn change(folder: &Path, bytes: u64, turn: u64) -> Result<u64> {
    let mut places = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let clumps = entry.metadata()?.len() / CLUMP_BYTES;
        places.extend((0..clumps).map(|clump| (entry.path(), clump)));
    }
    places.sort();
    let wanted = usize::try_from((bytes / CLUMP_BYTES).max(1))?;
    ensure!(wanted <= places.len(), "more changes than there is data");
    let seed = turn.to_le_bytes();
    let mut random = blake3::Hasher::new().update(&seed).finalize_xof();
    let mut clump = vec![0; usize::try_from(CLUMP_BYTES)?];
    for done in 0..wanted {
        let mut choice = [0; 8];
        random.fill(&mut choice);
        let left = (places.len() - done) as u64;
        let chosen = usize::try_from(u64::from_le_bytes(choice) % left)?;
        let (path, place) = places[done + chosen].clone();
        places.swap(done, done + chosen);
        random.fill(&mut clump);
        let file = OpenOptions::new().write(true).open(&path)?;
        file.write_all_at(&clump, place * CLUMP_BYTES)
            .with_context(|| format!("change {}", path.display()))?;
    }
    rustix::fs::syncfs(File::open(folder)?).context("write the file system back")?;
    Ok(wanted as u64 * CLUMP_BYTES)
}

/// Lines as they stand in logs: much the same, never quite.
fn fill_with_text(block: &mut [u8], seed: u64) {
    let mut rest = &mut block[..];
    let mut number = seed * 1_000_003;
    while !rest.is_empty() {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let line = format!(
            "2026-11-23T08:{:02}:{:02}Z INFO request {:x} took {} us, status 200\n",
            number >> 20 & 31,
            number >> 30 & 31,
            number >> 40,
            number >> 50,
        );
        let length = line.len().min(rest.len());
        let (head, tail) = rest.split_at_mut(length);
        head.copy_from_slice(&line.as_bytes()[..length]);
        rest = tail;
    }
}
