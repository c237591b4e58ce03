//! What one turn of one side cost, and medians of turns.

use serde::Serialize;

use crate::table::median;

/// What one turn cost.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Cost {
    /// Until everything is durable at the target.
    pub(crate) seconds: f64,
    /// Processor seconds of the source's side.
    pub(crate) source_cpu_seconds: f64,
    /// Processor seconds of the target's side.
    pub(crate) target_cpu_seconds: f64,
    /// The most memory that a process of the source's side had.
    pub(crate) source_memory_bytes: u64,
    /// The most memory that a process of the target's side had.
    pub(crate) target_memory_bytes: u64,
    /// Bytes put on the wire before encryption, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wire_bytes: Option<u64>,
    /// Until both media were read again, hashed and found equal, where that is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) proved_seconds: Option<f64>,
    /// From the start of the program until the round was reported, where that is another time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wall_seconds: Option<f64>,
}

/// One way to copy, and all its turns.
#[derive(Debug, Serialize)]
pub(crate) struct Side {
    /// Name for people.
    pub(crate) name: String,
    /// What it says of its version.
    pub(crate) version: String,
    /// Whether what it sends is encrypted.
    pub(crate) encrypted: bool,
    /// Processor seconds of the source's side for each GiB in use, median.
    pub(crate) source_cpu_seconds_per_gib: f64,
    /// Medians of times, the most of memory and bytes.
    pub(crate) median: Cost,
    /// Each turn, without the warm-up.
    pub(crate) turns: Vec<Cost>,
}

impl Side {
    /// Sums up turns over a disk with so many GiB in use.
    pub(crate) fn new(
        (name, version, encrypted): (String, String, bool),
        turns: Vec<Cost>,
        used_gib: f64,
    ) -> Self {
        let middle = |pick: fn(&Cost) -> f64| median(turns.iter().map(pick));
        let maybe = |pick: fn(&Cost) -> Option<f64>| {
            let known: Vec<f64> = turns.iter().filter_map(pick).collect();
            (!known.is_empty()).then(|| median(known))
        };
        let most = |pick: fn(&Cost) -> u64| turns.iter().map(pick).max().unwrap_or_default();
        let median = Cost {
            seconds: middle(|turn| turn.seconds),
            source_cpu_seconds: middle(|turn| turn.source_cpu_seconds),
            target_cpu_seconds: middle(|turn| turn.target_cpu_seconds),
            source_memory_bytes: most(|turn| turn.source_memory_bytes),
            target_memory_bytes: most(|turn| turn.target_memory_bytes),
            wire_bytes: turns.iter().filter_map(|turn| turn.wire_bytes).max(),
            proved_seconds: maybe(|turn| turn.proved_seconds),
            wall_seconds: maybe(|turn| turn.wall_seconds),
        };
        Self {
            name,
            version,
            encrypted,
            source_cpu_seconds_per_gib: median.source_cpu_seconds / used_gib,
            median,
            turns,
        }
    }
}
