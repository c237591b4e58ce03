//! The promise: kill anything, lose seconds. Every role is killed in the middle of a copy, as
//! `kill -9` does it, and started again; the copy goes on where it was, and ends equal.
//!
//! `REHOST_KILLS` and `REHOST_DISK_MIB` make it longer: 20 kills over 4096 MiB, say.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use rehost_testkit::{Agent, LONG, Site, patterned_image, until};

const MIB: u64 = 1024 * 1024;
const DEFAULT_KILLS: u64 = 6;
const DEFAULT_DISK_MIB: u64 = 512;
/// Three of four blocks of a patterned image hold something.
const USED_SHARE: (u64, u64) = (3, 4);
/// Frames and messages beside the data, in bytes for each byte of data.
const FRAMING_SHARE: u64 = 50;

#[derive(Clone, Copy, Debug)]
enum Victim {
    Agent,
    Receiver,
    ControlPlane,
}

const VICTIMS: [Victim; 3] = [Victim::Agent, Victim::Receiver, Victim::ControlPlane];

#[test]
fn whatever_is_killed_during_a_copy_it_goes_on_and_ends_equal() -> Result<()> {
    let kills = setting("REHOST_KILLS", DEFAULT_KILLS)?;
    let size_bytes = setting("REHOST_DISK_MIB", DEFAULT_DISK_MIB)? * MIB;
    let used_bytes = size_bytes / USED_SHARE.1 * USED_SHARE.0;

    let mut site = Site::start()?;
    let disk = site.disk("disk.img");
    patterned_image(&disk, size_bytes, 3)?;
    let mut agent = site.agent("web1", &[&disk])?;
    let task = site.create_task(&agent, &["--start"])?;
    let image = until("an image is made", LONG, || Ok(site.image("disk.img").ok()))?;

    let mut killed = 0;
    for number in 0..kills {
        // Evenly over the copy, moved by a part of a step that differs from kill to kill.
        let step = used_bytes / (kills + 1);
        let moment = step * number + step * (number * 37 % 100) / 100;
        let is_running = until("the copy gets that far", LONG, || {
            if allocated_bytes(&image)? >= moment {
                return Ok(Some(true));
            }
            // The control plane may be the one that was killed just now.
            let shown = site.json(["tasks", "show", &task]).unwrap_or_default();
            Ok((shown["state"] == "MIGRATE_SUCCESS").then_some(false))
        })?;
        if !is_running {
            break;
        }
        let victim = VICTIMS[usize::try_from(number)? % VICTIMS.len()];
        kill_and_restart(&mut site, &mut agent, victim)
            .with_context(|| format!("kill {victim:?}"))?;
        killed += 1;
    }
    assert!(
        killed >= VICTIMS.len(),
        "the copy was through before every role was killed: give it a larger disk"
    );
    site.wait_for_state(&task, "MIGRATE_SUCCESS", LONG)?;

    let report = site.report(&task)?;
    let volume = report.volumes.first().context("report of the volume")?;
    println!("{killed} kills, {report:?}");
    assert_eq!(volume.equal, Some(true), "{report:?}");
    assert!(
        report.sessions > 1,
        "agent and receiver were killed while they worked: {report:?}"
    );
    let may_repeat_bytes = report.sessions * report.in_flight_window_bytes;
    assert!(
        volume.sent_again_bytes <= may_repeat_bytes,
        "bounded by the window: {report:?}"
    );
    let may_send_bytes = used_bytes + used_bytes / FRAMING_SHARE + may_repeat_bytes;
    assert!(
        volume.wire_bytes <= may_send_bytes,
        "no restart from zero: {report:?}"
    );
    let verified = site.run([Path::new("verify"), &disk, &image])?;
    assert!(verified.status.success(), "{verified:?}");
    Ok(())
}

fn kill_and_restart(site: &mut Site, agent: &mut Agent, victim: Victim) -> Result<()> {
    match victim {
        Victim::Agent => {
            agent.role.kill()?;
            agent.restart()
        }
        Victim::Receiver => {
            site.receiver.kill()?;
            site.restart_receiver()
        }
        Victim::ControlPlane => {
            site.control_plane.kill()?;
            site.restart_control_plane()
        }
    }
}

fn allocated_bytes(path: &Path) -> Result<u64> {
    const BLOCK_BYTES: u64 = 512;
    Ok(path.metadata()?.blocks() * BLOCK_BYTES)
}

fn setting(name: &str, default: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("read {name}")),
        Err(_) => Ok(default),
    }
}
