//! What an agent is started with.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rehost_log_files::LogSink;
use rehost_replication::source::{AllocationMaps, Compression, UsedBlocks, WholeDisks};

/// What an agent is started with.
#[derive(Clone, Debug)]
pub struct AgentOptions {
    /// Directory for identity, state and ledgers; made if it is not there.
    pub state_dir: PathBuf,
    /// How the agent is known to the control plane.
    pub access: AgentAccess,
    /// Disks to be offered for migration: image files or block devices. Empty offers all disks of
    /// this machine.
    pub disks: Vec<PathBuf>,
    /// Name to show to people; the host name unless given.
    pub name: Option<String>,
    /// Streams of the data path, 1 to 64. `NUM_PROCESS_MIGRATE` of a task's settings overrides it.
    pub streams: u32,
    /// Where log lines go that are kept; the agent opens it in its state directory.
    pub logs: LogSink,
    /// What of the disks is copied.
    pub copy: CopyScope,
    /// How changes of the disks are found.
    pub changes: Changes,
    /// Pause between two sync rounds. Each reads the disks as a whole, so the source gets time in
    /// between; a cut-over does not wait for it.
    pub sync_interval: Duration,
    /// Where the hooks are that are called around the freeze, if any are to be.
    pub hooks: Option<PathBuf>,
    /// How long a call of a hook may take.
    pub hook_time_limit: Duration,
    /// How chunks are packed on the wire.
    pub compression: Compression,
    /// What a copy may take of this machine.
    pub care: CareOptions,
}

/// What a copy may take of the machine that it copies, as far as the settings of a task do not say
/// otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CareOptions {
    /// Processors, in percent of all; no bound if absent. `LINUX_CPU_LIMIT` of a task overrides it.
    pub cpu_percent: Option<u32>,
    /// Memory, in MiB; no bound if absent. `LINUX_MEM_LIMIT` of a task overrides it.
    pub memory_mib: Option<u32>,
    /// Reading of disks, in MiB/s; no bound if absent. `LINUX_IO_LIMIT` of a task overrides it.
    pub disk_mib_per_second: Option<u32>,
    /// Whether a copy reads more slowly while others wait longer for the disks because of it.
    pub guards_latency: bool,
}

/// What of the disks is copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyScope {
    /// What partition tables, volume managers and file systems say is in use; the rest arrives as
    /// zeros. What is not understood counts as used.
    #[default]
    Used,
    /// Every byte.
    Whole,
}

/// How it is found out what has changed on a disk since it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Changes {
    /// Changes are tracked where that is possible. What is not marked is read and compared once
    /// before a final round relies on it.
    #[default]
    Track,
    /// As [`Changes::Track`], without that comparison.
    TrackUnaudited,
    /// Every round reads everything and compares hashes.
    Compare,
}

impl CopyScope {
    pub(crate) fn used_blocks(self) -> Arc<dyn UsedBlocks> {
        match self {
            Self::Used => Arc::new(AllocationMaps),
            Self::Whole => Arc::new(WholeDisks),
        }
    }
}

/// How an agent is known to the control plane.
#[derive(Clone, Debug)]
pub enum AgentAccess {
    /// By an identity of its own, which it gets by joining.
    Joined {
        /// One-time token of a join as a source; needed at the first start only.
        token: Option<String>,
    },
    /// By an access key, as SMS's own agent is.
    AccessKey {
        /// Base URL of the control plane.
        endpoint: String,
        /// CA certificate of the control plane, PEM. Needed for `https`.
        ca_file: Option<PathBuf>,
        /// JSON with `access_key`, `secret_key` and, if wanted, `project_id`; `first-login.json` of
        /// the control plane will do. Keys are taken from a file so that no process list shows them.
        key_file: PathBuf,
    },
}
