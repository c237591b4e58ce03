//! A point is the source as it was when it stood still, however long rounds go on; and what goes wrong
//! with a point goes wrong with nothing else.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use std::os::unix::fs::FileExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, RwLock, RwLockWriteGuard};
use std::time::Duration;

use common::Pair;
use rehost_replication::source::{
    Control, Event, Finished, FreezeError, Freezer, NoFreeze, Observer, Outcome, run,
};
use rehost_replication::target::PointError;

const MIB: u64 = 1 << 20;

fn finished(outcome: Outcome) -> Box<Finished> {
    match outcome {
        Outcome::Finished(finished) => finished,
        other => panic!("{other:?}"),
    }
}

/// Writes to the sources without a pause until told to stop, while the gate is open.
fn write_on(pair: &Pair, gate: &RwLock<()>, is_over: &AtomicBool) {
    let sources = ["source-0", "source-1"];
    let sources = sources.map(|name| {
        let file = std::fs::File::options().write(true).open(pair.path(name));
        file.unwrap()
    });
    let mut number = 0_u64;
    while !is_over.load(Ordering::SeqCst) {
        let _open = gate.read().unwrap();
        number += 1;
        let position = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for (source, size_bytes) in sources.iter().zip(&pair.sizes) {
            let bytes = [number.to_le_bytes(); 500].concat();
            let start = position % (size_bytes - 4000);
            source.write_all_at(&bytes, start).unwrap();
        }
    }
}

/// Ends the writing, also if the test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Shuts the gate while the source is frozen, and notes what the sources hold then.
#[derive(Debug)]
struct Gate<'a> {
    pair: &'a PairName<'a>,
    gate: &'a RwLock<()>,
    shut: Option<RwLockWriteGuard<'a, ()>>,
    seen: &'a Mutex<Vec<[Vec<u8>; 2]>>,
}

struct PairName<'a>(&'a Pair);

impl std::fmt::Debug for PairName<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("pair")
    }
}

impl Freezer for Gate<'_> {
    fn freeze(&mut self) -> Result<(), FreezeError> {
        self.shut = Some(self.gate.write().unwrap());
        let seen = ["source-0", "source-1"].map(|name| self.pair.0.bytes(name));
        self.seen.lock().unwrap().push(seen);
        Ok(())
    }

    fn thaw(&mut self) -> Result<Option<Duration>, FreezeError> {
        self.shut = None;
        Ok(Some(Duration::from_secs(4711)))
    }
}

/// Asks for points and has them exported, as whoever boots copies does.
struct Rehearsing<'a> {
    pair: &'a Pair,
    control: Control,
    told: Mutex<Vec<Event>>,
}

impl Observer for Rehearsing<'_> {
    fn event(&self, event: &Event) {
        match event {
            Event::RoundDone { round: 2, .. } => self.control.request_point("first"),
            Event::PointKept { point, .. } if point == "first" => {
                let folder = self.pair.path("sockets");
                let points = self.pair.task();
                points.points().export("first", &folder).unwrap();
                self.control.request_point("second");
            }
            // Round 3 held the first point, round 5 tried the second one.
            Event::RoundDone { round: 12, .. } => self.control.request_cutover(),
            _ => {}
        }
        if matches!(event, Event::PointKept { .. } | Event::PointFailed { .. }) {
            self.told.lock().unwrap().push(event.clone());
        }
    }
}

fn compare(expected: &std::path::Path, socket: &std::path::Path) -> Option<i32> {
    let compared = Command::new("qemu-img")
        .args(["compare", "-f", "raw", "-F", "raw"])
        .arg(expected)
        .arg(format!("nbd+unix:///?socket={}", socket.display()))
        .output();
    compared.unwrap().status.code()
}

