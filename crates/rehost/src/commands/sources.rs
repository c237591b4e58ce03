//! `rehost sources`: the source servers that agents have registered.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use rehost_sms_api::bodies::{
    ListServersQuery, ListServersResponse, PutSourceServerBody, ShowServerResponse,
    SourceServersResponseBody,
};

use crate::operator::{
    LoginOptions, OutputOptions, WithCopyPlan, all_sources, copy_plan, copy_plan_in_words,
    find_source, time,
};
use crate::output;

/// What can be done with source servers.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List source servers.
    List(List),
    /// Show one: disks, how they are going to be copied, checks, what it is doing.
    Show(One),
    /// Give one another name.
    Rename(Rename),
    /// Forget one. The server itself is not touched; its agent must join again.
    Delete(One),
}

/// Options of `list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those in this state, such as `waiting`, `syncing`, `finished`.
    #[arg(long)]
    state: Option<String>,
    /// Only those whose agent is connected.
    #[arg(long)]
    connected: bool,
    #[command(flatten)]
    login: LoginOptions,
    #[command(flatten)]
    shown: OutputOptions,
}

/// Options of commands about one source server.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// Name, id, or the beginning of an id.
    #[arg(value_name = "SOURCE")]
    source: String,
    #[command(flatten)]
    login: LoginOptions,
    #[command(flatten)]
    shown: OutputOptions,
}

/// Options of `rename`.
#[derive(Debug, Args)]
pub(crate) struct Rename {
    #[command(flatten)]
    one: One,
    /// The new name: 1 to 64 letters, digits, `_`, `.`, `-`.
    #[arg(value_name = "NAME")]
    name: String,
}

/// Runs one of the commands.
///
/// # Errors
/// If the control plane refuses or the source is not found.
pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::List(options) => list(options),
        Command::Show(options) => show(options),
        Command::Rename(options) => rename(options),
        Command::Delete(options) => delete(options),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn list(options: &List) -> Result<()> {
    let query = ListServersQuery {
        state: options.state.clone(),
        connected: options.connected.then_some(true),
        ..ListServersQuery::default()
    };
    let all = all_sources(&options.login.client()?, &query)?;
    if options.shown.json {
        let count = u32::try_from(all.len()).ok();
        return output::print_json(&ListServersResponse {
            count,
            source_servers: all,
        });
    }
    let head = [
        "ID",
        "NAME",
        "ADDRESS",
        "SYSTEM",
        "STATE",
        "STAGE",
        "CONNECTED",
        "TASK",
    ];
    let rows = all.iter().map(row);
    let rows: Vec<_> = std::iter::once(head.map(Into::into).into())
        .chain(rows)
        .collect();
    output::print(&output::table(&rows))
}

fn row(source: &SourceServersResponseBody) -> Vec<String> {
    let task = source
        .current_task
        .as_ref()
        .and_then(|task| task.state.clone());
    vec![
        source.id.clone().unwrap_or_default(),
        source.name.clone().unwrap_or_default(),
        source.ip.clone().unwrap_or_default(),
        source.os_version.clone().unwrap_or_default(),
        source.state.clone().unwrap_or_default(),
        source.migration_cycle.clone().unwrap_or_default(),
        yes_or_no(source.connected).into(),
        task.unwrap_or_default(),
    ]
}

fn show(options: &One) -> Result<()> {
    let client = options.login.client()?;
    let id = find_source(&client, &options.source)?
        .id
        .unwrap_or_default();
    let source = client.show_server(&id).context("show source server")?;
    let plan = copy_plan(&client, &id);
    if options.shown.json {
        return output::print_json(&WithCopyPlan {
            shown: &source,
            copy_plan: plan.as_ref(),
        });
    }
    let state = [source.state.clone(), source.migration_cycle.clone()];
    let facts = [
        ("id", source.id.clone().unwrap_or_default()),
        ("name", source.name.clone().unwrap_or_default()),
        ("address", source.ip.clone().unwrap_or_default()),
        ("system", source.os_version.clone().unwrap_or_default()),
        ("firmware", source.firmware.clone().unwrap_or_default()),
        ("agent", source.agent_version.clone().unwrap_or_default()),
        (
            "state",
            state.into_iter().flatten().collect::<Vec<_>>().join(", "),
        ),
        ("connected", yes_or_no(source.connected).into()),
        ("registered", time(source.add_date)),
    ];
    let facts: Vec<Vec<String>> = facts
        .into_iter()
        .map(|(name, value)| vec![name.into(), value])
        .collect();
    output::print(&output::table(&facts))?;
    output::print(&format!("\n{}", output::table(&disk_rows(&source))))?;
    if let Some(plan) = &plan {
        output::print(&format!("\n{}", copy_plan_in_words(plan)))?;
    }
    let failed: Vec<_> = source
        .checks
        .iter()
        .filter(|check| check.result != "OK")
        .collect();
    for check in failed {
        let code = check.error_code.as_deref().unwrap_or_default();
        output::print(&format!("check {}: {} {code}", check.name, check.result))?;
    }
    Ok(())
}

fn disk_rows(source: &ShowServerResponse) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = vec![["DISK", "SIZE", "USED", "HOLDS"].map(Into::into).into()];
    for disk in &source.disks {
        let style = disk.partition_style.clone();
        rows.push(vec![
            disk.name.clone().unwrap_or_default(),
            disk.size.map(output::size).unwrap_or_default(),
            disk.used_size.map(output::size).unwrap_or_default(),
            style.unwrap_or_default(),
        ]);
        for part in &disk.physical_volumes {
            let holds = [part.file_system.as_deref(), part.mount_point.as_deref()];
            rows.push(vec![
                format!("  {}", part.name.as_deref().unwrap_or_default()),
                part.size.map(output::size).unwrap_or_default(),
                part.used_size.map(output::size).unwrap_or_default(),
                holds.into_iter().flatten().collect::<Vec<_>>().join(" "),
            ]);
        }
    }
    rows
}

fn rename(options: &Rename) -> Result<()> {
    let client = options.one.login.client()?;
    let id = find_source(&client, &options.one.source)?
        .id
        .unwrap_or_default();
    let body = PutSourceServerBody {
        name: Some(options.name.clone()),
        ..PutSourceServerBody::default()
    };
    client
        .update_server_name(&id, &body)
        .context("rename source server")
}

fn delete(options: &One) -> Result<()> {
    let client = options.login.client()?;
    let id = find_source(&client, &options.source)?
        .id
        .unwrap_or_default();
    client.delete_server(&id).context("delete source server")
}

fn yes_or_no(value: Option<bool>) -> &'static str {
    if value == Some(true) { "yes" } else { "no" }
}
