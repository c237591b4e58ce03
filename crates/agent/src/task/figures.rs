//! The progress of a phase in the figures and words of the contract (SMS, UpdateTaskSpeed). Pure.

use rehost_replication::source::{Forecast, Phase, Progress};
use rehost_sms_api::bodies::UpdateTaskSpeedReq;
use rehost_sms_api::rehost::CutoverForecast;

/// `migrate_speed` is at most this, in Mbit/s.
const MAX_SPEED_MBIT: f64 = 10_000.0;
/// `remain_time` is at most this, in seconds.
const MAX_REMAINING_SECONDS: u64 = i32::MAX as u64;
/// `process_trace` is at most this long.
const MAX_TRACE_CHARS: usize = 2048;

/// What is told as the speed of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Speed {
    /// How fast the disks are dealt with.
    #[default]
    OfDisks,
    /// How fast it sends, in bytes per second; absent while that is not known. The control plane holds
    /// it against the speed limit, which bounds nothing else.
    OnWire(Option<f64>),
}

/// Writes into a report how far a phase is, except for the percentage, and what the copy keeps to.
pub(super) fn tell(
    progress: &Progress,
    in_force: &str,
    speed: Speed,
    body: &mut UpdateTaskSpeedReq,
) {
    let mut words = described(progress);
    if !in_force.is_empty() {
        words += "; at most ";
        words += in_force;
    }
    body.process_trace = Some(shortened(&words));
    body.replicatesize = Some(progress.done_bytes);
    body.totalsize = Some(progress.total_bytes);
    let bytes_per_second = match speed {
        Speed::OfDisks => Some(progress.bytes_per_second),
        Speed::OnWire(rate) => rate,
    };
    body.migrate_speed =
        bytes_per_second.map(|rate| (rate * 8.0 / 1e6).clamp(0.0, MAX_SPEED_MBIT).round());
    body.remain_time = remaining_seconds(progress);
}

/// Whole percents, 99 at most: that a phase is through is known when the next one begins.
pub(super) fn percentage(progress: &Progress) -> u32 {
    let hundred = u128::from(progress.done_bytes) * 100;
    let percent = hundred
        .checked_div(progress.total_bytes.into())
        .unwrap_or(0);
    u32::try_from(percent).unwrap_or(u32::MAX).min(99)
}

/// A forecast in words, to follow what is told of a round; empty while there is none.
pub(super) fn foreseen(forecast: &Forecast) -> String {
    let cutover = forecast
        .cutover_seconds
        .map_or_else(String::new, |seconds| {
            format!("; a cut-over now would take about {seconds:.0} s")
        });
    let needed = forecast
        .needed_bytes_per_second
        .map_or_else(String::new, |needed| {
            format!(
                "; NOT_CONVERGING: {:.1} MB/s change and {:.1} MB/s are dealt with",
                needed / 1e6,
                forecast.bytes_per_second / 1e6
            )
        });
    cutover + &needed
}

/// A forecast as it is reported.
pub(super) fn forecast(forecast: &Forecast) -> CutoverForecast {
    CutoverForecast {
        remaining_bytes: forecast.remaining_bytes,
        bytes_per_second: forecast.bytes_per_second,
        cutover_seconds: forecast.cutover_seconds,
        needed_bytes_per_second: forecast.needed_bytes_per_second,
    }
}

/// A text that is short enough to be told.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(MAX_TRACE_CHARS).collect()
}

/// Percents alone do not say what a round is about, nor what it costs.
fn described(progress: &Progress) -> String {
    let Progress {
        done_bytes,
        total_bytes,
        wire_bytes,
        ..
    } = progress;
    let phase = match progress.phase {
        Phase::FullCopy => "full copy".to_owned(),
        Phase::Sync { round } => format!("round {round}"),
        Phase::Audit => "check of the marks".to_owned(),
        Phase::Survey => "look at the target's disks".to_owned(),
        Phase::PointRound => "point round".to_owned(),
        Phase::FinalRound => "final round".to_owned(),
        Phase::Verifying => {
            return format!("{done_bytes} of {total_bytes} bytes hashed by the target");
        }
    };
    format!("{phase}: {done_bytes} of {total_bytes} bytes read, {wire_bytes} bytes sent")
}

