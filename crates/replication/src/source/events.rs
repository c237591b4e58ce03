//! What a replication tells those who watch it.

use super::Forecast;
use super::job::VolumeFigures;

/// Watches a replication. Called from the thread that runs it, never while the source is frozen.
pub trait Observer: Send + Sync {
    /// Something happened. Must not take long.
    fn event(&self, event: &Event);
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// All streams of a session are open; sessions are counted from 1.
    SessionOpened {
        /// Number of the session over the whole life of the task.
        number: u64,
    },
    /// The link broke; it will be opened again.
    LinkLost {
        /// Why, for people.
        reason: String,
    },
    /// It is known what of the disks is to be copied at first.
    Mapped {
        /// Each volume.
        volumes: Vec<MappedVolume>,
    },
    /// The marks of changed blocks of a disk cannot be relied on: rounds compare hashes instead.
    TrackingLost {
        /// Name of the disk.
        volume: String,
        /// Why, for people.
        reason: String,
    },
    /// A phase begins.
    PhaseBegan(Phase),
    /// How far the phase is.
    Progress(Progress),
    /// A round is through.
    RoundDone {
        /// Number of the round, from 1, the full copy.
        round: u32,
        /// Bytes that it sent.
        wire_bytes: u64,
        /// How long it took, in seconds.
        seconds: f64,
        /// Sessions so far, over the whole life of the task.
        sessions: u64,
        /// Figures of each volume so far.
        volumes: Vec<VolumeFigures>,
        /// What a cut-over would cost now.
        forecast: Forecast,
    },
    /// Rounds do not shrink: changes come as fast as they are dealt with, or faster.
    NotConverging {
        /// Bytes of the disks that rounds deal with per second.
        bytes_per_second: f64,
        /// Bytes per second that change: rounds would have to be faster.
        needed_bytes_per_second: f64,
    },
    /// The source was frozen for the final round and works again.
    Thawed {
        /// For how long, in seconds; the length of the round if nothing had to be frozen.
        downtime_seconds: f64,
    },
    /// The target holds its volumes at a point. Rounds go on.
    PointKept {
        /// Name of the point.
        point: String,
        /// For how long the source was held still, in seconds; the length of the round if nothing had
        /// to be frozen.
        held_seconds: f64,
    },
    /// A point that was asked for is not held. Replication goes on as if nobody had asked for it.
    PointFailed {
        /// Name of the point.
        point: String,
        /// Why, for people.
        reason: String,
    },
}

/// What of a volume is to be copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MappedVolume {
    /// Name of the disk.
    pub name: String,
    /// Bytes that count.
    pub used_bytes: u64,
    /// Why parts of it count as used as a whole, for people.
    pub notes: Vec<String>,
}

/// What a replication is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The first pass over all disks.
    FullCopy,
    /// The target, which may have been started since its disks were last found equal, hashes its
    /// medium before the first round. Nothing is sent.
    Survey,
    /// A pass that sends what changed.
    Sync {
        /// Number of the round.
        round: u32,
    },
    /// Everything in use is read and compared with what is known, to check the marks of changed
    /// blocks. Nothing is sent.
    Audit,
    /// A pass with the source frozen, after which the target holds its volumes at a point and rounds go
    /// on.
    PointRound,
    /// The last pass, with the source frozen.
    FinalRound,
    /// The target hashes its medium.
    Verifying,
}

/// How far a phase is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The phase.
    pub phase: Phase,
    /// Bytes of the disks that this phase is through with.
    pub done_bytes: u64,
    /// Bytes of the disks in all.
    pub total_bytes: u64,
    /// Bytes put on the wire in this phase by this run.
    pub wire_bytes: u64,
    /// Bytes of the disks dealt with per second, lately.
    pub bytes_per_second: f64,
}
