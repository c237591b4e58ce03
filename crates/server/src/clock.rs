//! The time, in the one unit that everything here uses.

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A time in the form of IAM: `2030-01-02T00:00:00.000000Z`.
pub(crate) fn iam_time(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let time = jiff::tz::Offset::UTC.to_datetime(time);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.subsec_nanosecond() / 1000
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_of_iam_have_six_decimals() {
        assert_eq!(
            super::iam_time(1_893_542_400_120),
            "2030-01-02T00:00:00.120000Z"
        );
    }
}
