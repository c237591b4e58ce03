//! Runs programs that we do not trust to end or to be quiet: with a limit of time, without input,
//! and keeping only the end of what they print.

use std::io::{PipeReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use rustix::time::Timespec;

/// What a program leaves behind may keep its output open. We listen this long after its end.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What came of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    /// None if it was ended by a signal, as after its limit.
    pub(crate) exit_code: Option<i32>,
    /// The end of what it printed.
    pub(crate) output: String,
    /// Whether it was ended because its time was up.
    pub(crate) timed_out: bool,
}

/// Runs a program to its end, or for `limit`. Of what it prints on both outputs, the last
/// `keep_bytes` are kept.
///
/// # Errors
/// If it cannot be started.
pub(crate) fn run(
    mut command: Command,
    limit: Duration,
    keep_bytes: usize,
) -> std::io::Result<Ended> {
    let (reader, writer) = std::io::pipe()?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0);
    let mut child = command.spawn()?;
    // Only the program holds the other end of the pipe now.
    drop(command);

    let kept = Arc::new(Mutex::new(Vec::new()));
    let (end, ended) = mpsc::channel();
    let kept_by_reader = Arc::clone(&kept);
    std::thread::Builder::new()
        .name("program-output".into())
        .spawn(move || {
            keep_end(reader, keep_bytes, &kept_by_reader);
            // Nobody may be waiting any more.
            let _ = end.send(());
        })?;

    let timed_out = !ends_within(&child, limit)?;
    if timed_out {
        end_group(&child);
    }
    let status = child.wait()?;
    let _ = ended.recv_timeout(LAST_WORDS);
    let bytes = kept.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Ended {
        exit_code: status.code(),
        output: String::from_utf8_lossy(&bytes).into_owned(),
        timed_out,
    })
}

fn keep_end(mut output: PipeReader, keep_bytes: usize, kept: &Mutex<Vec<u8>>) {
    let mut part = [0; 8192];
    loop {
        let count = match output.read(&mut part) {
            Ok(0) => return,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(part.get(..count).unwrap_or_default());
        let too_many = kept.len().saturating_sub(keep_bytes);
        kept.drain(..too_many);
    }
}

fn ends_within(child: &Child, limit: Duration) -> std::io::Result<bool> {
    let end = Instant::now() + limit;
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|_| Errno::INVAL)?;
        match poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn end_group(child: &Child) {
    // It may have ended in this moment.
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn the_end_of_what_a_program_prints_is_kept() {
        let ended = run(shell("echo begin; echo end >&2; exit 3"), LONG, 5).unwrap();
        assert_eq!(ended.exit_code, Some(3));
        assert_eq!(ended.output, "\nend\n");
        assert!(!ended.timed_out);
    }

    #[test]
    fn a_program_that_does_not_end_is_ended_with_what_it_started() {
        let limit = Duration::from_millis(50);
        let ended = run(shell("sleep 1000 & sleep 1000"), limit, 5).unwrap();
        assert!(ended.timed_out);
        assert_eq!(ended.exit_code, None);
    }

    #[test]
    fn what_a_program_leaves_behind_does_not_hold_us() {
        let script = "setsid sleep 30 & echo done";
        let ended = run(shell(script), LONG, 100).unwrap();
        assert_eq!(ended.output, "done\n");
        assert!(!ended.timed_out);
    }
}