#[test]
fn a_point_is_the_frozen_source_to_the_byte_also_after_further_rounds() {
    let pair = Pair::new(&[24 * MIB + 4096, 9 * MIB]);
    pair.fill(0, 0..24, 1);
    pair.fill(1, [0, 4, 8], 2);
    pair.receive();
    let (gate, is_over, seen) = (RwLock::new(()), AtomicBool::new(false), Mutex::default());
    let control = Control::new();
    let watching = Rehearsing {
        pair: &pair,
        control: control.clone(),
        told: Mutex::default(),
    };
    let job = pair.job(pair.address(), true);
    let name = PairName(&pair);
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| write_on(&pair, &gate, &is_over));
        let _over = Over(&is_over);
        let mut freezer = Gate {
            pair: &name,
            gate: &gate,
            shut: None,
            seen: &seen,
        };
        run(&job, &control, &mut freezer, &watching)
    });
    assert!(finished(outcome.unwrap()).proof.equal);
    let seen = seen.into_inner().unwrap();
    assert_eq!(seen.len(), 3, "two points and the final round");
    let told = watching.told.into_inner().unwrap();
    let Event::PointKept { held_seconds, .. } = &told[0] else {
        panic!("{told:?}")
    };
    assert!((held_seconds - 4711.0).abs() < 1e-9, "{held_seconds}");
    let Event::PointFailed { point, reason } = &told[1] else {
        panic!("{told:?}")
    };
    assert!(point == "second" && reason.contains("in use"), "{told:?}");

    // The point is what the source was then, the target what it was last.
    let task = pair.task();
    let held = task.points().held().unwrap();
    assert!(held.is_exported && held.kept_bytes > 0, "{held:?}");
    let sockets = task
        .points()
        .export("first", &pair.path("sockets"))
        .unwrap();
    assert_eq!(sockets.len(), 2);
    for (number, exported) in sockets.iter().enumerate() {
        let expected = pair.path("expected");
        std::fs::write(&expected, &seen[0][number]).unwrap();
        assert_eq!(
            compare(&expected, &exported.socket),
            Some(0),
            "volume {number}"
        );
        assert!(pair.bytes(&format!("target-{number}")) == seen[2][number]);
        assert!(seen[0][number] != seen[2][number]);
    }

    assert!(!task.points().let_go("second"));
    assert!(task.points().let_go("first"));
    assert_eq!(task.points().held(), None);
    assert!(!sockets[0].socket.exists());
    for name in ["kept-0", "kept-1"] {
        assert!(!pair.path(name).exists(), "{name}");
    }
    let gone = task.points().volumes("first").unwrap_err();
    assert!(matches!(gone, PointError::NotHeld { .. }), "{gone}");
}

/// Tells which points are held.
struct Telling(Sender<String>);

impl Observer for Telling {
    fn event(&self, event: &Event) {
        if let Event::PointKept { point, .. } = event {
            self.0.send(point.clone()).unwrap();
        }
    }
}

#[test]
fn no_rest_between_rounds_keeps_a_point_waiting() {
    let pair = Pair::new(&[2 * MIB]);
    pair.fill(0, 0..2, 1);
    pair.receive();
    let control = Control::new();
    control.request_point("first");
    let mut job = pair.job(pair.address(), true);
    job.sync_interval = Duration::from_secs(1 << 20);
    let (telling, told) = channel();
    let asking = control.clone();
    let outcome = std::thread::scope(|scope| {
        scope.spawn(move || {
            assert_eq!(told.recv().unwrap(), "first");
            // The source rests by now, or is about to.
            asking.request_point("second");
            assert_eq!(told.recv().unwrap(), "second");
            asking.request_cutover();
        });
        run(&job, &control, &mut NoFreeze, &Telling(telling))
    });
    assert!(finished(outcome.unwrap()).proof.equal);
}

#[test]
fn a_point_ends_with_the_receiver() {
    let pair = Pair::new(&[4 * MIB]);
    pair.fill(0, 0..4, 1);
    // Left by a receiver that was killed.
    std::fs::write(pair.path("kept-0"), "left over").unwrap();
    let task = pair.receive();
    assert!(!pair.path("kept-0").exists());
    assert_eq!(task.points().held(), None);
    task.points().hold("a").unwrap();
    assert!(pair.path("kept-0").exists());
    // One that nobody uses makes room.
    task.points().hold("b").unwrap();
    let held = task.points().held().unwrap();
    assert_eq!((held.point.as_str(), held.is_exported), ("b", false));
    pair.stop_receiving();
    assert_eq!(task.points().held(), None);
    assert!(!pair.path("kept-0").exists());
    let closed = task.points().hold("c").unwrap_err();
    assert!(matches!(closed, PointError::Closed), "{closed}");
}

#[test]
fn a_point_that_cannot_be_held_is_refused_and_leaves_nothing() {
    let pair = Pair::new(&[4 * MIB, 4 * MIB]);
    let task = pair.receive();
    task.points().hold("a").unwrap();
    let (_, volume) = task.points().volumes("a").unwrap().remove(0);
    std::fs::remove_file(pair.path("kept-1")).unwrap();
    // Something is in the way of the second volume.
    std::fs::create_dir(pair.path("kept-1")).unwrap();
    let refused = task.points().hold("b").unwrap_err();
    assert!(
        matches!(refused, PointError::Hold { volume: 1, .. }),
        "{refused}"
    );
    assert_eq!(task.points().held(), None);
    assert!(!pair.path("kept-0").exists());
    assert!(volume.void_reason().is_some());
}

/// What happens to the source or the link in the point rounds.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    /// It cannot be frozen.
    Freeze,
    /// It was thawed before it was time.
    Thaw,
    /// The receiver dies and another one comes.
    Receiver,
    /// All is well.
    None,
}

