//! `cargo xtask fuzz`: runs the fuzz targets of `fuzz/`, each for a while.
//!
//! What they begin with is made here by the tools that make disks; what they find stays in
//! `fuzz/corpus` and `fuzz/artifacts`, none of which is checked in.

mod bases;
mod messages;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::debian::{self, Need};
use crate::process::{self, cargo, root, say, succeeds, target_dir};

/// A version known to build the targets with this toolchain.
const CARGO_FUZZ_VERSION: &str = "0.13.2";

/// The target that needs the wire protocol's crate, and its feature.
const WIRE: &str = "wire";

/// Beside what makes disks.
const BUILD_TOOLS: &[Need] = &[("g++", "compiles libFuzzer")];

/// More than any input may take, in MiB: maps are limited by themselves.
const MEMORY_LIMIT_MIB: u32 = 512;
/// Longer than any input may take, in seconds.
const INPUT_LIMIT_SECONDS: u32 = 10;
/// Longest input, in bytes.
const MAX_INPUT_BYTES: u32 = 4096;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask fuzz\n  \
    cargo xtask fuzz --seconds 3600 btrfs xfs\n\n\
    What makes a target fail is kept in fuzz/artifacts/TARGET. To run it again:\n  \
    cargo xtask fuzz --input fuzz/artifacts/btrfs/crash-... btrfs")]
pub(crate) struct Options {
    /// How long each target runs.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Run this one input instead.
    #[arg(long, requires = "targets")]
    input: Option<PathBuf>,
    /// What to run; everything if nothing is named.
    targets: Vec<String>,
}

/// Installs what is missing, makes what targets begin with, builds once, runs one after the other.
///
/// # Errors
/// If a target is unknown or finds something, or if something cannot be installed or built.
pub(crate) fn run(options: &Options) -> Result<()> {
    let known: Vec<&str> = bases::targets().chain([WIRE]).collect();
    if let Some(unknown) = options
        .targets
        .iter()
        .find(|name| !known.contains(&name.as_str()))
    {
        bail!(
            "there is no target {unknown}; there are: {}",
            known.join(" ")
        );
    }
    let is_wanted =
        |name: &&str| options.targets.is_empty() || options.targets.iter().any(|one| one == name);
    let targets: Vec<&str> = known.into_iter().filter(is_wanted).collect();

    debian::install(debian::DISK_TOOLS)?;
    debian::install(bases::TOOLS)?;
    debian::install(BUILD_TOOLS)?;
    install_cargo_fuzz()?;

    let mut failed = Vec::new();
    for target in targets {
        make_corpus(target)?;
        if let Err(error) = fuzz(target, options) {
            say(&format!("{target}: {error:#}"));
            failed.push(target);
        }
    }
    if !failed.is_empty() {
        bail!(
            "something was found by {}: see fuzz/artifacts",
            failed.join(", ")
        );
    }
    Ok(())
}

fn install_cargo_fuzz() -> Result<()> {
    if succeeds(cargo().args(["fuzz", "--version"])) {
        return Ok(());
    }
    say(
        "installing cargo-fuzz from crates.io, which takes a minute or two: it builds fuzz targets",
    );
    process::run(
        cargo()
            .args(["install", "cargo-fuzz", "--locked", "--version"])
            .args([CARGO_FUZZ_VERSION, "--profile", "dev", "--target-dir"])
            .arg(target_dir().join("tools")),
    )
}

fn folder() -> PathBuf {
    root().join("fuzz")
}

/// Makes what a target begins with. An input of no patches is one base as it is.
fn make_corpus(target: &str) -> Result<()> {
    let corpus = folder().join("corpus").join(target);
    if target == WIRE {
        for (number, message) in (0..).zip(messages::all()) {
            write(&corpus.join(format!("message-{number}")), &message)?;
        }
        return Ok(());
    }
    let count = bases::make(target, &folder().join("bases").join(target))?;
    for number in 0..count {
        write(&corpus.join(format!("base-{number}")), &[number, 0])?;
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    path.parent()
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(path, bytes))
        .with_context(|| format!("write {}", path.display()))
}

fn fuzz(target: &str, options: &Options) -> Result<()> {
    let mut command: Command = cargo();
    // Without a sanitizer: the code under test has no `unsafe`, and it would need a nightly compiler.
    command
        .args(["fuzz", "run", "--fuzz-dir", "fuzz", "--sanitizer", "none"])
        .arg("--target-dir")
        .arg(target_dir().join("fuzz"));
    if target == WIRE {
        command.args(["--features", WIRE]);
    }
    command.arg(target);
    if let Some(input) = &options.input {
        command.arg(std::path::absolute(input)?);
    }
    command.arg("--").args([
        format!("-max_total_time={}", options.seconds),
        format!("-rss_limit_mb={MEMORY_LIMIT_MIB}"),
        format!("-timeout={INPUT_LIMIT_SECONDS}"),
        format!("-max_len={MAX_INPUT_BYTES}"),
        "-print_final_stats=1".to_owned(),
    ]);
    process::run(&mut command)
}
