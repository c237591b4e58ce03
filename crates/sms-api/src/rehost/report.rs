//! What a migration cost and what it achieved, measured by the agent.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of `PUT` and answer of `GET /rehost/v1/tasks/{task_id}/report`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MigrationReport {
    /// The task.
    pub task_id: String,
    /// Figures of each volume, in the order of their index.
    pub volumes: Vec<VolumeReport>,
    /// How often the data path was opened; 1 if nothing ever broke.
    pub sessions: u64,
    /// Sent but not yet acknowledged at most, in bytes: the bound of what a failure repeats.
    pub in_flight_window_bytes: u64,
    /// Whether an operator had the consistency check skipped: then nothing is proved.
    #[serde(default)]
    pub consistency_check_skipped: bool,
    /// What a cut-over would cost, as of the last round; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<CutoverForecast>,
}

/// What is expected of a cut-over that would begin now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CutoverForecast {
    /// Bytes of the disks that the final round would have to look at.
    pub remaining_bytes: u64,
    /// Bytes of the disks that rounds deal with per second, lately.
    pub bytes_per_second: f64,
    /// How long the final round would hold the source, in seconds; absent while no rate is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutover_seconds: Option<f64>,
    /// Present if rounds do not shrink: bytes per second that change on the source. Rounds would have
    /// to be faster than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed_bytes_per_second: Option<f64>,
}

/// Figures of one volume.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VolumeReport {
    /// Name of the source disk.
    pub name: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Bytes that are not zero, found by reading, in the full copy.
    pub used_bytes: u64,
    /// Bytes put on the wire for this volume, packed as they were and before encryption, frames included.
    pub wire_bytes: u64,
    /// Bytes that packing kept from the wire: without it they would have been there in addition.
    #[serde(default)]
    pub saved_bytes: u64,
    /// Of these, bytes that were sent a second time because something died in between.
    pub sent_again_bytes: u64,
    /// Rounds, the full copy and the final round included.
    pub rounds: u32,
    /// Time spent on rounds of this volume, in seconds.
    pub seconds: f64,
    /// Part of it that the full copy took, in seconds. Volumes are copied at the same time.
    #[serde(default)]
    pub full_copy_seconds: f64,
    /// For how long the source was held still, in seconds: from the moment at which the first of its
    /// file systems began to freeze for the final round until all were thawed. The length of the
    /// final round where nothing was mounted; 0 if none was needed because nobody had written.
    pub downtime_seconds: f64,
    /// Both ends hashed their medium and agree; absent until then.
    pub equal: Option<bool>,
    /// Root of the source's hash tree, hexadecimal; empty until known.
    pub source_root: String,
    /// Root of the target's hash tree, hexadecimal; empty until known.
    pub target_root: String,
}
