//! The audit: was every completion seen?
//!
//! Some kernels do not run a tracing program for some events. Since 6.1 Linux skips one that
//! interrupts itself on the same CPU; one kernel was met that skips all while the current task is a
//! thread of process 1. Nothing tells. But the kernel keeps statistics of each disk
//! (`/sys/block/*/stat`), and the audit compares.
//!
//! The rule is exact, and needs neither counts of requests nor of merges. In `blk_update_request()`
//! and `blk_complete_request()` the kernel calls the tracepoint with `nr_bytes`, and a few
//! instructions later adds `nr_bytes / 512` to the sectors written (or discarded) of the disk, if
//! the request has a bio and `RQF_IO_STAT`. The program adds the same number under the same
//! condition. So merged requests, partial completions, requeues, flushes (which have no bytes) and
//! partitions (which count into their disk as well) come out alike on both sides, and the
//! difference between both sums is a constant, the *base*, save for
//!
//! - completions that the program missed: the statistics are ahead, for ever;
//! - completions between the two additions: the statistics are behind, for nanoseconds.
//!
//! Statistics read before the program's sum can therefore be ahead only by a miss, however busy the
//! disk is: that is a gap at once. That nothing is missing can be said only when the second case is
//! ruled out: the sum was the same before and after the statistics were read, nothing is in flight,
//! and all that twice, some time apart. A busy disk gets no such word; a frozen one does.

use std::time::{Duration, Instant};

use crate::ledger::{Ledger, Sectors};
use crate::statistics::{Statistics, read_statistics};
use crate::{DiskId, Error};

/// What an audit found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audit {
    /// The program has seen all that the disk completed.
    Consistent,
    /// The disk and the program do not agree. The marks are void from now on.
    Gap {
        /// Sectors that the disk has completed since the tracking began.
        disk: Sectors,
        /// Sectors whose completion the program has seen.
        seen: Sectors,
    },
    /// The disk did not come to rest in the time given. Nothing speaks against the marks yet.
    Busy,
}

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(2);
/// How many looks in a row must agree before the marks are called consistent.
const AGREEING_LOOKS: u32 = 2;
/// How many undisturbed looks at the statistics make a base.
const LOOKS_FOR_A_BASE: u32 = 4;
/// How long to try for that many.
const TIME_FOR_A_BASE: Duration = Duration::from_millis(500);

/// One look at both sides, in the order that matters.
#[derive(Clone, Copy, Debug)]
struct Look {
    seen_before: Sectors,
    disk: Statistics,
    seen_after: Sectors,
}

/// What one look says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Agree,
    /// The program missed something, whatever else is going on.
    Missed,
    /// The disk rests, and the program counted more than the disk did: the base is wrong, or the
    /// accounting of the last completion is still to come.
    TooMuch,
    Moving,
}

/// Looks until both sides agree, or differ for sure, or `patience` is over.
pub(crate) fn audit(disk: &DiskId, ledger: &Ledger, patience: Duration) -> Result<Audit, Error> {
    let begin = Instant::now();
    let base = ledger.base();
    let mut agreeing: Option<(u32, Sectors)> = None;
    loop {
        let look = look(disk, ledger)?;
        let verdict = judge(&look, base);
        let last = begin.elapsed() >= patience;
        match verdict {
            Verdict::Agree => {
                let looks = match agreeing {
                    Some((looks, seen)) if seen == look.seen_after => looks + 1,
                    _ => 1,
                };
                if looks >= AGREEING_LOOKS {
                    return Ok(Audit::Consistent);
                }
                agreeing = Some((looks, look.seen_after));
            }
            // To count too much is not understood, and so not trusted either.
            Verdict::Missed => return Ok(gap(&look, base)),
            Verdict::TooMuch if last => return Ok(gap(&look, base)),
            Verdict::TooMuch | Verdict::Moving => agreeing = None,
        }
        if last {
            return Ok(Audit::Busy);
        }
        std::thread::sleep(PAUSE);
    }
}

