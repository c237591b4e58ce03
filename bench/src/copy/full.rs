//! The full copy of a disk: everybody in turn, and the machine's own limit.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::limit::{self, Limit};
use crate::cost::{Cost, Side};
use crate::peers::{Ground, Peer};
use crate::table::{GIB, median};
use crate::{rehost, source_disk};

/// All figures of full copies.
#[derive(Debug, Serialize)]
pub(super) struct Full {
    pub(super) disk_bytes: u64,
    /// What the allocation map says.
    pub(super) used_bytes: u64,
    pub(super) best_encrypted_peer: String,
    pub(super) best_plain_peer: String,
    /// Rehost first.
    pub(super) sides: Vec<Side>,
    pub(super) limit_seconds: f64,
    pub(super) limits: Vec<Limit>,
    #[serde(skip)]
    pub(super) ratios: Ratios,
}

/// Times of others divided by Rehost's: above 1, Rehost is faster.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ratios {
    pub(super) vs_best_peer: f64,
    pub(super) vs_best_plain: f64,
    pub(super) vs_limit: f64,
    pub(super) proved_vs_best_peer: f64,
}

/// Copies a disk of `disk_gib`, half of it in use, `runs` times after a warm-up.
#[expect(clippy::print_stderr, reason = "it is used from a terminal")]
pub(super) fn measure(scratch: &Path, ground: &Ground, disk_gib: u64, runs: usize) -> Result<Full> {
    let (source, target) = (scratch.join("disk.img"), scratch.join("target.img"));
    let used_gib = disk_gib as f64 / 2.0;
    eprintln!("making a disk of {disk_gib} GiB with {used_gib} GiB in use");
    source_disk::make(&source, disk_gib, used_gib)?;
    let pieces = limit::used_pieces(&source)?;
    let used_bytes: u64 = pieces.iter().map(|piece| piece.end - piece.start).sum();
    let mut migrations = Vec::new();
    let mut limits = Vec::new();
    let mut turns: Vec<Vec<Cost>> = Peer::ALL.iter().map(|_| Vec::new()).collect();
    // The first time around only warms up memory and caches.
    for number in 0..=runs {
        eprintln!("full copy {number} of {runs}: Rehost");
        let migration = rehost::migrate(&source)?;
        for (peer, turns) in Peer::ALL.into_iter().zip(&mut turns) {
            eprintln!("full copy {number} of {runs}: {}", peer.name());
            let cost = peer.copy(ground, &source, &target)?;
            std::fs::remove_file(&target)?;
            if number > 0 {
                turns.push(cost);
            }
        }
        eprintln!("full copy {number} of {runs}: the machine's limit");
        let limit = limit::measure(&source, &target)?;
        if number > 0 {
            migrations.push(migration);
            limits.push(limit);
        }
    }
    std::fs::remove_file(&source)?;

    let used_gib = used_bytes as f64 / GIB;
    let mut sides = vec![Side::new(
        rehost::side("TLS, verified"),
        migrations,
        used_gib,
    )];
    for (peer, turns) in Peer::ALL.into_iter().zip(turns) {
        let named = (peer.name().to_owned(), peer.version()?, peer.is_encrypted());
        sides.push(Side::new(named, turns, used_gib));
    }
    let (ours, peers) = sides.split_first().context("find Rehost's figures")?;
    let best = |encrypted: bool| {
        let peers = peers.iter().filter(|peer| peer.encrypted == encrypted);
        let best = peers.min_by(|a, b| a.median.seconds.total_cmp(&b.median.seconds));
        best.context("find the best peer")
    };
    let (encrypted, plain) = (best(true)?, best(false)?);
    let limit_seconds = median(limits.iter().map(Limit::seconds));
    let seconds = ours.median.seconds;
    let proved = ours.median.proved_seconds.unwrap_or(f64::NAN);
    let ratios = Ratios {
        vs_best_peer: encrypted.median.seconds / seconds,
        vs_best_plain: plain.median.seconds / seconds,
        // Who compresses may send less than the limit supposes.
        vs_limit: (limit_seconds / seconds).min(1.0),
        proved_vs_best_peer: encrypted.median.seconds / proved,
    };
    Ok(Full {
        disk_bytes: disk_gib << 30,
        used_bytes,
        best_encrypted_peer: encrypted.name.clone(),
        best_plain_peer: plain.name.clone(),
        limit_seconds,
        limits,
        ratios,
        sides,
    })
}
