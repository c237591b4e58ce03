//! A log file that is never longer than its bound, and a few older ones: `NAME`, `NAME.1`, ...

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::LogFileError;

/// Longest a file grows, in bytes.
pub const FILE_BYTES: u64 = 4 << 20;
/// How many files there are at most, the current one included.
pub const FILES: u32 = 4;

/// A log file on its way through its generations.
#[derive(Debug)]
pub(crate) struct RotatingFile {
    path: PathBuf,
    file: File,
    size_bytes: u64,
    file_bytes: u64,
    files: u32,
}

/// A file as it was when it was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LogFile {
    pub(crate) name: String,
    /// When it was written last, in seconds since 1970.
    pub(crate) modified: u64,
    pub(crate) content: Vec<u8>,
}

impl RotatingFile {
    /// Goes on with the file `name` in `folder`; makes both if need be, for their owner alone.
    pub(crate) fn open(
        folder: &Path,
        name: &str,
        file_bytes: u64,
        files: u32,
    ) -> Result<Self, LogFileError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            |cause| LogFileError::Open { path, cause }
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(folder).map_err(failed(folder))?;
        let path = folder.join(name);
        let file = append(&path).map_err(failed(&path))?;
        let size_bytes = file.metadata().map_err(failed(&path))?.len();
        Ok(Self {
            path,
            file,
            size_bytes,
            file_bytes,
            files,
        })
    }

    /// Writes a line; begins a new file first if it would not fit into this one.
    pub(crate) fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let most = usize::try_from(self.file_bytes).unwrap_or(usize::MAX);
        let line = line.get(..most).unwrap_or(line);
        if self.size_bytes.saturating_add(line.len() as u64) > self.file_bytes {
            self.begin_anew()?;
        }
        self.file.write_all(line)?;
        self.size_bytes += line.len() as u64;
        Ok(())
    }

    /// Moves every file one further and drops the last. If that is not possible the current file is
    /// emptied: the bound holds whatever happens.
    fn begin_anew(&mut self) -> io::Result<()> {
        let moved = self.move_on();
        if let Ok(file) = moved {
            self.file = file;
        } else {
            self.file.set_len(0)?;
        }
        self.size_bytes = 0;
        Ok(())
    }

    fn move_on(&self) -> io::Result<File> {
        for generation in (0..self.files.saturating_sub(1)).rev() {
            let from = self.generation(generation);
            match fs::rename(&from, self.generation(generation + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        append(&self.path)
    }

    /// All files, newest first.
    pub(crate) fn read_all(&self) -> Result<Vec<LogFile>, LogFileError> {
        let mut found = Vec::new();
        for generation in 0..self.files {
            let path = self.generation(generation);
            match self.read(&path) {
                Ok(file) => found.push(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(cause) => return Err(LogFileError::Read { path, cause }),
            }
        }
        Ok(found)
    }

    fn read(&self, path: &Path) -> io::Result<LogFile> {
        let file = File::open(path)?;
        let modified = file.metadata()?.modified()?;
        let mut content = Vec::new();
        file.take(self.file_bytes).read_to_end(&mut content)?;
        let name = path.file_name().unwrap_or_default();
        Ok(LogFile {
            name: name.to_string_lossy().into_owned(),
            modified: seconds_since_1970(modified),
            content,
        })
    }

    fn generation(&self, generation: u32) -> PathBuf {
        if generation == 0 {
            return self.path.clone();
        }
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{generation}"));
        name.into()
    }
}

fn append(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600);
    let file = options.open(path)?;
    // It may be there with other permissions.
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

fn seconds_since_1970(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(log: &RotatingFile) -> Vec<String> {
        let files = log.read_all().unwrap().into_iter();
        files
            .map(|file| {
                let text = String::from_utf8(file.content).unwrap();
                format!("{} {text}", file.name)
            })
            .collect()
    }

    #[test]
    fn a_full_file_moves_on_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let open = || RotatingFile::open(folder.path(), "a.log", 4, 3).unwrap();
        let mut log = open();
        for line in ["11", "22", "33"] {
            log.write_line(line.as_bytes()).unwrap();
        }
        assert_eq!(contents(&log), ["a.log 33", "a.log.1 1122"]);
        // The next process goes on where this one was.
        let mut log = open();
        for line in ["44", "55", "66", "77"] {
            log.write_line(line.as_bytes()).unwrap();
        }
        let expected = ["a.log 77", "a.log.1 5566", "a.log.2 3344"];
        assert_eq!(contents(&log), expected);
    }

    #[test]
    fn no_file_is_ever_longer_than_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = RotatingFile::open(folder.path(), "a.log", 4, 2).unwrap();
        log.write_line(b"123456789").unwrap();
        assert_eq!(contents(&log), ["a.log 1234"]);
        // A folder in the way of the older file: nothing can move on.
        fs::create_dir(folder.path().join("a.log.1")).unwrap();
        log.write_line(b"ab").unwrap();
        assert_eq!(fs::read(folder.path().join("a.log")).unwrap(), b"ab");
    }

    #[test]
    fn files_and_folder_are_for_their_owner_alone() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join("logs");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("a.log"), "old\n").unwrap();
        fs::set_permissions(folder.join("a.log"), Permissions::from_mode(0o644)).unwrap();
        let mut log = RotatingFile::open(&folder, "a.log", 4, 2).unwrap();
        log.write_line(b"new\n").unwrap();
        for name in ["a.log", "a.log.1"] {
            let mode = fs::metadata(folder.join(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }
}
