//! Where log lines go that are to be kept.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::archive::pack;
use crate::rotation::{FILE_BYTES, FILES, RotatingFile};
use crate::{LogFileError, rotation};

/// Takes log lines and keeps them in files, once [`LogSink::open`] has said where. Clones are the
/// same one.
///
/// Logging begins with a process, but which files are its own is known only when it holds its state
/// directory. Lines before that, and lines that cannot be written, are not kept: they are on
/// standard error all the same, and no log is worth stopping a migration.
#[derive(Clone, Debug, Default)]
pub struct LogSink {
    file: Arc<OnceLock<Mutex<RotatingFile>>>,
}

impl LogSink {
    /// Keeps lines in `STATE/logs/NAME` from now on; the first call decides.
    ///
    /// # Errors
    /// [`LogFileError::Open`] if folder or file cannot be made.
    pub fn open(&self, state_dir: &Path, name: &str) -> Result<(), LogFileError> {
        let folder = state_dir.join("logs");
        let file = RotatingFile::open(&folder, name, FILE_BYTES, FILES)?;
        // Somebody who was faster has opened the same file.
        let _ = self.file.set(Mutex::new(file));
        Ok(())
    }

    /// Everything that is kept, as one archive: tar, compressed by gzip. At most [`FILES`] times
    /// [`FILE_BYTES`] are packed.
    ///
    /// # Errors
    /// [`LogFileError`] if nothing is kept, or if it cannot be read.
    pub fn pack(&self) -> Result<Vec<u8>, LogFileError> {
        let file = self.file.get().ok_or(LogFileError::NotKept)?;
        // While the files are read none moves on. Compressing takes longer, and holds up nobody.
        let files: Vec<rotation::LogFile> = file
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .read_all()?;
        pack(&files).map_err(LogFileError::Pack)
    }
}

impl Write for LogSink {
    /// Takes what it is given for one line, and never fails.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Some(file) = self.file.get() {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            // No room, mostly; the line is on standard error.
            let _ = file.write_line(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_once_it_is_known_where() {
        let state = tempfile::tempdir().unwrap();
        let sink = LogSink::default();
        assert!(matches!(sink.pack(), Err(LogFileError::NotKept)));
        writeln!(sink.clone(), "early").unwrap();
        sink.open(state.path(), "agent.log").unwrap();
        sink.clone().write_all(b"late\n").unwrap();
        let kept = std::fs::read_to_string(state.path().join("logs/agent.log")).unwrap();
        assert_eq!(kept, "late\n");
        assert!(!sink.pack().unwrap().is_empty());
    }

    #[test]
    fn a_place_that_cannot_be_used_is_named() {
        let state = tempfile::tempdir().unwrap();
        std::fs::write(state.path().join("logs"), "").unwrap();
        let error = LogSink::default()
            .open(state.path(), "agent.log")
            .unwrap_err();
        assert!(error.to_string().contains("logs"), "{error}");
    }
}
