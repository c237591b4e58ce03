//! The rules of a migration: what may happen when, and what follows from it.
//!
//! Everything here is pure: no I/O, no clock, no database. The control plane asks, gets a decision,
//! and carries it out; nobody else assigns a state. Start with [`task`]:
//!
//! - [`source`]: the states of a source server, as SMS words them;
//! - [`changestate`]: what an agent may say about its source server;
//! - [`task`]: the life of a task, driven by operators and agents;
//! - [`subtask`]: the steps of a task that people watch;
//! - [`disk_mapping`]: which source disk goes to which target volume.
//!
//! Refusals carry the SMS error code they are answered with, as text such as `SMS.7713`.
//! The folder `tables` holds the rules as tables; tests keep them true.

pub mod changestate;
pub mod disk_mapping;
pub mod source;
pub mod subtask;
pub mod task;
