//! `rehost tasks network-check`: has the agent measure its link to the target, and shows the result.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rehost_sms_api::bodies::{NetworkCheckInfoRequestBody, UpdateTaskStatusReq};

use super::{INTERRUPTED, One};
use crate::operator::{Interrupt, find_task};
use crate::output;

pub(super) const HELP: &str = "\
Example:
  rehost tasks stop web1
  rehost tasks network-check web1

The agent measures over the very path that the disks take: the same port, the same certificates, as
many streams, within the speed limit of the task. It takes some seconds.

  control plane, target   whether they can be reached
  delay, jitter           of connecting to the target, over ten attempts; loss is attempts that failed
  speed                   what arrived at the target; below 10 Mbit/s migrations take for ever

Exit code 0 if the link is good, 1 if it is not. To measure before a copy begins:
  rehost tasks create --network-check ...";

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// An agent that has not measured after so long is gone.
const PATIENCE: Duration = Duration::from_secs(180);

/// Measures, waits and shows.
///
/// # Errors
/// If the task is not in a state for it, or if the agent does not answer or refuses.
pub(super) fn run(options: &One) -> Result<ExitCode> {
    let client = options.login.client()?;
    let id = find_task(&client, &options.task)?.id.unwrap_or_default();
    let interrupt = Interrupt::listen()?;
    let body = UpdateTaskStatusReq {
        operation: Some("network_check".into()),
        ..UpdateTaskStatusReq::default()
    };
    client
        .update_task_status(&id, &body)
        .with_context(|| format!("check the network of task {id}"))?;
    let end = Instant::now() + PATIENCE;
    let known_error = client.show_task(&id).context("show task")?.error_json;
    let found = loop {
        let task = client.show_task(&id).context("show task")?;
        if let Some(found) = task.network_check_info {
            break found;
        }
        if task.error_json != known_error
            && let Some(error) = task.error_json
        {
            bail!("the agent could not measure: {error}");
        }
        if Instant::now() > end {
            bail!(
                "the agent has not measured within {} seconds: see whether it runs and is \
                 connected (rehost sources list)",
                PATIENCE.as_secs()
            );
        }
        if interrupt.during(PAUSE) {
            output::remark("no longer waiting; `rehost tasks show` will have the result");
            return Ok(ExitCode::from(INTERRUPTED));
        }
    };
    if options.shown.json {
        output::print_json(&found)?;
    } else {
        output::print(&output::table(&rows(&found)))?;
    }
    Ok(if is_good(&found) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn is_good(found: &NetworkCheckInfoRequestBody) -> bool {
    found.evaluation_result.as_deref() == Some("SUCCESS")
}

/// The result in one line.
pub(super) fn in_words(found: &NetworkCheckInfoRequestBody) -> String {
    format!(
        "{}, {}, delay {}, loss {}",
        found.evaluation_result.as_deref().unwrap_or_default(),
        figure(found.migration_speed, "Mbit/s"),
        figure(found.network_delay, "ms"),
        figure(found.loss_percentage, "%"),
    )
}

fn rows(found: &NetworkCheckInfoRequestBody) -> Vec<Vec<String>> {
    let reached = |known: Option<bool>| match known {
        Some(true) => "reached".to_owned(),
        Some(false) => "NOT REACHED".to_owned(),
        None => String::new(),
    };
    let rows = [
        (
            "verdict",
            found.evaluation_result.clone().unwrap_or_default(),
        ),
        ("control plane", reached(found.domain_connectivity)),
        ("target", reached(found.destination_connectivity)),
        ("delay", figure(found.network_delay, "ms")),
        ("jitter", figure(found.network_jitter, "ms")),
        ("loss", figure(found.loss_percentage, "%")),
        ("speed", figure(found.migration_speed, "Mbit/s")),
        ("processors busy", figure(found.cpu_usage, "%")),
        ("memory used", figure(found.mem_usage, "%")),
    ];
    rows.into_iter()
        .map(|(name, value)| vec![name.into(), value])
        .collect()
}

fn figure(value: Option<f64>, unit: &str) -> String {
    value
        .map(|value| format!("{value:.2} {unit}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_not_reached_is_shouted() {
        let found = NetworkCheckInfoRequestBody {
            domain_connectivity: Some(true),
            destination_connectivity: Some(false),
            loss_percentage: Some(100.0),
            evaluation_result: Some("FAILED".into()),
            ..NetworkCheckInfoRequestBody::default()
        };
        assert!(!is_good(&found));
        let rows = rows(&found);
        assert_eq!(rows[1], ["control plane", "reached"]);
        assert_eq!(rows[2], ["target", "NOT REACHED"]);
        assert_eq!(rows[3], ["delay", ""]);
        assert_eq!(rows[5], ["loss", "100.00 %"]);
        assert_eq!(in_words(&found), "FAILED, , delay , loss 100.00 %");
    }
}
