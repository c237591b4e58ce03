//! How exactly a speed limit holds: what passes over loopback in ten seconds of a copy, beside what may.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rehost_sms_api::bodies::{SpeedLimit, SpeedLimitlJson};
use rehost_testkit::{Site, patterned_image};
use serde::Serialize;

use crate::rehost::client;

/// Over how long it has to hold.
const PERIOD: Duration = Duration::from_secs(10);
/// What passes before the copy has begun is less than this.
const FIRST_BYTES: u64 = 1 << 20;
const BEGIN_PATIENCE: Duration = Duration::from_secs(120);

/// What was found of one limit.
#[derive(Debug, Serialize)]
pub(super) struct Window {
    mbit_per_second: u32,
    found_mbit_per_second: f64,
    pub(super) deviation_percent: f64,
}

/// Copies under a limit of so many Mbit/s for a while. Nothing else may be busy on loopback.
///
/// # Errors
/// If there is no copy.
#[expect(clippy::print_stderr, reason = "it is used from a terminal")]
pub(super) fn measure(scratch: &Path, mbit_per_second: u32) -> Result<Window> {
    eprintln!("a limit of {mbit_per_second} Mbit/s");
    let image = scratch.join("limited.img");
    let bytes_per_second = u64::from(mbit_per_second) * 125_000;
    patterned_image(&image, (bytes_per_second * 20).next_multiple_of(1 << 20), 1)?;
    let site = Site::start()?;
    let agent = site.agent_with("limited", &[&image], &["--compression", "none"])?;
    let task = site.create_task(&agent, &["--format", "raw"])?;
    let whole_day = SpeedLimitlJson {
        start: Some("00:00".into()),
        end: Some("24:00".into()),
        speed: Some(mbit_per_second),
        ..SpeedLimitlJson::default()
    };
    let limits = SpeedLimit {
        speed_limit: vec![whole_day],
    };
    client(&site)?.update_speed(&task, &limits)?;
    let before = loopback_bytes()?;
    site.act(&task, "start")?;
    let begun = Instant::now();
    while loopback_bytes()? < before + FIRST_BYTES.max(bytes_per_second / 4) {
        ensure!(begun.elapsed() < BEGIN_PATIENCE, "the copy does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    let (begun, before) = (Instant::now(), loopback_bytes()?);
    std::thread::sleep(PERIOD);
    let bytes = loopback_bytes()? - before;
    let seconds = begun.elapsed().as_secs_f64();
    drop((agent, site));
    std::fs::remove_file(&image)?;
    let found = bytes as f64 * 8e-6 / seconds;
    let wanted = f64::from(mbit_per_second);
    Ok(Window {
        mbit_per_second,
        found_mbit_per_second: found,
        deviation_percent: (found - wanted).abs() / wanted * 100.0,
    })
}

/// What the kernel has sent over loopback, headers included.
fn loopback_bytes() -> Result<u64> {
    let text = std::fs::read_to_string("/sys/class/net/lo/statistics/tx_bytes");
    let text = text.context("read what passed over loopback")?;
    text.trim()
        .parse()
        .context("read what passed over loopback")
}
