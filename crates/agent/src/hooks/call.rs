//! One call of one hook: within a time limit, with its output in the log.
//!
//! A hook may leave a process behind that holds something until the second call. So the call is over
//! when the hook itself has ended, whoever still has its output open; who goes on to write there
//! after that finds it closed.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process_group};

/// How much of the output of a hook is kept.
const MAX_OUTPUT_BYTES: usize = 16 << 10;
/// How often it is looked whether a hook has ended.
const INTERVAL: Duration = Duration::from_millis(20);
/// Where hooks find the usual programs; what the agent was started with is nothing to rely on.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Which call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before the file systems are frozen.
    PreFreeze,
    /// After they are thawed, or if they are not to be frozen after all.
    PostThaw,
}

impl Moment {
    /// The argument that the hook gets.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::PreFreeze => "pre-freeze",
            Self::PostThaw => "post-thaw",
        }
    }
}

/// What hooks are told beside the moment.
#[derive(Clone, Debug)]
pub(super) struct Setting<'a> {
    /// How long a call may take.
    pub(super) time_limit: Duration,
    /// How long what a hook holds is held at most: it may let go by itself after that.
    pub(super) longest_hold: Duration,
    /// A directory of its own for what a hook has to remember between its calls.
    pub(super) memory: &'a Path,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// It could not be started.
    #[error("it cannot be started")]
    Start(#[source] io::Error),
    /// It could not be waited for.
    #[error("it cannot be waited for")]
    Wait(#[source] io::Error),
    /// It took too long, and was killed.
    #[error("it took longer than {} seconds and was killed{}", limit.as_secs(), quoted(output))]
    TooLong {
        /// The time limit.
        limit: Duration,
        /// What it had said.
        output: String,
    },
    /// It said no.
    #[error("it ended with {status}{}", quoted(output))]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        output: String,
    },
}

fn quoted(output: &str) -> String {
    let said = output.trim();
    if said.is_empty() {
        String::new()
    } else {
        format!(" and said: {said}")
    }
}

/// Calls a hook and returns what it said.
///
/// # Errors
/// [`CallError`]; nothing of the hook's process group is left running if it took too long.
pub(super) fn call(
    program: &Path,
    moment: Moment,
    setting: &Setting<'_>,
) -> Result<String, CallError> {
    let (read_end, write_end) =
        pipe_with(PipeFlags::CLOEXEC).map_err(|errno| CallError::Start(errno.into()))?;
    rustix::fs::fcntl_setfl(&read_end, OFlags::NONBLOCK)
        .map_err(|errno| CallError::Start(errno.into()))?;
    let other_end = write_end.try_clone().map_err(CallError::Start)?;
    let mut hook = Command::new(program)
        .arg(moment.word())
        .env_clear()
        .env("PATH", SEARCH_PATH)
        .env("HOME", "/root")
        .env("LC_ALL", "C.UTF-8")
        .env("REHOST_HOOK_MEMORY", setting.memory)
        .env(
            "REHOST_HOLD_SECONDS",
            setting.longest_hold.as_secs().to_string(),
        )
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(write_end)
        .stderr(other_end)
        .spawn()
        .map_err(CallError::Start)?;
    // Moved into the command, our copies of the writing end are closed with it.
    let mut output = Output::new(read_end);
    let begun = Instant::now();
    loop {
        match hook.try_wait() {
            Ok(Some(status)) => {
                let output = output.all();
                return if status.success() {
                    Ok(output)
                } else {
                    Err(CallError::Failed { status, output })
                };
            }
            Ok(None) => {}
            Err(cause) => {
                end(&mut hook);
                return Err(CallError::Wait(cause));
            }
        }
        if begun.elapsed() >= setting.time_limit {
            end(&mut hook);
            return Err(CallError::TooLong {
                limit: setting.time_limit,
                output: output.all(),
            });
        }
        output.wait(INTERVAL);
    }
}

/// Kills a hook and what it has started, unless that has gone its own way.
fn end(hook: &mut Child) {
    if let Some(group) = i32::try_from(hook.id()).ok().and_then(Pid::from_raw) {
        // The group is there: its leader has not been waited for.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = hook.wait();
}

/// What a hook says.
#[derive(Debug)]
struct Output {
    from: OwnedFd,
    kept: Vec<u8>,
    is_open: bool,
}

impl Output {
    fn new(from: OwnedFd) -> Self {
        Self {
            from,
            kept: Vec::new(),
            is_open: true,
        }
    }

    /// Waits for more, for a while.
    fn wait(&mut self, duration: Duration) {
        if !self.is_open {
            std::thread::sleep(duration);
            return;
        }
        let timeout = Timespec::try_from(duration).ok();
        let _ = poll(
            &mut [PollFd::new(&self.from, PollFlags::IN)],
            timeout.as_ref(),
        );
        self.take();
    }

    /// Takes what is there. What is too much is read all the same, so that nobody waits for us.
    fn take(&mut self) {
        let mut buffer = [0; 4096];
        // A hook that never stops talking must not keep us here.
        for _ in 0..64 {
            match rustix::io::read(&self.from, &mut buffer) {
                Ok(0) => {
                    self.is_open = false;
                    return;
                }
                Ok(count) => {
                    let room = MAX_OUTPUT_BYTES - self.kept.len();
                    self.kept.extend(buffer.iter().take(count.min(room)));
                }
                Err(Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    fn all(&mut self) -> String {
        self.take();
        String::from_utf8_lossy(&self.kept).trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A hook of this content, called.
    fn called(script: &str, time_limit: Duration) -> Result<String, CallError> {
        let directory = tempfile::tempdir().unwrap();
        let hook = directory.path().join("hook");
        std::fs::write(&hook, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&hook, Permissions::from_mode(0o755)).unwrap();
        let setting = Setting {
            time_limit,
            longest_hold: Duration::from_secs(90),
            memory: directory.path(),
        };
        call(&hook, Moment::PreFreeze, &setting)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_hook_is_told_the_moment_and_is_heard() {
        let said = called("echo $1 $REHOST_HOLD_SECONDS; echo also >&2", LONG).unwrap();
        assert_eq!(said, "pre-freeze 90\nalso");
        let said = called("test -d \"$REHOST_HOOK_MEMORY\" && env | wc -l", LONG).unwrap();
        // PATH, HOME, LC_ALL, the two of ours, and what the shell adds (PWD).
        assert_eq!(said, "6");
        assert_eq!(called("true", LONG).unwrap(), "");
    }

    #[test]
    fn a_failure_carries_what_was_said() {
        let error = called("echo the database is away; exit 3", LONG).unwrap_err();
        let text = error.to_string();
        assert_eq!(
            text,
            "it ended with exit status: 3 and said: the database is away"
        );
        let much = called("head -c 1000000 /dev/zero | tr '\\0' x; exit 1", LONG).unwrap_err();
        assert!(much.to_string().len() < MAX_OUTPUT_BYTES + 100);
    }

    #[test]
    fn a_hook_that_takes_too_long_is_ended_with_all_it_started() {
        let limit = Duration::from_millis(300);
        let error = called("echo waiting; sleep 1000 | sleep 1000", limit).unwrap_err();
        assert!(
            matches!(&error, CallError::TooLong { output, .. } if output == "waiting"),
            "{error}"
        );
    }

    #[test]
    fn what_a_hook_leaves_behind_is_not_waited_for() {
        // It has the output open, and lives for longer than any test.
        let said = called("sleep 1000 & echo $!", LONG).unwrap();
        let left = Pid::from_raw(said.parse().unwrap()).unwrap();
        rustix::process::kill_process(left, Signal::KILL).unwrap();
    }
}
