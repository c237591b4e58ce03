//! The serial console of a machine that runs: kept in a bounded file, and watched.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::{ConsoleText, MachineError, Patience};

/// How large the file becomes before it is put aside as `console.log.1`, replacing the one before.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// What a machine says on its serial console.
#[derive(Debug)]
pub struct Console {
    shared: Arc<Shared>,
    log: PathBuf,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    text: ConsoleText,
    /// Whether nothing more will come.
    closed: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Console {
    /// Listens to a console, in a thread of its own that ends with it.
    pub(crate) fn listen(stream: UnixStream, log: &Path) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut file = BoundedFile::open(log)?;
        let heard = Arc::clone(&shared);
        thread::Builder::new()
            .name("console".into())
            .spawn(move || {
                if let Err(error) = hear(stream, &mut file, &heard) {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "a machine's console is not heard any more");
                }
                heard.state().closed = true;
                heard.changed.notify_all();
            })?;
        Ok(Self {
            shared,
            log: log.into(),
        })
    }

    /// The file with everything that was said, as far as it fits.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The last line that was said.
    #[must_use]
    pub fn last_line(&self) -> Option<String> {
        self.shared.state().text.last_line()
    }

    /// Shows every line to `look`, from the first that is remembered, until it finds something. It
    /// also sees the line that has not ended yet, possibly several times while that grows; its
    /// second argument says whether the line has ended. Gives nothing if the machine ends before.
    ///
    /// # Errors
    /// [`MachineError::TooLong`] about `what`, [`MachineError::Stopped`]
    pub fn watch<T>(
        &self,
        what: &str,
        patience: &Patience<'_>,
        mut look: impl FnMut(&str, bool) -> Option<T>,
    ) -> Result<Option<T>, MachineError> {
        let mut from = 0;
        let mut state = self.shared.state();
        loop {
            let (lines, next) = state.text.lines_from(from);
            for line in lines {
                if let Some(found) = look(line, true) {
                    return Ok(Some(found));
                }
            }
            from = next;
            let open = state.text.open_line();
            if !open.is_empty()
                && let Some(found) = look(&open, false)
            {
                return Ok(Some(found));
            }
            if state.closed {
                return Ok(None);
            }
            let pause = patience.next(what)?;
            let changed = self.shared.changed.wait_timeout(state, pause);
            state = changed.map_or_else(|poison| poison.into_inner().0, |(state, _)| state);
        }
    }
}

fn hear(mut stream: UnixStream, file: &mut BoundedFile, heard: &Shared) -> io::Result<()> {
    let mut bytes = [0; 16 * 1024];
    let mut can_write = true;
    loop {
        let count = match stream.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // How a killed process closes its sockets.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error),
        };
        // A full disk is no reason to stop listening.
        if can_write && let Err(error) = file.write(&bytes[..count]) {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "the log of a machine's console is not complete");
            can_write = false;
        }
        heard.state().text.push(&bytes[..count]);
        heard.changed.notify_all();
    }
}

/// A file that is put aside when it is full.
#[derive(Debug)]
struct BoundedFile {
    path: PathBuf,
    file: File,
    written_bytes: u64,
    max_bytes: u64,
}

impl BoundedFile {
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)?;
        Ok(Self {
            path: path.into(),
            written_bytes: file.metadata()?.len(),
            file,
            max_bytes: MAX_FILE_BYTES,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.written_bytes >= self.max_bytes {
            let mut aside = self.path.clone().into_os_string();
            aside.push(".1");
            std::fs::rename(&self.path, aside)?;
            let max_bytes = self.max_bytes;
            *self = Self::open(&self.path)?;
            self.max_bytes = max_bytes;
        }
        self.file.write_all(bytes)?;
        self.written_bytes += bytes.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console() -> (Console, UnixStream, tempfile::TempDir) {
        let directory = tempfile::tempdir().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let console = Console::listen(ours, &directory.path().join("console.log")).unwrap();
        (console, theirs, directory)
    }

    #[test]
    fn lines_are_seen_once_and_prompts_before_they_end() {
        let (console, mut machine, _directory) = console();
        machine.write_all(b"one\r\ntwo\r\nlogin: ").unwrap();
        let mut ended = Vec::new();
        let prompt = console
            .watch("a prompt", &Patience::seconds(30), |line, has_ended| {
                if has_ended {
                    ended.push(line.to_owned());
                }
                (line == "login:" && !has_ended).then(|| line.to_owned())
            })
            .unwrap();
        assert_eq!(prompt.unwrap(), "login:");
        assert_eq!(ended, ["one", "two"]);
        assert_eq!(console.last_line().unwrap(), "login:");

        drop(machine);
        let nothing = console
            .watch("more", &Patience::seconds(30), |line, _| {
                (line == "three").then_some(())
            })
            .unwrap();
        assert!(nothing.is_none());
        let log = std::fs::read(console.log()).unwrap();
        assert_eq!(log, b"one\r\ntwo\r\nlogin: ");
    }

    #[test]
    fn silence_has_an_end() {
        let (console, _machine, _directory) = console();
        let never = |_: &str, _| None::<()>;
        let refused = console.watch("a sign", &Patience::seconds(0), never);
        assert!(matches!(refused, Err(MachineError::TooLong { .. })));
    }

    #[test]
    fn the_file_stays_within_its_limit_and_keeps_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("console.log");
        let mut file = BoundedFile::open(&path).unwrap();
        file.max_bytes = 1000;
        for number in 0..1000 {
            file.write(format!("line {number:04}\n").as_bytes())
                .unwrap();
        }
        let aside = directory.path().join("console.log.1");
        let sizes = [&path, &aside].map(|path| path.metadata().unwrap().len());
        assert!(sizes.iter().all(|&size| size <= 1010), "{sizes:?}");
        let text =
            std::fs::read_to_string(&aside).unwrap() + &std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("line 0999\n"));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
