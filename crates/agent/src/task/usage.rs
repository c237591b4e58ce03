//! What the machine and this agent use of processors, memory and disks, so that people see what a
//! migration costs the server that is being migrated.
//!
//! The kernel counts from its start on; a share is the difference of two samples. Both samples of a
//! pair come from `/proc` alone, and a few small files in some seconds cost nothing. What a kernel
//! does not tell is left out.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::time::{Duration, Instant};

use rehost_sms_api::bodies::UpdateTaskSpeedReq;

/// Time between two samples at least: shorter ones say more about chance than about use.
const PERIOD: Duration = Duration::from_secs(2);
/// Longest first line of a file that is read.
const MAX_LINE_BYTES: u64 = 4096;
/// SMS, UpdateTaskSpeed: most memory that can be told, in MB of 2^20 bytes.
const MAX_MEMORY_MB: f64 = 1_048_576.0;
/// SMS, UpdateTaskSpeed: fastest disks that can be told, in Mbit/s.
const MAX_DISK_MBIT: f64 = 10_000.0;

/// What is used, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    /// Share of all processors that is busy, in percent.
    total_cpu_percent: Option<f64>,
    /// Share of all processors that this process takes, in percent.
    agent_cpu_percent: Option<f64>,
    /// Memory that is not available, in units of 2^20 bytes.
    total_memory_mb: Option<f64>,
    /// Memory that this process holds, in units of 2^20 bytes.
    agent_memory_mb: Option<f64>,
    /// What the machine reads from and writes to its disks, in Mbit/s.
    total_disk_mbit: Option<f64>,
    /// What this process reads from and writes to disks, in Mbit/s.
    agent_disk_mbit: Option<f64>,
}

impl Usage {
    /// Writes it into a report.
    pub(super) fn tell(&self, body: &mut UpdateTaskSpeedReq) {
        body.total_cpu_usage = self.total_cpu_percent;
        body.agent_cpu_usage = self.agent_cpu_percent;
        body.total_mem_usage = self.total_memory_mb;
        body.agent_mem_usage = self.agent_memory_mb;
        body.total_disk_io = self.total_disk_mbit;
        body.agent_disk_io = self.agent_disk_mbit;
    }
}

/// Measures again and again.
#[derive(Debug, Default)]
pub(super) struct UsageMeter {
    last: Option<(Instant, Sample)>,
    usage: Usage,
}

impl UsageMeter {
    /// What has been used lately.
    pub(super) fn read(&mut self) -> Usage {
        let now = Instant::now();
        let elapsed = self.last.as_ref().map(|(at, _)| now.duration_since(*at));
        if elapsed.is_none_or(|elapsed| elapsed >= PERIOD) {
            let sample = Sample::of_this_machine();
            let before = self.last.replace((now, sample));
            let before = before.map(|(_, before)| before);
            self.usage = sample.since(before.as_ref(), elapsed.unwrap_or_default());
        }
        self.usage
    }
}

/// Memory that this process holds, in bytes, if the kernel tells.
pub(crate) fn agent_memory_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    number_after(&status, "VmRSS:").map(|kib| kib.saturating_mul(1024))
}

/// How busy the machine was while something went on, in percent, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Load {
    /// Share of all processors that was busy.
    pub(crate) cpu_percent: Option<f64>,
    /// Share of the memory that is not available at the end.
    pub(crate) memory_percent: Option<f64>,
}

/// Measures the load from its making to [`LoadMeter::end`].
#[derive(Debug)]
pub(crate) struct LoadMeter {
    begun: Instant,
    before: Sample,
}

impl LoadMeter {
    pub(crate) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            before: Sample::of_this_machine(),
        }
    }

    pub(crate) fn end(&self) -> Load {
        let now = Sample::of_this_machine();
        Load {
            cpu_percent: now
                .since(Some(&self.before), self.begun.elapsed())
                .total_cpu_percent,
            memory_percent: now.memory_percent(),
        }
    }
}

/// What the kernel has counted so far. Ticks have a length that cancels out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sample {
    processors: Option<ProcessorTicks>,
    agent_ticks: Option<u64>,
    all_memory_kib: Option<u64>,
    used_memory_kib: Option<u64>,
    agent_memory_kib: Option<u64>,
    disk_bytes: Option<u64>,
    agent_disk_bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ProcessorTicks {
    busy: u64,
    all: u64,
}

