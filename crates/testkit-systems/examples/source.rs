//! Makes the source servers that are named, or all of them, starts each, and says how long that
//! took: for looking at one by hand, and for filling the cache before tests.

use std::io::Write as _;
use std::time::Instant;

use anyhow::{Context as _, Result};
use rehost_testkit_systems::{Guest, Layout};

fn main() -> Result<()> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |layout: &Layout| names.is_empty() || names.iter().any(|n| n == layout.name());
    let mut output = std::io::stdout();
    for layout in Layout::ALL.into_iter().filter(wanted) {
        let directory = tempfile::tempdir().context("make a folder")?;
        let begin = Instant::now();
        let mut guest = Guest::source(layout, directory.path())?;
        let seconds = begin.elapsed().as_secs_f64();
        writeln!(output, "{}: running after {seconds:.1} s", layout.name())?;
        let look = "hostname; uptime; date; lsblk -o NAME,SIZE,FSTYPE,MOUNTPOINTS; ip -br addr; \
                    systemctl --failed --no-legend; df -h /; free -m; cat /proc/cmdline";
        writeln!(output, "{}\n", guest.run(look)?)?;
        guest.power_off()?;
    }
    Ok(())
}
