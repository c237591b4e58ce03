//! The target's end: a port for the tasks of a target, and what happens to arriving chunks.
//!
//! [`Port`] accepts connections and finds the task by the TLS server name; [`ReceivingTask`] owns
//! the volumes, journals and the committer of one task; `stream` serves one connection. [`Points`] are
//! what a replica is booted from while it is being received.

mod committer;
mod door;
mod points;
mod port;
mod request;
mod stream;
mod task;
mod unpacking;
mod volume;

pub use crate::journal::JournalError;
pub use points::{ExportedVolume, HeldPoint, PointError, Points};
pub use port::{Port, PortError};
pub use task::{ReceivingTask, VolumeToReceive};
