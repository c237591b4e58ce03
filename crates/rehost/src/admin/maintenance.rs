//! `rehost admin backup`, `restore` and `check`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use rehost_server::admin::Administration;
use serde_json::json;

use super::Context;
use crate::output;

/// Options of `rehost admin backup`.
#[derive(Debug, Args)]
#[command(after_help = "\
The file holds every secret of the control plane; only its owner can read it. A PostgreSQL database is
backed up with pg_dump, and holds the certificate authority as well.")]
pub(super) struct Backup {
    /// The file to write.
    file: PathBuf,
    /// Replace the file if it is there already.
    #[arg(long)]
    replace: bool,
}

/// Options of `rehost admin restore`.
#[derive(Debug, Args)]
#[command(after_help = "\
The backup is checked before anything in the directory changes. With --replace, what was there is kept
in the directory as replaced-TIME. Agents and receivers that joined after the backup was made have to
join again.")]
pub(super) struct Restore {
    /// The file that `rehost admin backup` wrote.
    file: PathBuf,
    /// Replace the control plane that is in the directory already; it must be stopped.
    #[arg(long)]
    replace: bool,
}

/// Says that a command without a result is done.
pub(super) fn done(context: &Context) -> Result<()> {
    if context.json {
        output::print_json(&json!({}))
    } else {
        output::print("done")
    }
}

pub(super) async fn backup(context: &Context, options: &Backup) -> Result<ExitCode> {
    output::remark("copying the database; calls go on meanwhile");
    Administration::backup(&context.place, &options.file, options.replace).await?;
    let size_bytes = std::fs::metadata(&options.file)
        .with_context(|| format!("look at {}", options.file.display()))?
        .len();
    if context.json {
        output::print_json(&json!({ "file": options.file, "size_bytes": size_bytes }))?;
    } else {
        let (file, size) = (options.file.display(), output::size(size_bytes));
        output::print(&format!("{file}: {size}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn restore(context: &Context, options: &Restore) -> Result<ExitCode> {
    let data_dir = context.place.data_dir.as_deref();
    let data_dir = data_dir.context("say where to with --data-dir DIR")?;
    output::remark("unpacking and checking the backup");
    let restored = Administration::restore(&options.file, data_dir, options.replace).await?;
    if context.json {
        let (data_dir, previous) = (restored.data_dir, restored.previous);
        output::print_json(&json!({ "data_dir": data_dir, "previous": previous }))?;
    } else {
        let directory = restored.data_dir.display();
        output::print(&format!(
            "restored; start it with: rehost serve --data-dir {directory} ..."
        ))?;
        if let Some(previous) = restored.previous {
            output::print(&format!(
                "what was there before is in {}",
                previous.display()
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn check(context: &Context) -> Result<ExitCode> {
    output::remark("checking the database; a large one takes minutes");
    let checked = context.look(async |admin| admin.check().await).await;
    if !context.json {
        checked?;
        output::print("the database is whole")?;
        return Ok(ExitCode::SUCCESS);
    }
    let found = checked.err().map(|error| format!("{error:#}"));
    output::print_json(&json!({ "whole": found.is_none(), "found": found }))?;
    Ok(match found {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    })
}
