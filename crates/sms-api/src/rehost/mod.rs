//! Rehost's own routes beside the public contract, all under `/rehost/v1`.
//!
//! SMS has no field for joining without account keys, for target servers that announce themselves,
//! or for a proof of equality. Nothing of the public contract is bent for it: these routes are
//! additions, and a client that knows only SMS never meets them.

mod join;
mod report;
mod target;

pub use join::{
    JoinRequest, JoinResponse, JoinRole, JoinToken, JoinTokenError, JoinTokenRequest,
    JoinTokenResponse,
};
pub use report::{MigrationReport, VolumeReport};
pub use target::{
    AssignedVolume, CertificateSet, DataPath, ImageFormat, MappedVolume, SourceAssignment,
    TargetAssignment, TargetAssignments, TargetDevice, TargetList, TargetRegistration,
    TargetSummary, TargetTaskReport, TargetTaskState, WantedPhase,
};
