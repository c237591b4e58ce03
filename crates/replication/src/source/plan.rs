//! Which chunks a round has to look at: those that are marked, or all of them.
//!
//! ```text
//!   marks can be relied on, and the hashes are of the same stretch of tracking?
//!     yes: marked chunks, chunks whose used part changed, chunks of which nothing is known
//!     no:  all chunks; what the receiver has is asked for and compared
//! ```
//!
//! Taking marks is a loan whose book are the hashes: see `hashes`.

use std::collections::BTreeMap;

use rehost_used_blocks::Extents;

use super::changes::{Chunks, Marks, Tracking, all_chunks, touched, touched_within};
use super::hashes::{Note, SourceHashes};
use super::ledger::Distrust;
use super::round::Todo;
use super::used::View;
use super::{Event, Observer, ReplicationJob, SourceError, SourceVolume, error_chain};

/// What is planned with: the hashes of each disk, and who is trusted.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    volumes: &'a [SourceVolume],
    pub(super) hashes: Vec<SourceHashes>,
    /// Per disk: why marks were not relied on when it was last told.
    told: Vec<Option<String>>,
    /// Per disk: the conditions under which its hashes will be true after the frozen round.
    conditions: Vec<Option<Note>>,
    /// Per disk: the stretch in which marks tell of writes while the source is frozen.
    watched: Vec<Option<String>>,
}

/// What is to be audited of a disk.
pub(super) struct Audit {
    pub(super) view: View,
    pub(super) todo: Todo,
    /// The stretch whose marks are audited; `None` if there is nothing to do.
    pub(super) stretch: Option<String>,
}

/// Marks that can be relied on.
struct Reliable {
    marks: Marks,
    stretch: String,
}

impl<'a> Plan<'a> {
    /// Opens the hashes of all disks of a job.
    pub(super) fn open(job: &'a ReplicationJob) -> Result<Self, SourceError> {
        let hashes = job.volumes.iter().map(|volume| {
            SourceHashes::open(&job.state_dir, volume.index, volume.volume.size_bytes())
        });
        Ok(Self {
            volumes: &job.volumes,
            hashes: hashes.collect::<Result<_, _>>()?,
            told: vec![None; job.volumes.len()],
            conditions: vec![None; job.volumes.len()],
            watched: vec![None; job.volumes.len()],
        })
    }

    /// The marks of a disk, if they can be relied on; tells once if they cannot.
    fn reliable(
        &mut self,
        position: usize,
        distrust: &[Distrust],
        tell: Option<&dyn Observer>,
    ) -> Option<Reliable> {
        let volume = &self.volumes[position];
        let tracker = volume.tracker.as_ref()?;
        let distrusted = distrust
            .iter()
            .find(|distrust| distrust.volume == volume.index);
        let reliable = match distrusted {
            Some(distrust) => Err(distrust.reason.clone()),
            None => match (tracker.read(), tracker.tracking()) {
                (Ok(marks), Tracking::Unbroken { stretch }) => Ok(Reliable { marks, stretch }),
                (Err(error), _) => Err(error_chain(&error)),
                (_, Tracking::Void { reason }) => Err(reason),
            },
        };
        let reason = match reliable {
            Ok(reliable) => {
                self.told[position] = None;
                return Some(reliable);
            }
            Err(reason) => reason,
        };
        if let Some(observer) = tell
            && self.told[position].as_ref() != Some(&reason)
        {
            observer.event(&Event::TrackingLost {
                volume: volume.name.clone(),
                reason: reason.clone(),
            });
            self.told[position] = Some(reason);
        }
        None
    }

