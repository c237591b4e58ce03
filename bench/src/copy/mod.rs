//! `copy`: a disk over loopback by everybody in turn, and a copy brought up to date.

mod changed;
mod full;
mod limit;
mod report;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use serde::Serialize;

use self::changed::{Changed, Plan};
use self::full::Full;
use crate::peers::Ground;

/// Options of `copy`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where the figures go.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Folder for the tables (copy.md) and plots (copy-full.svg, copy-changed.svg).
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// What is measured.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "full,changed"
    )]
    parts: Vec<Part>,
    /// How often everybody copies after the warm-up.
    #[arg(long, value_name = "N", default_value_t = 3)]
    runs: usize,
    /// Full copies: size of the disk; half of it is in use.
    #[arg(long, value_name = "GIB", default_value_t = 8)]
    disk_gib: u64,
    /// Changes: size of the disk at which rsync takes part.
    #[arg(long, value_name = "GIB", default_value_t = 64)]
    changed_disk_gib: u64,
    /// Changes: further sizes, without rsync. `0` for none.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "16,256"
    )]
    other_disks_gib: Vec<u64>,
    /// Changes: what is in use of each disk.
    #[arg(long, value_name = "GIB", default_value_t = 8.0)]
    changed_used_gib: f64,
    /// Changes: how much of what is in use changes before each turn, in clumps of 64 KiB.
    #[arg(long, value_name = "PERCENT", default_value_t = 1.0)]
    changed_percent: f64,
    /// Where disks are made; needs room for what is in use, three times.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Full copies.
    Full,
    /// Rounds after something changed.
    Changed,
}

/// All figures.
#[derive(Debug, Serialize)]
struct Figures {
    benchmark: &'static str,
    runs: usize,
    ratios: Ratios,
    #[serde(skip_serializing_if = "Option::is_none")]
    full: Option<Full>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<Changed>,
}

/// Median times of others divided by Rehost's: above 1, Rehost is faster. Absent is what was not
/// measured.
#[derive(Debug, Default, Serialize)]
struct Ratios {
    /// The fastest peer that encrypts, to Rehost's copy with every chunk verified on arrival.
    full_vs_best_peer: Option<f64>,
    /// The fastest peer that does not encrypt.
    full_vs_best_plain: Option<f64>,
    /// The slowest of bare reading, writing and TLS; at most 1.
    full_vs_limit: Option<f64>,
    /// As the first, with the proof in Rehost's time: both media read again and compared.
    full_proved_vs_best_peer: Option<f64>,
    /// rsync, to the round by marks.
    changed_vs_rsync: Option<f64>,
    /// Rehost's round by comparison, to the round by marks.
    changed_vs_compare: Option<f64>,
    /// rsync, to the whole time from the start of the agent until the round is reported.
    changed_wall_vs_rsync: Option<f64>,
}

/// Measures and reports.
///
/// # Errors
/// If a competitor cannot be run, or Rehost's copy is not equal.
#[expect(clippy::print_stdout, reason = "it is what this program is for")]
pub(crate) fn run(options: &Options) -> Result<()> {
    rehost_testkit::needs_root()?;
    let scratch = match &options.scratch {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let scratch = scratch.context("make a scratch folder")?;
    let ground = Ground::prepare(scratch.path())?;
    let wants = |part| options.parts.contains(&part);
    let full = wants(Part::Full)
        .then(|| full::measure(scratch.path(), &ground, options.disk_gib, options.runs))
        .transpose()?;
    let sizes = options.other_disks_gib.iter().copied();
    let plan = Plan {
        disk_gib: options.changed_disk_gib,
        other_disks_gib: sizes.filter(|&size| size > 0).collect(),
        used_gib: options.changed_used_gib,
        changed_percent: options.changed_percent,
        runs: options.runs,
    };
    let changed = wants(Part::Changed)
        .then(|| changed::measure(scratch.path(), &ground, &plan))
        .transpose();
    // What was measured before something failed took an hour: it is kept.
    let (changed, failure) = match changed {
        Ok(changed) => (changed, Ok(())),
        Err(error) => (None, Err(error)),
    };
    let figures = Figures {
        benchmark: "copy",
        runs: options.runs,
        ratios: ratios(full.as_ref(), changed.as_ref()),
        full,
        changed,
    };
    println!("{}", report::to_text(&figures));
    if let Some(path) = &options.json {
        let json = serde_json::to_vec_pretty(&figures)?;
        std::fs::write(path, json).with_context(|| format!("write {}", path.display()))?;
    }
    if let Some(folder) = &options.report {
        report::write(&figures, folder)?;
    }
    failure
}

fn ratios(full: Option<&Full>, changed: Option<&Changed>) -> Ratios {
    let mut ratios = Ratios::default();
    if let Some(Full { ratios: of, .. }) = full {
        ratios.full_vs_best_peer = Some(of.vs_best_peer);
        ratios.full_vs_best_plain = Some(of.vs_best_plain);
        ratios.full_vs_limit = Some(of.vs_limit);
        ratios.full_proved_vs_best_peer = Some(of.proved_vs_best_peer);
    }
    let sides = changed.and_then(|changed| changed.sizes.first());
    if let Some([marks, comparison, rsync]) = sides.map(|size| size.sides.as_slice()) {
        let (rsync, seconds) = (rsync.median.seconds, marks.median.seconds);
        ratios.changed_vs_rsync = Some(rsync / seconds);
        ratios.changed_vs_compare = Some(comparison.median.seconds / seconds);
        ratios.changed_wall_vs_rsync = marks.median.wall_seconds.map(|wall| rsync / wall);
    }
    ratios
}
