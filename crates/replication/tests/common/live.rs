//! A source at work: whoever runs a replication over it calls its hooks, and there it writes, fails
//! and dies as a test says.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rehost_replication::source::{
    ChangeTracker, Control, Event, Extents, FreezeError, Freezer, Marks, Observer, Outcome, Phase,
    ReplicationJob, SourceError, SourceVolume, TrackerError, Tracking, UsedBlocks, UsedMap, run,
};
use rehost_volumes::{open_target, to_usize};

const GRAIN: u64 = 64 << 10;

/// What the source does at one of its hooks.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Writes into a file: the range is in use from now on.
    Write(Range<u64>, u8),
    /// Writes, and nobody marks it.
    WriteUnseen(Range<u64>, u8),
    /// Writes to the device itself, also while file systems are frozen; into what is in use.
    WritePast(Range<u64>, u8),
    /// Deletes a file: the range is not used any more, and is discarded.
    Discard(Range<u64>),
    /// File systems write their journals back: maps show what is in use.
    WriteBack,
    /// The tracker fails at the next two calls.
    Fail,
    /// The tracker has missed something, says so, and begins anew later.
    Void,
    /// The tracker begins anew.
    Anew,
    /// Somebody asks for a point.
    Point,
    /// The process dies.
    Die,
    /// Nothing.
    Rest,
}

#[derive(Debug, Default)]
struct State {
    acts: std::vec::IntoIter<Act>,
    /// What is in use.
    used: Extents,
    /// What maps show of it.
    shown: Extents,
    marks: Marks,
    stretch: u64,
    failures: u32,
    void: bool,
    frozen: bool,
    /// What is to happen from the next freeze on, instead of all else.
    at_next_freeze: Vec<Act>,
    /// The disk as a copy must be, taken at the freeze.
    at_freeze: Option<Vec<u8>>,
    lost: Vec<String>,
    audits: u32,
    /// How many points were asked for.
    points: u32,
    /// The last point that the target holds, and what it must hold.
    kept: Option<(String, Vec<u8>)>,
    /// Why points are not held.
    refused: Vec<String>,
    is_through: bool,
}

/// The source. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    path: PathBuf,
    state: Arc<Mutex<State>>,
    control: Arc<Mutex<Control>>,
}

/// What a process that dies leaves behind instead of an answer.
struct Died;

impl Live {
    /// A disk in an image file, of which `used` is in use.
    pub(crate) fn new(path: PathBuf, used: Extents, acts: Vec<Act>) -> Self {
        let state = State {
            acts: acts.into_iter(),
            shown: used.clone(),
            used,
            ..State::default()
        };
        Self {
            path,
            state: Arc::new(Mutex::new(state)),
            control: Arc::default(),
        }
    }

    /// Runs a replication in a process of its own, so to speak; `None` if it died.
    pub(crate) fn run(&self, job: &ReplicationJob) -> Option<Result<Outcome, SourceError>> {
        let control = Control::new();
        *self.control.lock().unwrap() = control.clone();
        let mut freezer = self.clone();
        let life = || run(job, &control, &mut freezer, self);
        let lived = catch_unwind(AssertUnwindSafe(life));
        self.state.lock().unwrap().frozen = false;
        match lived {
            Ok(result) => Some(result),
            Err(cause) if cause.is::<Died>() => None,
            Err(cause) => resume_unwind(cause),
        }
    }

    /// Has this happen from the next freeze on.
    pub(crate) fn when_frozen(&self, acts: Vec<Act>) {
        self.state.lock().unwrap().at_next_freeze = acts;
    }

    /// Why marks were not relied on, as far as it was told.
    pub(crate) fn told_losses(&self) -> Vec<String> {
        self.state.lock().unwrap().lost.clone()
    }

    /// The last point that was kept, if any was, and what it must hold.
    pub(crate) fn kept_point(&self) -> Option<(String, Vec<u8>)> {
        self.state.lock().unwrap().kept.clone()
    }

    /// Why points are not held, as far as it was told.
    pub(crate) fn refused_points(&self) -> Vec<String> {
        self.state.lock().unwrap().refused.clone()
    }

    /// How often marks were checked against the disk.
    pub(crate) fn audits(&self) -> u32 {
        self.state.lock().unwrap().audits
    }

    /// What a copy must hold.
    pub(crate) fn at_freeze(&self) -> Vec<u8> {
        self.state.lock().unwrap().at_freeze.clone().unwrap()
    }

    fn hook(&self) {
        self.hook_where(false);
    }

