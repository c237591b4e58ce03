//! The latency guard: reads more slowly while others wait longer for the source's disks because of the
//! copy. Rules without I/O.
//!
//! Additive increase, multiplicative decrease, as TCP shares a link: while others wait as long as they
//! usually do, the copy reads a little faster each time; when they wait longer it reads half as fast. It
//! never reads more slowly than [`FLOOR`]: the copy goes on. While nobody else uses the disks there
//! is no bound at all.
//!
//! What is usual is learnt: from the time when the copy reads next to nothing, and from the shortest
//! waits since. It rises slowly, because others may have begun to do something else.

/// The copy goes on at this rate at least, in bytes per second.
const FLOOR: f64 = 4.0 * MIB;
/// Where it begins when others are at work, and nothing is known.
const START: f64 = 32.0 * MIB;
/// By how much it reads faster each time nobody waits for it.
const STEP: f64 = 4.0 * MIB;
/// By how much as long as nobody has waited for it yet.
const FIRST_STEPS: f64 = 1.5;
/// Waits are longer than usual above so many times that, and so many milliseconds in addition.
const LONGER: (f64, f64) = (1.5, 0.25);
/// Others are gone after so many looks at which they asked for nothing.
const QUIET_LOOKS: u32 = 10;
/// How fast what is usual follows what is seen while the copy reads next to nothing.
const LEARNING: f64 = 0.3;
/// How much what is usual rises with each look.
const RISE: f64 = 1.002;
/// Where anybody waited for a disk for less than this part of the time, nobody suffers.
const UNNOTICED: f64 = 0.01;
const MIB: f64 = 1_048_576.0;

/// What was seen since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Seen {
    /// How long others waited for a request on average, in milliseconds; absent if they asked for next
    /// to nothing.
    pub(super) wait_milliseconds: Option<f64>,
    /// What the copy has read per second, in bytes.
    pub(super) own_bytes_per_second: f64,
    /// Part of the time in which some program waited for a disk, if the kernel tells.
    pub(super) stalled: Option<f64>,
}

/// What the copy may do until the next look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Allowed {
    /// What it may read per second; no bound if absent.
    pub(super) bytes_per_second: Option<u64>,
    /// How many reads at the same time; no bound if absent.
    pub(super) readers: Option<u32>,
}

/// The guard of one task.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard {
    usual_milliseconds: Option<f64>,
    rate: Option<f64>,
    /// Others have waited for the copy before.
    has_met: bool,
    quiet_looks: u32,
}

impl Guard {
    /// Takes a look.
    pub(super) fn look(&mut self, seen: &Seen) -> Allowed {
        match seen.wait_milliseconds.filter(|wait| wait.is_finite()) {
            Some(wait) => {
                self.quiet_looks = 0;
                self.weigh(wait, seen);
            }
            None => {
                self.quiet_looks = self.quiet_looks.saturating_add(1);
                if self.quiet_looks >= QUIET_LOOKS {
                    self.rate = None;
                    self.has_met = false;
                }
            }
        }
        self.allowed()
    }

    /// How long others usually wait, in milliseconds, as far as it is known.
    pub(super) fn usual_milliseconds(&self) -> Option<f64> {
        self.usual_milliseconds
    }

    fn weigh(&mut self, wait: f64, seen: &Seen) {
        let own = seen.own_bytes_per_second;
        let is_idle = own <= 1.25 * FLOOR;
        let usual = match self.usual_milliseconds {
            None => wait,
            // It is not for the copy that they wait.
            Some(usual) if is_idle => usual + LEARNING * (wait - usual),
            Some(usual) => (usual * RISE).min(wait.max(usual * (1.0 - LEARNING))),
        };
        self.usual_milliseconds = Some(usual);
        let rate = self.rate.unwrap_or(START);
        let is_longer = wait > usual * LONGER.0 + LONGER.1;
        let is_noticed = seen.stalled.is_none_or(|stalled| stalled >= UNNOTICED);
        let next = if is_longer && is_noticed && !is_idle {
            self.has_met = true;
            rate.min(own) * 0.5
        } else if is_longer && is_noticed || own < 0.6 * rate {
            // Whoever does not use what is allowed needs no more.
            rate
        } else if self.has_met {
            rate + STEP
        } else {
            rate * FIRST_STEPS
        };
        self.rate = Some(next.clamp(FLOOR, f64::from(u32::MAX)));
    }

