//! How fast a task may send now (SMS, ShowsSpeedLimits): windows of the day, in Mbit/s.

use jiff::civil::Time;
use rehost_sms_api::bodies::SpeedLimitlJson;

/// The limit at a time of day of the source server, in bytes per second; `None` is no limit.
///
/// The first window that holds the time decides. A window that ends before it starts goes over
/// midnight; one that ends when it starts is the whole day. A speed of 0 is no limit (SMS). Outside
/// of all windows the task's own limit counts, in Mbit/s, 0 for none.
pub(crate) fn bytes_per_second(
    windows: &[SpeedLimitlJson],
    task_mbit_per_second: u32,
    now: Time,
) -> Option<u64> {
    let window = windows.iter().find(|window| holds(window, now));
    let mbit_per_second = window.map_or(task_mbit_per_second, |window| window.speed.unwrap_or(0));
    (mbit_per_second > 0).then(|| u64::from(mbit_per_second) * 1_000_000 / 8)
}

/// Whether a window holds a time. A window whose times cannot be read holds none.
fn holds(window: &SpeedLimitlJson, now: Time) -> bool {
    let (Some(start), Some(end)) = (time(window.start.as_ref()), time(window.end.as_ref())) else {
        return false;
    };
    if start < end {
        start <= now && now < end
    } else {
        start <= now || now < end
    }
}

/// `HH:MM`; SMS writes the end of the day as 24:00 or 23:59.
fn time(text: Option<&String>) -> Option<Time> {
    let (hour, minute) = text?.split_once(':')?;
    let (hour, minute): (i8, i8) = (hour.trim().parse().ok()?, minute.trim().parse().ok()?);
    Time::new(hour % 24, minute, 0, 0)
        .ok()
        .filter(|_| (0..=24).contains(&hour))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(start: &str, end: &str, speed: u32) -> SpeedLimitlJson {
        SpeedLimitlJson {
            start: Some(start.into()),
            end: Some(end.into()),
            speed: Some(speed),
            ..SpeedLimitlJson::default()
        }
    }

    fn at(windows: &[SpeedLimitlJson], hour: i8, minute: i8) -> Option<u64> {
        bytes_per_second(windows, 8, Time::new(hour, minute, 0, 0).unwrap())
    }

    #[test]
    fn the_window_of_the_hour_decides() {
        let windows = [window("08:00", "18:00", 80), window("22:00", "06:00", 0)];
        assert_eq!(at(&windows, 8, 0), Some(10_000_000));
        assert_eq!(at(&windows, 17, 59), Some(10_000_000));
        assert_eq!(
            at(&windows, 18, 0),
            Some(1_000_000),
            "outside, the task's own limit counts"
        );
        assert_eq!(at(&windows, 23, 0), None, "0 is no limit");
        assert_eq!(at(&windows, 5, 59), None);
        assert_eq!(at(&windows, 6, 0), Some(1_000_000));
    }

    #[test]
    fn whole_days_and_odd_times() {
        assert_eq!(at(&[window("00:00", "24:00", 16)], 12, 0), Some(2_000_000));
        assert_eq!(at(&[window("00:00", "00:00", 16)], 0, 0), Some(2_000_000));
        for odd in ["", "8", "x:y", "25:00", "12:99", "-1:00"] {
            assert_eq!(
                at(&[window(odd, "24:00", 16)], 12, 0),
                Some(1_000_000),
                "{odd}"
            );
        }
        assert_eq!(bytes_per_second(&[], 0, Time::midnight()), None);
    }
}