impl Sample {
    fn of_this_machine() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let (memory, io, vmstat) = (
            text("/proc/meminfo"),
            text("/proc/self/io"),
            text("/proc/vmstat"),
        );
        Self {
            processors: parse_processor_ticks(&first_line("/proc/stat")),
            agent_ticks: parse_process_ticks(&text("/proc/self/stat")),
            all_memory_kib: number_after(&memory, "MemTotal:"),
            used_memory_kib: number_after(&memory, "MemTotal:")
                .zip(number_after(&memory, "MemAvailable:"))
                .map(|(all, available)| all.saturating_sub(available)),
            agent_memory_kib: number_after(&text("/proc/self/status"), "VmRSS:"),
            // The kernel counts these in KiB, whatever is read from or written to any disk.
            disk_bytes: sum_after(&vmstat, ["pgpgin ", "pgpgout "])
                .map(|kib| kib.saturating_mul(1024)),
            agent_disk_bytes: sum_after(&io, ["read_bytes:", "write_bytes:"]),
        }
    }

    /// Share of the memory that is not available, in percent.
    fn memory_percent(&self) -> Option<f64> {
        let all = self.all_memory_kib.filter(|all| *all > 0)?;
        Some(within(
            self.used_memory_kib? as f64 / all as f64 * 100.0,
            100.0,
        ))
    }

    /// What was used from `before` until this sample, which was taken `elapsed` later.
    fn since(&self, before: Option<&Self>, elapsed: Duration) -> Usage {
        let grown = |counter: fn(&Self) -> Option<u64>| {
            Some(counter(self)?.saturating_sub(counter(before?)?) as f64)
        };
        let all_ticks = grown(|sample| Some(sample.processors?.all)).filter(|ticks| *ticks > 0.0);
        let percent = |ticks: Option<f64>| Some(within(ticks? / all_ticks? * 100.0, 100.0));
        let seconds = Some(elapsed.as_secs_f64()).filter(|seconds| *seconds > 0.0);
        let mbit = |bytes: Option<f64>| Some(within(bytes? * 8e-6 / seconds?, MAX_DISK_MBIT));
        let megabytes = |kib: Option<u64>| Some(within(kib? as f64 / 1024.0, MAX_MEMORY_MB));
        Usage {
            total_cpu_percent: percent(grown(|sample| Some(sample.processors?.busy))),
            agent_cpu_percent: percent(grown(|sample| sample.agent_ticks)),
            total_memory_mb: megabytes(self.used_memory_kib),
            agent_memory_mb: megabytes(self.agent_memory_kib),
            total_disk_mbit: mbit(grown(|sample| sample.disk_bytes)),
            agent_disk_mbit: mbit(grown(|sample| sample.agent_disk_bytes)),
        }
    }
}

/// A figure with one decimal that is not beyond what can be told.
fn within(figure: f64, most: f64) -> f64 {
    (figure.clamp(0.0, most) * 10.0).round() / 10.0
}

/// On machines with many processors the rest of such a file is long.
fn first_line(path: &str) -> String {
    let mut line = String::new();
    if let Ok(file) = fs::File::open(path) {
        // What was read of an unreadable file is no figure, and is told as none.
        let _ = BufReader::new(file.take(MAX_LINE_BYTES)).read_line(&mut line);
    }
    line
}

/// First line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal; what guests
/// take is counted in the first two already (proc_stat(5)).
fn parse_processor_ticks(line: &str) -> Option<ProcessorTicks> {
    let ticks = line.strip_prefix("cpu ")?.split_ascii_whitespace().take(8);
    let ticks = ticks
        .map(str::parse)
        .collect::<Result<Vec<u64>, _>>()
        .ok()?;
    let all = ticks
        .iter()
        .fold(0_u64, |sum, part| sum.saturating_add(*part));
    let idle = ticks.get(3)?.saturating_add(*ticks.get(4)?);
    Some(ProcessorTicks {
        busy: all.saturating_sub(idle),
        all,
    })
}

/// `/proc/PID/stat`: utime and stime, the 14th and 15th field. The second one is a name in
/// parentheses, and a name can hold anything.
fn parse_process_ticks(text: &str) -> Option<u64> {
    let (_, after_name) = text.rsplit_once(')')?;
    let mut ticks = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = ticks.next()?.parse().ok()?;
    let system: u64 = ticks.next()?.parse().ok()?;
    Some(user.saturating_add(system))
}

/// The number of the line that begins with `name`, without its unit.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_ascii_whitespace().next()?.parse().ok()
}

