//! The target side: `rehost receive`.
//!
//! A receiver joins the control plane once, announces what it offers, and then follows the list of
//! tasks that are assigned to it: for each it makes the volumes and opens the data port, and lets
//! go of what is no longer listed. All its decisions come from comparing two lists, what is
//! assigned and what is served, so a restart at any moment leads to the same state.

mod assignment;
mod boot_order;
mod boots;
mod helper;
mod log_requests;
mod options;
mod service;

pub use options::{BootOptions, ReceiverOptions};
pub use service::run;
