//! Keeps a copy within what it may take, twice a second, for as long as it lives.
//!
//! Each window of the speed limit begins with its minute, so the keeper wakes up with it. While the source
//! is frozen the guard lets go: others wait for the thaw, not for a disk. Ceilings hold always.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rehost_migration::speed::TimeOfDay;
use rehost_replication::source::{Ceilings, Control, Packing, Reads};
use rehost_sms_api::bodies::UpdateTaskStatusReq;
use rehost_sms_api::client::Client;

use super::disks::{Counted, Disks, stalled_microseconds};
use super::guard::{Allowed, Guard, Seen};
use super::overspeed::{Overspeed, windows};
use super::settings::InForce;
use super::wire_rate::WireRate;
use crate::options::CareOptions;
use crate::quiet::QuietTime;
use crate::task::{Speed, Translator, Watch};

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(500);
/// What the agent asks for when it sends too fast (SMS).
const OVERSPEED: &str = "error_for_overspeed";
const MIB: u64 = 1 << 20;

/// What a keeper keeps.
pub(crate) struct Kept {
    pub client: Client,
    pub task_id: String,
    pub control: Control,
    pub watch: Arc<Watch>,
    pub translator: Arc<Translator>,
    pub packing: Arc<Packing>,
    pub quiet_time: QuietTime,
    pub options: CareOptions,
    /// The disks that are copied.
    pub paths: Vec<PathBuf>,
}

/// Keeps until it is dropped.
#[derive(Debug)]
pub(crate) struct Keeper {
    ended: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Begins. The first look is taken before this returns: nothing is read before ceilings hold.
    pub(crate) fn begin(kept: Kept) -> Self {
        let ended = Arc::<(Mutex<bool>, Condvar)>::default();
        let mut at_work = AtWork::new(kept);
        at_work.look();
        let until = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            while !wait(&until) {
                at_work.look();
            }
        });
        Self {
            ended,
            thread: Some(thread),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        *lock(&self.ended.0) = true;
        self.ended.1.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the keeper of a task ended abnormally");
        }
    }
}

fn lock(ended: &Mutex<bool>) -> MutexGuard<'_, bool> {
    ended.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for the next look; true if there is to be none.
fn wait(ended: &(Mutex<bool>, Condvar)) -> bool {
    let now = jiff::ZonedDateTime::now().time();
    let seconds = u64::try_from(60 - i32::from(now.second())).unwrap_or(60);
    let into = Duration::from_nanos(u64::try_from(now.subsec_nanosecond()).unwrap_or_default());
    let minute = Duration::from_secs(seconds).saturating_sub(into);
    let deadline = Instant::now() + minute.min(INTERVAL);
    let mut guard = lock(&ended.0);
    while !*guard && let Some(left) = deadline.checked_duration_since(Instant::now()) {
        let waited = ended.1.wait_timeout(guard, left);
        guard = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    *guard
}

/// What had been counted at the last look.
#[derive(Clone, Copy, Debug)]
struct Before {
    at: Instant,
    disks: Counted,
    reads: Reads,
    stalled_microseconds: Option<u64>,
}

struct AtWork {
    kept: Kept,
    disks: Disks,
    processors: u32,
    guard: Guard,
    overspeed: Overspeed,
    wire_rate: WireRate,
    begun: Instant,
    before: Option<Before>,
    allowed: Allowed,
    told: String,
}

impl AtWork {
    fn new(kept: Kept) -> Self {
        let processors = std::thread::available_parallelism();
        Self {
            disks: Disks::of(&kept.paths),
            processors: processors.map_or(1, |count| u32::try_from(count.get()).unwrap_or(1)),
            guard: Guard::default(),
            overspeed: Overspeed::default(),
            wire_rate: WireRate::default(),
            begun: Instant::now(),
            before: None,
            allowed: Allowed::default(),
            told: String::new(),
            kept,
        }
    }

    fn look(&mut self) {
        let limit = self.kept.watch.apply_limit();
        let in_force = self.kept.watch.settings().over(&self.kept.options);
        if in_force.guards_latency && !self.disks.is_empty() {
            self.look_at_disks();
        } else {
            self.allowed = Allowed::default();
        }
        let ceilings = together(&in_force, self.allowed, self.processors);
        self.kept.control.set_ceilings(ceilings);
        self.look_at_speed();
        self.tell_speed(limit);
        self.tell(limit, &in_force);
    }

    fn look_at_disks(&mut self) {
        let Some(disks) = self.disks.counted() else {
            return;
        };
        let now = Before {
            at: Instant::now(),
            disks,
            reads: self.kept.control.reads(),
            stalled_microseconds: stalled_microseconds(),
        };
        let Some(before) = self.before else {
            self.before = Some(now);
            return;
        };
        let elapsed = now.at.duration_since(before.at);
        if elapsed < INTERVAL / 2 {
            return;
        }
        self.before = Some(now);
        if self.kept.translator.is_source_held() {
            self.allowed = Allowed::default();
            return;
        }
        let own = now.reads.since(&before.reads);
        let stalled = now.stalled_microseconds.zip(before.stalled_microseconds);
        let stalled =
            stalled.map(|(now, before)| Duration::from_micros(now.saturating_sub(before)));
        self.allowed = self.guard.look(&Seen {
            wait_milliseconds: (self.disks).others_wait([&before.disks, &now.disks], &own, elapsed),
            own_bytes_per_second: per_second(own.bytes, elapsed),
            stalled: stalled.map(|stalled| stalled.as_secs_f64() / elapsed.as_secs_f64()),
        });
    }

    /// Has the task paused if it sends too fast again and again.
    fn look_at_speed(&mut self) {
        let time = jiff::ZonedDateTime::now().time();
        let minutes = i32::from(time.hour()) * 60 + i32::from(time.minute());
        let time = u16::try_from(minutes)
            .ok()
            .and_then(TimeOfDay::from_minutes);
        let (Some(time), windows) = (time, windows(&self.kept.watch.windows())) else {
            return;
        };
        let sent_bytes = self.kept.control.sent_bytes();
        let now = self.begun.elapsed();
        if !self.overspeed.look(now, sent_bytes, &windows, time) {
            return;
        }
        let asked = UpdateTaskStatusReq {
            operation: Some(OVERSPEED.into()),
            ..UpdateTaskStatusReq::default()
        };
        let task_id = &self.kept.task_id;
        let answer = self.kept.client.update_task_status(task_id, &asked);
        let _permit = self.kept.quiet_time.permit();
        match answer {
            Ok(_) => tracing::warn!(task_id, "the speed limit was exceeded; the task is paused"),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(task_id, error, "the speed limit was exceeded; told in vain");
            }
        }
    }

    /// Where the wire is bounded, or less goes over it than is read, the speed is that of the wire.
    fn tell_speed(&mut self, limit_bytes_per_second: Option<u64>) {
        let kept = &self.kept;
        let (now, sent_bytes) = (self.begun.elapsed(), kept.control.sent_bytes());
        let rate = (self.wire_rate).look(now, sent_bytes, limit_bytes_per_second);
        let is_of_wire = limit_bytes_per_second.is_some() || kept.packing.packs();
        kept.translator.set_speed(if is_of_wire {
            Speed::OnWire(rate)
        } else {
            Speed::OfDisks
        });
    }

    fn tell(&mut self, limit_bytes_per_second: Option<u64>, in_force: &InForce) {
        let words = words(limit_bytes_per_second, in_force, &self.allowed, &self.guard);
        if words != self.told {
            self.kept.translator.set_in_force(&words);
            self.told = words;
        }
    }
}

