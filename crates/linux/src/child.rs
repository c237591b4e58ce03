//! Child processes that do not outlive whoever started them.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};

/// Makes the kernel kill the child of this command as soon as the thread that starts it is gone,
/// even if that happens by `kill -9`. It is the thread that counts, not its process: start the
/// command in a thread that lives as long as the child.
///
/// What the child starts in turn is not killed, and the promise ends if the child executes a
/// program that is set-user-id or has capabilities of its own.
pub fn end_with_this_thread(command: &mut Command) {
    let parent = std::process::id();
    let promise = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have gone before the line above.
        let is_there = getppid().is_some_and(|pid| pid.as_raw_pid().cast_unsigned() == parent);
        if is_there {
            Ok(())
        } else {
            Err(rustix::io::Errno::SRCH.into())
        }
    };
    // SAFETY: between fork and exec the closure only makes two system calls and compares numbers;
    // it allocates nothing, takes no lock and touches no memory that other threads may have been
    // changing.
    unsafe { command.pre_exec(promise) };
}
