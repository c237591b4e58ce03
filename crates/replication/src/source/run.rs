//! The course of a replication, from the first byte to the proof.
//!
//! ```text
//!            +------------------- link lost: new session ------------------+
//!            v                                                             |
//!   open streams -> agree -> full copy -> sync round -> rest --+-> audit -> final round -> verify
//!                              (skipped      ^ (point round)   |             (frozen)        ^
//!                               if done)     +-----------------+                             |
//!                                 +----------------------------------------------------------+
//!                                   nobody wrote to the source meanwhile
//! ```
//!
//! A point round is made when somebody asks for one: frozen like the final round, and the target
//! holds its volumes then. To agree is to find out what of that which the target acknowledged once it still has. The audit is
//! for disks whose changes are tracked, once in each stretch of tracking; it follows a sync round, if
//! there is one. The comparison can be skipped while it goes on; then nothing is proved. A session
//! that breaks loses nothing but what was in flight. Within a session every round is a set of workers,
//! one a stream.

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rehost_volumes::{ChangeMark, HashTree, Proof, UsedRanges, VolumeProof, chunk_count};

use super::changes::{Chunks, all_chunks};
use super::control::{Control, Wanted};
use super::events::{Event, MappedVolume, Observer, Phase};
use super::forecast::{Forecast, History, PastRound};
use super::freeze::Freezer;
use super::job::{Finished, Outcome, ReplicationJob, Unchecked};
use super::ledger::{Ledger, Rounds};
use super::plan::Plan;
use super::progress::{Counters, Reporter};
use super::round::{COPY_UNIT_CHUNKS, HASH_UNIT_CHUNKS, Hashed, Kinds, Round, Todo};
use super::stream::SourceStream;
use super::used::{Source, View};
use super::work::WorkQueue;
use super::workers::{share, trees};
use super::{SourceError, VolumeFigures, WholeDisks, error_chain};

/// For how long a lost link is opened again before the caller is asked for a new address.
const LINK_PATIENCE: Duration = Duration::from_secs(30);

/// First and longest pause before a new attempt.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));

/// How often idle streams show that the source is alive.
const ALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// Replicates until it is finished, asked to stop, or cannot go on.
///
/// May be called again after any return, also in another process: what the receiver has is not
/// sent again. Returns with the source thawed, whatever happens.
///
/// # Errors
/// [`SourceError`]; see [`SourceError::is_link`] and [`SourceError::is_wait`] for what to do.
pub fn run(
    job: &ReplicationJob,
    control: &Control,
    freezer: &mut dyn Freezer,
    observer: &dyn Observer,
) -> Result<Outcome, SourceError> {
    let mut replication = Replication::open(job, control, observer)?;
    let mut reachable = Instant::now();
    let mut pause = RETRY_PAUSES.0;
    loop {
        if control.should_stop() {
            return Ok(Outcome::Stopped);
        }
        let result = replication.open_streams().and_then(|streams| {
            pause = RETRY_PAUSES.0;
            let result = replication.session(streams, freezer);
            reachable = Instant::now();
            result
        });
        if matches!(result, Ok(Outcome::Finished(_) | Outcome::Unchecked(_))) {
            replication.refuse_points("the final round came first");
        }
        match result {
            Err(error) if error.is_link() && control.should_stop() => return Ok(Outcome::Stopped),
            Err(error) if error.is_link() && reachable.elapsed() < LINK_PATIENCE => {
                observer.event(&Event::LinkLost {
                    reason: error_chain(&error),
                });
                control.pause(pause);
                pause = (pause * 2).min(RETRY_PAUSES.1);
            }
            result => return result,
        }
    }
}

/// A replication and what it remembers between sessions.
pub(super) struct Replication<'a> {
    pub(super) job: &'a ReplicationJob,
    pub(super) control: &'a Control,
    pub(super) observer: &'a dyn Observer,
    pub(super) ledgers: Vec<Ledger>,
    pub(super) rounds: Rounds,
    pub(super) plan: Plan<'a>,
    history: History,
    forecast: Forecast,
    /// When the changes were last taken that a round deals with.
    lent_at: Instant,
}

impl<'a> Replication<'a> {
    fn open(
        job: &'a ReplicationJob,
        control: &'a Control,
        observer: &'a dyn Observer,
    ) -> Result<Self, SourceError> {
        std::fs::create_dir_all(&job.state_dir).map_err(|source| SourceError::Ledger {
            path: job.state_dir.clone(),
            source,
        })?;
        let ledgers = job.volumes.iter().map(|volume| {
            let path = job.state_dir.join(format!("sent-{}.ledger", volume.index));
            Ledger::open(path, volume.volume.size_bytes())
        });
        Ok(Self {
            job,
            control,
            observer,
            ledgers: ledgers.collect::<Result<_, _>>()?,
            rounds: Rounds::load(&job.state_dir)?,
            plan: Plan::open(job)?,
            history: History::default(),
            forecast: Forecast::default(),
            lent_at: Instant::now(),
        })
    }