    /// What a round over disks in use has to look at. Takes the marks; from now on the hashes answer
    /// for them.
    pub(super) fn lend(
        &mut self,
        views: &[View],
        distrust: &[Distrust],
        observer: &dyn Observer,
    ) -> Result<Vec<Todo>, SourceError> {
        let mut todos = Vec::new();
        for (position, view) in views.iter().enumerate() {
            let reliable = self.reliable(position, distrust, Some(observer));
            let hashes = &self.hashes[position];
            let Some(Reliable { marks, stretch }) = reliable else {
                hashes.begin(None)?;
                todos.push(everything(view));
                continue;
            };
            let note = Note {
                stretch,
                used: view.used.clone(),
            };
            let before = hashes
                .note()
                .filter(|before| before.stretch == note.stretch);
            let todo = if let Some(before) = before {
                let touched = touched(&marks, &before.used, &view.used, view.size_bytes());
                let known = hashes.lend(&touched, note)?;
                Todo {
                    chunks: hashes.absent()?,
                    known,
                }
            } else {
                hashes.begin(Some(note))?;
                everything(view)
            };
            // Only now: the loan is on the medium. What cannot be cleared is looked at once more.
            let tracker = self.volumes[position].tracker.as_ref();
            if let Some(Err(error)) = tracker.map(|tracker| tracker.clear(&marks)) {
                observer.event(&Event::TrackingLost {
                    volume: self.volumes[position].name.clone(),
                    reason: error_chain(&error),
                });
            }
            todos.push(todo);
        }
        Ok(todos)
    }

    /// Before the source is frozen: nothing is written until [`Self::settle`].
    pub(super) fn withhold(&mut self) -> Result<(), SourceError> {
        for (hashes, condition) in self.hashes.iter().zip(&mut self.conditions) {
            *condition = hashes.note();
            hashes.withhold()?;
        }
        Ok(())
    }

    /// What the frozen round has to look at. Takes the marks: the note is gone, so that a death before
    /// [`Self::settle`] leads to a comparison of everything anyway.
    pub(super) fn lend_aside(
        &mut self,
        views: &[View],
        distrust: &[Distrust],
    ) -> Result<Vec<Todo>, SourceError> {
        let mut todos = Vec::new();
        for (position, view) in views.iter().enumerate() {
            let reliable = self.reliable(position, distrust, None);
            let before = self.conditions[position].take();
            self.watch(position, reliable.as_ref());
            let hashes = &self.hashes[position];
            let same_stretch = reliable.and_then(|Reliable { marks, stretch }| {
                let before = before.filter(|before| before.stretch == stretch)?;
                Some((marks, before))
            });
            let Some((marks, before)) = same_stretch else {
                hashes.ignore_the_past();
                todos.push(everything(view));
                continue;
            };
            let touched = touched(&marks, &before.used, &view.used, view.size_bytes());
            let known = hashes.lend_aside(&touched)?;
            self.conditions[position] = Some(Note {
                used: view.used.clone(),
                ..before
            });
            todos.push(Todo {
                chunks: hashes.absent()?.union(&touched),
                known,
            });
        }
        Ok(todos)
    }

    /// From now on marks of a disk tell what is written while the source is frozen, if they can be
    /// relied on: those that are known are cleared.
    fn watch(&mut self, position: usize, reliable: Option<&Reliable>) {
        let tracker = self.volumes[position].tracker.as_ref();
        let stretch = tracker.zip(reliable).and_then(|(tracker, reliable)| {
            // What cannot be cleared would look like a write for ever.
            let cleared = tracker.clear(&reliable.marks);
            cleared.is_ok().then(|| reliable.stretch.clone())
        });
        self.watched[position] = stretch;
    }

    /// What the frozen round has to look at once more, per disk, because somebody wrote past the
    /// frozen file systems since their marks were last taken.
    pub(super) fn written_meanwhile(&mut self, views: &[View], distrust: &[Distrust]) -> Vec<Todo> {
        let mut todos = Vec::new();
        for (position, view) in views.iter().enumerate() {
            let Some(stretch) = self.watched[position].take() else {
                todos.push(Todo::default());
                continue;
            };
            let reliable = self.reliable(position, distrust, None);
            let Some(reliable) = reliable.filter(|reliable| reliable.stretch == stretch) else {
                self.conditions[position] = None;
                self.hashes[position].ignore_the_past();
                todos.push(everything(view));
                continue;
            };
            self.watch(position, Some(&reliable));
            let chunks = touched_within(&reliable.marks, &view.used, view.size_bytes());
            self.hashes[position].forget_aside(&chunks);
            todos.push(Todo {
                chunks,
                known: Vec::new(),
            });
        }
        todos
    }

