//! Whatever happens on the way, the target ends equal to the source.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use std::os::unix::fs::MetadataExt;
use std::sync::Mutex;
use std::time::Duration;

use common::{Pair, Watching, breaking_link};
use rehost_replication::IN_FLIGHT_WINDOW_BYTES;
use rehost_replication::source::{
    Control, Event, Finished, FreezeError, Freezer, NoFreeze, Observer, Outcome, Phase,
    SourceError, run,
};
use rehost_volumes::{CHUNK_BYTES, ImageFormat, create_image, open_target};

const MIB: u64 = 1 << 20;

fn finished(outcome: Outcome) -> Box<Finished> {
    match outcome {
        Outcome::Finished(finished) => finished,
        Outcome::Stopped | Outcome::Unchecked(_) => panic!("stopped without being asked to"),
    }
}

#[test]
fn two_disks_arrive_whole_sparse_and_proved() {
    let pair = Pair::new(&[300 * MIB + 4711, 100 * MIB]);
    pair.fill(0, (0..300).step_by(3).chain([300]), 1);
    pair.fill(1, [0, 50, 99], 2);
    pair.receive();
    let finished = finished(pair.migrate().unwrap());
    assert!(finished.proof.equal);
    assert_eq!(finished.sessions, 1);
    for (index, volume) in finished.volumes.iter().enumerate() {
        assert_eq!(
            pair.bytes(&format!("source-{index}")),
            pair.bytes(&format!("target-{index}"))
        );
        // The full copy and the final round, which is needed because the files are brand-new; what
        // is zero within a chunk was not sent.
        assert_eq!(volume.rounds, 2);
        assert_eq!(volume.sent_again_bytes, 0);
        assert!(volume.used_bytes < volume.size_bytes / 6);
        assert!(volume.wire_bytes < volume.used_bytes + volume.used_bytes / 50 + 100_000);
        let target = std::fs::metadata(pair.path(&format!("target-{index}"))).unwrap();
        assert!(target.blocks() * 512 <= volume.used_bytes + 4 * MIB);
    }
    let volume = &finished.proof.volumes[0];
    assert_eq!(
        volume.source_tree().unwrap().root().to_string(),
        volume.target_root
    );
}

#[test]
fn a_source_to_which_nobody_wrote_is_read_once() {
    let pair = Pair::new(&[30 * MIB, 10 * MIB]);
    pair.fill(0, 0..20, 1);
    pair.fill(1, [9], 2);
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    for name in ["source-0", "source-1"] {
        let file = std::fs::File::options()
            .write(true)
            .open(pair.path(name))
            .unwrap();
        file.set_modified(long_ago).unwrap();
    }
    pair.receive();
    let finished = finished(pair.migrate().unwrap());
    assert!(finished.proof.equal);
    assert!(finished.volumes.iter().all(|volume| volume.rounds == 1));
    assert_eq!(pair.bytes("source-0"), pair.bytes("target-0"));
    assert_eq!(pair.bytes("source-1"), pair.bytes("target-1"));
}

#[test]
fn sync_rounds_carry_what_is_written_meanwhile() {
    let pair = Pair::new(&[64 * MIB]);
    pair.fill(0, 0..64, 1);
    pair.receive();
    let control = Control::new();
    let observer = Watching {
        phases: Mutex::default(),
        on_sync: |round| match round {
            2 => pair.fill(0, [5, 6], 7),
            3 => {
                // Changed data, data that becomes zero, and zeros within a chunk.
                pair.fill(0, [6], 8);
                let source = open_target(&pair.path("source-0")).unwrap();
                source.zero(20 * CHUNK_BYTES, 3 * CHUNK_BYTES).unwrap();
                source.zero(30 * CHUNK_BYTES + 4096, 100_000).unwrap();
            }
            5 => control.request_cutover(),
            _ => {}
        },
    };
    let job = pair.job(pair.address(), true);
    let finished = finished(run(&job, &control, &mut NoFreeze, &observer).unwrap());
    assert!(finished.proof.equal);
    assert_eq!(pair.bytes("source-0"), pair.bytes("target-0"));
    let phases = observer.phases.lock().unwrap();
    assert_eq!(phases.first(), Some(&Phase::FullCopy));
    assert_eq!(
        phases[phases.len() - 2..],
        [Phase::FinalRound, Phase::Verifying]
    );
}

