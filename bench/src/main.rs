//! Measures Rehost beside what people would otherwise run, in one run on one machine.
//!
//! Absolute times on shared machines mean little; what counts are the ratios between competitors
//! that took turns on the same disk within minutes. `cargo xtask bench` installs the peers and
//! starts this program.

mod api;
mod copy;
mod cost;
mod cpu;
mod peers;
mod rehost;
mod source_disk;
mod table;
mod throttle;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Measures Rehost beside what people would otherwise run")]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// Copy a disk over loopback, and bring a copy up to date.
    Copy(copy::Options),
    /// Load the API of a control plane that has many source servers.
    Api(api::Options),
    /// See how long others wait for a disk that is copied, and how exactly speed limits hold.
    Throttle(throttle::Options),
    /// Answer constant bodies; a part of `api`.
    #[command(hide = true)]
    Bare(api::BareOptions),
    /// Hold long polls; a part of `api`.
    #[command(hide = true)]
    Hold,
}

#[expect(clippy::print_stderr, reason = "the program is used from a terminal")]
fn main() -> ExitCode {
    // Fails only if there is a provider already, and then there is one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let result = match Arguments::parse().benchmark {
        Benchmark::Copy(options) => copy::run(&options),
        Benchmark::Api(options) => api::run(&options),
        Benchmark::Throttle(options) => throttle::run(&options),
        Benchmark::Bare(options) => api::run_bare(&options),
        Benchmark::Hold => api::hold(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let chain: Vec<String> = error.chain().map(ToString::to_string).collect();
            eprintln!("error: {}", chain.join(": "));
            ExitCode::FAILURE
        }
    }
}