    fn open_streams(&mut self) -> Result<Vec<SourceStream>, SourceError> {
        // Random, so that no session of an earlier life is mistaken for this one.
        let session = std::hash::RandomState::new().build_hasher().finish();
        let streams = (0..self.job.streams.max(1))
            .map(|number| SourceStream::open(self.job, session, number))
            .collect::<Result<_, _>>()?;
        self.rounds.sessions += 1;
        self.rounds.save(&self.job.state_dir)?;
        self.observer.event(&Event::SessionOpened {
            number: self.rounds.sessions,
        });
        Ok(streams)
    }

    /// Everything that is left to do, over open streams.
    fn session(
        &mut self,
        mut streams: Vec<SourceStream>,
        freezer: &mut dyn Freezer,
    ) -> Result<Outcome, SourceError> {
        let streams = &mut streams;
        self.agree(streams)?;
        if self.control.should_stop() {
            return Ok(Outcome::Stopped);
        }
        if !self.rounds.full_copy_done
            && let Some(source) = self.full_copy(streams)?
            && !self.job.syncing
        {
            return self.verify(streams, source, 0.0);
        }
        if self.job.syncing {
            while self.control.wanted() == Wanted::Run {
                self.sync_round(streams)?;
                self.audit(streams)?;
                self.points(streams, freezer)?;
                self.rest(streams)?;
            }
        }
        self.audit(streams)?;
        if self.job.syncing && self.control.wanted() == Wanted::Cutover {
            // Shortens the final round by all that changed since the last one.
            self.sync_round(streams)?;
        }
        if self.control.should_stop() {
            return Ok(Outcome::Stopped);
        }
        self.finish(streams, freezer)
    }

    /// Returns the source's trees if they are known to be still true: everything was read in one
    /// go, and the disks keep marks that say that nobody wrote meanwhile.
    fn full_copy(
        &mut self,
        streams: &mut [SourceStream],
    ) -> Result<Option<SourceTrees>, SourceError> {
        self.rounds.round = 1;
        let marks = self.change_marks()?;
        let present = self.presence(streams)?;
        let views = self.views(Source::InUse)?;
        self.tell_maps(&views);
        // What is not copied now because the receiver has it is looked at in the next round.
        self.lend(&views)?;
        let (phase, kind) = (Phase::FullCopy, Kinds::Full { present });
        self.round(streams, &views, phase, kind, COPY_UNIT_CHUNKS)?;
        if self.control.should_stop() {
            return Ok(None);
        }
        self.rounds.full_copy_done = true;
        self.rounds.save(&self.job.state_dir)?;
        let is_settled = views.iter().all(|view| view.is_settled);
        if marks.is_none() || !is_settled || self.change_marks()? != marks {
            return Ok(None);
        }
        self.source_trees(&views, now_milliseconds())
    }

    /// The disks by the maps of this moment. Fails if one of them has another size by now: what was
    /// added to it would never be copied.
    pub(super) fn views(&self, source: Source) -> Result<Vec<View>, SourceError> {
        for volume in &self.job.volumes {
            let (was_bytes, now_bytes) = (
                volume.volume.size_bytes(),
                volume.volume.present_size_bytes()?,
            );
            if now_bytes != was_bytes {
                return Err(SourceError::SizeChanged {
                    volume: volume.name.clone(),
                    was_bytes,
                    now_bytes,
                });
            }
        }
        let maps = &*self.job.used_blocks;
        Ok(View::all(&self.job.volumes, maps, source))
    }

    fn tell_maps(&self, views: &[View]) {
        let volumes = self.job.volumes.iter().zip(views);
        let volumes = volumes.map(|(volume, view)| MappedVolume {
            name: volume.name.clone(),
            used_bytes: view.used.total_bytes(),
            notes: view.notes.clone(),
        });
        self.observer.event(&Event::Mapped {
            volumes: volumes.collect(),
        });
    }

    /// The marks of all disks, if all keep one.
    fn change_marks(&self) -> Result<Option<Vec<ChangeMark>>, SourceError> {
        let mut marks = Vec::new();
        for volume in &self.job.volumes {
            match volume.volume.change_mark()? {
                Some(mark) => marks.push(mark),
                None => return Ok(None),
            }
        }
        Ok(Some(marks))
    }

