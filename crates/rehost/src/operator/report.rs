//! The figures of a migration as a table.

use rehost_sms_api::rehost::{MigrationReport, VolumeReport};

use crate::output;

/// One row a volume: what it was, what it cost, whether it is equal.
pub(crate) fn report_table(report: &MigrationReport) -> String {
    let head = [
        "VOLUME",
        "SIZE",
        "USED",
        "ON THE WIRE",
        "SAVED",
        "SECONDS",
        "MB/S",
        "ROUNDS",
        "DOWNTIME",
        "EQUAL",
        "ROOT HASH",
    ];
    let rows = report.volumes.iter().map(row);
    let rows: Vec<_> = std::iter::once(head.map(Into::into).into())
        .chain(rows)
        .collect();
    output::table(&rows)
}

/// What a cut-over would cost now, in words; nothing before the first round and after the last one.
pub(crate) fn forecast_in_words(report: &MigrationReport) -> Option<String> {
    let forecast = report.forecast.as_ref()?;
    let remaining = output::size(forecast.remaining_bytes);
    let mut words = format!("{remaining} to look at");
    if let Some(seconds) = forecast.cutover_seconds {
        words += &format!(", about {seconds:.0} s");
    }
    if let Some(needed) = forecast.needed_bytes_per_second {
        words += &format!(
            "; NOT CONVERGING: {:.1} MB/s change, {:.1} MB/s are dealt with",
            needed / 1e6,
            forecast.bytes_per_second / 1e6
        );
    }
    Some(words)
}

fn row(volume: &VolumeReport) -> Vec<String> {
    let equal = match volume.equal {
        Some(true) => "yes",
        Some(false) => "NO",
        None => "",
    };
    vec![
        volume.name.clone(),
        output::size(volume.size_bytes),
        output::size(volume.used_bytes),
        output::size(volume.wire_bytes),
        output::size(volume.saved_bytes),
        format!("{:.1}", volume.seconds),
        megabytes_per_second(volume)
            .map(|rate| format!("{rate:.0}"))
            .unwrap_or_default(),
        volume.rounds.to_string(),
        format!("{:.1} s", volume.downtime_seconds),
        equal.into(),
        volume.source_root.chars().take(12).collect(),
    ]
}

/// Used megabytes (of 1,000,000 bytes) copied a second in the full copy.
fn megabytes_per_second(volume: &VolumeReport) -> Option<f64> {
    const BYTES_PER_MEGABYTE: u64 = 1_000_000;
    let megabytes = u32::try_from(volume.used_bytes / BYTES_PER_MEGABYTE).ok()?;
    (volume.full_copy_seconds > 0.0).then(|| f64::from(megabytes) / volume.full_copy_seconds)
}

#[cfg(test)]
mod tests {
    use rehost_sms_api::rehost::CutoverForecast;

    use super::*;

    #[test]
    fn a_forecast_says_how_long_and_whether_it_gets_better() {
        let mut report = MigrationReport::default();
        assert_eq!(forecast_in_words(&report), None);
        report.forecast = Some(CutoverForecast {
            remaining_bytes: 1 << 20,
            bytes_per_second: 1e6,
            cutover_seconds: Some(1.2),
            needed_bytes_per_second: Some(2e6),
        });
        let words = forecast_in_words(&report).unwrap_or_default();
        assert!(
            words.contains("about 1 s; NOT CONVERGING: 2.0 MB/s"),
            "{words}"
        );
    }

    #[test]
    fn a_volume_that_differs_is_shouted_and_an_unknown_one_is_not_claimed() {
        let volume = |equal| VolumeReport {
            name: "vda".into(),
            size_bytes: 1 << 30,
            used_bytes: 500_000_000,
            seconds: 3.0,
            full_copy_seconds: 2.0,
            equal,
            ..VolumeReport::default()
        };
        assert_eq!(row(&volume(Some(false)))[9], "NO");
        assert_eq!(row(&volume(None))[9], "");
        assert_eq!(row(&volume(Some(true)))[6], "250");
        let never = VolumeReport {
            full_copy_seconds: 0.0,
            ..volume(None)
        };
        assert_eq!(row(&never)[6], "");
    }
}
