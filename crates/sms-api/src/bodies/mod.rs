//! Bodies of the public contract, with SMS's own names of types and members.
//!
//! Requests ignore members they do not know and treat `null` as absent; whether a member is
//! demanded, and which code its absence gets, is decided by the server and not by the form.
//! Answers write lists as `[]` and other absent values as `null`. Sizes are bytes, speeds Mbit/s,
//! times milliseconds since 1970, unless a member says otherwise.
//!
//! The schema of each body says what the contract demands beyond the Rust type: which members a
//! request must have, lengths, ranges and words. A member of format `int32` or `int64` ends where
//! that number ends. An id in a request may be text or an integer. `null` in a request is absent,
//! which the schemas allow wherever a member is not demanded.

mod consistency;
mod current_task;
pub mod iam;
mod inventory;
mod migprojects;
mod queries;
mod registration;
mod service;
mod source_control;
mod sources;
mod task_control;
mod task_list;
mod task_settings;
mod task_shown;
mod task_target;
mod tasks;
mod template_parts;
mod templates;
mod values;
mod versions;
mod wire;

pub use consistency::{
    BatchConsistencyReq, BatchGetConsistencyResultReq, ConsistencyResult, ConsistencyResultRecord,
    SetConsistencyResultRequestBody, ShowConsistencyResultResponse,
};
pub use current_task::{
    CloneServer, CloneServerBrief, TargetServerById, TaskByServerSource, TaskByServerSources,
};
pub use inventory::{
    BtrfsFileSystem, BtrfsSubvolumn, LogicalVolumes, NetWork, PhysicalVolume, ServerDisk,
    VolumeGroups,
};
pub use migprojects::{
    CreateMigprojectResponse, ListMigprojectsResponse, MigProject, MigprojectsResponseBody,
    PostMigProjectBody, ShowMigprojectResponse,
};
pub use queries::{
    CheckNetAclQuery, ConfigSettingQuery, ListErrorServersQuery, ListMigprojectsQuery,
    ListServersQuery, ListTasksQuery, ListTemplatesQuery, ShowCertKeyQuery,
};
pub use registration::{PostSourceServerBody, RegisterServerResponse};
pub use service::{
    EmptyResult, ShowConfigResponse, ShowPrivacyAgreementsResponse, ShowSha256Response,
};
pub use source_control::{
    CommandBody, CommandParam, DeleteIds, ListErrorServersResponse, MigrationErrors,
    PutCopyStateReq, PutDisk, PutDiskInfoReq, PutLogicalVolume, PutSourceServerBody, PutVolume,
    PutVolumeGroups, ShowCommandResponse, ShowOverviewResponse,
};
pub use sources::{
    DiskIntargetServer, EnvironmentCheck, InitTargetServer, ListServersResponse,
    ShowServerResponse, SourceServersResponseBody,
};
pub use task_control::{
    NetworkCheckInfoRequestBody, ShowCertKeyResponse, ShowPassphraseResponse,
    UpdateNetworkCheckInfoResponse, UpdateTaskSpeedReq, UpdateTaskStatusReq, UploadLogRequestBody,
};
pub use task_list::{
    ListTasksResponse, SourceServerAssociatedWithTask, SubTaskAssociatedWithTask,
    TargetServerAssociatedWithTask, TasksResponseBody,
};
pub use task_settings::{
    ConfigBody, ConfigurationRequestBody, ShowConfigSettingResponse, ShowsSpeedLimitsResponse,
    SpeedLimit, SpeedLimitlJson,
};
pub use task_shown::{ShowTaskResponse, SourceServerResponse, SubTask};
pub use task_target::{
    PhysicalVolumes, TargetDisk, TargetDisks, TargetPhysicalVolumes, TargetServer,
    TargetServerByTask, TaskTargetServer,
};
pub use tasks::{
    CreateTaskResponse, DeleteTasksReq, PostTask, PutTaskReq, SourceServerByTask,
    UpdateTaskResponse,
};
pub use template_parts::{Nics, PublicIp, SgObject, TemplateDisk, VpcObject};
pub use templates::{
    CreateTemplateReq, CreateTemplateResponse, DeletetemplatesReq, ListTemplatesResponse,
    ShowTargetPasswordResponse, ShowTemplateResponse, TemplateRequest, TemplateResponseBody,
    UpdateTemplateReq,
};
pub use versions::{Link, ListApiVersionResponse, Version};
pub use wire::RecordId;
