//! Measures Rehost beside what people would otherwise run, in one run on one machine.
//!
//! Absolute times on shared machines mean little; what counts are the ratios between competitors
//! that took turns on the same disk within minutes. `cargo xtask bench` installs the peers and
//! starts this program.

mod copy;
mod cpu;
mod peers;
mod rehost;
mod source_disk;
mod table;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Measures Rehost beside what people would otherwise run")]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// Copy a disk over loopback.
    Copy(copy::Options),
}

fn main() -> Result<ExitCode> {
    // Fails only if there is a provider already, and then there is one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match Arguments::parse().benchmark {
        Benchmark::Copy(options) => copy::run(&options)?,
    }
    Ok(ExitCode::SUCCESS)
}
