//! `track ROOT DEVICE JOURNAL`: a process that borrows marks without end, as an agent does, for
//! tests that kill it. Before marks are cleared they are appended to the journal, durably.
//!
//! On standard output it says one line when it has begun, and one after each loan.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use rehost_change_tracking::{Beginning, Tracker};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [root, device, journal] = arguments.as_slice() else {
        anyhow::bail!("usage: track ROOT DEVICE JOURNAL");
    };
    let tracker = Tracker::start_or_resume(Path::new(root), Path::new(device))?;
    let mut journal = OpenOptions::new()
        .create(true)
        .append(true)
        .open(journal)
        .context("open the journal")?;
    let beginning = match tracker.beginning() {
        Beginning::Resumed => "resumed",
        Beginning::Anew { .. } => "anew",
    };
    say(&format!("{beginning} {}", tracker.tracking()))?;
    loop {
        let marks = tracker.read_marks();
        let words = marks.either();
        let bytes: Vec<u8> = words.words().iter().flat_map(|w| w.to_le_bytes()).collect();
        // In one piece, so that a record is whole or not there when this process is killed.
        journal.write_all(&bytes).context("write the journal")?;
        journal.sync_data().context("sync the journal")?;
        tracker.clear(&marks);
        say("lent")?;
    }
}

fn say(line: &str) -> Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}").context("say what was done")?;
    output.flush().context("say what was done")
}
