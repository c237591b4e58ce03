//! `throttle`: what a copy costs others on the source, and how exactly speed limits hold.

mod exact;
mod waits;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use self::exact::Window;
use self::waits::Waits;

/// Options of `throttle`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where the figures go.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Size of the disk on which others work while it is copied; most of it is in use. The copy has to
    /// take longer than they are measured.
    #[arg(long, value_name = "GIB", default_value_t = 8)]
    disk_gib: u64,
    /// For how long others are measured.
    #[arg(long, value_name = "SECONDS", default_value_t = 8)]
    seconds: u32,
    /// Speed limits that are measured, in Mbit/s, each for ten seconds. `0` for none.
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        default_value = "16,160,800"
    )]
    windows_mbit: Vec<u32>,
    /// Where disks are made; needs room for twice the disk.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

/// All figures.
#[derive(Debug, Serialize)]
struct Figures {
    benchmark: &'static str,
    ratios: Ratios,
    deviation: Deviation,
    waits: Turns,
    windows: Vec<Window>,
}

/// Waits beside a copy divided by those without: 1 is a copy that nobody notices.
#[derive(Debug, Serialize)]
struct Ratios {
    unguarded_p99: f64,
    guarded_p99: f64,
}

#[derive(Debug, Serialize)]
struct Deviation {
    /// Of all windows, the one that was kept to worst; absent if none was measured.
    window_percent: Option<f64>,
}

/// Of others, in three turns.
#[derive(Debug, Serialize)]
struct Turns {
    alone: Waits,
    unguarded: Waits,
    guarded: Waits,
}

/// Measures and reports.
///
/// # Errors
/// If a copy or the program beside it cannot be run, or the copy ended too early.
#[expect(clippy::print_stdout, reason = "it is what this program is for")]
pub(crate) fn run(options: &Options) -> Result<()> {
    rehost_testkit::needs_root()?;
    let scratch = match &options.scratch {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let scratch = scratch.context("make a scratch folder")?;
    let limits = options.windows_mbit.iter().filter(|limit| **limit > 0);
    let windows: Vec<Window> = limits
        .map(|limit| exact::measure(scratch.path(), *limit))
        .collect::<Result<_>>()?;
    let [alone, unguarded, guarded] =
        waits::measure(scratch.path(), options.disk_gib, options.seconds)?;
    let ratio = |turn: &Waits| turn.p99_milliseconds / alone.p99_milliseconds;
    let figures = Figures {
        benchmark: "throttle",
        ratios: Ratios {
            unguarded_p99: ratio(&unguarded),
            guarded_p99: ratio(&guarded),
        },
        deviation: Deviation {
            window_percent: windows
                .iter()
                .map(|window| window.deviation_percent)
                .max_by(f64::total_cmp),
        },
        waits: Turns {
            alone,
            unguarded,
            guarded,
        },
        windows,
    };
    let json = serde_json::to_string_pretty(&figures)?;
    println!("{json}");
    if let Some(path) = &options.json {
        std::fs::write(path, json).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}
