//! Speed limits: windows of the day, and when a task that exceeds them is paused (SMS, UpdateSpeed).
//!
//! Times are those of the source server. A window that ends before it begins goes over midnight; one
//! that ends when it begins is the whole day. Windows must not overlap, so that one limit holds at a
//! time; outside of all windows there is that of the task alone.

use std::fmt;

/// Windows of a task at most (SMS).
pub const MAX_WINDOWS: usize = 5;
/// Fastest limit in Mbit/s (SMS); 0 is no limit.
pub const MAX_MBIT_PER_SECOND: u32 = 1000;
/// How far a limit may be exceeded if a window does not say it, in percent (SMS).
pub const USUAL_THRESHOLD_PERCENT: f64 = 10.0;
/// Exceedances in a row that pause a task. SMS says "several".
pub const EXCEEDANCES_TO_PAUSE: u32 = 3;
/// Minutes of a day.
const DAY: u16 = 24 * 60;

/// A time of the day in minutes since midnight; 24:00 is the end of the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// The minutes since midnight; `None` from the end of the day on.
    #[must_use]
    pub fn from_minutes(minutes: u16) -> Option<Self> {
        (minutes < DAY).then_some(Self(minutes))
    }
}

impl std::str::FromStr for TimeOfDay {
    type Err = SpeedError;

    /// Reads `HH:MM`, `00:00` to `24:00`; a leading zero may be left out.
    fn from_str(text: &str) -> Result<Self, SpeedError> {
        let number = |text: &str| {
            let digits =
                (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse::<u16>().ok()).flatten()
        };
        let (hours, minutes) = text.split_once(':').ok_or(SpeedError::Time)?;
        let minutes = match (number(hours), number(minutes)) {
            (Some(24), Some(0)) => DAY,
            (Some(hours @ 0..=23), Some(minutes @ 0..=59)) => hours * 60 + minutes,
            _ => return Err(SpeedError::Time),
        };
        Ok(Self(minutes))
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// A window of the day with its limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    /// Begins with this minute.
    pub start: TimeOfDay,
    /// Ends before this minute.
    pub end: TimeOfDay,
    /// Limit in Mbit/s; 0 is no limit.
    pub mbit_per_second: u32,
    /// How far the limit may be exceeded, in percent.
    pub threshold_percent: f64,
}

/// Why windows are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpeedError {
    /// Not a time of the day.
    #[error("a time is malformed: write it as HH:MM, 00:00 to 24:00")]
    Time,
    /// Too many windows.
    #[error("there are too many windows: give 5 at most")]
    TooMany,
    /// The limit is out of range.
    #[error("speed is out of range: give 0 to 1000 Mbit/s")]
    Speed,
    /// The threshold is out of range.
    #[error("over_speed_threshold is out of range: give 10 to 100 percent")]
    Threshold,
    /// Two windows hold at the same time.
    #[error("windows overlap at {0}: let each begin when the one before it has ended")]
    Overlap(TimeOfDay),
}

impl SpeedError {
    /// The SMS error code of the answer.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Time => "SMS.6405",
            _ => "SMS.9001",
        }
    }
}

impl Window {
    /// Reads the members of a window as they came.
    ///
    /// # Errors
    /// [`SpeedError`] if one of them is absent or out of range.
    pub fn read(
        start: Option<&str>,
        end: Option<&str>,
        mbit_per_second: Option<u32>,
        threshold_percent: Option<f64>,
    ) -> Result<Self, SpeedError> {
        let time = |text: Option<&str>| text.ok_or(SpeedError::Time)?.parse();
        let window = Self {
            start: time(start)?,
            end: time(end)?,
            mbit_per_second: mbit_per_second.unwrap_or(0),
            threshold_percent: threshold_percent.unwrap_or(USUAL_THRESHOLD_PERCENT),
        };
        if window.mbit_per_second > MAX_MBIT_PER_SECOND {
            return Err(SpeedError::Speed);
        }
        if !(10.0..=100.0).contains(&window.threshold_percent) {
            return Err(SpeedError::Threshold);
        }
        Ok(window)
    }

    /// Whether it holds at a time of the day.
    #[must_use]
    pub fn holds(&self, now: TimeOfDay) -> bool {
        let (start, end, now) = (self.start.0 % DAY, self.end.0, now.0 % DAY);
        if start < end {
            start <= now && now < end
        } else {
            start <= now || now < end
        }
    }

    /// Whether a speed exceeds it by more than its threshold.
    #[must_use]
    pub fn is_exceeded_by(&self, mbit_per_second: f64) -> bool {
        let limit = f64::from(self.mbit_per_second);
        self.mbit_per_second > 0 && mbit_per_second > limit * (1.0 + self.threshold_percent / 100.0)
    }
}

/// Checks the windows of a task.
///
/// # Errors
/// [`SpeedError`] if there are too many, or two hold at the same time.
pub fn check(windows: &[Window]) -> Result<(), SpeedError> {
    if windows.len() > MAX_WINDOWS {
        return Err(SpeedError::TooMany);
    }
    for minute in 0..DAY {
        let now = TimeOfDay(minute);
        if windows.iter().filter(|window| window.holds(now)).count() > 1 {
            return Err(SpeedError::Overlap(now));
        }
    }
    Ok(())
}

/// The window that holds at a time of the day.
#[must_use]
pub fn at(windows: &[Window], now: TimeOfDay) -> Option<&Window> {
    windows.iter().find(|window| window.holds(now))
}

