//! `cargo xtask`: what people run in a checkout. The demo, every test, the benchmarks.
//!
//! Each command first makes sure that the programs it needs are there, says what it installs and
//! why, and builds with the one profile that all of them share.

mod bench;
mod bpf;
mod debian;
mod demo;
mod fuzz;
mod image;
mod openapi;
mod process;
mod python;
mod qemu;
mod systems;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "What people run in a checkout"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Migrate two disks on this machine, end to end, and prove that they are equal.
    Demo(demo::Options),
    /// Run every test, installing what they need.
    Test(test::Options),
    /// Measure, and write the figures as JSON.
    Bench(bench::Options),
    /// Fuzz what reads disks and what reads peers.
    Fuzz(fuzz::Options),
    /// Build the helper system, which makes copies start on other hardware.
    Image(image::Options),
    /// Compile the BPF program that tracks changes, which is checked in.
    Bpf,
    /// Write docs/api/openapi.json and docs/api/errors.md from the contract.
    Openapi,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Bench(options) => bench::run_benchmark(&options),
        Command::Fuzz(options) => fuzz::run(&options),
        Command::Image(options) => image::run(&options),
        Command::Bpf => bpf::run(),
        Command::Openapi => openapi::run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            process::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
