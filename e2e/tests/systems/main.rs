//! The promise: a real Debian server moves while it works. Its disks arrive equal, the copy boots
//! with its name and address, and its database holds every transaction that was acknowledged before
//! the freeze.
//!
//! Servers run under QEMU without any help of the processor's, so these tests take minutes and are
//! run by `cargo xtask test systems`. Each leaves what it saw in `target/test-reports/systems/`.

mod journal;
mod report;
mod source;
mod target;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rehost_testkit::Site;
use rehost_testkit_systems::{HOST_ADDRESS, Layout, check_file_system, source_places};

use journal::Journal;
use report::Entry;
use source::Source;

/// For what copies or reads a whole server's disks through an emulated machine.
const COPY: Duration = Duration::from_secs(900);
/// Clients that write to the database while it moves.
const CLIENTS: usize = 3;

#[test]
#[ignore = "minutes of emulated machines: cargo xtask test systems"]
fn privileged_bios_ext4_mbr_moves_while_it_works() -> Result<()> {
    migrate(Layout::BiosExt4Mbr)
}

#[test]
#[ignore = "minutes of emulated machines: cargo xtask test systems"]
fn privileged_uefi_ext4_boot_moves_while_it_works() -> Result<()> {
    migrate(Layout::UefiExt4Boot)
}

#[test]
#[ignore = "minutes of emulated machines: cargo xtask test systems"]
fn privileged_lvm_moves_while_it_works() -> Result<()> {
    migrate(Layout::Lvm)
}

#[test]
#[ignore = "minutes of emulated machines: cargo xtask test systems"]
fn privileged_btrfs_moves_while_it_works() -> Result<()> {
    migrate(Layout::Btrfs)
}

#[test]
#[ignore = "minutes of emulated machines: cargo xtask test systems"]
fn privileged_xfs_moves_while_it_works() -> Result<()> {
    migrate(Layout::Xfs)
}

fn migrate(layout: Layout) -> Result<()> {
    let mut entry = Entry::new(layout)?;
    let outcome = follow(layout, &mut entry);
    if let Err(error) = &outcome {
        entry.error = Some(format!("{error:#}"));
    }
    entry.write()?;
    outcome
}

/// A migration from a running server to a booted copy.
fn follow(layout: Layout, entry: &mut Entry) -> Result<()> {
    let places = source_places(layout)?;
    let site = Site::start_for_sources_at(HOST_ADDRESS)?;
    let mut source = Source::start(layout, site.directory())?;
    source.join(&site)?;
    let outcome = move_disks(layout, &site, &mut source, entry);
    if let Ok(log) = source.agent_log() {
        entry.keep("agent.log", log.as_bytes())?;
    }
    let journal = outcome?;
    source.power_off()?;

    let images = target::images(&site, layout)?;
    for place in &places {
        check_file_system(&images[place.disk], place)?;
    }
    let mut copy = target::boot(layout, &images, &site.directory().join("target"), entry)?;
    entry.screenshot = Some(entry.path("screen.png"));
    copy.machine().screenshot(&entry.path("screen.png"))?;
    target::check_identity(&mut copy, layout)?;
    entry.database_whole = Some(false);
    target::check_database(&mut copy, &journal)?;
    entry.database_whole = Some(true);
    copy.power_off()
}

/// Copies, follows changes, cuts over; gives what the clients know that wrote all the time.
fn move_disks(
    layout: Layout,
    site: &Site,
    source: &mut Source,
    entry: &mut Entry,
) -> Result<journal::Written> {
    let mut journal = Journal::start(source.guest.database_port(), CLIENTS)?;
    source.start_pgbench()?;
    let task = site.create_task_of(layout.name(), &["--syncing", "--start"])?;
    site.wait_for_state(&task, "SYNCING", COPY)?;
    site.wait_for_round(&task)?;
    journal.check()?;
    entry.changes_found_by = source.how_changes_are_found()?;
    let ordered = Instant::now();
    site.act(&task, "cutover")?;
    site.wait_for_state(&task, "MIGRATE_SUCCESS", COPY)?;
    journal
        .wait_for_more()
        .context("the source goes on to work after the freeze")?;
    let written = journal.stop(ordered)?;

    let report = site.report(&task)?;
    entry.keep("report.json", &serde_json::to_vec_pretty(&report)?)?;
    ensure!(report.volumes.len() == layout.disk_count(), "{report:?}");
    for volume in &report.volumes {
        ensure!(volume.equal == Some(true), "not equal: {report:?}");
        entry.downtime_seconds = entry.downtime_seconds.max(volume.downtime_seconds);
    }
    ensure!(
        entry.downtime_seconds > 0.0,
        "a running server was frozen: {report:?}"
    );
    Ok(written)
}
