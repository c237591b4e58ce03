//! The promise: kill anything, lose seconds. Every role is killed in the middle of a copy, of a sync
//! round, of the final round and of the proof, as `kill -9` does it, and started again; the
//! migration goes on where it was, and ends equal.
//!
//! `REHOST_KILLS` and `REHOST_DISK_MIB` make the copy longer: 20 kills over 4096 MiB, say.
//! `REHOST_VICTIM`, one of `agent`, `receiver` and `control-plane`, has only this role killed.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use rehost_sms_api::rehost::MigrationReport;
use rehost_testkit::{Agent, LONG, Site, overwrite, patterned_image, until};

const MIB: u64 = 1024 * 1024;
const DEFAULT_KILLS: u64 = 6;
const DEFAULT_DISK_MIB: u64 = 512;
/// Three of four blocks of a patterned image hold something.
const USED_SHARE: (u64, u64) = (3, 4);
/// Frames and messages beside the data, in bytes for each byte of data.
const FRAMING_SHARE: u64 = 50;

/// Large enough that each phase lasts for several looks at the log.
const PHASES_DISK_BYTES: u64 = 1024 * MIB;
/// What the agent logs when a sync round, the final round, or the proof is through.
const ENDS_OF_PHASES: [&str; 3] = [
    "a round is through",
    "the source works again",
    "the task is over",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    let victims = victims()?;
    let used_bytes = size_bytes / USED_SHARE.1 * USED_SHARE.0;

    let mut site = Site::start()?;
    let disk = site.disk("disk.img");
    patterned_image(&disk, size_bytes, 3)?;
    let mut agent = site.agent("web1", &[&disk])?;
    let task = site.create_task(&agent, &["--start"])?;
    let image = until("an image is made", LONG, || Ok(site.image("disk.img").ok()))?;

    let mut killed = 0;
    for number in 0..kills {
        // Spread over the copy, each at a random moment of its step.
        let step = used_bytes / (kills + 1);
        let moment = step * number + random() % step.max(1);
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
        let victim = victims[usize::try_from(number)? % victims.len()];
        kill(&mut site, &mut agent, victim)
            .and_then(|()| restart(&mut site, &mut agent, victim))
            .with_context(|| format!("kill {victim:?}"))?;
        killed += 1;
    }
    assert!(
        killed >= victims.len(),
        "the copy was through before every role was killed: give it a larger disk"
    );
    site.wait_for_state(&task, "MIGRATE_SUCCESS", LONG)?;

    let report = site.report(&task)?;
    let volume = report.volumes.first().context("report of the volume")?;
    println!("{killed} kills of {victims:?}, {report:?}");
    assert_eq!(volume.equal, Some(true), "{report:?}");
    let is_path_cut = victims.iter().any(|&victim| victim != Victim::ControlPlane);
    assert!(
        report.sessions > 1 || !is_path_cut,
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

#[test]
fn whatever_is_killed_after_the_copy_it_goes_on_and_ends_equal() -> Result<()> {
    for victim in victims()? {
        let report = kill_in_each_phase(victim).with_context(|| format!("victim {victim:?}"))?;
        println!("one kill of {victim:?} in each phase, {report:?}");
    }
    Ok(())
}

fn kill_in_each_phase(victim: Victim) -> Result<MigrationReport> {
    let mut site = Site::start()?;
    let disk = site.disk("disk.img");
    patterned_image(&disk, PHASES_DISK_BYTES, 5)?;
    let mut agent = site.agent("web1", &[&disk])?;
    let task = site.create_task(&agent, &["--syncing", "--start"])?;
    site.wait_for_state(&task, "SYNCING", LONG)?;

    // Near the beginning and near the end, so that the round has both before it and behind it.
    for (seed, offset_bytes) in [(11, 5 * MIB), (12, PHASES_DISK_BYTES - 5 * MIB)] {
        overwrite(&disk, offset_bytes, 3_000_000, seed)?;
    }
    kill_within(&mut site, &mut agent, victim, "phase=Sync ")?;
    site.wait_for_round(&task)?;

    overwrite(&disk, 700 * MIB, 3_000_000, 13)?;
    site.act(&task, "cutover")?;
    kill_within(&mut site, &mut agent, victim, "phase=FinalRound")?;
    kill_within(&mut site, &mut agent, victim, "phase=Verifying")?;
    site.wait_for_state(&task, "MIGRATE_SUCCESS", LONG)?;

    let report = site.report(&task)?;
    let volume = report.volumes.first().context("report of the volume")?;
    assert_eq!(volume.equal, Some(true), "{report:?}");
    let verified = site.run([Path::new("verify"), &disk, &site.image("disk.img")?])?;
    assert!(verified.status.success(), "{verified:?}");
    Ok(report)
}

/// Kills when the agent says that a phase begins which it has not begun before now, and makes sure
/// that it was not through before.
fn kill_within(site: &mut Site, agent: &mut Agent, victim: Victim, phase: &str) -> Result<()> {
    let begun = |agent: &Agent| -> Result<usize> { Ok(agent.role.log()?.matches(phase).count()) };
    // Sync rounds begin again and again; the others once, perhaps before this look.
    let before = if phase.contains("Sync") {
        begun(agent)?
    } else {
        0
    };
    until(&format!("{phase} begins"), LONG, || {
        Ok((begun(agent)? > before).then_some(()))
    })?;
    kill(site, agent, victim)?;
    let log = agent.role.log()?;
    let since = log.rsplit_once(phase).map_or("", |(_, since)| since);
    ensure!(
        !ENDS_OF_PHASES.iter().any(|end| since.contains(end)),
        "{phase} was through before the kill: give it a larger disk"
    );
    restart(site, agent, victim)
}

fn kill(site: &mut Site, agent: &mut Agent, victim: Victim) -> Result<()> {
    match victim {
        Victim::Agent => agent.role.kill(),
        Victim::Receiver => site.receiver.kill(),
        Victim::ControlPlane => site.control_plane.kill(),
    }
}

fn restart(site: &mut Site, agent: &mut Agent, victim: Victim) -> Result<()> {
    match victim {
        Victim::Agent => agent.restart(),
        Victim::Receiver => site.restart_receiver(),
        Victim::ControlPlane => site.restart_control_plane(),
    }
}

/// Another number every time. What it leads to is printed by the roles' logs, not by a seed: when a
/// process is hit depends on the machine anyway.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn allocated_bytes(path: &Path) -> Result<u64> {
    const BLOCK_BYTES: u64 = 512;
    Ok(path.metadata()?.blocks() * BLOCK_BYTES)
}

/// Who is killed, in turn.
fn victims() -> Result<Vec<Victim>> {
    let Ok(name) = std::env::var("REHOST_VICTIM") else {
        return Ok(VICTIMS.into());
    };
    Ok(vec![match name.as_str() {
        "agent" => Victim::Agent,
        "receiver" => Victim::Receiver,
        "control-plane" => Victim::ControlPlane,
        _ => bail!("REHOST_VICTIM={name}: there are agent, receiver and control-plane"),
    }])
}

fn setting(name: &str, default: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("read {name}")),
        Err(_) => Ok(default),
    }
}