    /// A hook; `marks_follow` says that whoever called it is about to read the marks.
    fn hook_where(&self, marks_follow: bool) {
        let mut state = self.state.lock().unwrap();
        if state.is_through {
            return;
        }
        let act = match state.acts.as_slice().first() {
            // A frozen source does nothing but die. What is written past it after the marks were read
            // for the last time is written after the copy.
            Some(Act::Die) => state.acts.next(),
            Some(Act::WritePast(..)) if state.frozen && marks_follow => state.acts.next(),
            _ if state.frozen => None,
            _ => state.acts.next(),
        };
        match act {
            None | Some(Act::Rest) => {}
            Some(Act::Write(range, value)) => {
                self.write(range.clone(), value);
                state.used = state.used.union(&Extents::whole(range.clone()));
                state.marks.written = state.marks.written.union(&grains(&range));
            }
            Some(Act::WriteUnseen(range, value)) => self.write(range, value),
            Some(Act::WritePast(range, value)) => {
                for range in state.used.clone().overlapping(range) {
                    self.write(range.clone(), value);
                    state.marks.written = state.marks.written.union(&grains(&range));
                }
                if state.frozen {
                    state.at_freeze = Some(self.content(&state));
                }
            }
            Some(Act::Discard(range)) => {
                let disk = open_target(&self.path).unwrap();
                disk.zero(range.start, range.end - range.start).unwrap();
                state.used = state.used.without(&Extents::whole(range.clone()));
                state.marks.discarded = state.marks.discarded.union(&grains(&range));
            }
            Some(Act::Point) => {
                state.points += 1;
                let point = format!("point-{}", state.points);
                self.control.lock().unwrap().request_point(&point);
            }
            Some(Act::WriteBack) => state.shown = state.used.clone(),
            Some(Act::Fail) => state.failures = 2,
            Some(Act::Void) => state.void = true,
            Some(Act::Anew) => {
                state.void = false;
                state.stretch += 1;
                state.marks = Marks::default();
            }
            Some(Act::Die) => {
                drop(state);
                resume_unwind(Box::new(Died));
            }
        }
    }

    /// What of the disk counts.
    fn content(&self, state: &State) -> Vec<u8> {
        let mut bytes = super::read_all(&self.path);
        for gap in state.used.gaps(0..bytes.len() as u64).iter() {
            bytes[to_usize(gap.start)..to_usize(gap.end)].fill(0);
        }
        bytes
    }

    fn write(&self, range: Range<u64>, value: u8) {
        let disk = open_target(&self.path).unwrap();
        let bytes = vec![value; to_usize(range.end - range.start)];
        disk.write_at(&bytes, range.start).unwrap();
    }

    fn may_fail(&self, act: &'static str) -> Result<(), TrackerError> {
        let mut state = self.state.lock().unwrap();
        if state.failures == 0 {
            return Ok(());
        }
        state.failures -= 1;
        let source = "it was told to fail".into();
        Err(TrackerError { act, source })
    }
}

/// Whole grains, as a tracker marks them.
fn grains(range: &Range<u64>) -> Extents {
    Extents::whole(range.start / GRAIN * GRAIN..range.end.next_multiple_of(GRAIN))
}

impl ChangeTracker for Live {
    fn tracking(&self) -> Tracking {
        self.hook();
        let state = self.state.lock().unwrap();
        if state.void {
            let reason = "void".into();
            return Tracking::Void { reason };
        }
        let stretch = state.stretch.to_string();
        Tracking::Unbroken { stretch }
    }

    fn read(&self) -> Result<Marks, TrackerError> {
        self.hook_where(true);
        self.may_fail("read")?;
        Ok(self.state.lock().unwrap().marks.clone())
    }

    fn clear(&self, marks: &Marks) -> Result<(), TrackerError> {
        self.hook();
        self.may_fail("clear")?;
        let mut state = self.state.lock().unwrap();
        state.marks.written = state.marks.written.without(&marks.written);
        state.marks.discarded = state.marks.discarded.without(&marks.discarded);
        Ok(())
    }
}

impl UsedBlocks for Live {
    fn read(&self, volumes: &[SourceVolume]) -> Vec<UsedMap> {
        self.hook();
        let used = self.state.lock().unwrap().shown.clone();
        let map = UsedMap {
            used,
            ..UsedMap::default()
        };
        volumes.iter().map(|_| map.clone()).collect()
    }
}

impl Freezer for Live {
    fn freeze(&mut self) -> Result<(), FreezeError> {
        self.hook();
        let mut state = self.state.lock().unwrap();
        state.frozen = true;
        state.shown = state.used.clone();
        state.at_freeze = Some(self.content(&state));
        let acts = std::mem::take(&mut state.at_next_freeze);
        if !acts.is_empty() {
            state.acts = acts.into_iter();
        }
        Ok(())
    }

    fn thaw(&mut self) -> Result<Option<Duration>, FreezeError> {
        self.hook();
        self.state.lock().unwrap().frozen = false;
        Ok(None)
    }
}

impl Observer for Live {
    fn event(&self, event: &Event) {
        let mut state = self.state.lock().unwrap();
        match event {
            Event::TrackingLost { reason, .. } => state.lost.push(reason.clone()),
            Event::PhaseBegan(Phase::Audit) => state.audits += 1,
            Event::PointKept { point, .. } => {
                let content = state.at_freeze.clone().unwrap();
                state.kept = Some((point.clone(), content));
            }
            Event::PointFailed { reason, .. } => state.refused.push(reason.clone()),
            Event::Thawed { .. } => state.is_through = true,
            Event::SessionOpened { .. } => state.is_through = false,
            _ => {}
        }
        let is_idle = state.acts.as_slice().is_empty();
        drop(state);
        match event {
            Event::RoundDone { .. } if is_idle => self.control.lock().unwrap().request_cutover(),
            Event::RoundDone { .. } | Event::PhaseBegan(_) => self.hook(),
            _ => {}
        }
    }
}
