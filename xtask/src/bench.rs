//! `cargo xtask bench`: installs the peers, builds, and starts the program in `bench/`.

use std::ffi::OsString;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::debian::{self, Need};
use crate::process::{cargo, run, target_dir};

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// Copy a disk over loopback: Rehost, nbdcopy, qemu-img convert, dd | zstd | ssh.
    ///
    /// Options are those of the program in bench/: --json FILE, --disk-mib MIB, --runs N,
    /// --scratch DIR.
    Copy(Passed),
}

#[derive(Debug, Args)]
struct Passed {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<OsString>,
}

/// What the copies are measured beside.
const COPY_PEERS: &[Need] = &[
    ("libnbd-bin", "nbdcopy, a peer"),
    ("qemu-utils", "qemu-img, a peer"),
    ("nbdkit", "the server of nbdcopy and qemu-img"),
    ("gnutls-bin", "psktool makes the keys of their TLS"),
    ("openssh-client", "ssh, a peer"),
    ("openssh-server", "the server of ssh"),
    ("zstd", "compresses for ssh"),
];

/// Runs one benchmark.
///
/// # Errors
/// If something that is measured or compared with cannot be built, installed or run.
pub(crate) fn run_benchmark(options: &Options) -> Result<()> {
    let Benchmark::Copy(passed) = &options.benchmark;
    debian::install(COPY_PEERS)?;
    run(cargo().args(["build", "--locked", "--package", "rehost"]))?;
    run(cargo()
        .env("REHOST_BINARY", target_dir().join("debug/rehost"))
        .args(["run", "--locked", "--package", "rehost-bench", "--", "copy"])
        .args(&passed.options))
}
