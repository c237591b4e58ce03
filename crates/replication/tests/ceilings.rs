//! A copy within ceilings arrives as any other, and what it took is counted.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use common::Pair;
use rehost_replication::source::{Ceilings, Control, NoFreeze, Outcome, run};

const MIB: u64 = 1 << 20;

#[test]
fn what_is_read_and_sent_within_ceilings_is_counted_to_the_byte() {
    let pair = Pair::new(&[60 * MIB, 20 * MIB]);
    pair.fill(0, 0..40, 1);
    pair.fill(1, 5..15, 2);
    pair.receive();
    let control = Control::new();
    control.set_rate_limit_bytes_per_second(Some(100 << 20));
    control.set_ceilings(Ceilings {
        read_bytes_per_second: Some(200 << 20),
        processor_thousandths: Some(900),
        readers: Some(1),
    });
    let job = pair.job(pair.address(), false);
    let outcome = run(&job, &control, &mut NoFreeze, &common::Silent).unwrap();
    let Outcome::Finished(finished) = outcome else {
        panic!("{outcome:?}")
    };
    assert!(finished.proof.equal);
    for index in 0..2 {
        let (source, target) = (format!("source-{index}"), format!("target-{index}"));
        assert_eq!(pair.bytes(&source), pair.bytes(&target));
    }
    let wire_bytes = finished.volumes.iter().map(|volume| volume.wire_bytes);
    assert_eq!(control.sent_bytes(), wire_bytes.sum::<u64>());
    // Fifty chunks are no holes. The final round reads them once more, since the files are brand-new.
    let reads = control.reads();
    assert!(reads.bytes >= 50 * MIB, "{reads:?}");
    assert!(reads.count >= 50 && !reads.time.is_zero(), "{reads:?}");
}
