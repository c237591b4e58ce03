//! The ledger: one line for each thing, written and flushed before the thing is made.
//!
//! A line is a JSON object. Making something adds `make`, removing it adds `removed`, and a task
//! that ended well adds `committed`. A last line that was cut short by a crash is dropped: what it
//! would have announced was not made yet.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rehost_machines::ProcessIdentity;
use serde::{Deserialize, Serialize};

/// Why the ledger cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// It cannot be opened, read or written.
    #[error("keep the ledger {}", path.display())]
    File {
        /// The ledger.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A line in it is not ours.
    #[error("line {line} of the ledger {} is damaged; repair or move it by hand", path.display())]
    Damaged {
        /// The ledger.
        path: PathBuf,
        /// Number of the line, from 1.
        line: usize,
        /// What JSON says.
        #[source]
        source: serde_json::Error,
    },
}

/// Something that was made for a task. The order of the kinds is the order in which things can be
/// removed: who uses something goes before what they use, and what lies in a folder before it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thing {
    /// The process of a machine.
    Process {
        /// Its work folder.
        folder: PathBuf,
        /// Which process it is.
        process: ProcessIdentity,
    },
    /// A Unix socket.
    Socket(PathBuf),
    /// An image file that holds what was written on top of another.
    Overlay(PathBuf),
    /// An image file.
    Image(PathBuf),
    /// A folder that belongs to one boot, with everything in it.
    WorkFolder(PathBuf),
    /// A folder. What others put into it is theirs.
    Folder(PathBuf),
}

impl Thing {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Process { folder, .. } => folder,
            Self::Socket(path)
            | Self::Overlay(path)
            | Self::Image(path)
            | Self::WorkFolder(path)
            | Self::Folder(path) => path,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line {
    Make { task_id: String, thing: Thing },
    Removed { task_id: String, thing: Thing },
    Committed { task_id: String },
}

/// What is known, and the file that keeps it.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    file: File,
    things: BTreeMap<String, BTreeSet<Thing>>,
    committed: BTreeSet<String>,
}

