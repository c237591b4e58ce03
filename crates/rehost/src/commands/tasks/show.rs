//! Tasks as people see them: the list, one in full, its report and its proof.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use rehost_sms_api::bodies::{
    ListTasksQuery, ListTasksResponse, ShowTaskResponse, TasksResponseBody,
};

use super::{One, network_check};
use crate::operator::{
    LoginOptions, OutputOptions, WithCopyPlan, all_tasks, copy_plan, copy_plan_in_words, find_task,
    forecast_in_words, report_table, time,
};
use crate::output;

/// Options of `list`.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those in this state, such as `RUNNING`, `SYNCING`, `MIGRATE_SUCCESS`.
    #[arg(long)]
    state: Option<String>,
    #[command(flatten)]
    login: LoginOptions,
    #[command(flatten)]
    shown: OutputOptions,
}

/// Options of `proof`.
#[derive(Debug, Args)]
pub(crate) struct Proof {
    #[command(flatten)]
    one: One,
    /// Write it to a file instead of to standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn list(options: &List) -> Result<()> {
    let query = ListTasksQuery {
        state: options.state.clone(),
        ..ListTasksQuery::default()
    };
    let all = all_tasks(&options.login.client()?, &query)?;
    if options.shown.json {
        let count = u32::try_from(all.len()).ok();
        return output::print_json(&ListTasksResponse { count, tasks: all });
    }
    let head = [
        "ID", "NAME", "SOURCE", "TARGET", "STATE", "DOING", "MBIT/S", "CREATED",
    ];
    let rows = all.iter().map(row);
    let rows: Vec<_> = std::iter::once(head.map(Into::into).into())
        .chain(rows)
        .collect();
    output::print(&output::table(&rows))
}

fn row(task: &TasksResponseBody) -> Vec<String> {
    let source = task
        .source_server
        .as_ref()
        .map(|source| source.name.clone());
    let target = task
        .target_server
        .as_ref()
        .and_then(|target| target.name.clone());
    vec![
        task.id.clone().unwrap_or_default(),
        task.name.clone().unwrap_or_default(),
        source.unwrap_or_default(),
        target.unwrap_or_default(),
        task.state.clone().unwrap_or_default(),
        task.subtask_info.clone().unwrap_or_default(),
        task.migrate_speed
            .map(|speed| format!("{speed:.0}"))
            .unwrap_or_default(),
        time(task.create_date),
    ]
}

pub(super) fn show(options: &One) -> Result<()> {
    let client = options.login.client()?;
    let id = find_task(&client, &options.task)?.id.unwrap_or_default();
    let task = client.show_task(&id).context("show task")?;
    let source = task.source_server.as_ref();
    let source_id = source.and_then(|source| source.id.as_deref());
    let plan = source_id.and_then(|source_id| copy_plan(&client, source_id));
    if options.shown.json {
        return output::print_json(&WithCopyPlan {
            shown: &task,
            copy_plan: plan.as_ref(),
        });
    }
    // There is none before the first round, and a task can be shown without.
    let forecast = client.get_report(&id).ok();
    let forecast = forecast.as_ref().and_then(forecast_in_words);
    let facts = [
        ("id", task.id.clone().unwrap_or_default()),
        ("name", task.name.clone().unwrap_or_default()),
        (
            "source",
            source.map(|source| source.name.clone()).unwrap_or_default(),
        ),
        (
            "target",
            task.target_server
                .as_ref()
                .and_then(|target| target.name.clone())
                .unwrap_or_default(),
        ),
        ("state", task.state.clone().unwrap_or_default()),
        (
            "continuous",
            if task.syncing == Some(true) {
                "yes"
            } else {
                "no"
            }
            .into(),
        ),
        ("created", time(task.create_date)),
        ("started", time(task.start_date)),
        ("finished", time(task.finish_date)),
        ("cut-over now", forecast.unwrap_or_default()),
        ("error", task.error_json.clone().unwrap_or_default()),
        (
            "network check",
            task.network_check_info
                .as_ref()
                .map(network_check::in_words)
                .unwrap_or_default(),
        ),
    ];
    let facts: Vec<Vec<String>> = facts
        .into_iter()
        .map(|(name, value)| vec![name.into(), value])
        .collect();
    output::print(&output::table(&facts))?;
    output::print(&format!("\n{}", output::table(&disk_rows(&task))))?;
    if let Some(plan) = &plan {
        output::print(&format!("\n{}", copy_plan_in_words(plan)))?;
    }
    output::print(&format!("\n{}", output::table(&subtask_rows(&task))))
}

fn disk_rows(task: &ShowTaskResponse) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = vec![["DISK", "ON THE TARGET", "SIZE"].map(Into::into).into()];
    for disk in task.target_server.iter().flat_map(|target| &target.disks) {
        rows.push(vec![
            disk.name.clone().unwrap_or_default(),
            disk.disk_id.clone().unwrap_or_default(),
            disk.size.map(output::size).unwrap_or_default(),
        ]);
    }
    rows
}

fn subtask_rows(task: &ShowTaskResponse) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = vec![
        ["SUBTASK", "PROGRESS", "STARTED", "ENDED", "DETAIL"]
            .map(Into::into)
            .into(),
    ];
    for subtask in &task.sub_tasks {
        rows.push(vec![
            subtask.name.clone().unwrap_or_default(),
            format!("{} %", subtask.progress),
            time(subtask.start_date),
            time(subtask.end_date),
            subtask.process_trace.clone().unwrap_or_default(),
        ]);
    }
    rows
}

pub(super) fn report(options: &One) -> Result<()> {
    let client = options.login.client()?;
    let id = find_task(&client, &options.task)?.id.unwrap_or_default();
    let report = client.get_report(&id).context("fetch report")?;
    if options.shown.json {
        return output::print_json(&report);
    }
    output::print(&report_table(&report))?;
    let window = output::size(report.in_flight_window_bytes);
    let again: u64 = report
        .volumes
        .iter()
        .map(|volume| volume.sent_again_bytes)
        .sum();
    output::print(&format!(
        "\nsessions: {}, sent again: {} (at most {window} for each session that broke)",
        report.sessions,
        output::size(again),
    ))?;
    if let Some(forecast) = forecast_in_words(&report) {
        output::print(&format!("a cut-over now: {forecast}"))?;
    }
    if report.consistency_check_skipped {
        output::print("the consistency check was skipped: nothing is proved")?;
    }
    Ok(())
}

pub(super) fn proof(options: &Proof) -> Result<()> {
    let client = options.one.login.client()?;
    let id = find_task(&client, &options.one.task)?
        .id
        .unwrap_or_default();
    match &options.output {
        Some(path) => {
            let mut file = std::fs::File::create(path)
                .with_context(|| format!("create {}", path.display()))?;
            client.get_proof(&id, &mut file)
        }
        None => client.get_proof(&id, &mut std::io::stdout().lock()),
    }
    .context("fetch proof")?;
    Ok(())
}
