//! How the disks of a source server are going to be copied, known before the copy begins.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Body of `PUT` and answer of `GET /rehost/v1/sources/{source_id}/copy-plan`. An agent sends it when
/// it registers, when it refreshes its disks, and when a task begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CopyPlan {
    /// Each disk that can be migrated.
    #[schema(max_items = 64)]
    pub disks: Vec<DiskCopyPlan>,
    /// Names of the hooks that are called around the freeze of the final round, in the order of the
    /// calls before it.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub hooks: Vec<String>,
    /// Why hooks cannot be used, so that a cut-over would fail; empty if nothing is wrong with them.
    #[serde(default)]
    pub hook_error: String,
}

/// How one disk is going to be copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiskCopyPlan {
    /// Name of the disk, as registered.
    pub name: String,
    /// How it is found out between two rounds what has changed.
    pub change_method: ChangeMethod,
    /// Why changes are not marked; empty if they are.
    #[serde(default)]
    pub change_reason: String,
    /// What the copy is worth when it is started.
    pub grade: ConsistencyGrade,
    /// What stands against a better grade.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub grade_reasons: Vec<String>,
}

/// How it is found out what has changed on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeMethod {
    /// The kernel marks changed blocks when their writes complete (BPF); a round reads these.
    Marks,
    /// Every round reads what is in use and compares hashes.
    Comparison,
}

/// What a copy is worth when it is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConsistencyGrade {
    /// File systems were frozen at one moment, and hooks had brought programs to rest.
    Application,
    /// File systems were frozen at one moment; there is nothing to repair.
    FileSystem,
    /// What the disk held at one moment, as after a power cut.
    Crash,
    /// What is written during the final round may arrive in part.
    BestEffort,
}