    /// Asks which chunks the receiver has: a bit per chunk, per volume.
    fn presence(&self, streams: &mut [SourceStream]) -> Result<Vec<Vec<u8>>, SourceError> {
        let Some(stream) = streams.first_mut() else {
            return Err(SourceError::Protocol("a session without streams"));
        };
        let volumes = self.job.volumes.iter();
        volumes
            .map(|volume| stream.presence(volume.index, chunk_count(volume.volume.size_bytes())))
            .collect()
    }

    fn sync_round(&mut self, streams: &mut [SourceStream]) -> Result<(), SourceError> {
        self.begin_round()?;
        let phase = Phase::Sync {
            round: self.rounds.round,
        };
        let views = self.views(Source::InUse)?;
        let todo = self.lend(&views)?;
        let kind = Kinds::Changes { todo };
        self.round(streams, &views, phase, kind, HASH_UNIT_CHUNKS)?;
        Ok(())
    }

    pub(super) fn begin_round(&mut self) -> Result<(), SourceError> {
        self.rounds.round += 1;
        self.rounds.save(&self.job.state_dir)
    }

    /// Waits for the next sync round, but not while a point is asked for; shows on all streams that the
    /// source is alive.
    fn rest(&self, streams: &mut [SourceStream]) -> Result<(), SourceError> {
        let end = Instant::now() + self.job.sync_interval;
        while let Some(left) = end.checked_duration_since(Instant::now())
            && self.control.wanted() == Wanted::Run
            && !self.control.wants_point()
        {
            self.control.rest(left.min(ALIVE_INTERVAL));
            for stream in &mut *streams {
                stream.barrier()?;
            }
        }
        Ok(())
    }

    /// Lets the target hash its medium and compares, unless that is to be skipped.
    pub(super) fn verify(
        &mut self,
        streams: &mut Vec<SourceStream>,
        source: SourceTrees,
        downtime_seconds: f64,
    ) -> Result<Outcome, SourceError> {
        let whole = View::all(&self.job.volumes, &WholeDisks, Source::AtRest);
        let (phase, kind) = (Phase::Verifying, Kinds::Verify { skippable: true });
        let seen = self.round(streams, &whole, phase, kind, HASH_UNIT_CHUNKS)?;
        if self.control.should_stop() {
            return Ok(Outcome::Stopped);
        }
        let target = trees(&whole, seen);
        let target_read_at = now_milliseconds();
        let figures = self.figures().into_iter();
        let figures = figures.map(|figures| VolumeFigures {
            downtime_seconds,
            ..figures
        });
        let target = match target {
            // Asked for too late to leave anything out, a skip changes nothing.
            Err(_) if self.control.skips_check() => {
                self.hand_over()?;
                streams.drain(..).for_each(SourceStream::goodbye);
                return Ok(Outcome::Unchecked(Unchecked {
                    volumes: figures.collect(),
                    sessions: self.rounds.sessions,
                }));
            }
            target => target?,
        };
        streams.drain(..).for_each(SourceStream::goodbye);
        let ends = source.disks.into_iter().zip(&target);
        let proofs = self.job.volumes.iter().zip(ends);
        let proofs = proofs.map(|(volume, ((tree, used), target))| {
            VolumeProof::new(
                &volume.name,
                used,
                (&tree, source.read_at),
                (target, target_read_at),
            )
        });
        let proof = Proof::new(&self.job.task_id, proofs.collect());
        if proof.equal {
            self.hand_over()?;
        }
        Ok(Outcome::Finished(Box::new(Finished {
            volumes: figures.collect(),
            proof,
            sessions: self.rounds.sessions,
        })))
    }

    /// The target may be started from now on, and write to its disks.
    fn hand_over(&mut self) -> Result<(), SourceError> {
        self.rounds.handed_over = true;
        self.rounds.save(&self.job.state_dir)
    }

    /// Takes the marks of changed blocks and says what a round has to look at.
    fn lend(&mut self, views: &[View]) -> Result<Vec<Todo>, SourceError> {
        self.lent_at = Instant::now();
        self.plan.lend(views, &self.rounds.distrust, self.observer)
    }

    /// The source's trees, if everything is known.
    pub(super) fn source_trees(
        &self,
        views: &[View],
        read_at: i64,
    ) -> Result<Option<SourceTrees>, SourceError> {
        let mut disks = Vec::new();
        for (hashes, view) in self.plan.hashes.iter().zip(views) {
            let Some(tree) = hashes.tree()? else {
                return Ok(None);
            };
            disks.push((tree, view.for_proof()));
        }
        Ok(Some(SourceTrees { disks, read_at }))
    }

    /// What each volume has cost so far.
    fn figures(&self) -> Vec<VolumeFigures> {
        let volumes = self.job.volumes.iter().zip(&self.ledgers);
        volumes
            .map(|(volume, ledger)| ledger.figures(&volume.name))
            .collect()
    }

