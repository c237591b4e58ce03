//! The agent's side of a freeze: finds what to freeze, starts the guard, and thaws if that dies.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rehost_linux::SystemCallError;
use rehost_replication::source::{FreezeError, Freezer};
use rustix::io::Errno;

use super::nodes::{Unwritten, nodes, write_out};
use super::targets::{Unreachable, targets};
use super::{MAX_FROZEN_SECONDS, words};
use crate::device_number::DeviceTree;
use crate::hooks::{Hook, HookDirectoryError, HookError, Hooks};
use crate::mounts::read_mounts;
use crate::quiet::QuietTime;

/// How long the guard may take to start.
const START_TIME: Duration = Duration::from_secs(20);
/// How long an answer of the guard may take beyond its own time limit.
const ANSWER_TIME: Duration = Duration::from_secs(5);

/// How the guard is started: program and arguments before the guard's own. The executable of the
/// agent and `freeze-guard`, except in tests.
#[derive(Clone, Debug)]
pub struct GuardCommand {
    /// The executable.
    pub program: PathBuf,
    /// Arguments before the time limit and the mount points.
    pub arguments: Vec<OsString>,
}

impl GuardCommand {
    /// This executable, as guard; also if its file was replaced since this process began.
    #[must_use]
    pub fn of_this_executable() -> Self {
        Self {
            program: "/proc/self/exe".into(),
            arguments: vec!["freeze-guard".into()],
        }
    }
}

