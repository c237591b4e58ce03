//! The network check (SMS, UpdateNetworkCheckInfo): what the link to the target can do, measured over
//! the very path that the disks take, and how busy the source is meanwhile.

use anyhow::Context as _;
use rehost_replication::source::{Control, LinkFigures, LinkProbe, measure};
use rehost_sms_api::bodies::NetworkCheckInfoRequestBody;
use rehost_sms_api::client::Client;

use super::prepare::{clamp_streams, peer, task_settings, task_tls};
use super::runner::Shared;
use super::usage::{Load, LoadMeter};
use super::watch::Limits;

/// SMS: a source needs so much at least, in Mbit/s; below it migrations take for ever.
const LEAST_MBIT: f64 = 10.0;
/// SMS, UpdateNetworkCheckInfo: largest delay, jitter and speed that can be told.
const MOST: f64 = 10_000.0;

/// Measures the link of a task that rests, and reports it.
///
/// # Errors
/// If the control plane cannot be asked or told. A link that does not work is no error but a result.
pub(crate) fn run(shared: &Shared, task_id: &str) -> anyhow::Result<NetworkCheckInfoRequestBody> {
    let client = &shared.client;
    let assignment = client
        .source_assignment(task_id)
        .context("read the task's assignment")?;
    let probe = match assignment.data_path {
        Some(path) => Some(LinkProbe {
            peer: peer(path),
            tls: task_tls(client, task_id)?,
            streams: clamp_streams(
                task_settings(client, task_id)?
                    .streams()
                    .unwrap_or(shared.streams),
            ),
        }),
        None => None,
    };
    let found = measured(client, task_id, probe.as_ref(), &Control::new());
    client
        .update_network_check_info(task_id, &found)
        .context("report what was measured")?;
    Ok(found)
}

/// Measures within the task's speed limit; without a probe the target is not there.
pub(crate) fn measured(
    client: &Client,
    task_id: &str,
    probe: Option<&LinkProbe>,
    control: &Control,
) -> NetworkCheckInfoRequestBody {
    let mut limits = Limits::default();
    limits.refresh(client, task_id);
    let limit = limits.now();
    control.set_rate_limit_bytes_per_second(limit);
    let meter = LoadMeter::begin();
    let figures = probe.map_or_else(LinkFigures::default, |probe| measure(probe, control));
    let reaches_control_plane = client.health().is_ok();
    judged(&figures, meter.end(), reaches_control_plane, limit)
}

/// The figures in the words of the contract (a verdict has 5 letters at least), with a verdict: it must be possible to reach both, with
/// nothing lost, and fast enough; a speed limit that forbids that is not the network's fault.
fn judged(
    figures: &LinkFigures,
    load: Load,
    reaches_control_plane: bool,
    limit_bytes_per_second: Option<u64>,
) -> NetworkCheckInfoRequestBody {
    let reached = u32::try_from(figures.connected_in.len()).unwrap_or(u32::MAX);
    let lost = figures.attempts.saturating_sub(reached);
    let loss_percent = match figures.attempts {
        0 => 100.0,
        attempts => f64::from(lost) / f64::from(attempts) * 100.0,
    };
    let milliseconds: Vec<f64> = figures
        .connected_in
        .iter()
        .map(|duration| duration.as_secs_f64() * 1e3)
        .collect();
    let steps: Vec<f64> = milliseconds
        .windows(2)
        .map(|pair| (pair[1] - pair[0]).abs())
        .collect();
    let mbit = figures.bytes_per_second.unwrap_or(0.0) * 8e-6;
    let limit_mbit = limit_bytes_per_second.map_or(f64::INFINITY, |bytes| bytes as f64 * 8e-6);
    let fast_enough = mbit >= LEAST_MBIT || mbit > 0.0 && limit_mbit <= LEAST_MBIT;
    let good = reaches_control_plane && reached > 0 && lost == 0 && fast_enough;
    NetworkCheckInfoRequestBody {
        domain_connectivity: Some(reaches_control_plane),
        destination_connectivity: Some(reached > 0),
        network_delay: Some(rounded(mean(&milliseconds), MOST)),
        network_jitter: Some(rounded(mean(&steps), MOST)),
        migration_speed: Some(rounded(mbit, MOST)),
        loss_percentage: Some(rounded(loss_percent, 100.0)),
        cpu_usage: Some(load.cpu_percent.unwrap_or(0.0)),
        mem_usage: Some(load.memory_percent.unwrap_or(0.0)),
        evaluation_result: Some(if good { "SUCCESS" } else { "FAILED" }.into()),
    }
}

