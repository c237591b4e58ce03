//! `rehost join-token`: a one-time token with which a source or a target joins.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use rehost_sms_api::rehost::{JoinRole, JoinTokenRequest};

use crate::operator::{LoginOptions, OutputOptions};
use crate::output;

/// Options of `rehost join-token`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  rehost join-token --role source --output web1.token
  scp web1.token root@web1:
  ssh root@web1 rehost agent --state-dir /var/lib/rehost-agent --join-file web1.token

A token can be used once. It carries the address of the control plane and the fingerprint of its CA,
so that the joining side knows whom it talks to before it says anything secret.")]
pub(crate) struct Options {
    /// What its holder joins as.
    #[arg(long, value_enum)]
    role: Role,
    /// How long it can be used: one hour unless given, one week at most.
    #[arg(long, value_name = "SECONDS")]
    valid_seconds: Option<u64>,
    /// Write it to a file that only you can read, instead of to standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    login: LoginOptions,
    #[command(flatten)]
    shown: OutputOptions,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// A source server, for `rehost agent`.
    Source,
    /// A target, for `rehost receive`.
    Target,
}

/// Asks for a token and shows or stores it.
///
/// # Errors
/// If the control plane refuses, or if the file cannot be written.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let role = match options.role {
        Role::Source => JoinRole::Source,
        Role::Target => JoinRole::Target,
    };
    let request = JoinTokenRequest {
        role,
        valid_seconds: options.valid_seconds,
    };
    let answer = options
        .login
        .client()?
        .create_join_token(&request)
        .context("ask for a join token")?;
    if let Some(path) = &options.output {
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .with_context(|| format!("create {}", path.display()))?;
        writeln!(file, "{}", answer.token).with_context(|| format!("write {}", path.display()))?;
    } else if options.shown.json {
        output::print_json(&answer)?;
    } else {
        output::print(&answer.token)?;
    }
    Ok(ExitCode::SUCCESS)
}
