//! Brings the BPF program into the kernel, for one disk. The object is compiled from
//! `bpf/change_tracking.bpf.c` by `cargo xtask bpf` and checked in, so that no compiler for BPF is
//! needed to build Rehost; it fits itself to the running kernel by that kernel's own types (CO-RE).

use std::sync::atomic::Ordering::SeqCst;

use aya::maps::{Map, MapData};
use aya::programs::tp_btf::BtfTracePointLink;
use aya::programs::{BtfTracePoint, ProgramError};
use aya::{Btf, EbpfLoader};
use rehost_linux::SharedWords;

use crate::disk::SECTOR_BYTES;
use crate::error::{LoadError, Unsupported};
use crate::{DiskId, ledger, words_for};

static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/bpf/change_tracking.bpf.o"
));
const PROGRAM: &str = "on_completion";
const TRACEPOINT: &str = "block_rq_complete";
/// The size of a word of the bitmaps.
pub(crate) const BITMAP_WORD_BYTES: u64 = 8;

/// The maps as memory.
#[derive(Debug)]
pub(crate) struct Maps {
    pub(crate) written: SharedWords,
    pub(crate) discarded: SharedWords,
    pub(crate) ledger: SharedWords,
}

/// A program that marks. It stops when this is dropped, unless its link was pinned.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) maps: Maps,
    pub(crate) written: MapData,
    pub(crate) discarded: MapData,
    pub(crate) ledger: MapData,
    pub(crate) link: BtfTracePointLink,
}

/// What tells one version of the program from another: a hash (FNV-1a) of the object.
pub(crate) fn version() -> u64 {
    OBJECT.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Loads and attaches the program. From its return on, every completion on the disk is marked.
pub(crate) fn load(disk: &DiskId) -> Result<Loaded, Unsupported> {
    let types = Btf::from_sys_fs().map_err(Unsupported::NoTypes)?;
    load_and_attach(disk, &types).map_err(Unsupported::Refused)
}

fn load_and_attach(disk: &DiskId, types: &Btf) -> Result<Loaded, LoadError> {
    let size_bytes = disk.size_bytes;
    let words = words_for(size_bytes);
    let entries = u32::try_from(words).map_err(|_| LoadError::TooLarge { size_bytes })?;
    let mut object = EbpfLoader::new()
        .btf(Some(types))
        .override_global("DISK_MAJOR", &disk.major, true)
        .override_global("DISK_FIRST_MINOR", &disk.minor, true)
        .map_max_entries("written", entries)
        .map_max_entries("discarded", entries)
        .load(OBJECT)
        .map_err(LoadError::Maps)?;

    let program: &mut BtfTracePoint = object
        .program_mut(PROGRAM)
        .and_then(|program| program.try_into().ok())
        .ok_or(LoadError::Missing("program on_completion"))?;
    program.load(TRACEPOINT, types).map_err(rejected)?;

    let mut take = |name| match object.take_map(name) {
        Some(Map::Array(data)) => Ok(data),
        _ => Err(LoadError::Missing(name)),
    };
    let (written, discarded, ledger) = (take("written")?, take("discarded")?, take("ledger")?);
    let map = |data: &MapData, words| SharedWords::map(data.fd(), words).map_err(LoadError::Map);
    let maps = Maps {
        written: map(&written, words)?,
        discarded: map(&discarded, words)?,
        ledger: map(&ledger, ledger::WORDS)?,
    };

    maps.ledger[ledger::DISK_SECTORS].store(size_bytes / SECTOR_BYTES, SeqCst);
    let program: &mut BtfTracePoint = object
        .program_mut(PROGRAM)
        .and_then(|program| program.try_into().ok())
        .ok_or(LoadError::Missing("program on_completion"))?;
    let link = program
        .attach()
        .and_then(|link| program.take_link(link))
        .map_err(LoadError::Attach)?;
    Ok(Loaded {
        maps,
        written,
        discarded,
        ledger,
        link,
    })
}

/// Keeps of the verifier's log what says why.
fn rejected(error: ProgramError) -> LoadError {
    match error {
        ProgramError::LoadError {
            io_error,
            verifier_log,
        } => LoadError::Rejected {
            last_words: last_words(&verifier_log.to_string()),
            source: io_error,
        },
        other => LoadError::Program(other),
    }
}

/// The last line before the verifier's own figures, and those.
fn last_words(log: &str) -> String {
    let lines: Vec<&str> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    let last: String = lines[lines.len().saturating_sub(4)..].join("; ");
    last.chars().take(500).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_log_the_end_is_kept() {
        let log = "0: (79) r6 = r1\n".repeat(100_000)
            + "The sequence of jumps is too complex.\nstack depth 64\n\n";
        let kept = last_words(&log);
        assert!(
            kept.ends_with("The sequence of jumps is too complex.; stack depth 64"),
            "{kept}"
        );
        assert_eq!(last_words(""), "");
        assert!(last_words(&"x".repeat(10_000)).len() <= 500);
    }
}
