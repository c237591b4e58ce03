//! Starting what a target has received: what is asked of the receiver, and what came of it.
//!
//! A boot is a *rehearsal*, on a copy that is thrown away, or the last step of a *cut-over*, whose
//! machine keeps running. Both go through the same steps, so that a cut-over does nothing that has
//! not been tried.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What a boot is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BootPurpose {
    /// To see whether it would start; thrown away afterwards.
    Rehearsal,
    /// To end a migration; what was started keeps running.
    Cutover,
}

/// What the target starts by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BootFirmware {
    /// BIOS.
    #[default]
    Bios,
    /// UEFI.
    Uefi,
}

/// How a card of the target gets its address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum Addressing {
    /// As the card of the source server is configured.
    #[default]
    Keep,
    /// By DHCP.
    Dhcp,
    /// By what is said here.
    Static {
        /// Addresses with the length of their prefix, such as `10.0.0.7/24`.
        #[schema(min_items = 1, max_items = 16)]
        addresses: Vec<String>,
        /// Gateway; none if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gateway: Option<String>,
        /// Name servers.
        #[serde(default)]
        #[schema(max_items = 8)]
        dns: Vec<String>,
    },
}

/// Something that has to answer before a system counts as started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase", tag = "kind")]
pub enum BootProbe {
    /// A TCP port of the target takes a connection.
    Tcp {
        /// The port.
        #[schema(minimum = 1)]
        port: u16,
    },
    /// A GET to a port of the target is answered with this status.
    Http {
        /// The port.
        #[schema(minimum = 1)]
        port: u16,
        /// Path with its query, beginning with a slash.
        #[schema(min_length = 1, max_length = 1024)]
        path: String,
        /// Expected status.
        #[schema(minimum = 100, maximum = 599)]
        status: u16,
    },
}

/// How cards of the source server are addressed on the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CardAddressing {
    /// Name of the card on the source server.
    #[schema(min_length = 1, max_length = 64)]
    pub source_name: String,
    /// How it gets its address.
    pub addressing: Addressing,
}

/// Body of `PUT` and answer of `GET /rehost/v1/tasks/{task_id}/boot-settings`: how rehearsals and
/// cut-overs start the target.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct BootSettings {
    /// What has to answer, beside the system itself.
    #[schema(max_items = 32)]
    pub probes: Vec<BootProbe>,
    /// Boot fix-ups that are left out, by their names.
    #[schema(max_items = 64)]
    pub skip_fixups: Vec<String>,
    /// Cards whose addressing changes; all others keep theirs.
    #[schema(max_items = 64)]
    pub addressing: Vec<CardAddressing>,
    /// Processors of the machine; as the receiver has it if absent.
    #[schema(minimum = 1, maximum = 255, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// Memory of the machine in MiB; as the receiver has it if absent.
    #[schema(minimum = 128, maximum = 16_777_216, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u64>,
    /// How long the system may take to start, in seconds; 600 if absent.
    #[schema(minimum = 10, maximum = 86_400, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_seconds: Option<u64>,
}

/// A card of the source server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BootCard {
    /// Its name, such as `ens3`.
    pub source_name: String,
    /// Its hardware address.
    pub source_mac: String,
    /// How it gets its address on the target.
    pub addressing: Addressing,
}

/// A boot that a receiver is asked for, among its assignments. It holds for as long as it is listed:
/// what was started for one that is listed no longer is ended and removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BootOrder {
    /// Names the boot, and the point at which the source server was held for a rehearsal.
    pub boot_id: String,
    /// What it is for.
    pub purpose: BootPurpose,
    /// What the source server starts by, and so the target.
    pub firmware: BootFirmware,
    /// Name of the source server.
    pub host_name: String,
    /// Cards of the source server.
    pub cards: Vec<BootCard>,
    /// How it is started.
    pub settings: BootSettings,
}

/// What came of a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BootProbeOutcome {
    /// The probe, in words, such as `tcp 5432`.
    #[schema(max_length = 2048)]
    pub probe: String,
    /// Whether it was answered as expected.
    pub passed: bool,
    /// What was answered instead; empty if it passed.
    #[schema(max_length = 2048)]
    pub detail: String,
}

/// Body of `PUT /rehost/v1/targets/self/tasks/{task_id}/boots/{boot_id}`, and a boot in the history
/// of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BootReport {
    /// What it was for.
    pub purpose: BootPurpose,
    /// Whether the system started, and everything answered that was to.
    pub bootable: bool,
    /// Why not, in one line; empty if it did.
    #[serde(default)]
    #[schema(max_length = 4096)]
    pub reason: String,
    /// From the start of the machine until its system had started, in seconds.
    pub boot_seconds: f64,
    /// How long the fix-ups took, in seconds.
    pub fixup_seconds: f64,
    /// Began at, milliseconds since 1970.
    pub started_at: i64,
    /// Ended at, milliseconds since 1970.
    pub ended_at: i64,
    /// What each fix-up changed, with the differences of files.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub fixups: Value,
    /// What came of the probes.
    #[serde(default)]
    #[schema(max_items = 64)]
    pub probes: Vec<BootProbeOutcome>,
    /// The last of what was written to the serial console.
    #[serde(default)]
    #[schema(max_length = 262_144)]
    pub console: String,
    /// The screen at the end, PNG in base64; empty if there is none.
    #[serde(default)]
    #[schema(max_length = 1_048_576)]
    pub screenshot_png: String,
}

/// A boot in the history of a task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Boot {
    /// Its id.
    pub boot_id: String,
    /// What came of it. In lists without console, screenshot and fix-ups.
    #[serde(flatten)]
    pub report: BootReport,
}

/// Answer of `GET /rehost/v1/tasks/{task_id}/boots`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BootList {
    /// Id of the boot that is under way, or whose machine runs; absent if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_boot_id: Option<String>,
    /// How many are known.
    pub count: usize,
    /// Those that ended, the latest first.
    pub boots: Vec<Boot>,
}

/// Answer of `POST /rehost/v1/tasks/{task_id}/rehearsals`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderedBoot {
    /// Id under which the rehearsal is found among the boots of the task when it has ended.
    pub boot_id: String,
}