    /// Fewer reads at the same time leave shorter queues for others.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate is between two bounds that fit"
    )]
    fn allowed(&self) -> Allowed {
        let Some(rate) = self.rate else {
            return Allowed::default();
        };
        let readers = match rate / MIB {
            rate if rate < 64.0 => Some(1),
            rate if rate < 192.0 => Some(2),
            _ => None,
        };
        Allowed {
            bytes_per_second: Some(rate as u64),
            readers,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk at which others wait for `alone` milliseconds, and for more the more the copy reads:
    /// twice as long at `half` MiB/s.
    struct Disk {
        alone: f64,
        half: f64,
        /// What the copy could read.
        most: f64,
        guard: Guard,
        allowed: Allowed,
        own: f64,
    }

    impl Disk {
        fn new(alone: f64, half: f64) -> Self {
            Self {
                alone,
                half,
                most: 800.0,
                guard: Guard::default(),
                allowed: Allowed::default(),
                own: 0.0,
            }
        }

        fn look(&mut self, others: bool) -> f64 {
            let wait = self.alone * (1.0 + self.own / self.half);
            self.allowed = self.guard.look(&Seen {
                wait_milliseconds: others.then_some(wait),
                own_bytes_per_second: self.own * MIB,
                stalled: Some(0.5),
            });
            let bound = self.allowed.bytes_per_second;
            self.own = bound.map_or(self.most, |bytes| (bytes as f64 / MIB).min(self.most));
            wait
        }
    }

    #[test]
    fn alone_on_its_disks_a_copy_is_not_held_back() {
        let mut disk = Disk::new(1.0, 10.0);
        for _ in 0..20 {
            disk.look(false);
            assert_eq!(disk.allowed, Allowed::default());
        }
    }

    #[test]
    fn others_that_wait_because_of_the_copy_get_their_disk_back() {
        for alone in [0.2, 2.0, 20.0] {
            let mut disk = Disk::new(alone, 20.0);
            let mut waits: Vec<f64> = (0..200).map(|_| disk.look(true)).collect();
            let late = waits.split_off(20);
            let mean = late.iter().sum::<f64>() / late.len() as f64;
            assert!(mean < alone * 3.0 + 1.0, "{alone}: {mean}");
            assert!(disk.own >= FLOOR / MIB, "the copy goes on");
            assert_eq!(disk.allowed.readers, Some(1));
            // They go home.
            for _ in 0..QUIET_LOOKS {
                disk.look(false);
            }
            assert_eq!(disk.allowed, Allowed::default());
        }
    }

    #[test]
    fn others_whom_the_copy_does_not_disturb_do_not_slow_it_down() {
        let mut disk = Disk::new(0.5, 1e6);
        for _ in 0..40 {
            disk.look(true);
        }
        assert!(disk.own >= disk.most, "{}", disk.own);
        assert_eq!(disk.allowed.readers, None);
    }

    #[test]
    fn a_copy_that_others_do_not_get_faster_without_stays_above_the_floor_and_tries_again() {
        let mut disk = Disk::new(1.0, 1e6);
        for _ in 0..20 {
            disk.look(true);
        }
        // Something else keeps the disk busy now.
        disk.alone = 30.0;
        let mut least = f64::INFINITY;
        for _ in 0..400 {
            disk.look(true);
            least = least.min(disk.own);
        }
        assert!(least >= FLOOR / MIB);
        assert!(disk.own > 100.0, "30 ms are usual by now: {}", disk.own);
    }

    #[test]
    fn where_nobody_waits_nobody_suffers_and_odd_figures_do_no_harm() {
        let mut guard = Guard::default();
        let seen = |wait, own| Seen {
            wait_milliseconds: Some(wait),
            own_bytes_per_second: own,
            stalled: Some(0.0),
        };
        guard.look(&seen(0.1, 0.0));
        let before = guard.look(&seen(0.1, START)).bytes_per_second;
        let after = guard.look(&seen(50.0, 2.0 * START)).bytes_per_second;
        assert!(after >= before);
        for odd in [f64::MAX, f64::INFINITY, 0.0, 0.0] {
            let allowed = guard.look(&Seen {
                stalled: None,
                ..seen(odd, odd)
            });
            assert!(allowed.bytes_per_second.unwrap() as f64 >= FLOOR);
        }
    }
}