fn remaining_seconds(progress: &Progress) -> Option<u64> {
    let speed = std::time::Duration::try_from_secs_f64(progress.bytes_per_second)
        .ok()?
        .as_secs();
    let seconds = progress
        .total_bytes
        .saturating_sub(progress.done_bytes)
        .checked_div(speed)?;
    Some(seconds.min(MAX_REMAINING_SECONDS))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Progress = Progress {
        phase: Phase::Sync { round: 2 },
        done_bytes: 5_000_000,
        total_bytes: 10_000_000,
        wire_bytes: 77,
        bytes_per_second: 1e6,
    };

    fn told(progress: &Progress) -> UpdateTaskSpeedReq {
        let mut body = UpdateTaskSpeedReq::default();
        tell(progress, "", Speed::OfDisks, &mut body);
        body
    }

    #[test]
    fn progress_says_what_is_done_and_what_it_costs() {
        let body = told(&USUAL);
        assert_eq!(percentage(&USUAL), 50);
        assert_eq!(
            (body.replicatesize, body.totalsize),
            (Some(5_000_000), Some(10_000_000))
        );
        assert_eq!((body.migrate_speed, body.remain_time), (Some(8.0), Some(5)));
        let words = |phase| told(&Progress { phase, ..USUAL }).process_trace.unwrap();
        assert_eq!(
            words(USUAL.phase),
            "round 2: 5000000 of 10000000 bytes read, 77 bytes sent"
        );
        assert!(words(Phase::FullCopy).starts_with("full copy: 5000000 of "));
        assert_eq!(
            words(Phase::Verifying),
            "5000000 of 10000000 bytes hashed by the target"
        );
    }

    #[test]
    fn a_speed_on_the_wire_is_told_instead_of_that_of_the_disks_once_it_is_known() {
        let speed = |rate| {
            let mut body = UpdateTaskSpeedReq::default();
            tell(&USUAL, "", Speed::OnWire(rate), &mut body);
            assert_eq!(body.remain_time, Some(5));
            body.migrate_speed
        };
        assert_eq!(speed(Some(250_000.0)), Some(2.0));
        assert_eq!(speed(Some(0.0)), Some(0.0));
        assert_eq!(speed(None), None);
    }

    #[test]
    fn rounds_that_do_not_shrink_are_said_to() {
        let forecast = Forecast {
            remaining_bytes: 9,
            bytes_per_second: 2e6,
            cutover_seconds: Some(7.4),
            needed_bytes_per_second: Some(5e6),
        };
        assert_eq!(
            foreseen(&forecast),
            "; a cut-over now would take about 7 s; NOT_CONVERGING: 5.0 MB/s change and 2.0 MB/s \
             are dealt with"
        );
        assert_eq!(foreseen(&Forecast::default()), "");
    }

    #[test]
    fn figures_are_within_the_bounds_of_the_contract() {
        let odd = Progress {
            total_bytes: 0,
            bytes_per_second: f64::INFINITY,
            ..USUAL
        };
        assert_eq!(percentage(&odd), 0);
        let body = told(&odd);
        assert_eq!(body.migrate_speed, Some(MAX_SPEED_MBIT));
        assert_eq!(body.remain_time, None);
        let endless = Progress {
            total_bytes: u64::MAX,
            bytes_per_second: 1.0,
            ..USUAL
        };
        assert_eq!(told(&endless).remain_time, Some(MAX_REMAINING_SECONDS));
        let standing = Progress {
            bytes_per_second: 0.0,
            ..USUAL
        };
        assert_eq!(told(&standing).remain_time, None);
        assert_eq!(
            shortened(&"ä".repeat(5000)).chars().count(),
            MAX_TRACE_CHARS
        );
    }
}
