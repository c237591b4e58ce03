//! `rehost targets`: the receivers that offer to take disks.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use rehost_sms_api::rehost::TargetSummary;

use crate::operator::{LoginOptions, OutputOptions, find_target, time};
use crate::output;

/// What can be done with targets.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List targets.
    List(List),
    /// Forget one. Its volumes are not touched; its receiver must join again.
    Delete(Delete),
}

/// Options of `list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    login: LoginOptions,
    #[command(flatten)]
    shown: OutputOptions,
}

/// Options of `delete`.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// Name, id, or the beginning of an id.
    #[arg(value_name = "TARGET")]
    target: String,
    #[command(flatten)]
    login: LoginOptions,
}

/// Runs one of the commands.
///
/// # Errors
/// If the control plane refuses or the target is not found.
pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::List(options) => list(options),
        Command::Delete(options) => delete(options),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn list(options: &List) -> Result<()> {
    let list = options
        .login
        .client()?
        .list_targets()
        .context("list targets")?;
    if options.shown.json {
        return output::print_json(&list);
    }
    let head = [
        "ID",
        "NAME",
        "DATA ADDRESS",
        "OFFERS",
        "CONNECTED",
        "LAST SEEN",
    ];
    let rows = list.targets.iter().map(row);
    let rows: Vec<_> = std::iter::once(head.map(Into::into).into())
        .chain(rows)
        .collect();
    output::print(&output::table(&rows))
}

fn row(target: &TargetSummary) -> Vec<String> {
    let offer = &target.registration;
    let images = offer.makes_images.then(|| "images".to_owned());
    let devices = offer
        .devices
        .iter()
        .map(|device| format!("{} ({})", device.path, output::size(device.size_bytes)));
    vec![
        target.id.clone(),
        offer.name.clone(),
        format!("{}:{}", offer.data_address, offer.data_port),
        images
            .into_iter()
            .chain(devices)
            .collect::<Vec<_>>()
            .join(", "),
        if target.connected { "yes" } else { "no" }.into(),
        time(Some(target.last_visit_time)),
    ]
}

fn delete(options: &Delete) -> Result<()> {
    let client = options.login.client()?;
    let id = find_target(&client, &options.target)?.id;
    client.delete_target(&id).context("delete target")
}