/// What the statistics were when the program had seen nothing.
///
/// Each look gives at most the true base: what completes between the two readings, or is not yet
/// accounted for, makes it smaller. So the largest is taken. Were it still too small, an audit would
/// find a gap where there is none, and the marks would be void without need, which harms nobody.
pub(crate) fn find_base(disk: &DiskId, ledger: &Ledger) -> Result<(i64, i64), Error> {
    let begin = Instant::now();
    let mut base = (i64::MIN, i64::MIN);
    let mut undisturbed = 0;
    while undisturbed < LOOKS_FOR_A_BASE {
        let look = look(disk, ledger)?;
        let (written, discarded) = base_of(&look);
        base = (base.0.max(written), base.1.max(discarded));
        if look.seen_before == look.seen_after {
            undisturbed += 1;
        }
        if begin.elapsed() >= TIME_FOR_A_BASE {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    Ok(base)
}

fn look(disk: &DiskId, ledger: &Ledger) -> Result<Look, Error> {
    Ok(Look {
        seen_before: ledger.accounted(),
        disk: read_statistics(disk)?,
        seen_after: ledger.accounted(),
    })
}

fn base_of(look: &Look) -> (i64, i64) {
    let difference = |disk: u64, seen: u64| disk.wrapping_sub(seen).cast_signed();
    (
        difference(look.disk.sectors.written, look.seen_after.written),
        difference(look.disk.sectors.discarded, look.seen_after.discarded),
    )
}

fn judge(look: &Look, base: (i64, i64)) -> Verdict {
    let now = base_of(look);
    if now.0 > base.0 || now.1 > base.1 {
        Verdict::Missed
    } else if look.seen_before != look.seen_after || look.disk.in_flight != 0 {
        Verdict::Moving
    } else if now == base {
        Verdict::Agree
    } else {
        Verdict::TooMuch
    }
}

fn gap(look: &Look, base: (i64, i64)) -> Audit {
    let since = |disk: u64, base: i64| disk.wrapping_sub(base.cast_unsigned());
    Audit::Gap {
        disk: Sectors {
            written: since(look.disk.sectors.written, base.0),
            discarded: since(look.disk.sectors.discarded, base.1),
        },
        seen: look.seen_after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: (i64, i64) = (100, -8);

    fn sectors(written: u64, discarded: u64) -> Sectors {
        Sectors { written, discarded }
    }

    fn looked(before: Sectors, disk: Sectors, in_flight: u64, after: Sectors) -> Look {
        Look {
            seen_before: before,
            disk: Statistics {
                sectors: disk,
                in_flight,
            },
            seen_after: after,
        }
    }

    #[test]
    fn both_sides_agree_at_rest() {
        let seen = sectors(50, 16);
        let look = looked(seen, sectors(150, 8), 0, seen);
        assert_eq!(judge(&look, BASE), Verdict::Agree);
    }

    #[test]
    fn a_miss_is_seen_however_busy_the_disk_is() {
        let (before, after) = (sectors(50, 16), sectors(58, 16));
        for disk in [sectors(159, 8), sectors(158, 9)] {
            let look = looked(before, disk, 3, after);
            assert_eq!(judge(&look, BASE), Verdict::Missed, "{disk:?}");
        }
        let look = looked(after, sectors(160, 8), 0, after);
        assert_eq!(
            gap(&look, BASE),
            Audit::Gap {
                disk: sectors(60, 16),
                seen: after
            }
        );
    }

    #[test]
    fn a_moving_disk_gets_no_word() {
        let seen = sectors(50, 16);
        for look in [
            looked(seen, sectors(150, 8), 1, seen),
            looked(seen, sectors(150, 8), 0, sectors(51, 16)),
            looked(seen, sectors(149, 8), 1, seen),
        ] {
            assert_eq!(judge(&look, BASE), Verdict::Moving, "{look:?}");
        }
    }

    #[test]
    fn to_have_seen_too_much_is_no_agreement() {
        let seen = sectors(50, 16);
        let look = looked(seen, sectors(149, 8), 0, seen);
        assert_eq!(judge(&look, BASE), Verdict::TooMuch);
    }
}
