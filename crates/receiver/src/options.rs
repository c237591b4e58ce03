//! What a receiver is started with.

use std::net::SocketAddr;
use std::path::PathBuf;

use rehost_log_files::LogSink;

/// What a receiver is started with.
#[derive(Clone, Debug)]
pub struct ReceiverOptions {
    /// Folder for identity, journals and ledger; made if it is not there.
    pub state_dir: PathBuf,
    /// One-time token of a join as a target; needed at the first start only.
    pub join_token: Option<String>,
    /// Name to show to people.
    pub name: String,
    /// Where the data port listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Name or address at which sources reach the data port.
    pub advertise: String,
    /// Folder for image files; none if it should make none.
    pub images: Option<PathBuf>,
    /// Where log lines go that are kept; the receiver opens it in its state directory.
    pub logs: LogSink,
    /// Block devices that tasks may overwrite.
    pub devices: Vec<PathBuf>,
    /// How what was received is started; nothing is if absent.
    pub boot: Option<BootOptions>,
}

/// How a receiver starts what it has received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootOptions {
    /// Folder of the helper system, as `cargo xtask image` makes it.
    pub helper_system: PathBuf,
    /// Processors of a machine, unless its task says otherwise.
    pub cpus: u32,
    /// Memory of a machine in MiB, unless its task says otherwise.
    pub memory_mib: u32,
}
