//! The process of a machine: known before it begins, and ended with whoever started it.
//!
//! Whoever keeps a ledger must write a process down before it does anything. Its number is known
//! only once it is there; so what is started first is a shell that waits for one line, and becomes
//! the emulator then. If the line never comes, because the starter died, the shell ends.
//!
//! The kernel ends the process when the *thread* that started it is gone. That thread is one of its
//! own here: it starts the process, waits for it, and takes its last words.

use std::ffi::OsString;
use std::io::{self, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use rehost_linux::end_with_this_thread;

use crate::{MachineError, Patience, ProcessIdentity};

/// Becomes the program in its arguments when it is told to.
const GATE: &str = r#"read -r go && exec "$@" </dev/null"#;
/// How much of what a process writes to standard error is remembered.
const MAX_LAST_WORDS_BYTES: usize = 8 * 1024;

/// What to start.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) machine: &'a str,
    pub(crate) path: &'a Path,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) folder: &'a Path,
    /// Whether it goes on running without this process.
    pub(crate) outlives: bool,
}

/// A process that has been started. Killed when dropped, unless it outlives this one.
#[derive(Debug)]
pub(crate) struct Process {
    machine: String,
    identity: ProcessIdentity,
    gate: Option<ChildStdin>,
    end: Arc<End>,
    outlives: bool,
}

/// How it ended, once it has.
#[derive(Debug, Default)]
struct End {
    known: Mutex<Known>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Known {
    status: Option<String>,
    last_words: String,
}

impl End {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    /// Starts a process that waits for [`Self::go`].
    pub(crate) fn wait_to_start(program: Program<'_>) -> Result<Self, MachineError> {
        let machine = program.machine.to_owned();
        let failed = |act, source| MachineError::Process {
            act,
            machine: machine.clone(),
            source,
        };
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", GATE, program.machine])
            .arg(program.path)
            .args(program.arguments)
            .current_dir(program.folder)
            // Files without a name, for disks whose writes are thrown away.
            .env("TMPDIR", program.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
        let end = Arc::new(End::default());
        let (started, starting) = sync_channel(1);
        let keeper = Keeper {
            command,
            outlives: program.outlives,
            end: Arc::clone(&end),
        };
        thread::Builder::new()
            .name("machine".into())
            .spawn(move || {
                keeper.keep(|result| {
                    // Whoever asked waits for this, or is gone with its process.
                    let _ = started.send(result);
                });
            })
            .map_err(|source| failed("start", source))?;
        let started = starting.recv().unwrap_or_else(|_| {
            let gone = io::Error::other("the thread that starts it has ended");
            Err(gone)
        });
        let (identity, gate) = started.map_err(|source| failed("start", source))?;
        Ok(Self {
            machine: program.machine.to_owned(),
            identity,
            gate: Some(gate),
            end,
            outlives: program.outlives,
        })
    }

    /// Lets the process become what it was started for.
    pub(crate) fn go(&mut self) -> Result<(), MachineError> {
        let Some(mut gate) = self.gate.take() else {
            return Ok(());
        };
        gate.write_all(b"go\n")
            .map_err(|source| MachineError::Process {
                act: "start",
                machine: self.machine.clone(),
                source,
            })
    }

    pub(crate) fn identity(&self) -> &ProcessIdentity {
        &self.identity
    }

    /// The error that says how it ended, if it has.
    pub(crate) fn ended(&self) -> Option<MachineError> {
        let known = self.end.known();
        known.status.as_ref().map(|status| MachineError::Ended {
            machine: self.machine.clone(),
            status: status.clone(),
            last_words: known.last_words.clone(),
        })
    }

    /// The end of what it wrote to standard error so far.
    pub(crate) fn last_words(&self) -> String {
        self.end.known().last_words.clone()
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&self, patience: &Patience<'_>) -> Result<(), MachineError> {
        let what = format!("the end of the machine {}", self.machine);
        let mut known = self.end.known();
        while known.status.is_none() {
            let pause = patience.next(&what)?;
            let changed = self.end.changed.wait_timeout(known, pause);
            known = changed.map_or_else(|poison| poison.into_inner().0, |(known, _)| known);
        }
        Ok(())
    }

    /// Kills it, and waits until it is gone.
    pub(crate) fn kill(&self) -> Result<(), MachineError> {
        self.identity.end()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.outlives && self.gate.is_none() {
            return;
        }
        if let Err(error) = self.kill() {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, machine = self.machine, "a machine is left running");
        }
    }
}

/// The thread of a process.
struct Keeper {
    command: Command,
    outlives: bool,
    end: Arc<End>,
}

impl Keeper {
    /// Starts the process, tells what became of that, and stays until it has ended.
    fn keep(mut self, tell: impl FnOnce(io::Result<(ProcessIdentity, ChildStdin)>)) {
        if !self.outlives {
            end_with_this_thread(&mut self.command);
        }
        let started = self.command.spawn().and_then(|mut child| {
            let parts = ProcessIdentity::of(child.id()).and_then(|identity| {
                let missing = || io::Error::other("a pipe to it is missing");
                let gate = child.stdin.take().ok_or_else(missing)?;
                let errors = child.stderr.take().ok_or_else(missing)?;
                Ok((identity, gate, errors))
            });
            if parts.is_err() {
                child.kill()?;
                child.wait()?;
            }
            parts.map(|parts| (child, parts))
        });
        let (mut child, (identity, gate, errors)) = match started {
            Ok(started) => started,
            Err(error) => return tell(Err(error)),
        };
        tell(Ok((identity, gate)));
        self.listen(errors);
        let status = child.wait();
        self.end.known().status = Some(described(status));
        self.end.changed.notify_all();
    }

