//! `rehost tasks log`: collects the logs of a task's machines.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use rehost_sms_api::bodies::{ListServersQuery, TaskByServerSources, UploadLogRequestBody};
use rehost_sms_api::client::Client;

use super::{INTERRUPTED, One};
use crate::operator::{Interrupt, find_task};
use crate::output;

pub(super) const HELP: &str = "\
Examples:
  rehost tasks log web1
      prints the address of the logs: whoever has it can fetch them until it expires
  rehost tasks log web1 --output web1-logs.tar
      fetches them as well; inside are source.tar.gz and target.tar.gz

Agent and receiver keep the last of their log in the folder logs of their state directories. They
are asked for it, pack it, and send it to the control plane, which keeps it for some hours.";

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// SMS wants the name of a bucket; the control plane keeps the logs itself.
const BUCKET: &str = "control-plane";

/// Options of `log`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    one: One,
    /// Fetch the logs into this file.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Collects, waits, and says where the logs are.
///
/// # Errors
/// If the task was never started, if its logs are being collected already, or if the agent does not
/// send them.
pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let client = options.one.login.client()?;
    let task = find_task(&client, &options.one.task)?;
    let id = task.id.unwrap_or_default();
    let source_id = task.source_server.and_then(|source| source.id);
    let source_id = source_id.context("the control plane shows a task without source server")?;
    let interrupt = Interrupt::listen()?;
    let body = UploadLogRequestBody {
        log_bucket: Some(BUCKET.into()),
    };
    client
        .collect_log(&id, &body)
        .with_context(|| format!("collect the logs of task {id}"))?;
    let collected = loop {
        let shown = current_task(&client, &source_id, &id)?;
        match shown.log_collect_status.as_deref() {
            Some("UPLOADED") => break shown,
            Some("UPLOAD_FAIL") => {
                let task = client.show_task(&id).context("show task")?;
                let why = task.error_json.unwrap_or_default();
                bail!("the agent did not send its logs: {why}");
            }
            _ => {}
        }
        if interrupt.during(PAUSE) {
            output::remark("no longer waiting; the logs are collected all the same");
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    let address = collected.log_share_url.clone();
    let address = address.context("the control plane gives no address of the logs")?;
    if let Some(path) = &options.output {
        fetch(&client, &address, path)?;
    }
    if options.one.shown.json {
        output::print_json(&collected)?;
    } else {
        output::print(&address)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The task as its source server shows it: only there are the members about logs.
fn current_task(client: &Client, source_id: &str, task_id: &str) -> Result<TaskByServerSources> {
    let query = ListServersQuery {
        id: Some(source_id.to_owned()),
        ..ListServersQuery::default()
    };
    let listed = client.list_servers(&query).context("show source server")?;
    listed
        .source_servers
        .into_iter()
        .filter_map(|source| source.current_task)
        .find(|task| task.id.as_deref() == Some(task_id))
        .with_context(|| format!("task {task_id} is gone"))
}

/// Fetches from the control plane that this command is logged in to, whatever it is called outside.
fn fetch(client: &Client, address: &str, path: &Path) -> Result<()> {
    let share = address.rsplit('/').next().unwrap_or_default();
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options
        .open(path)
        .with_context(|| format!("create {}", path.display()))?;
    client
        .get_log_archive(share, &mut file)
        .context("fetch the logs")?;
    Ok(())
}
