//! Which hooks were called before a freeze and have not been called after it: `STATE/hooks-owed.json`.
//!
//! Noted durably before a hook is called for the first time, and crossed out when its second call has
//! succeeded. Both the agent and the guard of a freeze pay, and never at the same time: a lock is held
//! meanwhile. To call a hook once too often does no harm; hooks are asked to bear that.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rehost_enrolment::DurableFileError;
use rehost_enrolment::durable_file::{read_json, write_json};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

/// What is owed, in the order in which the hooks were called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Owed {
    hooks: Vec<PathBuf>,
}

/// The note could not be kept.
#[derive(Debug, thiserror::Error)]
pub(super) enum DebtError {
    /// It cannot be read or written.
    #[error(transparent)]
    Note(#[from] DurableFileError),
    /// It cannot be locked.
    #[error("cannot lock {}", path.display())]
    Lock {
        /// The lock.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// What is owed to hooks, held by this process alone until it is dropped.
#[derive(Debug)]
pub(super) struct Debts {
    path: PathBuf,
    owed: Owed,
    _lock: File,
}

impl Debts {
    /// Waits for whoever is paying, and reads what is owed.
    ///
    /// # Errors
    /// [`DebtError`]
    pub(super) fn open(state_dir: &Path) -> Result<Self, DebtError> {
        let lock_path = state_dir.join("hooks.lock");
        let failed = |cause| DebtError::Lock {
            path: lock_path.clone(),
            cause,
        };
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(failed)?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|errno| failed(errno.into()))?;
        let path = state_dir.join("hooks-owed.json");
        let owed = read_json(&path)?.unwrap_or_default();
        Ok(Self {
            path,
            owed,
            _lock: lock,
        })
    }

    /// Notes that a hook is about to be called.
    ///
    /// # Errors
    /// [`DebtError::Note`]; then it must not be called.
    pub(super) fn add(&mut self, hook: &Path) -> Result<(), DebtError> {
        self.owed.hooks.push(hook.into());
        Ok(write_json(&self.path, &self.owed)?)
    }

    /// The hooks that are owed a call, in the order in which they were called.
    pub(super) fn all(&self) -> Vec<PathBuf> {
        self.owed.hooks.clone()
    }

    /// Keeps these alone.
    ///
    /// # Errors
    /// [`DebtError::Note`]; then some may be called once more.
    pub(super) fn keep(&mut self, hooks: Vec<PathBuf>) -> Result<(), DebtError> {
        if self.owed.hooks == hooks {
            return Ok(());
        }
        self.owed.hooks = hooks;
        Ok(write_json(&self.path, &self.owed)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_owed_is_known_to_the_next_process() {
        let directory = tempfile::tempdir().unwrap();
        let mut debts = Debts::open(directory.path()).unwrap();
        assert!(debts.all().is_empty());
        debts.add(Path::new("/h/10-a")).unwrap();
        debts.add(Path::new("/h/20-b")).unwrap();
        drop(debts);
        let mut debts = Debts::open(directory.path()).unwrap();
        assert_eq!(debts.all(), [Path::new("/h/10-a"), Path::new("/h/20-b")]);
        debts.keep(vec!["/h/10-a".into()]).unwrap();
        drop(debts);
        let debts = Debts::open(directory.path()).unwrap();
        assert_eq!(debts.all(), [Path::new("/h/10-a")]);
    }

    #[test]
    fn two_never_pay_at_the_same_time() {
        let directory = tempfile::tempdir().unwrap();
        let first = Debts::open(directory.path()).unwrap();
        let path = directory.path().to_path_buf();
        let (sender, opened) = std::sync::mpsc::channel();
        let second = std::thread::spawn(move || {
            let debts = Debts::open(&path).unwrap();
            sender.send("second").unwrap();
            drop(debts);
        });
        assert!(opened.try_recv().is_err());
        drop(first);
        second.join().unwrap();
        assert_eq!(opened.recv(), Ok("second"));
    }
}
