//! Whether a task sends faster than it may (SMS, `over_speed_threshold`): several times in a row, and it
//! is paused. Pure.
//!
//! The agent keeps to its limits by itself. So this tells of an error in that, before anybody has to pay
//! for it; and it is what SMS's agent does.

use std::time::Duration;

use rehost_migration::speed::{EXCEEDANCES_TO_PAUSE, TimeOfDay, Window, exceedances};
use rehost_sms_api::bodies::SpeedLimitlJson;

/// Over how long a speed is taken (SMS shows the mean of 5 seconds).
const PERIOD: Duration = Duration::from_secs(5);

/// Watches the speed of one task.
#[derive(Debug, Default)]
pub(super) struct Overspeed {
    /// Since when, how much had been sent by then, and the window that held.
    since: Option<(Duration, u64, Option<Window>)>,
    in_a_row: u32,
}

/// The windows of a task as the rules take them. One that makes no sense holds at no time.
pub(super) fn windows(limits: &[SpeedLimitlJson]) -> Vec<Window> {
    let read = |limit: &SpeedLimitlJson| {
        // Some clients send 0 for a threshold that they do not have.
        let threshold = limit.over_speed_threshold.filter(|percent| *percent > 0.0);
        let (start, end) = (limit.start.as_deref(), limit.end.as_deref());
        Window::read(start, end, limit.speed, threshold).ok()
    };
    limits.iter().filter_map(read).collect()
}

impl Overspeed {
    /// So much has been sent by now, a time since any fixed moment. True if the task is to be paused.
    pub(super) fn look(
        &mut self,
        now: Duration,
        sent_bytes: u64,
        windows: &[Window],
        time: TimeOfDay,
    ) -> bool {
        let window = rehost_migration::speed::at(windows, time).copied();
        let Some((since, bytes_then, window_then)) = self.since else {
            self.since = Some((now, sent_bytes, window));
            return false;
        };
        let elapsed = now.saturating_sub(since);
        if window != window_then {
            // What was sent under another limit says nothing about this one.
            self.since = Some((now, sent_bytes, window));
            return false;
        }
        if elapsed < PERIOD {
            return false;
        }
        let mbit = mbit_per_second(sent_bytes.saturating_sub(bytes_then), elapsed);
        self.in_a_row = exceedances(self.in_a_row, windows, time, mbit);
        self.since = Some((now, sent_bytes, window));
        let pauses = self.in_a_row >= EXCEEDANCES_TO_PAUSE;
        if pauses {
            self.in_a_row = 0;
        }
        pauses
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "bytes of some seconds have far fewer than 53 bits"
)]
fn mbit_per_second(bytes: u64, elapsed: Duration) -> f64 {
    bytes as f64 * 8e-6 / elapsed.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: [usize; 0] = [];

    fn limit(start: &str, end: &str, speed: u32, threshold: f64) -> SpeedLimitlJson {
        SpeedLimitlJson {
            start: Some(start.into()),
            end: Some(end.into()),
            speed: Some(speed),
            over_speed_threshold: Some(threshold),
        }
    }

    /// Sends at these speeds, in Mbit/s, for a period each; the periods after which a pause is due.
    fn pauses(limits: &[SpeedLimitlJson], time: &str, speeds: &[u64]) -> Vec<usize> {
        let (windows, time) = (windows(limits), time.parse().unwrap());
        let mut overspeed = Overspeed::default();
        let (mut now, mut sent) = (Duration::ZERO, 77);
        assert!(!overspeed.look(now, sent, &windows, time));
        let mut due = Vec::new();
        for (number, mbit) in speeds.iter().enumerate() {
            for _ in 0..20 {
                now += PERIOD / 20;
                sent += mbit * 125_000 * PERIOD.as_secs() / 20;
                if overspeed.look(now, sent, &windows, time) {
                    due.push(number);
                }
            }
        }
        due
    }

    #[test]
    fn three_times_in_a_row_are_too_often_and_a_burst_is_not() {
        let limits = [limit("08:00", "18:00", 80, 20.0)];
        assert_eq!(pauses(&limits, "09:00", &[97, 97, 97, 97]), [2]);
        assert_eq!(pauses(&limits, "09:00", &[97, 97, 90, 97, 97]), NEVER);
        assert_eq!(
            pauses(&limits, "09:00", &[95; 9]),
            NEVER,
            "within the threshold"
        );
        assert_eq!(
            pauses(&limits, "19:00", &[500; 9]),
            NEVER,
            "outside of the window"
        );
        assert_eq!(
            pauses(&[limit("00:00", "24:00", 0, 0.0)], "09:00", &[500; 9]),
            NEVER
        );
        let usual = [limit("00:00", "24:00", 80, 0.0)];
        assert_eq!(
            pauses(&usual, "09:00", &[89; 6]),
            [2, 5],
            "10 % if it says nothing"
        );
        assert_eq!(
            pauses(&[limit("odd", "24:00", 80, 10.0)], "09:00", &[500; 9]),
            NEVER
        );
    }

    #[test]
    fn what_went_under_another_limit_is_not_held_against_the_task() {
        let windows = windows(&[
            limit("08:00", "09:00", 800, 10.0),
            limit("09:00", "10:00", 8, 10.0),
        ]);
        let mut overspeed = Overspeed::default();
        let second = Duration::from_secs(1);
        let fast = "08:59".parse().unwrap();
        let slow = "09:00".parse().unwrap();
        for seconds in 0..4 {
            overspeed.look(
                second * seconds,
                u64::from(seconds) * 100_000_000,
                &windows,
                fast,
            );
        }
        for seconds in 4..40 {
            let sent = 300_000_000 + u64::from(seconds) * 1_000_000;
            assert!(!overspeed.look(second * seconds, sent, &windows, slow));
        }
    }
}
