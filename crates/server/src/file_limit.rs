//! How many connections this process may have: a connection is an open file, and the system limits
//! those.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are no connections: the database and its connections, logs, documents.
const OTHER_FILES: u64 = 256;
/// Enough for anybody, where the system sets no limit.
const MOST: u64 = 1_000_000;
/// What is served even if the limit cannot be what it should be.
const LEAST: u64 = 64;

/// Raises the limit as far as that is permitted, and says how many connections it leaves room for.
pub(crate) fn connections() -> usize {
    let known = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: known.maximum,
        maximum: known.maximum,
    };
    let files = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => known.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of open files could not be raised");
            known.current
        }
    };
    let connections = files.unwrap_or(MOST).min(MOST).saturating_sub(OTHER_FILES);
    usize::try_from(connections.max(LEAST)).unwrap_or(usize::MAX)
}