fn sum_after(text: &str, names: [&str; 2]) -> Option<u64> {
    let [one, other] = names.map(|name| number_after(text, name));
    Some(one?.saturating_add(other?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_where_the_kernel_writes_them() {
        let line = "cpu  100 20 30 800 50 1 2 3 40 5\n";
        let ticks = ProcessorTicks {
            busy: 156,
            all: 1006,
        };
        assert_eq!(parse_processor_ticks(line), Some(ticks));
        for odd in ["", "cpu0 1 2 3 4 5 6 7 8", "cpu  1 2 3", "cpu  1 2 3 x 5"] {
            assert_eq!(parse_processor_ticks(odd), None, "{odd}");
        }
        let stat = "77 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9 0";
        assert_eq!(parse_process_ticks(stat), Some(300));
        assert_eq!(parse_process_ticks("77 (rehost) S 1 2"), None);
        let memory = "MemTotal:  2048 kB\nMemAvailable:  512 kB\n";
        assert_eq!(number_after(memory, "MemAvailable:"), Some(512));
        assert_eq!(number_after(memory, "MemFree:"), None);
        let io = "rchar: 9\nread_bytes: 4096\nwrite_bytes: 512\ncancelled_write_bytes: 1\n";
        assert_eq!(sum_after(io, ["read_bytes:", "write_bytes:"]), Some(4608));
        assert_eq!(
            sum_after("read_bytes: 1\n", ["read_bytes:", "write_bytes:"]),
            None
        );
    }

    #[test]
    fn shares_come_from_what_grew_in_between() {
        let before = Sample {
            processors: Some(ProcessorTicks {
                busy: 500,
                all: 1000,
            }),
            agent_ticks: Some(100),
            all_memory_kib: None,
            used_memory_kib: Some(1),
            agent_memory_kib: Some(1),
            disk_bytes: Some(0),
            agent_disk_bytes: Some(1_000_000),
        };
        let now = Sample {
            processors: Some(ProcessorTicks {
                busy: 800,
                all: 1400,
            }),
            agent_ticks: Some(150),
            all_memory_kib: Some(7 * 1024),
            used_memory_kib: Some(3 * 1024 + 512),
            agent_memory_kib: Some(u64::MAX),
            disk_bytes: Some(5_000_000),
            agent_disk_bytes: None,
        };
        let usage = Usage {
            total_cpu_percent: Some(75.0),
            agent_cpu_percent: Some(12.5),
            total_memory_mb: Some(3.5),
            agent_memory_mb: Some(MAX_MEMORY_MB),
            total_disk_mbit: Some(10.0),
            agent_disk_mbit: None,
        };
        assert_eq!(now.since(Some(&before), Duration::from_secs(4)), usage);
        assert_eq!(now.memory_percent(), Some(50.0));
        assert_eq!(before.memory_percent(), None);
        let alone = now.since(None, Duration::ZERO);
        assert_eq!(
            (alone.total_cpu_percent, alone.total_disk_mbit),
            (None, None)
        );
        assert_eq!(alone.total_memory_mb, Some(3.5));
        let unmoved = now.since(Some(&now), Duration::ZERO);
        assert_eq!(unmoved.agent_cpu_percent, None, "no share of nothing");
    }

    #[test]
    fn this_machine_can_be_measured() {
        let mut meter = UsageMeter::default();
        let usage = meter.read();
        let used = usage.total_memory_mb.unwrap();
        assert!(
            usage.agent_memory_mb.unwrap() > 0.0 && used > 0.0,
            "{usage:?}"
        );
        let sample = Sample::of_this_machine();
        assert!(
            sample.processors.is_some_and(|ticks| ticks.all > 0),
            "{sample:?}"
        );
        assert!(sample.agent_ticks.is_some(), "{sample:?}");
        let load = LoadMeter::begin().end();
        let memory_percent = load.memory_percent.unwrap();
        assert!(memory_percent > 0.0 && memory_percent <= 100.0, "{load:?}");
    }

    #[test]
    fn figures_are_within_the_bounds_of_the_contract() {
        let sample = |counted: u64| Sample {
            // Busier than it can be, with a process that is busier still.
            processors: Some(ProcessorTicks {
                busy: counted,
                all: counted / 2,
            }),
            agent_ticks: Some(counted),
            all_memory_kib: Some(counted),
            used_memory_kib: Some(counted),
            agent_memory_kib: Some(counted),
            disk_bytes: Some(counted),
            agent_disk_bytes: Some(counted),
        };
        let told = |now, before, milliseconds| {
            let elapsed = Duration::from_millis(milliseconds);
            let mut body = UpdateTaskSpeedReq::default();
            sample(now)
                .since(Some(&sample(before)), elapsed)
                .tell(&mut body);
            [
                body.total_cpu_usage,
                body.agent_cpu_usage,
                body.total_mem_usage,
                body.agent_mem_usage,
                body.total_disk_io,
                body.agent_disk_io,
            ]
        };
        let (cpu, memory, disk) = (Some(100.0), Some(MAX_MEMORY_MB), Some(MAX_DISK_MBIT));
        assert_eq!(told(u64::MAX, 0, 1), [cpu, cpu, memory, memory, disk, disk]);
        // A counter that begins anew has not counted backwards.
        let (memory, disk) = (Some(0.0), Some(0.0));
        assert_eq!(
            told(0, u64::MAX, 1),
            [None, None, memory, memory, disk, disk]
        );
    }
}
