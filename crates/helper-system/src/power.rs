//! The end of this machine, and of every process in it but this one.

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use rustix::system::{RebootCommand, reboot};

use crate::{console, sysfs};

/// Writes what is in memory to the disks and switches the machine off. Does not come back.
pub(crate) fn off() -> ! {
    rustix::fs::sync();
    if let Err(errno) = reboot(RebootCommand::PowerOff) {
        console::line(&format!("cannot power off: {errno}"));
    }
    // Were this to return, the kernel would panic; a host that waits for the end sees one either
    // way.
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// Ends every process but this one: what programs of the copied system have left behind keeps its
/// file systems in use.
pub(crate) fn end_other_processes() {
    let own = std::process::id();
    let names = sysfs::names_in(Path::new("/proc")).unwrap_or_default();
    for name in names {
        // Threads of the kernel do not mind the signal.
        let process = name.parse::<i32>().ok().filter(|id| *id != 1);
        let process = process.filter(|id| u32::try_from(*id) != Ok(own));
        if let Some(process) = process.and_then(Pid::from_raw) {
            let _ = kill_process(process, Signal::KILL);
        }
    }
}
