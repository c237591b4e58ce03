//! The disk that everybody copies: half holes, half mixed data.

use std::fs::File;
use std::io::{BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};

const MIB: u64 = 1 << 20;

/// Makes a disk of `size_mib`: runs of 1 to 32 MiB, every second one a hole, the others in turn
/// incompressible bytes and text that compresses well. The same every time.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn make(path: &Path, size_mib: u64) -> Result<()> {
    let failed = || format!("make the disk {}", path.display());
    let file = File::create(path).with_context(failed)?;
    file.set_len(size_mib * MIB).with_context(failed)?;
    let mut random = blake3::Hasher::new().update(b"disk").finalize_xof();
    let mut writer = BufWriter::with_capacity(4 << 20, file);
    let mut position = 0;
    let mut runs = 0u64;
    let mut block = vec![0; 1 << 20];
    while position < size_mib {
        let mut choice = [0];
        random.fill(&mut choice);
        let length = (1 << (choice[0] % 6)).min(size_mib - position);
        if runs % 2 == 1 {
            writer
                .seek(SeekFrom::Start(position * MIB))
                .with_context(failed)?;
            for number in 0..length {
                if runs % 4 == 1 {
                    random.fill(&mut block);
                } else {
                    fill_with_text(&mut block, position + number);
                }
                writer.write_all(&block).with_context(failed)?;
            }
        }
        position += length;
        runs += 1;
    }
    let file = writer
        .into_inner()
        .map_err(|error| error.into_error())
        .with_context(failed)?;
    file.sync_all().with_context(failed)
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
