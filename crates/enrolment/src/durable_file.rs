//! Files that are either the old or the new version after a power cut, never half of one.
//!
//! A new version is written aside, flushed to the medium, and renamed over the old one; then the
//! directory is flushed, so that the name is durable as well. A crash before the rename leaves the
//! old version and a file whose name ends in `.new`, which the next write replaces.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A durable file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DurableFileError {
    /// The file exists and cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The file is not what this program writes.
    #[error("{} is damaged or was written by another version; move it away to start anew", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        cause: serde_json::Error,
    },
    /// The value has no JSON form.
    #[error("cannot write {} as JSON", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What the serialiser said.
        #[source]
        cause: serde_json::Error,
    },
    /// The new version could not be made durable. The old one is still there.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// Replaces the content of `path` by `bytes`. When this returns, the new version is on the medium.
/// The file is readable for its owner alone (mode 0600).
///
/// # Errors
/// [`DurableFileError::Write`]; the old version, if any, is untouched.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), DurableFileError> {
    replace(path, bytes).map_err(|cause| DurableFileError::Write {
        path: path.into(),
        cause,
    })
}

/// Replaces the content of `path` by `value` as JSON, see [`write()`].
///
/// # Errors
/// [`DurableFileError::Encode`] and [`DurableFileError::Write`].
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), DurableFileError> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|cause| DurableFileError::Encode {
        path: path.into(),
        cause,
    })?;
    bytes.push(b'\n');
    write(path, &bytes)
}

/// Reads what [`write_json`] wrote; `None` if there is no such file.
///
/// # Errors
/// [`DurableFileError::Read`] and [`DurableFileError::Content`].
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, DurableFileError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => {
            return Err(DurableFileError::Read {
                path: path.into(),
                cause,
            });
        }
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|cause| DurableFileError::Content {
            path: path.into(),
            cause,
        })
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut aside = OsString::from(path);
    aside.push(".new");

    // A left-over of a crash is removed rather than opened: its mode is not known to be ours.
    match std::fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&aside, path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_value_survives_and_only_its_owner_may_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("value.json");
        assert_eq!(read_json::<u32>(&path).unwrap(), None);
        write_json(&path, &1).unwrap();
        write_json(&path, &2).unwrap();
        assert_eq!(read_json::<u32>(&path).unwrap(), Some(2));
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_left_over_of_a_crash_is_replaced_and_its_mode_is_not_inherited() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("value.json");
        let aside = directory.path().join("value.json.new");
        std::fs::write(&aside, "half of a val").unwrap();
        std::fs::set_permissions(&aside, Permissions::from_mode(0o644)).unwrap();
        write_json(&path, &"whole").unwrap();
        assert_eq!(
            read_json::<String>(&path).unwrap().as_deref(),
            Some("whole")
        );
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(!aside.exists());
    }

    #[test]
    fn damage_is_an_error_and_not_an_absent_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("value.json");
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(
            read_json::<u32>(&path),
            Err(DurableFileError::Content { .. })
        ));
        assert!(matches!(
            write(&directory.path().join("absent/value.json"), b""),
            Err(DurableFileError::Write { .. })
        ));
    }
}
