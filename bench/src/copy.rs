//! `copy`: one disk, half full of mixed data, over loopback, by everybody in turn.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use serde::Serialize;

use crate::peers::{Ground, Peer};
use crate::table::{columns, median};
use crate::{cpu, rehost, source_disk};

/// Options of `copy`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where the figures go.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Size of the disk; half of it is data.
    #[arg(long, value_name = "MIB", default_value_t = 8192)]
    disk_mib: u64,
    /// How often everybody copies after the warm-up.
    #[arg(long, value_name = "N", default_value_t = 3)]
    runs: usize,
    /// Where disks are made; needs room for two and a half of them.
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

/// All figures.
#[derive(Debug, Serialize)]
struct Figures {
    benchmark: &'static str,
    disk_bytes: u64,
    runs: usize,
    rehost: RehostFigures,
    peers: Vec<PeerFigures>,
    best_encrypted_peer: String,
    /// Time of the best encrypted peer divided by Rehost's, every chunk verified on arrival.
    ratio_verified_copy: f64,
    /// The same with the proof in Rehost's time: both media read again and compared.
    ratio_with_proof: f64,
}

#[derive(Debug, Serialize)]
struct RehostFigures {
    version: &'static str,
    copy_seconds: f64,
    proved_seconds: f64,
    disk_mib_per_second: f64,
    cpu_seconds: f64,
    agent_peak_memory_bytes: u64,
    receiver_peak_memory_bytes: u64,
    wire_bytes: u64,
    all_copy_seconds: Vec<f64>,
    all_proved_seconds: Vec<f64>,
}

#[derive(Debug, Serialize)]
struct PeerFigures {
    name: &'static str,
    version: String,
    encrypted: bool,
    seconds: f64,
    disk_mib_per_second: f64,
    cpu_seconds: f64,
    /// This peer's time divided by Rehost's verified copy: above 1, Rehost is faster.
    ratio: f64,
    all_seconds: Vec<f64>,
}

#[derive(Debug, Default)]
struct Turns {
    seconds: Vec<f64>,
    cpu_seconds: Vec<f64>,
}

