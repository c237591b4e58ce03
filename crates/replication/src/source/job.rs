//! What a replication is given, and what it returns.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rehost_volumes::{Proof, Volume};

use super::{ChangeTracker, Packing, UsedBlocks};

/// A migration's copying, as the agent sees it.
#[derive(Debug)]
pub struct ReplicationJob {
    /// The task.
    pub task_id: String,
    /// The disks.
    pub volumes: Vec<SourceVolume>,
    /// What of them is copied; the rest arrives as zeros.
    pub used_blocks: Arc<dyn UsedBlocks>,
    /// Folder for the ledgers of this task; made if it is not there.
    pub state_dir: PathBuf,
    /// The receiver.
    pub peer: Peer,
    /// Presents the task's certificate and trusts the task's CA alone.
    pub tls: Arc<rustls::ClientConfig>,
    /// Streams of a session, 1 to 64.
    pub streams: u32,
    /// Whether sync rounds follow the full copy until cut-over; otherwise the final round does.
    pub syncing: bool,
    /// Pause between two sync rounds.
    pub sync_interval: Duration,
    /// Whether marks of changed blocks are checked against the disks, by reading all that is in use
    /// once in each stretch of tracking.
    pub audits_marks: bool,
    /// How chunks are packed; the same for every run of the task in this process, since it learns.
    pub packing: Arc<Packing>,
}

/// A disk of the source.
#[derive(Clone, Debug)]
pub struct SourceVolume {
    /// Number of the volume within the task.
    pub index: u32,
    /// Name of the disk, for people.
    pub name: String,
    /// Its bytes.
    pub volume: Arc<dyn Volume>,
    /// Knows what changes on it, if anybody does.
    pub tracker: Option<Arc<dyn ChangeTracker>>,
}

/// Where the receiver is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Name or IP address.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// TLS server name, which tells the receiver the task.
    pub server_name: String,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.address, self.port)
    }
}

/// How a replication ended.
#[derive(Debug)]
pub enum Outcome {
    /// It was asked to stop. Nothing is lost: the next run goes on from here.
    Stopped,
    /// The final round is through and both ends have hashed their medium.
    Finished(Box<Finished>),
    /// The final round is through; the comparison was skipped, so nothing is proved.
    Unchecked(Unchecked),
}

/// A replication that ended without the comparison of both ends.
#[derive(Debug)]
pub struct Unchecked {
    /// Figures of each volume.
    pub volumes: Vec<VolumeFigures>,
    /// Sessions that it took.
    pub sessions: u64,
}

/// A finished replication.
#[derive(Debug)]
pub struct Finished {
    /// Figures of each volume.
    pub volumes: Vec<VolumeFigures>,
    /// The proof of equality, or the list of differences.
    pub proof: Proof,
    /// Sessions that it took.
    pub sessions: u64,
}

/// What one volume cost.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VolumeFigures {
    /// Name of the disk.
    pub name: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Bytes that were not zero when the full copy read them.
    pub used_bytes: u64,
    /// Bytes put on the wire, packed as they were and before encryption, frames included.
    pub wire_bytes: u64,
    /// Bytes that packing kept from the wire: without it they would have been there in addition.
    pub saved_bytes: u64,
    /// Of these, payload bytes that had been sent in the same round before.
    pub sent_again_bytes: u64,
    /// Rounds, the full copy and the final round included.
    pub rounds: u32,
    /// Time spent on rounds, in seconds.
    pub seconds: f64,
    /// Part of it that the full copy took, in seconds.
    pub full_copy_seconds: f64,
    /// For how long the source was held still, in seconds: from the moment at which the first of its
    /// file systems began to freeze for the final round until all were thawed. The length of the
    /// final round where nothing was mounted; 0 if none was needed because nobody had written.
    pub downtime_seconds: f64,
}
