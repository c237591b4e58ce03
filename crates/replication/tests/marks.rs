//! Rounds that look only at what is marked: whatever fails or dies at whatever step, the target ends
//! equal to the source as it was when it was frozen.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use std::ops::Range;
use std::sync::Arc;

use common::live::{Act, Live};
use common::{Pair, breaking_link};
use proptest::prelude::*;
use rehost_replication::source::{Extents, Finished, Outcome, ReplicationJob, SourceError};

const MIB: u64 = 1 << 20;
const SIZE: u64 = 10 * MIB + 512;

fn job(pair: &Pair, live: &Live, cuts: &[i64], syncing: bool) -> ReplicationJob {
    let address = breaking_link(pair.address(), cuts.to_vec());
    let mut job = pair.job(address, syncing);
    job.volumes[0].tracker = Some(Arc::new(live.clone()));
    job.used_blocks = Arc::new(live.clone());
    job.sync_interval = std::time::Duration::ZERO;
    job
}

fn finished(outcome: Outcome) -> Box<Finished> {
    match outcome {
        Outcome::Finished(finished) => finished,
        other => panic!("{other:?}"),
    }
}

/// Lives as often as it takes, and checks what arrived.
fn live_through(
    live: &Live,
    pair: &Pair,
    cuts: &[i64],
    syncing: bool,
    mut between: impl FnMut(),
) -> Box<Finished> {
    let outcome = loop {
        match live.run(&job(pair, live, cuts, syncing)) {
            // Whoever wrote past the frozen file systems comes to an end.
            Some(Err(SourceError::Restless { .. })) => {}
            Some(result) => break result.unwrap(),
            None => between(),
        }
    };
    let finished = finished(outcome);
    assert!(finished.proof.equal, "{:?}", finished.proof);
    assert!(
        pair.bytes("target-0") == live.at_freeze(),
        "the target is not what it must be"
    );
    // The receiver may hold a later point of which the source did not hear, or be another one by now.
    if let Some((point, expected)) = live.kept_point()
        && let Some(found) = pair.held(&point)
    {
        assert!(found == expected, "{point} is not what it must be");
    }
    finished
}

fn ranges() -> impl Strategy<Value = Range<u64>> {
    let length = prop_oneof![Just(512), Just(4096), Just(100_000), Just(MIB + 4096)];
    (0..SIZE / 512, length).prop_map(|(start, length)| {
        let start = start * 512;
        start..(start + length).min(SIZE)
    })
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        8 => (ranges(), 1_u8..).prop_map(|(range, value)| Act::Write(range, value)),
        2 => (ranges(), 1_u8..).prop_map(|(range, value)| Act::WritePast(range, value)),
        2 => ranges().prop_map(Act::Discard),
        2 => Just(Act::WriteBack),
        2 => Just(Act::Point),
        2 => Just(Act::Die),
        1 => Just(Act::Fail),
        1 => Just(Act::Void),
        1 => Just(Act::Anew),
        4 => Just(Act::Rest),
    ];
    prop::collection::vec(act, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_change_is_ever_lost(
        acts in acts(),
        cuts in prop::collection::vec(1_000_i64..6_000_000, 0..3),
        damages in prop::collection::vec(0_u8..7, 40),
        syncing in prop::bool::weighted(0.8),
    ) {
        let pair = Pair::new(&[SIZE]);
        pair.fill(0, 0..11, 1);
        pair.receive();
        let used = Extents::from_unordered(vec![0..3 * MIB, 4 * MIB + 4096..9 * MIB]);
        let live = Live::new(pair.path("source-0"), used, acts);
        let mut damages = damages.into_iter();
        live_through(&live, &pair, &cuts, syncing, || {
            // What a death leaves behind may be damaged, too.
            let (note, journal) = ("state/hashes-0.note", "state/hashes-0.journal");
            match damages.next() {
                Some(0) => drop(std::fs::write(pair.path(note), "damaged")),
                Some(1) => drop(std::fs::remove_file(pair.path(journal))),
                Some(2) => drop(std::fs::write(pair.path(journal), "damaged")),
                // The target dies, too, and is made anew.
                Some(3) => lose_target(&pair),
                _ => {}
            }
        });
    }
}

/// The target has nothing any more of what it acknowledged.
fn lose_target(pair: &Pair) {
    pair.stop_receiving();
    std::fs::remove_file(pair.path("target-0")).unwrap();
    std::fs::remove_file(pair.path("journal-0")).unwrap();
    pair.receive();
}

#[test]
fn nothing_rests_on_what_the_target_has_lost() {
    let pair = Pair::new(&[SIZE]);
    pair.fill(0, 0..11, 1);
    pair.receive();
    let live = Live::new(pair.path("source-0"), Extents::whole(0..SIZE), Vec::new());
    live_through(&live, &pair, &[], true, || {});
    lose_target(&pair);
    live_through(&live, &pair, &[], true, || {});
    assert_eq!(live.told_losses(), Vec::<String>::new());
}

#[test]
fn what_is_written_past_frozen_file_systems_arrives() {
    let pair = Pair::new(&[SIZE]);
    pair.fill(0, 0..11, 1);
    pair.receive();
    let past = |chunk: u64, value| Act::WritePast(chunk * MIB..chunk * MIB + 10, value);
    // The same chunk twice: the second time it holds again what it held before.
    let live = Live::new(pair.path("source-0"), Extents::whole(0..SIZE), Vec::new());
    live.when_frozen(vec![past(3, 7), past(3, 8), past(5, 9)]);
    live_through(&live, &pair, &[], true, || {});
    let target = pair.bytes("target-0");
    let at = |chunk: u64| target[usize::try_from(chunk * MIB).unwrap()];
    assert_eq!((at(3), at(5)), (8, 9));
}

