//! `rehost verify`: are two disks equal, or does a disk match a proof? Needs no control plane.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rehost_replication::source::{AllocationMaps, Extents, SourceVolume, UsedBlocks as _, UsedMap};
use rehost_volumes::{
    CHUNK_BYTES, Difference, GptAsCopied, MaskedVolume, Proof, Volume, WindowVolume,
    compare_volumes, compare_with_proof, open_source,
};
use serde::Serialize;

use crate::output;

/// Differences that are written out for people; scripts get all with `--json`.
const SHOWN_DIFFERENCES: usize = 20;

/// Options of `rehost verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rehost verify /dev/vdb /srv/images/TASK/0-vdb.raw
      reads both disks and compares them
  rehost verify --used-only /dev/vdb /srv/images/TASK/0-vdb.raw
      compares what the file systems of the first disk use; the rest counts as zeros on both
  rehost tasks proof web1 --output proof.json
  rehost verify --proof proof.json /dev/vda=/srv/images/TASK/0-vda.raw
      checks a disk against what the source was when it was cut over; the source is not needed

Disks may be block devices, raw images or qcow2 images. They are read past the cache, from the
medium, in chunks of 1 MiB; each chunk that differs is named. Compare a disk while nothing writes
to it.

Exit code: 0 if all is equal, 1 if anything differs, 2 if it could not be found out.")]
pub(crate) struct Options {
    /// Proof of a migration, as `rehost tasks proof` writes it.
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,
    /// Compare only what is in use: unused blocks count as zeros on both disks. A copy has zeros
    /// there, the source may not. The first disk says what it uses; with --proof, each disk.
    #[arg(long)]
    used_only: bool,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
    /// Two disks; with --proof, each disk to be checked as NAME=PATH, where NAME is the source disk
    /// in the proof.
    #[arg(required = true, value_name = "DISK")]
    disks: Vec<String>,
}

/// What was found out about one volume.
#[derive(Debug, Serialize)]
struct Verdict {
    volume: String,
    path: PathBuf,
    equal: bool,
    size_bytes: u64,
    expected_size_bytes: u64,
    differing_chunks: Vec<Differing>,
}

#[derive(Debug, Serialize)]
struct Differing {
    chunk: u64,
    offset_bytes: u64,
    length_bytes: u64,
}

