//! Times as people read them.

/// A time in milliseconds since 1970 as `2026-01-31 23:59:59` in UTC; empty for none.
pub(crate) fn time(milliseconds: Option<i64>) -> String {
    let Some(milliseconds) = milliseconds.filter(|&milliseconds| milliseconds > 0) else {
        return String::new();
    };
    let seconds = milliseconds / 1000;
    let (year, month, day) = date(seconds.div_euclid(86_400));
    let rest = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Year, month and day of a day since 1970-01-01, after Hinnant's `civil_from_days`: years begin
/// in March, so that the leap day is the last one.
fn date(days_since_1970: i64) -> (i64, i64, i64) {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    let days = days_since_1970 + 719_468;
    let era = days.div_euclid(DAYS_OF_400_YEARS);
    let day_of_era = days.rem_euclid(DAYS_OF_400_YEARS);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc() {
        assert_eq!(time(None), "");
        assert_eq!(time(Some(0)), "");
        assert_eq!(time(Some(1_000)), "1970-01-01 00:00:01");
        assert_eq!(time(Some(951_827_696_789)), "2000-02-29 12:34:56");
        assert_eq!(time(Some(1_798_761_599_000)), "2026-12-31 23:59:59");
    }
}