/// What a reported speed means for a task that exceeded its limit `so_far` times in a row: how often
/// it has now. From [`EXCEEDANCES_TO_PAUSE`] on the task is paused (`error_for_overspeed`).
#[must_use]
pub fn exceedances(so_far: u32, windows: &[Window], now: TimeOfDay, mbit_per_second: f64) -> u32 {
    let exceeded = at(windows, now).is_some_and(|window| window.is_exceeded_by(mbit_per_second));
    if exceeded {
        so_far.saturating_add(1)
    } else {
        0
    }
}

/// The time of the day in a clock time that an agent wrote, such as `2026-03-01 08:15:00` or
/// `2026-03-01T08:15:00+01:00`: the first hours and minutes in it (SMS, `agent_time`).
#[must_use]
pub fn time_in(agent_time: &str) -> Option<TimeOfDay> {
    let at = agent_time.find(':')?;
    let hours = agent_time.get(at.checked_sub(2)?..at)?;
    let minutes = agent_time.get(at + 1..at + 3)?;
    let time: TimeOfDay = format!("{hours}:{minutes}").parse().ok()?;
    TimeOfDay::from_minutes(time.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn window(start: &str, end: &str, mbit_per_second: u32) -> Window {
        Window::read(Some(start), Some(end), Some(mbit_per_second), None).unwrap()
    }

    fn time(text: &str) -> TimeOfDay {
        text.parse().unwrap()
    }

    #[test]
    fn times_of_the_day_are_hours_and_minutes() {
        for (right, shown) in [("00:00", "00:00"), ("9:5", "09:05"), ("24:00", "24:00")] {
            assert_eq!(time(right).to_string(), shown);
        }
        for wrong in [
            "", "12", "24:01", "12:60", "+1:00", "012:00", "12:00:00", "ab:cd",
        ] {
            assert_eq!(wrong.parse::<TimeOfDay>(), Err(SpeedError::Time), "{wrong}");
        }
    }

    #[test]
    fn the_window_of_the_hour_holds() {
        let windows = [window("08:00", "18:00", 80), window("22:00", "06:00", 20)];
        let limit = |text| at(&windows, time(text)).map(|window| window.mbit_per_second);
        for (now, expected) in [
            ("08:00", Some(80)),
            ("17:59", Some(80)),
            ("18:00", None),
            ("22:00", Some(20)),
            ("00:00", Some(20)),
            ("05:59", Some(20)),
            ("06:00", None),
        ] {
            assert_eq!(limit(now), expected, "{now}");
        }
        assert!(window("00:00", "24:00", 1).holds(time("23:59")));
        assert!(window("07:00", "07:00", 1).holds(time("06:59")));
        assert!(window("24:00", "01:00", 1).holds(time("00:30")));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let read = |start, speed, threshold| {
            Window::read(start, Some("12:00"), Some(speed), threshold).unwrap_err()
        };
        assert_eq!(read(None, 1, None).code(), "SMS.6405");
        assert_eq!(read(Some("00:00"), 1001, None), SpeedError::Speed);
        for odd in [9.9, 100.1, -1.0, f64::NAN] {
            assert_eq!(read(Some("00:00"), 1, Some(odd)), SpeedError::Threshold);
        }
        let (night, day) = (window("22:00", "06:00", 0), window("06:00", "22:00", 100));
        assert_eq!(check(&[night, day]), Ok(()));
        assert_eq!(check(&[night; 6]), Err(SpeedError::TooMany));
        let early = window("05:30", "07:00", 1);
        assert_eq!(
            check(&[night, early]),
            Err(SpeedError::Overlap(time("05:30")))
        );
    }

    #[test]
    fn exceedances_in_a_row_pause_a_task() {
        let windows = [window("08:00", "18:00", 100)];
        let told = |so_far, now, speed| exceedances(so_far, &windows, time(now), speed);
        assert_eq!(told(0, "12:00", 110.0), 0, "10 percent are tolerated");
        assert_eq!(told(2, "12:00", 110.5), EXCEEDANCES_TO_PAUSE);
        assert_eq!(told(2, "12:00", 90.0), 0, "in a row");
        assert_eq!(told(2, "19:00", 900.0), 0, "outside of the window");
        let free = [window("00:00", "24:00", 0)];
        assert_eq!(exceedances(1, &free, time("12:00"), 9000.0), 0);
    }

    #[test]
    fn the_time_of_an_agent_is_read_as_it_writes_it() {
        for text in [
            "2026-03-01 08:15:00",
            "2026-03-01T08:15:00.123+01:00[X]",
            "08:15",
        ] {
            assert_eq!(time_in(text), Some(time("08:15")), "{text}");
        }
        for odd in [
            "",
            ":",
            "1:2",
            "2026-03-01",
            "é8:15",
            "99:99",
            "24:00",
            "08:é5",
        ] {
            assert_eq!(time_in(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_is_written_panics(text in ".{0,12}") {
            let _ = text.parse::<TimeOfDay>();
            let _ = time_in(&text);
        }

        #[test]
        fn checked_windows_hold_one_at_a_time(
            edges in proptest::collection::vec((0..=DAY, 0..=DAY), 0..6), now in 0..DAY
        ) {
            let windows: Vec<_> = edges
                .into_iter()
                .map(|(start, end)| Window { start: TimeOfDay(start), end: TimeOfDay(end), ..window("00:00", "00:00", 1) })
                .collect();
            if check(&windows).is_ok() {
                let holding = windows.iter().filter(|window| window.holds(TimeOfDay(now)));
                prop_assert!(holding.count() <= 1);
            }
        }
    }
}