/// Why a freeze failed.
#[derive(Debug, thiserror::Error)]
enum GuardError {
    #[error("cannot read what is mounted")]
    Mounts(#[source] io::Error),
    #[error(transparent)]
    Target(#[from] Unreachable),
    #[error(transparent)]
    Unwritten(#[from] Unwritten),
    #[error("the hooks for the freeze cannot be used")]
    HookDirectory(#[from] HookDirectoryError),
    #[error(transparent)]
    Hook(#[from] HookError),
    #[error("cannot start the guard that thaws if this process dies")]
    Start(#[source] io::Error),
    #[error("cannot speak with the guard")]
    Speak(#[source] io::Error),
    #[error("the file systems were not held still: {0}")]
    Refused(String),
    #[error("the guard ended or fell silent; everything was thawed")]
    Gone,
    #[error(
        "the file systems were thawed after {MAX_FROZEN_SECONDS} seconds, before the round was \
         through; try again when the server writes less, or lift the speed limit"
    )]
    Expired,
}

/// Freezes every file system that is mounted from some disks, through a guard.
#[derive(Debug)]
pub struct GuardedFreezer {
    disks: Vec<PathBuf>,
    command: GuardCommand,
    time_limit: Duration,
    quiet_time: QuietTime,
    hooks: Option<Hooks>,
    held: Option<Held>,
}

/// A guard and what it holds frozen.
#[derive(Debug)]
struct Held {
    guard: Child,
    say: Option<ChildStdin>,
    heard: Receiver<String>,
    roots: Vec<File>,
    /// When the guard was told to freeze.
    since: Instant,
    /// When the first writer may have had to wait: before `since` if there are hooks.
    writers_wait_since: Instant,
}

impl GuardedFreezer {
    /// A freezer for what is mounted from `disks`; image files among them have nothing to freeze.
    /// What was written to the disks past file systems is brought to their media, too.
    #[must_use]
    pub fn new(disks: Vec<PathBuf>, command: GuardCommand) -> Self {
        Self {
            disks,
            command,
            time_limit: Duration::from_secs(MAX_FROZEN_SECONDS),
            quiet_time: QuietTime::default(),
            hooks: None,
            held: None,
        }
    }

    /// Keeps the other threads of this process from writing files and logs while it is frozen.
    #[must_use]
    pub(crate) fn with_quiet_time(mut self, quiet_time: QuietTime) -> Self {
        self.quiet_time = quiet_time;
        self
    }

    /// Calls hooks before a freeze and after the thaw, also where there is nothing to freeze.
    #[must_use]
    pub fn with_hooks(mut self, hooks: Hooks) -> Self {
        self.hooks = Some(hooks);
        self
    }

    /// Changes the time after which the guard thaws in any case.
    #[must_use]
    pub fn with_time_limit(mut self, time_limit: Duration) -> Self {
        self.time_limit = time_limit;
        self
    }

    /// Process id of the guard while something is frozen.
    #[must_use]
    pub fn guard_id(&self) -> Option<u32> {
        self.held.as_ref().map(|held| held.guard.id())
    }

    fn try_freeze(&mut self) -> Result<(), GuardError> {
        let mounts = read_mounts().map_err(GuardError::Mounts)?;
        let tree = DeviceTree::of_this_machine();
        let targets = targets(&self.disks, &mounts, &tree);
        let nodes = nodes(&self.disks, &tree);
        let mut mount_points = Vec::new();
        let mut roots = Vec::new();
        for target in &targets {
            let (mount_point, root) = target.open()?;
            mount_points.push(mount_point);
            roots.push(root);
        }
        let hooks = self.hooks.as_ref().map_or(Ok(Vec::new()), Hooks::list)?;
        if roots.is_empty() && hooks.is_empty() {
            return Ok(write_out(&nodes)?);
        }
        tracing::info!(file_systems = roots.len(), "freezing the source");
        // What is written out now need not be written out while everybody waits.
        for root in &roots {
            if let Err(errno) = rustix::fs::syncfs(root) {
                tracing::warn!(%errno, "a file system could not be written out before the freeze");
            }
        }
        write_out(&nodes)?;
        let mut held = self.start_guard(mount_points, roots)?;
        // The last thing before the freeze: programs wait for as short a time as can be.
        let held_since = match self.pre_freeze(&hooks) {
            Ok(since) => since,
            Err(error) => {
                warn_of(held.release());
                return Err(error.into());
            }
        };
        self.quiet_time.begin();
        held.since = Instant::now();
        held.writers_wait_since = held_since.unwrap_or(held.since);
        let frozen = match held.ask(words::FREEZE, self.time_limit + ANSWER_TIME) {
            Ok(word) if word == words::FROZEN => write_out(&nodes).map_err(GuardError::from),
            Ok(word) => Err(GuardError::from_word(&word)),
            Err(error) => Err(error),
        };
        match frozen {
            Ok(()) => {
                self.held = Some(held);
                Ok(())
            }
            Err(error) => {
                let failure = held.release();
                self.quiet_time.end();
                warn_of(failure);
                self.post_thaw();
                Err(error)
            }
        }
    }

    /// Calls the hooks and returns since when something may be held by them.
    fn pre_freeze(&self, hooks: &[Hook]) -> Result<Option<Instant>, HookError> {
        let called = self.hooks.as_ref().map(|all| all.pre_freeze(hooks));
        Ok(called.transpose()?.flatten())
    }

    fn post_thaw(&self) {
        if let Some(hooks) = &self.hooks {
            hooks.post_thaw();
        }
    }

    fn start_guard(
        &self,
        mount_points: Vec<PathBuf>,
        roots: Vec<File>,
    ) -> Result<Held, GuardError> {
        let mut guard = Command::new(&self.command.program)
            .arg0("rehost")
            .args(&self.command.arguments)
            .arg(self.time_limit.as_secs().to_string())
            .args(self.hooks.as_ref().map_or_else(no_hooks, Hooks::for_guard))
            .args(mount_points)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A group of its own: what a terminal sends to the agent's group is not for the guard.
            .process_group(0)
            .spawn()
            .map_err(GuardError::Start)?;
        let say = guard.stdin.take();
        let (sender, heard) = channel();
        if let Some(stdout) = guard.stdout.take() {
            thread::spawn(move || {
                let lines = BufReader::new(stdout).lines();
                // Ends with the guard, or when nobody listens any more.
                let _ = lines
                    .map_while(Result::ok)
                    .try_for_each(|line| sender.send(line));
            });
        }
        let mut held = Held {
            guard,
            say,
            heard,
            roots,
            since: Instant::now(),
            writers_wait_since: Instant::now(),
        };
        match held.hear(START_TIME) {
            Ok(word) if word == words::READY => Ok(held),
            answer => {
                warn_of(held.release());
                Err(answer.map_or_else(|error| error, |word| GuardError::from_word(&word)))
            }
        }
    }

    /// For how long writers had to wait, if anything was frozen.
    fn try_thaw(&mut self) -> Result<Option<Duration>, GuardError> {
        let Some(mut held) = self.held.take() else {
            return Ok(None);
        };
        let answer = held.ask(words::THAW, ANSWER_TIME);
        let frozen = held.since.elapsed();
        let hooked = held.since.duration_since(held.writers_wait_since);
        let failure = held.release();
        self.quiet_time.end();
        warn_of(failure);
        let frozen_seconds = frozen.as_secs_f64();
        tracing::info!(frozen_seconds, "the source's file systems are thawed");
        self.post_thaw();
        let waited = if hooked.is_zero() {
            frozen
        } else {
            held.writers_wait_since.elapsed()
        };
        match answer?.as_str() {
            words::THAWED => Ok(Some(waited)),
            word => Err(GuardError::from_word(word)),
        }
    }
}

impl GuardError {
    fn from_word(word: &str) -> Self {
        match word.split_once(' ') {
            Some((words::FAILED, why)) => Self::Refused(why.into()),
            _ if word == words::EXPIRED => Self::Expired,
            _ => Self::Gone,
        }
    }
}

impl Held {
    fn ask(&mut self, word: &str, patience: Duration) -> Result<String, GuardError> {
        let say = self.say.as_mut().ok_or(GuardError::Gone)?;
        match writeln!(say, "{word}") {
            Ok(()) => self.hear(patience),
            // It may have said why before it went.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.hear(patience),
            Err(error) => Err(GuardError::Speak(error)),
        }
    }

    fn hear(&mut self, patience: Duration) -> Result<String, GuardError> {
        self.heard
            .recv_timeout(patience)
            .map_err(|_| GuardError::Gone)
    }

    /// Ends the guard and makes sure that nothing stays frozen, whatever the guard did or did not.
    /// Returns why something may be frozen all the same. Writes no log: it may still be quiet time.
    fn release(&mut self) -> Option<SystemCallError> {
        if let Some(mut say) = self.say.take() {
            // Without it the guard would also do what is left to this process.
            let _ = writeln!(say, "{}", words::BYE);
        }
        let first = self.thaw_all();
        // It ends by itself when its input does; if it cannot, it is of no use any more.
        if self.outlives_its_input() {
            let _ = self.guard.kill();
        }
        // It ends only when what it was freezing is through; after that nothing new gets frozen.
        let _ = self.guard.wait();
        self.thaw_all().or(first)
    }

    fn outlives_its_input(&mut self) -> bool {
        loop {
            match self.heard.recv_timeout(ANSWER_TIME) {
                Ok(_) => {}
                Err(error) => return error == RecvTimeoutError::Timeout,
            }
        }
    }

    fn thaw_all(&self) -> Option<SystemCallError> {
        let thaw = |root: &File| match rehost_linux::thaw(root) {
            // Not frozen, or cannot be: what is wanted.
            Err(error) if matches!(error.errno(), Errno::INVAL | Errno::OPNOTSUPP) => None,
            other => other.err(),
        };
        // All of them are thawed, whatever happens to one.
        self.roots
            .iter()
            .rev()
            .filter_map(thaw)
            .fold(None, |_, error| Some(error))
    }
}

/// What a guard is given where there are no hooks.
fn no_hooks() -> [OsString; 2] {
    ["".into(), "0".into()]
}

fn warn_of(failure: Option<SystemCallError>) {
    if let Some(error) = failure {
        let errno = error.errno();
        tracing::error!(%error, %errno, "a file system may still be frozen; thaw it with fsfreeze -u");
    }
}

impl Freezer for GuardedFreezer {
    fn freeze(&mut self) -> Result<(), FreezeError> {
        self.try_freeze().map_err(|cause| FreezeError {
            act: "freeze",
            source: cause.into(),
        })
    }

    fn is_held(&self) -> bool {
        // The guard began to count a little later; when even its answer is overdue, it is over.
        let limit = self.time_limit + ANSWER_TIME;
        let held = self.held.as_ref();
        held.is_none_or(|held| held.since.elapsed() < limit)
    }

    fn thaw(&mut self) -> Result<Option<Duration>, FreezeError> {
        self.try_thaw().map_err(|cause| FreezeError {
            act: "thaw",
            source: cause.into(),
        })
    }
}

impl Drop for GuardedFreezer {
    fn drop(&mut self) {
        if self.held.is_some() {
            // Nobody is left to be told that the round is void.
            let _ = self.try_thaw();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_file_has_nothing_to_freeze() {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("disk.img");
        std::fs::write(&image, [0; 4096]).unwrap();
        // This command could guard nothing; it is not even started.
        let program = directory.path().join("nothing");
        let command = GuardCommand {
            program,
            arguments: Vec::new(),
        };
        let mut freezer = GuardedFreezer::new(vec![image], command);
        freezer.freeze().unwrap();
        assert_eq!(freezer.guard_id(), None);
        assert!(freezer.is_held());
        assert_eq!(freezer.thaw().unwrap(), None);
    }
}
