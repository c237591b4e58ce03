//! Targets that announce themselves, and what a source and a target are told about a task.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::boot::BootOrder;

/// Body of `PUT /rehost/v1/targets/self`: what a receiver offers. Sent on start and on change.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct TargetRegistration {
    /// Name to show to people.
    pub name: String,
    /// Address at which sources reach the data port (name or IP address).
    pub data_address: String,
    /// TCP port of the data path.
    pub data_port: u16,
    /// Whether it makes image files; false if it only offers the devices below.
    pub makes_images: bool,
    /// Existing block devices that may be overwritten.
    #[serde(default)]
    pub devices: Vec<TargetDevice>,
    /// Whether it starts what it has received: in rehearsals, and to end a cut-over.
    #[serde(default)]
    pub boots: bool,
}

/// An existing block device on a target.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TargetDevice {
    /// Path on the target, such as `/dev/vdb`.
    pub path: String,
    /// Its size in bytes.
    pub size_bytes: u64,
}

/// Answer of `GET /rehost/v1/targets`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TargetList {
    /// How many there are.
    pub count: usize,
    /// All of them, oldest first.
    pub targets: Vec<TargetSummary>,
}

/// One target as operators see it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TargetSummary {
    /// Its id, to be given as `target_server.vm_id` of a task.
    pub id: String,
    /// Whether its long poll was seen lately.
    pub connected: bool,
    /// When it was last seen, milliseconds since 1970.
    pub last_visit_time: i64,
    /// What it offers.
    #[serde(flatten)]
    pub registration: TargetRegistration,
}

/// How a target volume is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    /// A sparse raw image file.
    #[default]
    Raw,
    /// A qcow2 image file.
    Qcow2,
    /// An existing block device.
    Device,
}

/// Query of `GET /rehost/v1/targets/self/assignments`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TargetAssignmentsQuery {
    /// Generation that the receiver knows: the call waits for another one.
    #[param(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<i64>,
    /// How long to wait, in seconds; the server may wait for less.
    #[param(minimum = 0, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u64>,
}

/// Additional query of `GET /v3/sources/{server_id}/command`, which makes the call wait for a
/// command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CommandWaitQuery {
    /// How long to wait for a command, in seconds; the server may wait for less.
    #[param(minimum = 0, nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u64>,
}

/// Answer of `GET /rehost/v1/targets/self/assignments`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct TargetAssignments {
    /// Changes whenever the list does; given back as `known` it makes the call wait for a change.
    pub generation: i64,
    /// Every task that is bound to this target now. A task that is no longer listed is released.
    pub assignments: Vec<TargetAssignment>,
}

/// A task as its target needs to know it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TargetAssignment {
    /// The task.
    pub task_id: String,
    /// Volumes to make or to open.
    pub volumes: Vec<AssignedVolume>,
    /// What the data port must present and demand for this task.
    pub certificates: CertificateSet,
    /// The migration ended well: keep the volumes when the task goes away.
    pub committed: bool,
    /// The target is launched, or may be: the receiver lets go of its volumes, and takes them again
    /// when this is false, because they are to be synchronised once more.
    #[serde(default)]
    pub let_go: bool,
    /// What is to be started, and kept running; absent if nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot: Option<BootOrder>,
    /// When the logs were asked for that the receiver shall send once, milliseconds since 1970;
    /// absent if none are wanted now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs_requested_at: Option<i64>,
}

/// A volume to be received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AssignedVolume {
    /// Number of the volume within the task, from 0; the data path names volumes by it.
    pub index: u32,
    /// Name of the source disk, such as `/dev/vda` or `root.img`.
    pub name: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// How it is stored.
    pub format: ImageFormat,
    /// Path of the existing device, for [`ImageFormat::Device`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// Certificate, key and trust anchor of one end of one task's data path.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct CertificateSet {
    /// Certificate, PEM.
    pub certificate: String,
    /// Its private key, PKCS#8 encrypted with the passphrase, PEM.
    pub private_key: String,
    /// Certificate of the CA that exists for this task alone, PEM.
    pub ca: String,
    /// Decrypts `private_key`.
    pub passphrase: String,
}

impl std::fmt::Debug for CertificateSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateSet").finish_non_exhaustive()
    }
}

/// Where a target is with a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TargetTaskState {
    /// Volumes are being made.
    Preparing,
    /// The data port answers for this task.
    Ready,
    /// Volumes could not be made; `message` says why and what to do.
    Failed,
    /// Volumes are closed and kept, or removed.
    Released,
}

/// Body of `PUT /rehost/v1/targets/self/tasks/{task_id}`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TargetTaskReport {
    /// Where the target is with the task.
    pub state: TargetTaskState,
    /// Says more to people; empty if there is nothing to say.
    #[serde(default)]
    pub message: String,
    /// Where each volume is on the target, in the order of their index.
    #[serde(default)]
    pub paths: Vec<String>,
}

/// What the control plane wants the agent to do with its task now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum WantedPhase {
    /// Nothing: not started yet, paused, or over.
    Rest,
    /// Full copy, then sync rounds if the task asks for continuous synchronisation, else the final round.
    Replicate,
    /// The final round, as soon as what runs now is through.
    Cutover,
}

/// Answer of `GET /rehost/v1/tasks/{task_id}/assignment`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SourceAssignment {
    /// The task.
    pub task_id: String,
    /// What to do now.
    pub phase: WantedPhase,
    /// Whether sync rounds follow the full copy until cut-over.
    pub syncing: bool,
    /// Where the data goes; absent until the target is ready.
    pub data_path: Option<DataPath>,
    /// Why the target is not ready; empty if it is, or if there is nothing to say.
    pub target_message: String,
    /// Whether the link is to be measured before the copy begins.
    #[serde(default)]
    pub network_check: bool,
    /// The point that the target shall keep for a rehearsal; absent if none is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<String>,
    /// Which disks go where.
    pub volumes: Vec<MappedVolume>,
}

/// Where a source sends its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DataPath {
    /// Name or IP address.
    pub address: String,
    /// TCP port.
    pub port: u16,
    /// Name in the target's certificate and in the TLS server name; it also tells a receiver which
    /// of its tasks is meant.
    pub server_name: String,
}

/// A source disk and its volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MappedVolume {
    /// Number of the volume within the task, from 0.
    pub index: u32,
    /// Name of the source disk as registered.
    pub source_disk: String,
    /// Size in bytes.
    pub size_bytes: u64,
}
/// Answer of `GET /v1/{project_id}/cloudservers/{server_id}`: a target as a cloud server, as far as
/// clients of SMS look at one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudServerResponse {
    /// The server.
    pub server: CloudServer,
}

/// A target as a cloud server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CloudServer {
    /// Id of the target.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `ACTIVE` while its receiver is connected, else `SHUTOFF`.
    pub status: String,
}