/// The lower of what is permitted and what the guard allows.
fn together(in_force: &InForce, allowed: Allowed, processors: u32) -> Ceilings {
    let disk = in_force.disk_mib_per_second;
    let disk = disk.map(|mib| u64::from(mib) * MIB);
    let bounds = [disk, allowed.bytes_per_second].into_iter().flatten();
    let cpu = in_force.cpu_percent;
    Ceilings {
        read_bytes_per_second: bounds.min(),
        processor_thousandths: cpu.map(|percent| percent.saturating_mul(processors * 10)),
        readers: allowed.readers,
    }
}

/// What is in force, for people; empty if nothing is.
fn words(
    limit_bytes_per_second: Option<u64>,
    in_force: &InForce,
    allowed: &Allowed,
    guard: &Guard,
) -> String {
    let mut parts = Vec::new();
    if let Some(bytes) = limit_bytes_per_second {
        parts.push(format!("{} Mbit/s on the wire", bytes * 8 / 1_000_000));
    }
    if let Some(percent) = in_force.cpu_percent {
        parts.push(format!("{percent} % of the processors"));
    }
    if let Some(mib) = in_force.memory_mib {
        parts.push(format!("{mib} MiB of memory"));
    }
    if let Some(mib) = in_force.disk_mib_per_second {
        parts.push(format!("{mib} MiB/s of disks"));
    }
    if let Some(bytes) = allowed.bytes_per_second {
        let usual = guard.usual_milliseconds().unwrap_or_default();
        parts.push(format!(
            "{} MiB/s while others use the disks (they usually wait {usual:.1} ms)",
            bytes / MIB
        ));
    }
    parts.join(", ")
}

#[expect(
    clippy::cast_precision_loss,
    reason = "what is read in a second has far fewer than 53 bits"
)]
fn per_second(bytes: u64, elapsed: Duration) -> f64 {
    bytes as f64 / elapsed.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: InForce = InForce {
        cpu_percent: None,
        memory_mib: None,
        disk_mib_per_second: None,
        compression_threads: None,
        guards_latency: true,
    };

    #[test]
    fn the_lower_bound_holds_and_people_are_told_all() {
        let allowed = Allowed {
            bytes_per_second: Some(32 * MIB),
            readers: Some(1),
        };
        assert_eq!(
            together(&NOTHING, Allowed::default(), 8),
            Ceilings::default()
        );
        let permitted = |mib| InForce {
            cpu_percent: Some(25),
            disk_mib_per_second: Some(mib),
            ..NOTHING
        };
        let low = together(&permitted(20), allowed, 8);
        assert_eq!(low.read_bytes_per_second, Some(20 * MIB));
        assert_eq!(low.processor_thousandths, Some(2000), "two of eight");
        let high = together(&permitted(90), allowed, 8);
        assert_eq!(high.read_bytes_per_second, Some(32 * MIB));
        assert_eq!(high.readers, Some(1));
        let told = words(
            Some(12_500_000),
            &permitted(90),
            &allowed,
            &Guard::default(),
        );
        assert_eq!(
            told,
            "100 Mbit/s on the wire, 25 % of the processors, 90 MiB/s of disks, 32 MiB/s while \
             others use the disks (they usually wait 0.0 ms)"
        );
        assert_eq!(
            words(None, &NOTHING, &Allowed::default(), &Guard::default()),
            ""
        );
    }
}