/// Compares and reports.
///
/// # Errors
/// If standard output cannot be written; everything else is reported with exit code 2.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let verdicts = match &options.proof {
        Some(proof) => against_proof(proof, &options.disks, options.used_only),
        None => against_each_other(&options.disks, options.used_only),
    };
    let verdicts = match verdicts {
        Ok(verdicts) => verdicts,
        Err(error) => {
            output::error(&error);
            return Ok(ExitCode::from(2));
        }
    };
    if options.json {
        output::print_json(&verdicts)?;
    } else {
        for verdict in &verdicts {
            output::print(&verdict.to_text())?;
        }
    }
    let equal = verdicts.iter().all(|verdict| verdict.equal);
    Ok(if equal {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn against_each_other(disks: &[String], used_only: bool) -> Result<Vec<Verdict>> {
    let [left, right] = disks else {
        bail!("give two disks to compare, or --proof FILE and NAME=PATH of each disk to check");
    };
    let (left, right) = (Path::new(left), Path::new(right));
    let (left_volume, right_volume) = (open(left)?, open(right)?);
    let (left_volume, right_volume) = if used_only {
        let used = used_ranges(left_volume.clone());
        (masked(left_volume, &used), masked(right_volume, &used))
    } else {
        (left_volume, right_volume)
    };
    let bar = bar(
        right,
        left_volume.size_bytes().min(right_volume.size_bytes()),
    );
    let progress = |bytes| bar.inc(bytes);
    let differences = compare_volumes(&*left_volume, &*right_volume, &progress)
        .with_context(|| format!("compare {} with {}", left.display(), right.display()))?;
    bar.finish_and_clear();
    Ok(vec![Verdict::new(
        &left.display().to_string(),
        right,
        left_volume.size_bytes(),
        right_volume.size_bytes(),
        &differences,
    )])
}

fn against_proof(path: &Path, disks: &[String], used_only: bool) -> Result<Vec<Verdict>> {
    let json = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let proof = Proof::from_json(&json).with_context(|| format!("use {}", path.display()))?;
    let mut verdicts = Vec::new();
    for disk in disks {
        let (name, disk) = disk
            .split_once('=')
            .with_context(|| format!("{disk:?}: with --proof, name each disk as NAME=PATH"))?;
        let disk = Path::new(disk);
        let volume = proof.volumes.iter().find(|volume| volume.name == name);
        let names: Vec<&str> = proof
            .volumes
            .iter()
            .map(|volume| volume.name.as_str())
            .collect();
        let volume = volume.with_context(|| {
            format!(
                "the proof has no volume {name:?}; it has {}",
                names.join(", ")
            )
        })?;
        let tree = volume.source_tree()?;
        let medium = open(disk)?;
        let medium = if used_only {
            let used = used_ranges(medium.clone());
            masked(medium, &used)
        } else {
            medium
        };
        // A target device may be larger than the source disk: its first part is what counts, to
        // the byte, or the last chunk would have more in it than was copied.
        // Once it was handed over, its partition table has been fitted to its own size.
        let fitted = GptAsCopied::new(&medium, tree.size_bytes())
            .with_context(|| format!("read {}", disk.display()))?;
        let window = WindowVolume::new(medium.clone(), tree.size_bytes());
        let medium = match (fitted, window) {
            (Some(fitted), _) => Arc::new(fitted) as Arc<dyn Volume>,
            (None, Some(window)) => Arc::new(window),
            (None, None) => medium,
        };
        let bar = bar(disk, medium.size_bytes());
        let differences = compare_with_proof(&*medium, &tree, &|bytes| bar.inc(bytes))
            .with_context(|| format!("read {}", disk.display()))?;
        bar.finish_and_clear();
        verdicts.push(Verdict::new(
            name,
            disk,
            tree.size_bytes(),
            medium.size_bytes(),
            &differences,
        ));
    }
    ensure!(!verdicts.is_empty(), "name each disk to check as NAME=PATH");
    Ok(verdicts)
}

fn open(path: &Path) -> Result<Arc<dyn Volume>> {
    open_source(path).with_context(|| format!("open disk {}", path.display()))
}

/// What a disk uses, as its file systems say.
fn used_ranges(volume: Arc<dyn Volume>) -> Extents {
    let disk = SourceVolume {
        index: 0,
        name: String::new(),
        volume,
        tracker: None,
    };
    let maps = AllocationMaps.read(std::slice::from_ref(&disk));
    let whole = |map: UsedMap| map.used.union(&map.unsettled);
    maps.into_iter().next().map(whole).unwrap_or_default()
}

fn masked(volume: Arc<dyn Volume>, used: &Extents) -> Arc<dyn Volume> {
    Arc::new(MaskedVolume::new(volume, used.iter()))
}

/// A progress bar on a terminal; silent elsewhere.
fn bar(path: &Path, total_bytes: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}",
    );
    let bar = ProgressBar::new(total_bytes);
    bar.set_message(path.display().to_string());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl Verdict {
    fn new(
        volume: &str,
        path: &Path,
        expected_size_bytes: u64,
        size_bytes: u64,
        differences: &[Difference],
    ) -> Self {
        let common_bytes = size_bytes.min(expected_size_bytes);
        let differing = differences.iter().map(|difference| Differing {
            chunk: difference.chunk,
            offset_bytes: difference.offset,
            length_bytes: CHUNK_BYTES.min(common_bytes.saturating_sub(difference.offset)),
        });
        Self {
            volume: volume.to_owned(),
            path: path.to_owned(),
            equal: differences.is_empty() && size_bytes == expected_size_bytes,
            size_bytes,
            expected_size_bytes,
            differing_chunks: differing.collect(),
        }
    }

    fn to_text(&self) -> String {
        let (volume, path) = (&self.volume, self.path.display());
        if self.equal {
            return format!(
                "equal: {volume} and {path}, {}",
                output::size(self.size_bytes)
            );
        }
        let mut lines = vec![format!("DIFFERENT: {volume} and {path}")];
        if self.size_bytes != self.expected_size_bytes {
            lines.push(format!(
                "  sizes: {} and {} bytes",
                self.expected_size_bytes, self.size_bytes
            ));
        }
        let shown = self
            .differing_chunks
            .iter()
            .take(SHOWN_DIFFERENCES)
            .map(|differing| {
                let (chunk, offset) = (differing.chunk, differing.offset_bytes);
                format!("  volume {volume}: chunk {chunk} (1 MiB at byte {offset}) differs")
            });
        lines.extend(shown);
        let more = self
            .differing_chunks
            .len()
            .saturating_sub(SHOWN_DIFFERENCES);
        if more > 0 {
            lines.push(format!("  and {more} more chunks; --json lists all"));
        }
        lines.join("\n")
    }
}
