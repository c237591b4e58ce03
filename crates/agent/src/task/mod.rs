//! Running a task, from START to its end.
//!
//! [`runner`] has one task at most and takes the commands; [`run`] is the life of a task in a
//! thread of its own; [`watch`] keeps asking the control plane what is wanted and steers the
//! replication by that; [`translate`] turns what the replication says into reports, with [`figures`]
//! of its progress and of the [`usage`] of the machine; [`prepare`] gets ready what a replication
//! needs, [`tracking`] follows the changes of its disks; [`network_check`] measures the link; [`outcome`] makes the last reports. While a copy runs, nothing here waits for the control
//! plane.

mod figures;
pub(crate) mod network_check;
mod outcome;
mod points;
mod prepare;
mod run;
mod runner;
mod speed_limit;
mod tracking;
mod translate;
mod usage;
mod watch;

pub(crate) use figures::Speed;
pub(crate) use runner::{Runner, Shared};
pub(crate) use translate::Translator;
pub(crate) use watch::Watch;
