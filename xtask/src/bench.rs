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
    /// Copy a disk over loopback, and bring copies up to date: Rehost, nbdcopy, qemu-img convert,
    /// partclone, dd, rsync. As root, because disks are mounted.
    ///
    /// Options are those of the program in bench/: --json FILE, --report DIR, --parts full,changed,
    /// --runs N, --disk-gib GIB, --changed-disk-gib GIB, --other-disks-gib LIST,
    /// --changed-used-gib GIB, --changed-percent PERCENT, --scratch DIR.
    Copy(Passed),
    /// Load the API of a control plane with 100,000 source servers, on SQLite and on PostgreSQL.
    ///
    /// Options are those of the program in bench/: --json FILE, --sources N, --databases LIST,
    /// --connections N, --calm-connections N, --seconds S, --polls N, --scratch DIR.
    Api(Passed),
    /// See how long others wait for a disk that is copied, with and without the agent's latency guard,
    /// and how exactly speed limits hold. As root, because a disk is mounted.
    ///
    /// Options are those of the program in bench/: --json FILE, --disk-gib GIB, --seconds S,
    /// --windows-mbit LIST, --scratch DIR.
    Throttle(Passed),
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
    ("partclone", "partclone.ext4, a peer"),
    ("rsync", "a peer"),
    (
        "openssh-client",
        "ssh, which partclone, dd and rsync go through",
    ),
    ("openssh-server", "the server of ssh"),
    ("time", "measures the peers' memory"),
    ("e2fsprogs", "mke2fs makes the disk"),
    ("zstd", "compresses for ssh"),
];

/// What the API is measured on.
const API_NEEDS: &[Need] = &[("postgresql", "one of the two databases")];

/// What the throttle is measured with.
const THROTTLE_NEEDS: &[Need] = &[
    ("fio", "reads and writes beside a copy"),
    ("e2fsprogs", "mke2fs makes the disk"),
];

/// Runs one benchmark.
///
/// # Errors
/// If something that is measured or compared with cannot be built, installed or run.
pub(crate) fn run_benchmark(options: &Options) -> Result<()> {
    let (name, needs, passed) = match &options.benchmark {
        Benchmark::Copy(passed) => ("copy", COPY_PEERS, passed),
        Benchmark::Throttle(passed) => ("throttle", THROTTLE_NEEDS, passed),
        Benchmark::Api(passed) => ("api", API_NEEDS, passed),
    };
    debian::install(needs)?;
    run(cargo().args(["build", "--locked", "--package", "rehost"]))?;
    run(cargo()
        .env("REHOST_BINARY", target_dir().join("debug/rehost"))
        .args(["run", "--locked", "--package", "rehost-bench", "--", name])
        .args(&passed.options))
}
