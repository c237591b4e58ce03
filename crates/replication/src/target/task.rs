//! One task on its target: volumes, journals, the committer, and the session that feeds them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rehost_volumes::{HeldVolume, Volume};

use super::JournalError;
use super::committer::Committer;
use super::points::{HoldableVolume, Points};
use super::volume::ReceivingVolume;
use crate::journal::Journal;
use crate::transport::FrameWriter;

/// A volume to be received.
#[derive(Debug)]
pub struct VolumeToReceive {
    /// Number of the volume within the task.
    pub index: u32,
    /// Where its bytes go.
    pub medium: Arc<dyn Volume>,
    /// Whether the medium read as zeros when the journal was begun (a new image does).
    pub made_empty: bool,
    /// Its journal file.
    pub journal: PathBuf,
    /// Where old bytes are kept while the volume is held at a point: a file that may grow as large as
    /// the volume. One that is there when the task starts is left over, and removed.
    pub kept: PathBuf,
}

/// One task on its target.
#[derive(Debug)]
pub struct ReceivingTask {
    task_id: String,
    pub(super) volumes: Vec<Arc<ReceivingVolume>>,
    pub(super) committer: Arc<Committer>,
    committing: Mutex<Option<JoinHandle<()>>>,
    points: Points,
    session: Mutex<Session>,
    left: Condvar,
}

/// The session whose streams may write. There is one at a time.
#[derive(Debug, Default)]
struct Session {
    id: Option<u64>,
    streams: BTreeMap<u32, FrameWriter>,
    /// Streams that are still at work, of this session or of one that is being ended.
    at_work: usize,
    /// A new session is being begun; others wait.
    changing: bool,
    closed: bool,
}

impl ReceivingTask {
    /// Opens the journals and starts the committer.
    ///
    /// # Errors
    /// [`JournalError`] if a journal cannot be opened or belongs to another volume.
    pub fn start(task_id: &str, volumes: Vec<VolumeToReceive>) -> Result<Arc<Self>, JournalError> {
        let mut holdable = Vec::new();
        let volumes = volumes
            .into_iter()
            .map(|volume| {
                let journal = Journal::open(&volume.journal, volume.medium.size_bytes())?;
                let medium = Arc::new(HeldVolume::new(volume.medium));
                holdable.push(HoldableVolume {
                    index: volume.index,
                    volume: Arc::clone(&medium),
                    kept: volume.kept,
                });
                Ok(Arc::new(ReceivingVolume::new(
                    volume.index,
                    medium,
                    journal,
                    volume.made_empty,
                )))
            })
            .collect::<Result<Vec<_>, JournalError>>()?;
        let committer = Arc::new(Committer::default());
        let committing = {
            let (committer, volumes) = (Arc::clone(&committer), volumes.clone());
            std::thread::spawn(move || committer.run(&volumes))
        };
        Ok(Arc::new(Self {
            task_id: task_id.to_owned(),
            volumes,
            committer,
            committing: Mutex::new(Some(committing)),
            points: Points::new(holdable),
            session: Mutex::default(),
            left: Condvar::new(),
        }))
    }

    /// The task's id.
    #[must_use]
    pub fn task_id(&self) -> &str {
        &self.task_id
    }

    /// The points at which the volumes are held.
    #[must_use]
    pub fn points(&self) -> &Points {
        &self.points
    }

    fn session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a stream in. The first stream of a new session ends the streams of the last one and
    /// waits until they have stopped and everything they wrote is committed: a straggler must not
    /// overwrite what the new session sends. Dropping the guard lets the stream out.
    pub(super) fn enter(
        self: &Arc<Self>,
        id: u64,
        stream: u32,
        writer: &FrameWriter,
    ) -> Option<StreamGuard> {
        let mut session = self.session();
        while session.changing && !session.closed {
            session = self.wait(session);
        }
        if session.id != Some(id) && !session.closed {
            session.changing = true;
            close_all(&mut session);
            while session.at_work > 0 {
                session = self.wait(session);
            }
            drop(session);
            self.committer.begin_session();
            session = self.session();
            session.id = Some(id);
            session.changing = false;
            self.left.notify_all();
        }
        if session.closed {
            return None;
        }
        if let Some(replaced) = session.streams.insert(stream, writer.clone()) {
            replaced.close();
        }
        session.at_work += 1;
        self.committer.attach(stream, writer.clone());
        Some(StreamGuard {
            task: Arc::clone(self),
        })
    }

    fn wait<'a>(&self, session: MutexGuard<'a, Session>) -> MutexGuard<'a, Session> {
        self.left
            .wait(session)
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends all streams, commits what arrived, lets go of a point and closes the volumes. Later streams
    /// and points are refused.
    pub fn close(&self) {
        let mut session = self.session();
        session.closed = true;
        close_all(&mut session);
        self.left.notify_all();
        while session.at_work > 0 {
            session = self.wait(session);
        }
        drop(session);
        self.committer.close();
        let thread = self
            .committing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.join().is_err()
        {
            tracing::error!(task_id = self.task_id, "the committer ended abnormally");
        }
        self.points.close();
    }
}

fn close_all(session: &mut Session) {
    for stream in std::mem::take(&mut session.streams).values() {
        stream.close();
    }
}

/// Marks a stream as being at work.
#[derive(Debug)]
pub(super) struct StreamGuard {
    task: Arc<ReceivingTask>,
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.task.session().at_work -= 1;
        self.task.left.notify_all();
    }
}