#[test]
fn downtime_is_what_the_freezer_measured() {
    /// Knows better than the clock of the round how long it held the source.
    #[derive(Debug)]
    struct Measured;
    impl Freezer for Measured {
        fn freeze(&mut self) -> Result<(), FreezeError> {
            Ok(())
        }
        fn thaw(&mut self) -> Result<Option<Duration>, FreezeError> {
            Ok(Some(Duration::from_secs(4711)))
        }
    }
    let pair = Pair::new(&[2 * MIB]);
    pair.fill(0, 0..2, 1);
    pair.receive();
    let control = Control::new();
    control.request_cutover();
    let job = pair.job(pair.address(), true);
    let finished = finished(run(&job, &control, &mut Measured, &common::Silent).unwrap());
    assert!(finished.proof.equal);
    let counted = finished.volumes[0].downtime_seconds;
    assert!((counted - 4711.0).abs() < 1e-9, "{counted}");
}

#[test]
fn a_link_that_breaks_again_and_again_costs_only_what_was_in_flight() {
    let pair = Pair::new(&[200 * MIB, 50 * MIB]);
    pair.fill(0, 0..200, 3);
    pair.fill(1, 10..40, 4);
    pair.receive();
    let budgets: Vec<i64> = (1..12).map(|cut| cut * 1_300_007).collect();
    let job = pair.job(breaking_link(pair.address(), budgets), false);
    let outcome = run(&job, &Control::new(), &mut NoFreeze, &common::Silent);
    let finished = finished(outcome.unwrap());
    assert!(finished.proof.equal);
    assert_eq!(finished.sessions, 12);
    assert_eq!(pair.bytes("source-0"), pair.bytes("target-0"));
    assert_eq!(pair.bytes("source-1"), pair.bytes("target-1"));
    let again: u64 = finished
        .volumes
        .iter()
        .map(|volume| volume.sent_again_bytes)
        .sum();
    assert!(again <= 11 * IN_FLIGHT_WINDOW_BYTES);
}

#[test]
fn a_stopped_source_and_a_new_receiver_go_on_where_they_were() {
    let pair = Pair::new(&[100 * MIB]);
    pair.fill(0, 0..100, 5);
    pair.receive();
    let control = Control::new();
    // Slow enough that the stop comes in the middle.
    control.set_rate_limit_bytes_per_second(Some(60 << 20));
    let job = pair.job(pair.address(), false);
    let stopped = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&job, &control, &mut NoFreeze, &common::Silent));
        while std::fs::metadata(pair.path("target-0")).unwrap().blocks() * 512 < 20 * MIB {
            std::thread::yield_now();
        }
        control.request_stop();
        running.join().unwrap()
    });
    assert!(matches!(stopped, Ok(Outcome::Stopped)));
    pair.stop_receiving();

    // While nobody looks, a chunk that had arrived becomes zeros and another one changes.
    let source = open_target(&pair.path("source-0")).unwrap();
    source.zero(0, 2 * CHUNK_BYTES).unwrap();
    pair.fill(0, [3, 90], 6);
    pair.receive();
    let finished = finished(pair.migrate().unwrap());
    assert!(finished.proof.equal);
    assert_eq!(finished.sessions, 2);
    assert_eq!(
        finished.volumes[0].sent_again_bytes, 0,
        "a stop waits for what is in flight"
    );
    assert_eq!(pair.bytes("source-0"), pair.bytes("target-0"));
}

/// Changes a byte of the target.
fn damage(pair: &Pair) {
    let target = open_target(&pair.path("target-0")).unwrap();
    let mut byte = [0];
    target.read_at(&mut byte, 7 * CHUNK_BYTES + 100).unwrap();
    target
        .write_at(&[byte[0] ^ 1], 7 * CHUNK_BYTES + 100)
        .unwrap();
}

/// Damages the target when everything has been sent.
struct Damaging<'a>(&'a Pair);

impl Observer for Damaging<'_> {
    fn event(&self, event: &Event) {
        if *event == Event::PhaseBegan(Phase::Verifying) {
            damage(self.0);
        }
    }
}

#[test]
fn a_target_that_was_started_is_looked_at_before_anything_rests_on_its_journal() {
    let pair = Pair::new(&[20 * MIB]);
    pair.fill(0, 0..20, 9);
    pair.receive();
    let first = finished(pair.migrate().unwrap());
    assert!(first.proof.equal);
    // What was started writes to its disk, and the journal knows nothing of it.
    damage(&pair);
    let again = finished(pair.migrate().unwrap());
    assert!(again.proof.equal);
    assert_eq!(pair.bytes("source-0"), pair.bytes("target-0"));
    // One chunk, of which 400 kB are data, was sent again.
    let sent_bytes = again.volumes[0].wire_bytes - first.volumes[0].wire_bytes;
    assert!((400_000..600_000).contains(&sent_bytes), "{sent_bytes}");

    // The same if somebody has removed the journal: what is there need not be sent.
    pair.stop_receiving();
    damage(&pair);
    std::fs::remove_file(pair.path("journal-0")).unwrap();
    let medium = open_target(&pair.path("target-0")).unwrap();
    pair.receive_into(medium);
    let third = finished(pair.migrate().unwrap());
    assert!(third.proof.equal);
    assert_eq!(pair.bytes("source-0"), pair.bytes("target-0"));
    let sent_bytes = third.volumes[0].wire_bytes - again.volumes[0].wire_bytes;
    assert!((400_000..600_000).contains(&sent_bytes), "{sent_bytes}");
}

