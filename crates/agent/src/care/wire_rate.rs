//! How fast a task sends under the limit of the moment. Pure.
//!
//! The control plane holds what it is told against the window that holds then, and pauses a task that
//! exceeds it again and again. So what was sent under another limit is left out, and nothing is told before a
//! whole period has passed under this one: over less time single pieces weigh too much.

use std::collections::VecDeque;
use std::time::Duration;

/// Over how long a rate is taken (SMS shows the mean of 5 seconds).
const PERIOD: Duration = Duration::from_secs(5);

/// The rate of one task on the wire.
#[derive(Debug, Default)]
pub(super) struct WireRate {
    limit_bytes_per_second: Option<u64>,
    /// When how much had been sent, under this limit; all but the first are younger than a period.
    looks: VecDeque<(Duration, u64)>,
}

impl WireRate {
    /// So much has been sent by now, a time since any fixed moment, and this limit holds. The mean of the
    /// last period in bytes per second; nothing while the limit has not held for so long.
    pub(super) fn look(
        &mut self,
        now: Duration,
        sent_bytes: u64,
        limit_bytes_per_second: Option<u64>,
    ) -> Option<f64> {
        if limit_bytes_per_second != self.limit_bytes_per_second {
            self.limit_bytes_per_second = limit_bytes_per_second;
            self.looks.clear();
        }
        self.looks.push_back((now, sent_bytes));
        let is_old = |(at, _): &(Duration, u64)| now.saturating_sub(*at) >= PERIOD;
        while self.looks.get(1).is_some_and(is_old) {
            self.looks.pop_front();
        }
        let first = self.looks.front().filter(|look| is_old(look));
        first.map(|(since, bytes_then)| {
            let elapsed = now.saturating_sub(*since);
            bytes_per_second(sent_bytes.saturating_sub(*bytes_then), elapsed)
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "bytes of some seconds have far fewer than 53 bits"
)]
fn bytes_per_second(bytes: u64, elapsed: Duration) -> f64 {
    bytes as f64 / elapsed.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Duration = Duration::from_millis(500);

    /// Sends so many bytes between two looks each; the rates that are known then.
    fn rates(rate: &mut WireRate, begun: u32, each: &[u64], limit: u64) -> Vec<Option<u64>> {
        let mut sent = u64::from(begun) << 40;
        let looks = (begun..).zip(each).map(|(number, bytes)| {
            sent += bytes;
            let found = rate.look(LOOK * number, sent, Some(limit));
            found.map(|found| format!("{found:.0}").parse().unwrap())
        });
        looks.collect()
    }

    #[test]
    fn a_rate_is_the_mean_of_the_last_period() {
        let mut rate = WireRate::default();
        let mut each = [500; 23];
        each[11..].fill(0);
        let found = rates(&mut rate, 0, &each, 1000);
        assert_eq!(found[..10], [None; 10], "too short a time");
        assert_eq!(found[10], Some(1000));
        assert_eq!(found[11], Some(900));
        assert_eq!(found[21..], [Some(0); 2]);
        assert!(rate.looks.len() <= 12, "{rate:?}");
    }

    #[test]
    fn what_went_under_another_limit_is_not_in_it() {
        let mut rate = WireRate::default();
        let fast = rates(&mut rate, 0, &[500_000; 12], 1_000_000);
        assert_eq!(fast[11], Some(1_000_000));
        let slow = rates(&mut rate, 12, &[50; 12], 100);
        assert_eq!(slow[..10], [None; 10]);
        assert_eq!(slow[10..], [Some(100); 2]);
        // A look that comes late is as good: it is the mean since the last one.
        let late = rate.look(
            Duration::from_secs(60),
            (12_u64 << 40) + 600 + 4850,
            Some(100),
        );
        assert!(
            late.is_some_and(|late| (late - 100.0).abs() < 1e-6),
            "{late:?}"
        );
    }
}
