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
}