struct Troubled<'a> {
    pair: &'a Pair,
    troubles: Vec<Trouble>,
    trouble: Trouble,
}

impl std::fmt::Debug for Troubled<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.trouble.fmt(f)
    }
}

fn failed(act: &'static str) -> FreezeError {
    FreezeError {
        act,
        source: "it was told to fail".into(),
    }
}

impl Freezer for Troubled<'_> {
    fn freeze(&mut self) -> Result<(), FreezeError> {
        self.trouble = self.troubles.pop().unwrap_or(Trouble::None);
        match self.trouble {
            Trouble::Freeze => return Err(failed("freeze")),
            Trouble::Receiver => {
                self.pair.stop_receiving();
                self.pair.receive();
            }
            Trouble::Thaw | Trouble::None => {}
        }
        Ok(())
    }

    fn thaw(&mut self) -> Result<Option<Duration>, FreezeError> {
        match self.trouble {
            Trouble::Thaw => Err(failed("thaw")),
            _ => Ok(None),
        }
    }
}

/// Asks for another point as soon as one has failed, and writes to the source meanwhile.
struct Insisting<'a> {
    pair: &'a Pair,
    control: Control,
    told: Mutex<Vec<String>>,
    expected: Mutex<Option<Vec<u8>>>,
}

impl Observer for Insisting<'_> {
    fn event(&self, event: &Event) {
        let mut told = self.told.lock().unwrap();
        match event {
            Event::RoundDone { round: 1, .. } => self.control.request_point("point-0"),
            Event::LinkLost { .. } => told.push("link lost".into()),
            Event::PointFailed { reason, .. } => {
                told.push(reason.clone());
                self.pair.fill(0, [3], told.len() as u64 + 10);
                self.control.request_point(&format!("point-{}", told.len()));
            }
            Event::PointKept { .. } => {
                *self.expected.lock().unwrap() = Some(self.pair.bytes("source-0"));
                told.push("kept".into());
                self.pair.fill(0, [3, 5], 99);
                self.control.request_cutover();
            }
            _ => {}
        }
    }
}

#[test]
fn whatever_goes_wrong_with_a_point_rounds_go_on_and_the_next_one_is_held() {
    let pair = Pair::new(&[8 * MIB]);
    pair.fill(0, 0..8, 1);
    pair.receive();
    let control = Control::new();
    let insisting = Insisting {
        pair: &pair,
        control: control.clone(),
        told: Mutex::default(),
        expected: Mutex::default(),
    };
    let mut freezer = Troubled {
        pair: &pair,
        troubles: vec![Trouble::Receiver, Trouble::Thaw, Trouble::Freeze],
        trouble: Trouble::None,
    };
    let job = pair.job(pair.address(), true);
    let outcome = run(&job, &control, &mut freezer, &insisting);
    assert!(finished(outcome.unwrap()).proof.equal);
    let told = insisting.told.into_inner().unwrap();
    assert_eq!(told.len(), 5, "{told:?}");
    assert!(told[0].starts_with("freeze the source"), "{told:?}");
    assert!(told[1].starts_with("thaw the source"), "{told:?}");
    assert!(told[2].starts_with("reach the receiver"), "{told:?}");
    assert_eq!(told[3..], ["link lost", "kept"]);
    assert!(pair.bytes("target-0") == pair.bytes("source-0"));
    let point = pair.task().points().held().unwrap().point;
    assert!(pair.held(&point) == insisting.expected.into_inner().unwrap());
}

#[test]
fn a_point_without_a_plain_name_or_too_late_is_refused() {
    let pair = Pair::new(&[4 * MIB]);
    pair.fill(0, 0..4, 1);
    pair.receive();
    /// Remembers refusals; asks for another point when everything has been sent.
    struct Late(Control, Mutex<Vec<(String, String)>>);
    impl Observer for Late {
        fn event(&self, event: &Event) {
            match event {
                Event::PointFailed { point, reason } => {
                    let refusal = (point.clone(), reason.clone());
                    self.1.lock().unwrap().push(refusal);
                    self.0.request_cutover();
                }
                Event::Thawed { .. } => self.0.request_point("late"),
                _ => {}
            }
        }
    }
    let control = Control::new();
    control.request_point("../x");
    let late = Late(control.clone(), Mutex::default());
    let job = pair.job(pair.address(), true);
    let outcome = run(&job, &control, &mut NoFreeze, &late);
    assert!(finished(outcome.unwrap()).proof.equal);
    let refused = late.1.into_inner().unwrap();
    let names: Vec<_> = refused.iter().map(|(point, _)| point.as_str()).collect();
    assert_eq!(names, ["../x", "late"]);
    assert!(refused[1].1.contains("final round"), "{refused:?}");
    assert_eq!(pair.task().points().held(), None);
}
