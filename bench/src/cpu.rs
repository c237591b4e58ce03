//! Processor time and memory of processes, from `/proc`.

use anyhow::{Context as _, Result};

/// Clock ticks per second in `/proc`: fixed to 100 on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor seconds that this process's children have used, those that have ended and been waited
/// for.
///
/// # Errors
/// If `/proc` cannot be read.
pub(crate) fn of_ended_children() -> Result<f64> {
    sum_of_fields("self", [15, 16])
}

/// Processor seconds that a running process has used.
///
/// # Errors
/// If it does not run.
pub(crate) fn of_process(pid: u32) -> Result<f64> {
    sum_of_fields(&pid.to_string(), [13, 14])
}

fn sum_of_fields(process: &str, fields: [usize; 2]) -> Result<f64> {
    let path = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    // The second field is the program's name in parentheses and may hold spaces.
    let (_, rest) = text.rsplit_once(')').context("find the end of the name")?;
    let values: Vec<&str> = rest.split_whitespace().collect();
    let ticks = fields.iter().map(|field| {
        let value = values.get(field - 2).context("find a field of stat")?;
        value.parse::<f64>().context("read a field of stat")
    });
    Ok(ticks.sum::<Result<f64>>()? / TICKS_PER_SECOND)
}

/// The most memory that a running process has had resident, in bytes.
///
/// # Errors
/// If it does not run.
pub(crate) fn peak_memory_bytes(pid: u32) -> Result<u64> {
    memory_bytes(pid, "VmHWM:")
}

/// The memory that a running process has resident, in bytes.
///
/// # Errors
/// If it does not run.
pub(crate) fn resident_memory_bytes(pid: u32) -> Result<u64> {
    memory_bytes(pid, "VmRSS:")
}

fn memory_bytes(pid: u32, name: &str) -> Result<u64> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: u64 = kib
        .with_context(|| format!("find {name}"))?
        .parse()
        .with_context(|| format!("read {name}"))?;
    Ok(kib * 1024)
}