impl Ledger {
    /// Opens the ledger, or begins it.
    ///
    /// # Errors
    /// [`LedgerError`]
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        let failed = |source| LedgerError::File {
            path: path.into(),
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        let mut state = State {
            file,
            things: BTreeMap::new(),
            committed: BTreeSet::new(),
        };
        let mut whole_bytes = 0;
        let mut reader = BufReader::new(&state.file);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let length = reader.read_line(&mut line).map_err(failed)?;
            if length == 0 || !line.ends_with('\n') {
                break;
            }
            whole_bytes += length as u64;
            let number = lines.len() + 1;
            lines.push(
                serde_json::from_str(&line).map_err(|source| LedgerError::Damaged {
                    path: path.into(),
                    line: number,
                    source,
                })?,
            );
        }
        for line in lines {
            state.apply(line);
        }
        state
            .file
            .set_len(whole_bytes)
            .and_then(|()| state.file.seek(SeekFrom::End(0)))
            .map_err(failed)?;
        Ok(Self {
            path: path.into(),
            state: Mutex::new(state),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: Line) -> Result<(), LedgerError> {
        let mut state = self.state();
        let write = |file: &mut File| -> io::Result<()> {
            let mut text = serde_json::to_vec(&line)?;
            text.push(b'\n');
            file.write_all(&text)?;
            file.sync_data()
        };
        write(&mut state.file).map_err(|source| LedgerError::File {
            path: self.path.clone(),
            source,
        })?;
        state.apply(line);
        Ok(())
    }

    /// Announces that `thing` is about to be made.
    ///
    /// # Errors
    /// [`LedgerError`]; then it must not be made.
    pub fn will_make(&self, task_id: &str, thing: Thing) -> Result<(), LedgerError> {
        if self.things(task_id).contains(&thing) {
            return Ok(());
        }
        let task_id = task_id.to_owned();
        self.write(Line::Make { task_id, thing })
    }

    /// Notes that `thing` is gone.
    ///
    /// # Errors
    /// [`LedgerError`]
    pub fn removed(&self, task_id: &str, thing: Thing) -> Result<(), LedgerError> {
        let task_id = task_id.to_owned();
        self.write(Line::Removed { task_id, thing })
    }

    /// Notes that a task ended well.
    ///
    /// # Errors
    /// [`LedgerError`]
    pub fn commit(&self, task_id: &str) -> Result<(), LedgerError> {
        if self.is_committed(task_id) {
            return Ok(());
        }
        let task_id = task_id.to_owned();
        self.write(Line::Committed { task_id })
    }

    /// Whether a task ended well.
    #[must_use]
    pub fn is_committed(&self, task_id: &str) -> bool {
        self.state().committed.contains(task_id)
    }

    /// What was made for a task and not removed yet.
    #[must_use]
    pub fn things(&self, task_id: &str) -> BTreeSet<Thing> {
        self.state()
            .things
            .get(task_id)
            .cloned()
            .unwrap_or_default()
    }

    /// Tasks for which something was made, committed ones excepted.
    #[must_use]
    pub fn open_tasks(&self) -> Vec<String> {
        let state = self.state();
        let open = state
            .things
            .iter()
            .filter(|(task_id, things)| !things.is_empty() && !state.committed.contains(*task_id));
        open.map(|(task_id, _)| task_id.clone()).collect()
    }
}

impl State {
    fn apply(&mut self, line: Line) {
        match line {
            Line::Make { task_id, thing } => {
                self.things.entry(task_id).or_default().insert(thing);
            }
            Line::Removed { task_id, thing } => {
                if let Some(things) = self.things.get_mut(&task_id) {
                    things.remove(&thing);
                }
            }
            Line::Committed { task_id } => {
                self.committed.insert(task_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_announced_is_known_after_a_crash() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.jsonl");
        let image = |name: &str| Thing::Image(name.into());
        {
            let ledger = Ledger::open(&path).unwrap();
            ledger.will_make("a", image("1")).unwrap();
            ledger.will_make("a", image("2")).unwrap();
            ledger.will_make("b", image("3")).unwrap();
            ledger.removed("a", image("1")).unwrap();
            ledger.commit("b").unwrap();
        }
        // The crash cut a line short.
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"event\":\"make\",\"task").unwrap();

        let ledger = Ledger::open(&path).unwrap();
        assert_eq!(ledger.things("a"), BTreeSet::from([image("2")]));
        assert_eq!(ledger.open_tasks(), ["a"]);
        assert!(ledger.is_committed("b"));
        ledger.will_make("c", image("4")).unwrap();
        assert_eq!(Ledger::open(&path).unwrap().open_tasks(), ["a", "c"]);
    }

    #[test]
    fn what_uses_something_goes_before_what_it_uses() {
        let path = |name: &str| PathBuf::from("/b/t").join(name);
        let process = ProcessIdentity {
            pid: 7,
            start_time_ticks: 8,
            host_boot_id: "9".into(),
        };
        let in_order = [
            Thing::Process {
                folder: path("z"),
                process,
            },
            Thing::Socket(path("y")),
            Thing::Overlay(path("x")),
            Thing::Image(path("w")),
            Thing::WorkFolder(path("b")),
            Thing::Folder(path("a")),
        ];
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ledger.jsonl");
        let ledger = Ledger::open(&file).unwrap();
        for thing in in_order.iter().rev() {
            ledger.will_make("t", thing.clone()).unwrap();
        }
        let found: Vec<Thing> = Ledger::open(&file)
            .unwrap()
            .things("t")
            .into_iter()
            .collect();
        assert_eq!(found, in_order);
    }

    #[test]
    fn lines_of_older_ledgers_are_understood() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.jsonl");
        let lines = "{\"event\":\"make\",\"task_id\":\"a\",\"thing\":{\"folder\":\"/i/a\"}}\n\
            {\"event\":\"make\",\"task_id\":\"a\",\"thing\":{\"image\":\"/i/a/0.raw\"}}\n\
            {\"event\":\"removed\",\"task_id\":\"a\",\"thing\":{\"image\":\"/i/a/0.raw\"}}\n";
        std::fs::write(&path, lines).unwrap();
        let things = Ledger::open(&path).unwrap().things("a");
        assert_eq!(things, BTreeSet::from([Thing::Folder("/i/a".into())]));
    }

    #[test]
    fn a_damaged_line_is_not_ignored() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.jsonl");
        std::fs::write(&path, "nonsense\n").unwrap();
        assert!(matches!(
            Ledger::open(&path),
            Err(LedgerError::Damaged { line: 1, .. })
        ));
    }
}