    /// Runs a round and reports on it.
    pub(super) fn round(
        &mut self,
        streams: &mut [SourceStream],
        views: &[View],
        phase: Phase,
        kind: Kinds,
        unit_chunks: u64,
    ) -> Result<Vec<Hashed>, SourceError> {
        self.observer.event(&Event::PhaseBegan(phase));
        let total = chunk_sets(views, &kind).into_iter().zip(views);
        let total = total.map(|(chunks, view)| {
            let bytes = chunks.iter().map(|chunks| view.used_bytes(chunks));
            bytes.sum::<u64>()
        });
        let total: u64 = total.sum();
        let mut reporter = Reporter::new(phase, total);
        let wire_before = self.wire_bytes();
        let begun = Instant::now();
        let mut report = |round: &Round<'_>| {
            let wire_bytes = self.wire_bytes() - wire_before;
            reporter.report(&round.counters, wire_bytes, self.observer);
        };
        let result = self.work(streams, views, kind, unit_chunks, &mut report);
        if !matches!(phase, Phase::Verifying | Phase::Audit | Phase::Survey) {
            for hashes in &self.plan.hashes {
                hashes.flush()?;
            }
            self.add_round(begun, result.is_ok())?;
            if result.is_ok() {
                self.foresee(views, begun, total, self.wire_bytes() - wire_before)?;
            }
            self.observer.event(&Event::RoundDone {
                round: self.rounds.round,
                wire_bytes: self.wire_bytes() - wire_before,
                seconds: begun.elapsed().as_secs_f64(),
                sessions: self.rounds.sessions,
                volumes: self.figures(),
                forecast: self.forecast,
            });
            if let Some(needed_bytes_per_second) = self.forecast.needed_bytes_per_second {
                self.observer.event(&Event::NotConverging {
                    bytes_per_second: self.forecast.bytes_per_second,
                    needed_bytes_per_second,
                });
            }
        }
        result
    }

    /// Works out what is to be expected after a round.
    fn foresee(
        &mut self,
        views: &[View],
        begun: Instant,
        bytes: u64,
        wire_bytes: u64,
    ) -> Result<(), SourceError> {
        let seconds = begun.elapsed().as_secs_f64();
        let distrust = &self.rounds.distrust;
        let remaining = self.plan.remaining(views, distrust)?;
        let changed_bytes = if remaining.is_tracked {
            remaining.bytes
        } else {
            wire_bytes
        };
        self.forecast = self.history.add(PastRound {
            bytes,
            seconds,
            remaining_bytes: remaining.bytes,
            changed_bytes,
            gathered_seconds: self.lent_at.elapsed().as_secs_f64(),
        });
        Ok(())
    }

    pub(super) fn add_round(&self, begun: Instant, whole: bool) -> Result<(), SourceError> {
        let seconds = begun.elapsed().as_secs_f64();
        self.ledgers
            .iter()
            .try_for_each(|ledger| ledger.add_round(seconds, whole))
    }

    /// Has the streams work on a round together.
    pub(super) fn work(
        &self,
        streams: &mut [SourceStream],
        views: &[View],
        kind: Kinds,
        unit_chunks: u64,
        meanwhile: &mut dyn FnMut(&Round<'_>),
    ) -> Result<Vec<Hashed>, SourceError> {
        let chunks = chunk_sets(views, &kind);
        let round = Round {
            number: self.rounds.round,
            kind,
            views,
            ledgers: &self.ledgers,
            hashes: &self.plan.hashes,
            queue: WorkQueue::new(&chunks, unit_chunks),
            control: self.control,
            counters: Counters::default(),
            halted: AtomicBool::new(false),
        };
        share(&round, streams, meanwhile)
    }

    fn wire_bytes(&self) -> u64 {
        self.ledgers.iter().map(Ledger::wire_bytes).sum()
    }
}

/// What the source's disks held when they were last read as a whole.
pub(super) struct SourceTrees {
    /// Per disk: its tree, and what of it counts.
    disks: Vec<(HashTree, UsedRanges)>,
    /// Milliseconds since 1970.
    read_at: i64,
}

/// Which chunks of each disk a round looks at.
fn chunk_sets(views: &[View], kind: &Kinds) -> Vec<Chunks> {
    match kind {
        Kinds::Full { .. } | Kinds::Verify { .. } => {
            let all = views.iter().map(|view| all_chunks(view.size_bytes()));
            all.collect()
        }
        Kinds::Changes { todo } | Kinds::Audit { recorded: todo, .. } => {
            todo.iter().map(|todo| todo.chunks.clone()).collect()
        }
    }
}

pub(super) fn now_milliseconds() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
