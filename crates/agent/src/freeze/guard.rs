//! The guard: a small process that holds file systems frozen and lets them go in any case.
//!
//! ```text
//!            freeze              all frozen             thaw
//!   ready ------------> freezing ----------> frozen ------------> thawed
//!                          |                    |
//!                          +--- agent gone, time over, failure --> thawed, round void
//! ```
//!
//! An agent that needs the guard no more says so. If it is gone without a word, or lets the time run
//! out, the guard also calls the hooks that are owed a call after the freeze: they may hold something
//! on which the whole server waits.
//!
//! It is locked in memory, because its own pages may lie on a frozen file system, and writes
//! nothing but answers to its parent. Freezing may block for long (a file system first writes out
//! what it has), so a thread of its own does it while the main thread watches the agent and the
//! clock. Whatever the freezing thread gets frozen after the main thread has given up, it thaws
//! itself; the process ends only when that thread has.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rehost_linux::{SystemCallError, freeze, ignore_termination, lock_memory, thaw};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

use super::words;
use crate::hooks::Hooks;

/// What the executable does when it is started as
/// `freeze-guard SECONDS STATE_DIR HOOK_SECONDS MOUNT_POINT...`.
///
/// # Errors
/// If it cannot get ready, before anything is frozen; and if its parent cannot be answered, after
/// everything is thawed.
pub fn freeze_guard_main(arguments: &[OsString]) -> anyhow::Result<()> {
    let [limit, state_dir, hook_limit, mount_points @ ..] = arguments else {
        bail!("the guard needs time limits and the state directory of the agent")
    };
    let (limit, hook_limit) = (seconds(limit)?, seconds(hook_limit)?);
    let has_hooks = !state_dir.is_empty();
    let hooks = has_hooks.then(|| Hooks::new(None, Path::new(state_dir), hook_limit));
    ignore_termination()?;
    lock_memory()?;
    // Only a wish: a container may not permit it.
    let _ = std::fs::write("/proc/self/oom_score_adj", "-1000");
    let roots = mount_points
        .iter()
        .map(|path| File::open(path).with_context(|| format!("open {}", path.display())))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let names = mount_points.iter().map(PathBuf::from).collect();
    let guard = Guard {
        roots,
        names,
        limit,
        hooks,
    };
    let served = guard.serve();
    if !matches!(served, Ok(Farewell::Bye)) {
        guard.call_hooks();
    }
    served.map(|_| ()).context("serve the agent")
}

fn seconds(text: &OsString) -> anyhow::Result<Duration> {
    let seconds = text.to_str().and_then(|text| text.parse().ok());
    seconds
        .map(Duration::from_secs)
        .context("read a time limit of the guard")
}

/// How the agent has left.
enum Farewell {
    /// It said so.
    Bye,
    /// It is gone.
    Gone,
}

struct Guard {
    roots: Vec<File>,
    names: Vec<PathBuf>,
    limit: Duration,
    /// The hooks that are owed a call, if there are any.
    hooks: Option<Hooks>,
}

/// What is frozen now, and whether it may still be.
#[derive(Default)]
struct Held {
    given_up: bool,
    frozen: Vec<usize>,
}

/// How a time of being frozen ended.
enum Ended {
    /// As the agent wished.
    Thawed,
    /// By the clock.
    Expired,
    /// With the agent, or with one that says what an agent does not say.
    AgentGone,
    /// The agent has no use for the guard any more.
    Bye,
    /// It never began.
    Failed(String),
}

impl Guard {
    /// When this returns, nothing is frozen.
    fn serve(&self) -> io::Result<Farewell> {
        let stdin = io::stdin();
        let mut agent = Agent {
            input: stdin.as_fd(),
            received: Vec::new(),
        };
        say(words::READY)?;
        loop {
            match agent.word(None, None)? {
                Heard::Word(word) if word == words::FREEZE => match self.hold(&mut agent) {
                    Ended::Thawed => say(words::THAWED)?,
                    Ended::Expired => {
                        say(words::EXPIRED)?;
                        // An agent that lets the time run out may be stuck.
                        self.call_hooks();
                    }
                    Ended::Failed(why) => say(&format!("{} {why}", words::FAILED))?,
                    Ended::AgentGone => return Ok(Farewell::Gone),
                    Ended::Bye => return Ok(Farewell::Bye),
                },
                Heard::Gone => return Ok(Farewell::Gone),
                Heard::Word(word) if word == words::BYE => return Ok(Farewell::Bye),
                Heard::Word(_) | Heard::TimeOver | Heard::Other => {}
            }
        }
    }

    /// Calls the hooks that are owed a call after the freeze, instead of the agent.
    fn call_hooks(&self) {
        if let Some(hooks) = &self.hooks {
            // Memory may be taken from hooks as from any other program.
            let _ = std::fs::write("/proc/self/oom_score_adj", "0");
            hooks.post_thaw();
        }
    }

