//! The source side of a migration: `rehost agent`.
//!
//! ```text
//!   mailbox --START, STOP--> task/runner --> task/run --> replication --> receiver
//!      |                                        |  ^
//!      | register, disks                        |  +-- task/watch: what is wanted now?
//!      v                                        v
//!   inventory                      task/translate --> reports/outbox --> reports/reporter
//! ```
//!
//! Each arrow to the control plane has a thread of its own, so that a control plane that does not
//! answer holds up nobody but that thread. What must survive a kill is in `state`, written at
//! every change. [`freeze`] holds the source still for the final round, by a second process.

mod access;
mod backoff;
mod care;
mod copy_plan;
mod device_number;
pub mod freeze;
pub mod hooks;
pub mod inventory;
mod mailbox;
mod mounts;
mod options;
mod orders;
mod quiet;
mod reports;
mod service;
mod state;
mod task;

pub use freeze::freeze_guard_main;
pub use options::{AgentAccess, AgentOptions, CareOptions, Changes, CopyScope};
pub use rehost_replication::source::Compression;
pub use service::run;
