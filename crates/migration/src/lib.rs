//! The rules of a migration: what may happen when, and what follows from it.
//!
//! Everything here is pure: no I/O, no clock, no database. The control plane asks, gets a decision,
//! and carries it out; nobody else assigns a state. Start with [`task`]:
//!
//! - [`source`]: the states of a source server, as SMS words them;
//! - [`changestate`]: what an agent may say about its source server;
//! - [`task`]: the life of a task, driven by operators and agents;
//! - [`subtask`]: the steps of a task that people watch;
//! - [`inventory`]: what a source server consists of;
//! - [`feasibility`]: what stands against its migration;
//! - [`preconditions`]: what must be so before a task is made;
//! - [`target_proposal`]: the target that is recommended for it;
//! - [`resize`]: which sizes and choices of disks are possible;
//! - [`disk_mapping`]: which source disk goes to which target volume;
//! - [`copy_plan`]: how consistent the copy of a disk will be;
//! - [`speed`]: speed limits over the day.
//!
//! Refusals carry the SMS error code they are answered with, as text such as `SMS.7713`.
//! The folder `tables` holds the rules as tables; tests keep them true.

pub mod changestate;
pub mod copy_plan;
pub mod disk_mapping;
pub mod feasibility;
pub mod inventory;
pub mod preconditions;
pub mod resize;
pub mod source;
pub mod speed;
pub mod subtask;
pub mod target_proposal;
pub mod task;