#[test]
fn a_disk_that_is_never_at_rest_ends_the_round_with_a_reason() {
    let pair = Pair::new(&[SIZE]);
    pair.fill(0, 0..11, 1);
    pair.receive();
    let live = Live::new(pair.path("source-0"), Extents::whole(0..SIZE), Vec::new());
    live.when_frozen((1..100).map(|value| Act::WritePast(0..10, value)).collect());
    let result = live.run(&job(&pair, &live, &[], true)).unwrap();
    let error = result.unwrap_err();
    assert!(matches!(error, SourceError::Restless { .. }), "{error}");
    assert!(!error.is_link() && !error.is_wait());
}

#[test]
fn a_disk_that_is_never_at_rest_costs_the_point_and_not_the_replication() {
    let pair = Pair::new(&[SIZE]);
    pair.fill(0, 0..11, 1);
    pair.receive();
    let acts = vec![Act::Point, Act::Rest, Act::Rest];
    let live = Live::new(pair.path("source-0"), Extents::whole(0..SIZE), acts);
    let mut restless: Vec<_> = (1..8).map(|value| Act::WritePast(0..10, value)).collect();
    restless.extend([Act::Write(5 * MIB..6 * MIB, 5), Act::Rest, Act::Point]);
    live.when_frozen(restless);
    live_through(&live, &pair, &[], true, || {});
    let refused = live.refused_points();
    assert!(
        refused.len() == 1 && refused[0].contains("past its file systems"),
        "{refused:?}"
    );
    // The second one is held, though the source went on writing.
    let (point, expected) = live.kept_point().unwrap();
    assert_eq!(point, "point-2");
    assert!(pair.held(&point) == Some(expected));
    assert_eq!(live.told_losses(), Vec::<String>::new());
}

#[test]
fn a_death_while_a_point_is_made_leaves_nothing_that_is_not_true() {
    let pair = Pair::new(&[SIZE]);
    pair.fill(0, 0..11, 1);
    pair.receive();
    for deaths in 1..6 {
        let mut acts = vec![Act::Rest; 4];
        acts.extend([Act::Point, Act::Write(3 * MIB..4 * MIB, deaths)]);
        let live = Live::new(pair.path("source-0"), Extents::whole(0..SIZE), acts);
        // Dies one step later each time.
        let mut frozen: Vec<_> = (1..deaths).map(|_| Act::WritePast(0..10, deaths)).collect();
        frozen.extend([Act::Die, Act::Write(7 * MIB..8 * MIB, deaths), Act::Rest]);
        live.when_frozen(frozen);
        let mut lives = 1;
        live_through(&live, &pair, &[], true, || lives += 1);
        assert_eq!(lives, 2);
        assert_eq!(live.told_losses(), Vec::<String>::new());
    }
}

#[test]
fn a_round_reads_and_sends_what_is_marked() {
    let pair = Pair::new(&[SIZE]);
    pair.fill(0, 0..11, 1);
    pair.receive();
    let used = Extents::whole(0..SIZE);
    let mut acts = vec![Act::Rest; 12];
    acts.extend([Act::Write(5 * MIB..5 * MIB + 10, 7), Act::Rest, Act::Rest]);
    let live = Live::new(pair.path("source-0"), used, acts);
    let finished = live_through(&live, &pair, &[], true, || {});
    let volume = &finished.volumes[0];
    assert!(volume.rounds >= 3, "{volume:?}");
    // One chunk of which 400 kB are data was sent again.
    assert!(
        volume.wire_bytes < volume.used_bytes + 600_000,
        "{volume:?}"
    );
    assert!(
        volume.wire_bytes > volume.used_bytes + 400_000,
        "{volume:?}"
    );
    assert_eq!(live.told_losses(), Vec::<String>::new());
}

#[test]
fn an_audit_finds_a_tracker_that_misses_a_write() {
    let pair = Pair::new(&[SIZE]);
    pair.fill(0, 0..11, 1);
    pair.receive();
    let used = Extents::whole(0..SIZE);
    // When the full copy has just been through: the map is read, the marks in three steps, then it
    // begins.
    let mut acts = vec![Act::Rest; 5];
    acts.push(Act::WriteUnseen(2 * MIB..2 * MIB + 10, 9));
    let live = Live::new(pair.path("source-0"), used, acts);
    live_through(&live, &pair, &[], true, || {});
    let losses = live.told_losses();
    assert!(
        losses.len() == 1 && losses[0].contains("audit"),
        "{losses:?}"
    );
}

#[test]
fn an_audit_looks_at_every_stretch_of_tracking() {
    let pair = Pair::new(&[SIZE]);
    pair.fill(0, 0..11, 1);
    pair.receive();
    let used = Extents::whole(0..SIZE);
    // Long after the first audit tracking begins anew, and a while later it misses something.
    let mut acts = vec![Act::Rest; 30];
    acts.push(Act::Anew);
    let live = Live::new(pair.path("source-0"), used, acts);
    live_through(&live, &pair, &[], true, || {});
    assert_eq!(live.told_losses(), Vec::<String>::new());
    assert_eq!(live.audits(), 2);
}

#[test]
fn a_tracker_that_fails_is_told_and_done_without() {
    let pair = Pair::new(&[SIZE]);
    pair.fill(0, 0..11, 1);
    pair.receive();
    let used = Extents::whole(0..SIZE);
    let acts = vec![Act::Void, Act::Write(MIB..2 * MIB, 3), Act::Rest, Act::Rest];
    let live = Live::new(pair.path("source-0"), used, acts);
    live_through(&live, &pair, &[], true, || {});
    assert_eq!(live.told_losses(), ["void"]);
}