/// The mean; 0 of nothing.
fn mean(values: &[f64]) -> f64 {
    let count = u32::try_from(values.len()).unwrap_or(u32::MAX);
    values.iter().sum::<f64>() / f64::from(count.max(1))
}

/// Three decimals: on a fast link a delay is some microseconds.
fn rounded(value: f64, most: f64) -> f64 {
    (value.clamp(0.0, most) * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn figures(milliseconds: &[u64], attempts: u32, mbit: Option<f64>) -> LinkFigures {
        LinkFigures {
            attempts,
            connected_in: milliseconds
                .iter()
                .map(|ms| Duration::from_millis(*ms))
                .collect(),
            bytes_per_second: mbit.map(|mbit| mbit * 125_000.0),
            trouble: None,
        }
    }

    const LOAD: Load = Load {
        cpu_percent: Some(12.5),
        memory_percent: None,
    };

    #[test]
    fn delay_is_the_mean_and_jitter_that_of_the_steps() {
        let found = judged(&figures(&[10, 14, 12], 3, Some(80.0)), LOAD, true, None);
        assert_eq!(found.network_delay, Some(12.0));
        assert_eq!(found.network_jitter, Some(3.0));
        assert_eq!(found.migration_speed, Some(80.0));
        assert_eq!(found.loss_percentage, Some(0.0));
        assert_eq!((found.cpu_usage, found.mem_usage), (Some(12.5), Some(0.0)));
        assert_eq!(found.evaluation_result.as_deref(), Some("SUCCESS"));
    }

    #[test]
    fn a_link_is_good_only_if_everything_about_it_is() {
        let verdict = |figures: &LinkFigures, reaches_control_plane, limit| {
            judged(figures, LOAD, reaches_control_plane, limit).evaluation_result
        };
        let good = figures(&[1; 10], 10, Some(80.0));
        assert_eq!(verdict(&good, true, None).as_deref(), Some("SUCCESS"));
        assert_eq!(verdict(&good, false, None).as_deref(), Some("FAILED"));
        for bad in [
            figures(&[1; 9], 10, Some(80.0)),
            figures(&[1; 10], 10, Some(9.0)),
            figures(&[1; 10], 10, None),
            figures(&[], 3, None),
            LinkFigures::default(),
        ] {
            assert_eq!(
                verdict(&bad, true, None).as_deref(),
                Some("FAILED"),
                "{bad:?}"
            );
        }
        // 8 Mbit/s are all that the task's own limit permits.
        let limited = figures(&[1; 10], 10, Some(7.9));
        let limit = Some(1_000_000);
        assert_eq!(verdict(&limited, true, limit).as_deref(), Some("SUCCESS"));
    }

    #[test]
    fn who_is_not_reached_has_lost_everything() {
        for nobody in [figures(&[], 3, None), LinkFigures::default()] {
            let found = judged(&nobody, LOAD, true, None);
            assert_eq!(found.destination_connectivity, Some(false));
            assert_eq!(found.loss_percentage, Some(100.0));
            assert_eq!(found.migration_speed, Some(0.0));
        }
        let half = judged(&figures(&[5], 2, Some(1e9)), LOAD, true, None);
        assert_eq!(half.loss_percentage, Some(50.0));
        assert_eq!(half.network_jitter, Some(0.0));
        assert_eq!(half.migration_speed, Some(MOST));
    }
}