/// Measures and reports.
///
/// # Errors
/// If a competitor cannot be run, or Rehost's copy is not equal.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is what this program is for"
)]
pub(crate) fn run(options: &Options) -> Result<()> {
    let scratch = match &options.scratch {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let scratch = scratch.context("make a scratch folder")?;
    let source = scratch.path().join("disk.img");
    eprintln!("making a disk of {} MiB", options.disk_mib);
    source_disk::make(&source, options.disk_mib)?;
    let ground = Ground::prepare(scratch.path())?;

    let mut migrations = Vec::new();
    let mut turns: Vec<Turns> = Peer::ALL.iter().map(|_| Turns::default()).collect();
    // The first time around only warms up memory and caches.
    for number in 0..=options.runs {
        eprintln!("run {number} of {}: Rehost", options.runs);
        let migration = rehost::migrate(&source)?;
        for (peer, turns) in Peer::ALL.into_iter().zip(&mut turns) {
            eprintln!("run {number} of {}: {}", options.runs, peer.name());
            let target = scratch.path().join("target.img");
            let cpu_before = cpu::of_ended_children()?;
            let seconds = peer.copy(&ground, &source, &target)?;
            std::fs::remove_file(&target)?;
            if number > 0 {
                turns.seconds.push(seconds);
                turns
                    .cpu_seconds
                    .push(cpu::of_ended_children()? - cpu_before);
            }
        }
        if number > 0 {
            migrations.push(migration);
        }
    }
    let figures = figures(options, &migrations, turns)?;
    println!("{}", figures.to_text());
    if let Some(path) = &options.json {
        let json = serde_json::to_vec_pretty(&figures)?;
        std::fs::write(path, json).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "sizes of disks that fit this machine"
)]
fn figures(
    options: &Options,
    migrations: &[rehost::Migration],
    turns: Vec<Turns>,
) -> Result<Figures> {
    let mib = options.disk_mib as f64;
    let all = |pick: fn(&rehost::Migration) -> f64| migrations.iter().map(pick).collect::<Vec<_>>();
    let most = |pick: fn(&rehost::Migration) -> u64| migrations.iter().map(pick).max();
    let all_copy_seconds = all(|migration| migration.copy_seconds);
    let all_proved_seconds = all(|migration| migration.proved_seconds);
    let copy_seconds = median(all_copy_seconds.clone());
    let proved_seconds = median(all_proved_seconds.clone());
    let rehost = RehostFigures {
        version: env!("CARGO_PKG_VERSION"),
        copy_seconds,
        proved_seconds,
        disk_mib_per_second: mib / copy_seconds,
        cpu_seconds: median(all(|migration| migration.cpu_seconds)),
        agent_peak_memory_bytes: most(|one| one.agent_memory_bytes).unwrap_or_default(),
        receiver_peak_memory_bytes: most(|one| one.receiver_memory_bytes).unwrap_or_default(),
        wire_bytes: most(|one| one.wire_bytes).unwrap_or_default(),
        all_copy_seconds,
        all_proved_seconds,
    };
    let peers = Peer::ALL.into_iter().zip(turns).map(|(peer, turns)| {
        let seconds = median(turns.seconds.iter().copied());
        Ok(PeerFigures {
            name: peer.name(),
            version: peer.version()?,
            encrypted: peer.is_encrypted(),
            seconds,
            disk_mib_per_second: mib / seconds,
            cpu_seconds: median(turns.cpu_seconds),
            ratio: seconds / copy_seconds,
            all_seconds: turns.seconds,
        })
    });
    let peers = peers.collect::<Result<Vec<_>>>()?;
    let encrypted = peers.iter().filter(|peer| peer.encrypted);
    let best = encrypted.min_by(|left, right| left.seconds.total_cmp(&right.seconds));
    let best = best.context("find the best encrypted peer")?;
    Ok(Figures {
        benchmark: "copy",
        disk_bytes: options.disk_mib << 20,
        runs: options.runs,
        best_encrypted_peer: best.name.to_owned(),
        ratio_verified_copy: best.seconds / rehost.copy_seconds,
        ratio_with_proof: best.seconds / rehost.proved_seconds,
        rehost,
        peers,
    })
}

impl Figures {
    #[expect(clippy::cast_precision_loss, reason = "megabytes for people")]
    fn to_text(&self) -> String {
        let rehost = &self.rehost;
        let head = ["", "seconds", "MiB/s of disk", "CPU s", "ratio"];
        let mut rows = vec![head.map(String::from).to_vec()];
        let row = |name: &str, seconds: f64, speed: f64, cpu: f64, ratio: f64| {
            let cells = [seconds, speed, cpu, ratio].map(|value| format!("{value:.2}"));
            [vec![name.to_owned()], cells.to_vec()].concat()
        };
        let (copy, speed) = (rehost.copy_seconds, rehost.disk_mib_per_second);
        rows.push(row(
            "Rehost, TLS, chunks verified",
            copy,
            speed,
            rehost.cpu_seconds,
            1.0,
        ));
        let proved = rehost.proved_seconds;
        let name = "Rehost, the same and both media proved";
        rows.push(row(
            name,
            proved,
            speed * copy / proved,
            rehost.cpu_seconds,
            proved / copy,
        ));
        for peer in &self.peers {
            let (seconds, speed) = (peer.seconds, peer.disk_mib_per_second);
            rows.push(row(peer.name, seconds, speed, peer.cpu_seconds, peer.ratio));
        }
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        format!(
            "{}\n\nbest encrypted peer: {}; it takes {:.2} times as long as Rehost's verified copy, \
             {:.2} times as long as the copy with its proof\n\
             peak memory: agent {:.0} MiB, receiver {:.0} MiB\n\
             ratio: time of the line divided by the time of Rehost's verified copy; Rehost's CPU \
             seconds include the proof",
            columns(&rows),
            self.best_encrypted_peer,
            self.ratio_verified_copy,
            self.ratio_with_proof,
            mib(rehost.agent_peak_memory_bytes),
            mib(rehost.receiver_peak_memory_bytes),
        )
    }
}
