//! Source to target: how disks are copied, kept in step and proved equal.
//!
//! ```text
//!   source/                            wire/                       target/
//!   run: rounds in order  --streams--> frame, message, transport   port: TLS, which task?
//!   full_copy, sync_round              (TLS 1.3 both ways)         stream: verify, write
//!   final_round: freeze, thaw, proof                               committer: flush, record, acknowledge
//!   ledger: what went out                                          journal: what is durably there
//! ```
//!
//! Follow a chunk: [`source`] reads it, hashes it and sends what is not zero; [`target`] rebuilds
//! it, checks the hash, writes it, flushes the medium, records the hash in the journal and only
//! then acknowledges it. Whoever dies, the journal knows what need not be sent again.

mod journal;
pub mod source;
pub mod target;
mod transport;
pub mod wire;

/// How much may be sent and not yet acknowledged, over all streams of a session, in bytes.
///
/// It bounds what is sent again after anything died. Four commits fit into it, so that the link
/// stays busy while the receiver flushes.
pub const IN_FLIGHT_WINDOW_BYTES: u64 = 128 << 20;

/// How much the receiver gathers before it flushes and acknowledges, in bytes.
///
/// Larger saves flushes, smaller loses less; a flush of 32 MiB takes some milliseconds on a fast
/// disk and a third of a second on a slow one.
pub const COMMIT_BYTES: u64 = 32 << 20;