    /// Freezes everything and holds it until somebody or something ends it. When this returns,
    /// nothing is frozen.
    fn hold(&self, agent: &mut Agent<'_>) -> Ended {
        let deadline = Instant::now() + self.limit;
        let held = Mutex::new(Held {
            frozen: Vec::with_capacity(self.roots.len()),
            given_up: false,
        });
        let done = match eventfd(0, EventfdFlags::CLOEXEC) {
            Ok(done) => done,
            Err(errno) => return Ended::Failed(format!("cannot make an event: {errno}")),
        };
        // Leaving the scope waits for the thread.
        thread::scope(|scope| {
            let freezing = scope.spawn(|| {
                let result = self.freeze_all(&held);
                // An event counter takes a one at any time.
                let _ = rustix::io::write(&done, &1_u64.to_ne_bytes());
                result
            });
            let ended = match agent.wait(deadline, Some(&done)) {
                Heard::Other => match freezing.join() {
                    Ok(Ok(())) if say(words::FROZEN).is_ok() => agent.wait(deadline, None).into(),
                    Ok(Ok(())) => Ended::AgentGone,
                    Ok(Err(why)) => Ended::Failed(why),
                    Err(_) => Ended::Failed("the freezing thread ended abnormally".into()),
                },
                heard => heard.into(),
            };
            match (ended, self.give_up(&held)) {
                (Ended::Thawed, Some(index)) => Ended::Failed(self.lost(index)),
                (ended, _) => ended,
            }
        })
    }

    /// Freezes one file system after the other, until one fails or the main thread has given up.
    fn freeze_all(&self, held: &Mutex<Held>) -> Result<(), String> {
        for (index, root) in self.roots.iter().enumerate() {
            let is_frozen = match freeze(root) {
                Ok(()) => true,
                // What cannot be frozen (FAT, read-only media) can at least be written out.
                Err(error) if error.errno() == Errno::OPNOTSUPP => {
                    rustix::fs::syncfs(root).map_err(|errno| self.failure(index, errno))?;
                    false
                }
                Err(error) => return Err(self.failure(index, error.errno())),
            };
            let mut held = lock(held);
            if held.given_up {
                if is_frozen {
                    self.thaw(index);
                }
                return Err("given up".into());
            }
            if is_frozen {
                held.frozen.push(index);
            }
        }
        Ok(())
    }

    /// Thaws everything. Tells of one that was not frozen any more, if there is one: somebody else has
    /// thawed it meanwhile, and nobody knows since when it has been written to.
    fn give_up(&self, held: &Mutex<Held>) -> Option<usize> {
        let mut held = lock(held);
        held.given_up = true;
        let mut lost = None;
        while let Some(index) = held.frozen.pop() {
            if !self.thaw(index) {
                lost = Some(index);
            }
        }
        lost
    }

    /// Whether it was still frozen.
    fn thaw(&self, index: usize) -> bool {
        let Some(root) = self.roots.get(index) else {
            return false;
        };
        while let Err(error) = thaw(root) {
            if !is_passing(error) {
                return false;
            }
        }
        true
    }

    fn lost(&self, index: usize) -> String {
        let name = self.names.get(index).map(|name| name.display().to_string());
        format!("somebody else thawed {}", name.unwrap_or_default())
    }

    fn failure(&self, index: usize, errno: Errno) -> String {
        let name = self.names.get(index).map(|name| name.display().to_string());
        format!("{}: {errno}", name.unwrap_or_default())
    }
}

fn is_passing(error: SystemCallError) -> bool {
    matches!(error.errno(), Errno::INTR | Errno::AGAIN)
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

fn say(words: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(words.replace('\n', " ").as_bytes())?;
    stdout.write_all(b"\n")?;
    stdout.flush()
}

/// What came first.
enum Heard {
    Word(String),
    Gone,
    TimeOver,
    Other,
}

impl From<Heard> for Ended {
    fn from(heard: Heard) -> Self {
        match heard {
            Heard::Word(word) if word == words::THAW => Self::Thawed,
            Heard::Word(word) if word == words::BYE => Self::Bye,
            Heard::TimeOver => Self::Expired,
            // Whoever says something else now is not the agent that we know.
            Heard::Word(_) | Heard::Gone | Heard::Other => Self::AgentGone,
        }
    }
}

/// The agent's end of the pipe.
struct Agent<'a> {
    input: BorrowedFd<'a>,
    received: Vec<u8>,
}

impl Agent<'_> {
    /// As [`Agent::word`]; an agent that cannot be heard counts as gone.
    fn wait(&mut self, deadline: Instant, other: Option<&OwnedFd>) -> Heard {
        self.word(Some(deadline), other).unwrap_or(Heard::Gone)
    }

    /// The agent's next word, unless `other` can be read or the time is over before.
    fn word(&mut self, deadline: Option<Instant>, other: Option<&OwnedFd>) -> io::Result<Heard> {
        const LONGEST_WORD_BYTES: usize = 64;
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                return Ok(Heard::Word(
                    String::from_utf8_lossy(&line).trim().to_owned(),
                ));
            }
            if self.received.len() > LONGEST_WORD_BYTES {
                return Ok(Heard::Gone);
            }
            let timeout = match deadline {
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    Some(Timespec::try_from(left).map_err(io::Error::other)?)
                }
                None => None,
            };
            let mut ready = vec![PollFd::from_borrowed_fd(self.input, PollFlags::IN)];
            ready.extend(other.map(|other| PollFd::new(other, PollFlags::IN)));
            match poll(&mut ready, timeout.as_ref()) {
                Ok(0) => return Ok(Heard::TimeOver),
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
            if ready
                .first()
                .is_some_and(|input| input.revents().is_empty())
            {
                return Ok(Heard::Other);
            }
            let mut buffer = [0; 64];
            match rustix::io::read(self.input, &mut buffer) {
                Ok(0) => return Ok(Heard::Gone),
                Ok(count) => self.received.extend(buffer.iter().take(count)),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}
