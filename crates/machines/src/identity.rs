//! Which process a machine is, in a form that can be written down.
//!
//! The number of a process alone is not enough: the kernel gives it to somebody else later. With
//! the time at which the process began, and the boot of the host that this time is counted from, it
//! is one process for ever. Ending it goes by way of a descriptor of the process that is opened
//! first and compared then, so that nothing can slip in between.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::MachineError;

/// How long a killed process may take to go. One that has open files on a slow disk takes a while.
const END_TIME: Duration = Duration::from_secs(30);

/// One process, never another that is given the same number later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Its number.
    pub pid: u32,
    /// When it began, in clock ticks since the host started.
    pub start_time_ticks: u64,
    /// The kernel's name of that start of the host.
    pub host_boot_id: String,
}

impl ProcessIdentity {
    /// Of a process that is there.
    ///
    /// # Errors
    /// If it is not, or `/proc` cannot be read.
    pub fn of(pid: u32) -> io::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (_, start_time_ticks) = parse_stat(&stat)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unknown form of stat"))?;
        Ok(Self {
            pid,
            start_time_ticks,
            host_boot_id: host_boot_id()?,
        })
    }

    /// Whether the process runs. One that has ended and was not waited for yet does not.
    #[must_use]
    pub fn is_running(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid));
        let Some((state, start_time_ticks)) = stat.ok().as_deref().and_then(parse_stat) else {
            return false;
        };
        !matches!(state, 'Z' | 'X')
            && start_time_ticks == self.start_time_ticks
            && host_boot_id().is_ok_and(|id| id == self.host_boot_id)
    }

    /// Kills the process, and waits until it is gone. Returns whether it ran.
    ///
    /// # Errors
    /// [`MachineError::Process`] if it may not be killed, [`MachineError::TooLong`] if it does not
    /// go.
    pub fn end(&self) -> Result<bool, MachineError> {
        let failed = |act, errno: Errno| MachineError::Process {
            act,
            machine: format!("with the number {}", self.pid),
            source: errno.into(),
        };
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return Ok(false);
        };
        let process = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => process,
            Err(Errno::SRCH) => return Ok(false),
            Err(errno) => return Err(failed("find", errno)),
        };
        // Only now: what the number means cannot change any more while the descriptor is open.
        if !self.is_running() {
            return Ok(false);
        }
        match pidfd_send_signal(&process, Signal::KILL) {
            Ok(()) => {}
            Err(Errno::SRCH) => return Ok(false),
            Err(errno) => return Err(failed("end", errno)),
        }
        if wait_for_end(&process, END_TIME).map_err(|errno| failed("wait for", errno))? {
            return Ok(true);
        }
        Err(MachineError::TooLong {
            what: format!("the end of process {}", self.pid),
            seconds: END_TIME.as_secs(),
        })
    }
}

/// Whether the process went within the time.
fn wait_for_end(process: &OwnedFd, time: Duration) -> Result<bool, Errno> {
    let until = Instant::now() + time;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        match poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

fn host_boot_id() -> io::Result<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(text.trim().to_owned())
}

/// State and start time of a process, from `/proc/PID/stat`. Its second field is the name of the
/// program in parentheses, and may contain anything, parentheses included.
fn parse_stat(text: &str) -> Option<(char, u64)> {
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    // State is the third field, the start time the twenty-second.
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";
        for name in ["qemu", "a b", "x) R 9 (y", ")"] {
            let stat = format!("77 ({name}) {rest}\n");
            assert_eq!(parse_stat(&stat), Some(('S', 4711)), "{stat}");
        }
        for damaged in ["", "77 (qemu", "77 (qemu) S 1 2", "77 (q) S a b"] {
            assert_eq!(parse_stat(damaged), None);
        }
    }

    #[test]
    fn exactly_the_process_that_was_written_down_is_ended() {
        let start = || {
            let mut command = Command::new("cat");
            command.stdin(Stdio::piped()).spawn().unwrap()
        };
        let (mut one, mut other) = (start(), start());
        let identity = ProcessIdentity::of(one.id()).unwrap();
        assert!(identity.is_running());

        // The same number at another time, or after another start of the host: somebody else.
        let later = ProcessIdentity {
            start_time_ticks: identity.start_time_ticks + 1,
            ..identity.clone()
        };
        let elsewhere = ProcessIdentity {
            host_boot_id: "another".into(),
            ..identity.clone()
        };
        assert!(!later.end().unwrap());
        assert!(!elsewhere.end().unwrap());
        assert!(one.try_wait().unwrap().is_none());

        let written = serde_json::to_string(&identity).unwrap();
        let read: ProcessIdentity = serde_json::from_str(&written).unwrap();
        assert!(read.end().unwrap());
        // It is nobody's any more, even before its parent has waited for it.
        assert!(!identity.is_running());
        assert!(!identity.end().unwrap());
        assert!(!one.wait().unwrap().success());
        assert!(!identity.end().unwrap());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