    /// After the source was frozen.
    pub(super) fn settle(&mut self) -> Result<(), SourceError> {
        for (hashes, condition) in self.hashes.iter().zip(&mut self.conditions) {
            hashes.settle(condition.take())?;
        }
        Ok(())
    }

    /// What an audit has to look at: what is known and not marked, by the maps by which it is known,
    /// of the disks whose stretch of tracking has not been `audited` yet.
    pub(super) fn audits(
        &mut self,
        distrust: &[Distrust],
        audited: &BTreeMap<u32, String>,
    ) -> Result<Vec<Audit>, SourceError> {
        let mut audits = Vec::new();
        for position in 0..self.volumes.len() {
            let volume = &self.volumes[position];
            let note = self.hashes[position].note();
            let reliable = self.reliable(position, distrust, None);
            let is_new = |stretch| audited.get(&volume.index) != Some(stretch);
            let audit = match (reliable, note) {
                (Some(reliable), Some(note))
                    if reliable.stretch == note.stretch && is_new(&note.stretch) =>
                {
                    let view = View::of(volume, note.used);
                    let chunks = unmarked(&reliable.marks, &view, &all_chunks(view.size_bytes()));
                    let known = self.hashes[position].known(&chunks)?;
                    let chunks = known.iter().map(|(chunk, _)| *chunk..*chunk + 1).collect();
                    let chunks = Chunks::from_unordered(chunks);
                    Audit {
                        view,
                        stretch: (!chunks.is_empty()).then_some(reliable.stretch),
                        todo: Todo { chunks, known },
                    }
                }
                _ => Audit {
                    view: View::of(volume, Extents::default()),
                    todo: Todo::default(),
                    stretch: None,
                },
            };
            audits.push(audit);
        }
        Ok(audits)
    }

    /// Which of these chunks, of a disk by its position, are not marked; none if its marks cannot be
    /// relied on any more, or are of another stretch of tracking by now.
    pub(super) fn still_unmarked(
        &mut self,
        position: usize,
        (view, stretch): (&View, &str),
        chunks: &Chunks,
        distrust: &[Distrust],
    ) -> Chunks {
        let reliable = self.reliable(position, distrust, None);
        let reliable = reliable.filter(|reliable| reliable.stretch == stretch);
        reliable.map_or_else(Chunks::default, |reliable| {
            unmarked(&reliable.marks, view, chunks)
        })
    }

    /// What a round would have to look at if it began now.
    pub(super) fn remaining(
        &mut self,
        views: &[View],
        distrust: &[Distrust],
    ) -> Result<Remaining, SourceError> {
        let mut remaining = Remaining {
            bytes: 0,
            is_tracked: true,
        };
        for (position, view) in views.iter().enumerate() {
            let note = self.hashes[position].note();
            remaining.bytes += match (self.reliable(position, distrust, None), note) {
                (Some(reliable), Some(note)) if reliable.stretch == note.stretch => {
                    let size_bytes = view.size_bytes();
                    let touched = touched(&reliable.marks, &note.used, &note.used, size_bytes);
                    let chunks = touched.union(&self.hashes[position].absent()?);
                    chunks.iter().map(|chunks| view.used_bytes(chunks)).sum()
                }
                _ => {
                    remaining.is_tracked = false;
                    view.used.total_bytes()
                }
            };
        }
        Ok(remaining)
    }
}

/// What a round would have to look at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remaining {
    pub(super) bytes: u64,
    /// Whether that is what has changed; otherwise it is all there is, for at least one disk.
    pub(super) is_tracked: bool,
}

fn everything(view: &View) -> Todo {
    Todo {
        chunks: all_chunks(view.size_bytes()),
        known: Vec::new(),
    }
}

fn unmarked(marks: &Marks, view: &View, chunks: &Chunks) -> Chunks {
    let marked = touched(marks, &view.used, &view.used, view.size_bytes());
    chunks.without(&marked)
}