#[test]
fn a_disk_of_another_size_ends_the_copy_with_a_reason() {
    /// Enlarges the disk when file systems have come to rest.
    #[derive(Debug)]
    struct Enlarging(std::path::PathBuf);
    impl Freezer for Enlarging {
        fn freeze(&mut self) -> Result<(), FreezeError> {
            let file = std::fs::File::options().write(true).open(&self.0).unwrap();
            file.set_len(9 * MIB).unwrap();
            Ok(())
        }
        fn thaw(&mut self) -> Result<Option<Duration>, FreezeError> {
            Ok(None)
        }
    }
    let pair = Pair::new(&[8 * MIB]);
    pair.fill(0, 0..8, 1);
    pair.receive();
    let is_refused = |result: Result<Outcome, SourceError>, now_bytes: u64| {
        let error = result.unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(error, SourceError::SizeChanged { now_bytes: found, .. } if found == now_bytes),
            "{text}"
        );
        assert!(
            !error.is_link() && !error.is_wait() && text.contains("disk-0"),
            "{text}"
        );
    };
    let job = pair.job(pair.address(), false);
    let mut freezer = Enlarging(pair.path("source-0"));
    let result = run(&job, &Control::new(), &mut freezer, &common::Silent);
    is_refused(result, 9 * MIB);
    // A round of a disk in use sees it, too.
    let source = std::fs::File::options()
        .write(true)
        .open(pair.path("source-0"))
        .unwrap();
    source.set_len(8 * MIB).unwrap();
    let job = pair.job(pair.address(), true);
    source.set_len(7 * MIB).unwrap();
    let result = run(&job, &Control::new(), &mut NoFreeze, &common::Silent);
    is_refused(result, 7 * MIB);
}

#[test]
fn a_damaged_target_fails_the_proof_and_is_repaired_by_the_next_run() {
    let pair = Pair::new(&[20 * MIB]);
    pair.fill(0, 0..20, 9);
    pair.receive();
    let job = pair.job(pair.address(), false);
    let outcome = run(&job, &Control::new(), &mut NoFreeze, &Damaging(&pair));
    let damaged = finished(outcome.unwrap());
    assert!(!damaged.proof.equal);
    assert_eq!(damaged.proof.volumes[0].differing_chunks, [7]);
    let repaired = finished(pair.migrate().unwrap());
    assert!(repaired.proof.equal);
    assert_eq!(pair.bytes("source-0"), pair.bytes("target-0"));
}

#[test]
fn an_old_medium_is_overwritten_also_where_the_source_is_empty() {
    let pair = Pair::new(&[30 * MIB]);
    pair.fill(0, [3, 4, 29], 1);
    let target = create_image(&pair.path("target-0"), ImageFormat::Raw, 30 * MIB).unwrap();
    for chunk in 0..30 {
        target
            .write_at(&vec![0xee; 1 << 20], chunk * CHUNK_BYTES)
            .unwrap();
    }
    pair.receive_into(open_target(&pair.path("target-0")).unwrap());
    assert!(finished(pair.migrate().unwrap()).proof.equal);
    assert_eq!(pair.bytes("source-0"), pair.bytes("target-0"));
}

/// Asks to skip the comparison when it begins.
struct Impatient(Control);

impl Observer for Impatient {
    fn event(&self, event: &Event) {
        if *event == Event::PhaseBegan(Phase::Verifying) {
            self.0.skip_check();
        }
    }
}

#[test]
fn a_comparison_that_is_skipped_proves_nothing_and_loses_nothing() {
    let pair = Pair::new(&[200 * MIB]);
    pair.fill(0, 0..9, 1);
    pair.receive();
    let job = pair.job(pair.address(), false);
    let control = Control::new();
    let observer = Impatient(control.clone());
    let skipped = run(&job, &control, &mut NoFreeze, &observer).unwrap();
    let Outcome::Unchecked(unchecked) = skipped else {
        panic!("{skipped:?}")
    };
    assert_eq!(unchecked.sessions, 1);
    assert_eq!(unchecked.volumes[0].used_bytes, 9 * 409_600);
    assert_eq!(pair.bytes("source-0"), pair.bytes("target-0"));
    assert!(finished(pair.migrate().unwrap()).proof.equal);
}