    /// Remembers the end of what is written to standard error, until nobody has it open any more.
    fn listen(&self, mut errors: ChildStderr) {
        let mut bytes = [0; 1024];
        loop {
            match errors.read(&mut bytes) {
                Ok(0) => return,
                Ok(count) => {
                    let text = String::from_utf8_lossy(&bytes[..count]);
                    tracing::debug!(text = text.trim_end(), "a machine's process says");
                    remember(&mut self.end.known().last_words, &text);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

fn described(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => format!("unknown how: {error}"),
    }
}

/// Adds text, and forgets the beginning of what became too much.
fn remember(words: &mut String, text: &str) {
    words.push_str(text);
    let mut surplus = words.len().saturating_sub(MAX_LAST_WORDS_BYTES);
    while !words.is_char_boundary(surplus) {
        surplus += 1;
    }
    words.drain(..surplus);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    fn shell<'a>(script: &str, folder: &'a Path, outlives: bool) -> Program<'a> {
        Program {
            machine: "test",
            path: Path::new("/bin/sh"),
            arguments: vec!["-c".into(), script.into()],
            folder,
            outlives,
        }
    }

    #[test]
    fn nothing_happens_before_go_and_the_process_stays_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let script = "echo $$ > pid; echo first >&2; echo last >&2; exit 3";
        let mut process = Process::wait_to_start(shell(script, directory.path(), false)).unwrap();
        assert!(process.identity().is_running());
        assert!(process.ended().is_none());
        assert!(!directory.path().join("pid").exists());
        process.go().unwrap();
        process.wait(&Patience::seconds(30)).unwrap();
        let pid = std::fs::read_to_string(directory.path().join("pid")).unwrap();
        assert_eq!(pid.trim(), process.identity().pid.to_string());
        assert_eq!(
            process.ended().unwrap().to_string(),
            "the machine test ended by itself (exit status: 3): last"
        );
    }

    #[test]
    fn a_process_that_is_dropped_before_it_may_go_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let program = shell("touch went", directory.path(), true);
        let process = Process::wait_to_start(program).unwrap();
        let identity = process.identity().clone();
        drop(process);
        assert!(!identity.is_running());
        assert!(!directory.path().join("went").exists());
    }

    #[test]
    fn the_thread_that_asked_for_a_process_may_end_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let folder = directory.path().to_owned();
        let asking = thread::spawn(move || {
            let mut process = Process::wait_to_start(shell("read x", &folder, false)).unwrap();
            process.go().unwrap();
            process
        });
        let process = asking.join().unwrap();
        // Standard input is empty, so it ends by itself; it was not killed.
        process.wait(&Patience::seconds(30)).unwrap();
        let ended = process.ended().unwrap().to_string();
        assert!(ended.contains("exit status: 1"), "{ended}");
    }

    #[test]
    fn waiting_is_called_off() {
        let directory = tempfile::tempdir().unwrap();
        let program = shell("sleep 1000", directory.path(), false);
        let process = Process::wait_to_start(program).unwrap();
        let stop = AtomicBool::new(true);
        let patience = Patience::seconds(1000).or_stop(&stop);
        let refused = process.wait(&patience).unwrap_err();
        assert!(matches!(refused, MachineError::Stopped));
        let refused = process.wait(&Patience::seconds(0)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the end of the machine test took longer than 0 s"
        );
    }

    #[test]
    fn only_the_end_of_many_words_is_remembered() {
        let mut words = String::new();
        for _ in 0..10_000 {
            remember(&mut words, "ä b ");
        }
        assert!(words.len() <= MAX_LAST_WORDS_BYTES);
        assert!(words.ends_with("ä b "));
    }
}
