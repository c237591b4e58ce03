//! Chunks that travel packed arrive as they were, and a link that is slow gets fewer bytes.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use std::sync::Arc;

use common::{Pair, breaking_link};
use rehost_replication::source::{
    Compression, Control, Finished, NoFreeze, Outcome, Packing, ReplicationJob, run,
};
use rehost_volumes::{CHUNK_BYTES, open_target};

const MIB: u64 = 1 << 20;

/// A disk of text with holes in it, and a chunk of noise after every fourth.
fn written(chunks: u64) -> Pair {
    let pair = Pair::new(&[chunks * MIB]);
    let volume = open_target(&pair.path("source-0")).unwrap();
    for chunk in 0..chunks {
        let line = format!("{chunk}: a line of a log, much as the one before it, {chunk}\n");
        let text = line.repeat(9000);
        let text = &text.as_bytes()[..400_000];
        volume.write_at(text, chunk * CHUNK_BYTES).unwrap();
        volume
            .write_at(&text[..200_000], chunk * CHUNK_BYTES + 600_000)
            .unwrap();
    }
    drop(volume);
    pair.fill(0, (0..chunks).skip(4).step_by(5), 7);
    pair
}

fn copy(job: &ReplicationJob, control: &Control) -> Box<Finished> {
    match run(job, control, &mut NoFreeze, &common::Silent).unwrap() {
        Outcome::Finished(finished) => finished,
        other => panic!("{other:?}"),
    }
}

#[test]
fn packed_chunks_arrive_as_they_were_over_a_link_that_breaks() {
    for compression in [Compression::Lz4, Compression::Zstd, Compression::None] {
        let pair = written(60);
        pair.receive();
        let mut job = pair.job(
            breaking_link(pair.address(), vec![1_000_000, 3_000_000]),
            false,
        );
        job.packing = Arc::new(Packing::new(compression, Some(1)));
        let finished = copy(&job, &Control::new());
        assert!(finished.proof.equal);
        assert_eq!(pair.bytes("source-0"), pair.bytes("target-0"));
        let volume = &finished.volumes[0];
        // 48 chunks of text with 600 kB each, 12 of noise with 400 kB, in grains of 16 KiB.
        assert!(volume.used_bytes > 48 * 600_000 + 12 * 400_000);
        if compression == Compression::None {
            assert_eq!(volume.saved_bytes, 0);
            assert!(volume.wire_bytes > volume.used_bytes);
        } else {
            assert!(volume.saved_bytes > 40 * 500_000, "{volume:?}");
            assert!(volume.wire_bytes < volume.used_bytes / 2, "{volume:?}");
        }
    }
}

#[test]
fn a_rate_limit_that_holds_a_copy_up_has_it_packed() {
    let pair = written(100);
    pair.receive();
    let control = Control::new();
    // Far slower than anything else about this copy, so that what is measured is the limit.
    control.set_rate_limit_bytes_per_second(Some(16 << 20));
    let finished = copy(&pair.job(pair.address(), false), &control);
    assert!(finished.proof.equal);
    let volume = &finished.volumes[0];
    assert!(volume.saved_bytes > volume.used_bytes / 3, "{volume:?}");
    assert_eq!(pair.bytes("source-0"), pair.bytes("target-0"));
}
