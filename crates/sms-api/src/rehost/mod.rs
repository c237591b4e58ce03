//! Rehost's own routes beside the public contract, all under `/rehost/v1`.
//!
//! SMS has no field for joining without account keys, for target servers that announce themselves,
//! or for a proof of equality. Nothing of the public contract is bent for it: these routes are
//! additions, and a client that knows only SMS never meets them.

mod audit;
mod boot;
mod copy_plan;
mod domains;
mod join;
mod report;
mod service;
mod target;
mod users;

pub use audit::{AuditRecord, AuditRecordList, ExportAuditQuery, ListAuditQuery};
pub use boot::{
    Addressing, Boot, BootCard, BootFirmware, BootList, BootOrder, BootProbe, BootProbeOutcome,
    BootPurpose, BootReport, BootSettings, CardAddressing, OrderedBoot,
};
pub use copy_plan::{ChangeMethod, ConsistencyGrade, CopyPlan, DiskCopyPlan};
pub use domains::{CreateDomainRequest, CreatedDomain, TenantDomain, TenantDomainList};
pub use join::{
    JoinRequest, JoinResponse, JoinRole, JoinToken, JoinTokenError, JoinTokenRequest,
    JoinTokenResponse,
};
pub use report::{CutoverForecast, MigrationReport, VolumeReport};
pub use service::{Health, StoredLogArchive};
pub use target::{
    AssignedVolume, CertificateSet, CloudServer, CloudServerResponse, CommandWaitQuery, DataPath,
    ImageFormat, MappedVolume, SourceAssignment, TargetAssignment, TargetAssignments,
    TargetAssignmentsQuery, TargetDevice, TargetList, TargetRegistration, TargetSummary,
    TargetTaskReport, TargetTaskState, WantedPhase,
};
pub use users::{
    AccessKey, AccessKeyList, AccountRole, CreateAccessKeyRequest, CreateUserRequest,
    CreatedAccessKey, UpdateUserRequest, User, UserList,
};
