//! The helper system: a kernel and an initramfs in which this is the first program. A machine that
//! starts it has a copied system on its disks; it finds that system, mounts it, has it made to start
//! on other hardware, tells its host what came of that, and switches itself off.
//!
//! It exists because all that takes a kernel, and rights over disks, that the machine where copies
//! are kept should not have to give: what is on the disks is foreign, and the machine around the
//! helper system is the wall between the two. `cargo xtask image` builds it.
//!
//! For hosts: [`protocol`] is what is said over the port, [`image`] what is in the directory that
//! holds the helper system.

mod console;
mod devices;
mod enter;
mod fstab;
mod host;
pub mod image;
mod init;
mod inside;
pub mod modules;
mod mounts;
mod power;
mod process;
pub mod protocol;
mod root;
mod sysfs;
mod tools;
mod uevents;
mod work;

use std::ffi::OsString;
use std::process::ExitCode;

/// The name by which the kernel starts the first program.
const INIT: &str = "/init";

/// Whether a process that was started with these arguments is part of a helper system.
#[must_use]
pub fn is_meant_by(mut arguments: impl Iterator<Item = OsString>) -> bool {
    arguments.next().is_some_and(|name| name == INIT)
}

/// Runs as the first program of a helper system and never comes back, or becomes a program of the
/// copied system, if this is not process 1. The first argument is the name of this program.
#[must_use]
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    if std::process::id() == 1 {
        init::run();
    }
    enter::become_program(arguments.skip(1))
}
