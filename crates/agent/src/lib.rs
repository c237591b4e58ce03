//! The source side of a migration.

mod device_number;
pub mod freeze;
pub mod inventory;
mod mounts;
mod quiet;

pub use freeze::freeze_guard_main;
