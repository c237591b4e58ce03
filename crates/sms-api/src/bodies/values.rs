//! Values that the schemas of the bodies name: the words that a member may hold, and identifiers.
//!
//! In Rust such a member stays text, because a word that is not known must be refused with the code
//! of its rule and not as a malformed body. These types exist in the schemas alone.

use utoipa::openapi::RefOr;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

/// Declares types that are one of some words.
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident: $($word:literal)+;)+) => {$(
        $(#[$doc])*
        pub(super) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(Type::String)
                    .enum_values(Some([$($word),+]))
                    .into()
            }
        }

        impl ToSchema for $name {}
    )+};
}

words! {
    /// Operating system family.
    OsType: "WINDOWS" "LINUX";
    /// Boot firmware.
    Firmware: "BIOS" "UEFI";
    /// Boot loader.
    BootLoader: "GRUB" "LILO";
    /// Partition table type.
    PartitionStyle: "MBR" "GPT";
    /// Role of a disk or partition of a target server.
    DeviceUse: "NORMAL" "OS" "BOOT" "VOLUME_GROUP" "BTRFS";
    /// Where a source server runs.
    Platform: "hw" "ali" "aws" "azure" "gcp" "tencent" "vmware" "hyperv" "other" "default";
    /// Outcome of a check.
    CheckResult: "OK" "WARN" "ERROR";

    /// State of a source server.
    SourceState: "unavailable" "waiting" "initialize" "replicate" "syncing" "stopping" "stopped"
        "skipping" "deleting" "clearing" "cleared" "clearfailed" "premigready" "premiging"
        "premiged" "premigfailed" "cloning" "cutovering" "finished" "error";
    /// Stage of a migration.
    MigrationCycle: "no_ready" "ready_for_test" "testing" "tested" "checking" "setting"
        "replicating" "syncing" "cutovering" "cutovered";

    /// Migration method.
    MigrationMethod: "MIGRATE_BLOCK" "MIGRATE_FILE";
    /// Operating system family and method of a task combined.
    MigrateType: "WINDOWS_MIGRATE_BLOCK" "LINUX_MIGRATE_FILE" "LINUX_MIGRATE_BLOCK";
    /// State of a task.
    TaskState: "READY" "RUNNING" "SYNCING" "MIGRATE_SUCCESS" "SYNC_SUCCESS" "MIGRATE_FAIL"
        "SYNC_FAIL" "ABORTING" "ABORT" "SKIPPING" "DELETING" "RESETING" "SYNC_F_ROLLBACKING"
        "SYNC_F_ROLLBACK_SUCCESS";
    /// What can be done to a task.
    Operation: "start" "stop" "restart" "cutover" "sync" "test" "clone_test" "network_check"
        "clear" "skip" "migration_test" "collect_log" "unlock" "sync_failed_rollback"
        "error_for_overspeed";
    /// Name of a subtask.
    SubtaskName: "CREATE_CLOUD_SERVER" "SSL_CONFIG" "ATTACH_AGENT_IMAGE" "DETTACH_AGENT_IMAGE"
        "FORMAT_DISK_LINUX" "FORMAT_DISK_LINUX_FILE" "FORMAT_DISK_LINUX_BLOCK"
        "FORMAT_DISK_WINDOWS" "MIGRATE_LINUX_FILE" "MIGRATE_LINUX_BLOCK" "MIGRATE_WINDOWS_BLOCK"
        "CLONE_VM" "SYNC_LINUX_FILE" "SYNC_LINUX_BLOCK" "SYNC_WINDOWS_BLOCK" "CONFIGURE_LINUX"
        "CONFIGURE_LINUX_BLOCK" "CONFIGURE_LINUX_FILE" "CONFIGURE_WINDOWS" "CHECK_CONSISTENCY";
    /// Name of a setting of a task.
    ConfigKey: "MIGRATE_EXCLUDE_DIR" "SYNC_EXCLUDE_DIR" "ONLY_SYNC_DIR" "CONSISTENCY_DIR"
        "CONSISTENCY_DIR_ILLEGAL" "LINUX_BLOCK_COMPRESS_THREAD_NUM" "MIGRATE_DST_IP"
        "LINUX_BLOCK_CACHE_SIZE" "LINUX_CPU_LIMIT" "LINUX_MEM_LIMIT" "LINUX_IO_LIMIT"
        "NUM_PROCESS_MIGRATE" "NUM_PROCESS_SYNC" "CONSISTENCY_RECHECK" "CONSISTENCY_MODE"
        "DYNAMIC_PORT" "INSTALL_PWD_AGENT";
    /// State of the clone of a target server.
    CloneState: "NOT_READY" "READY" "PREPARING" "CREATING" "ERROR" "FINISHED";
    /// State of the collection of logs.
    LogCollectStatus: "INIT" "UPLOADING" "UPLOAD_FAIL" "UPLOADED";
}

/// The schema with upper and lower case making no difference, for readers that know the extension.
fn in_any_case(mut schema: RefOr<Schema>) -> RefOr<Schema> {
    if let RefOr::T(Schema::Object(words)) = &mut schema {
        let extension = Extensions::builder().add("x-case-insensitive", true);
        words.extensions = Some(extension.build());
    }
    schema
}

/// Declares types that are one of some words in either case. The words are given in lower case.
macro_rules! words_in_any_case {
    ($($(#[$doc:meta])* $name:ident: $($word:literal)+;)+) => {$(
        $(#[$doc])*
        pub(super) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let lower = [$($word),+].map(str::to_owned);
                let upper = lower.clone().map(|word| word.to_uppercase());
                let words = ObjectBuilder::new()
                    .schema_type(Type::String)
                    .enum_values(Some(lower.into_iter().chain(upper)));
                in_any_case(words.into())
            }
        }

        impl ToSchema for $name {}
    )+};
}

words_in_any_case! {
    /// State of a source server as agents write it, with `init` beside `initialize`.
    CopyState: "unavailable" "waiting" "init" "initialize" "replicate" "syncing" "stopping"
        "stopped" "skipping" "deleting" "clearing" "cleared" "clearfailed" "premigready"
        "premiging" "premiged" "premigfailed" "cloning" "cutovering" "finished" "error";
    /// Stage of a migration as agents write it.
    CopyCycle: "no_ready" "ready_for_test" "testing" "tested" "checking" "setting" "replicating"
        "syncing" "cutovering" "cutovered";
}

/// Declares types of filters: the words of another type in any case.
macro_rules! filters {
    ($($(#[$doc:meta])* $name:ident: $words:ident;)+) => {$(
        $(#[$doc])*
        pub(super) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                in_any_case($words::schema())
            }
        }

        impl ToSchema for $name {}
    )+};
}

filters! {
    /// State of a source server to select.
    SourceStateFilter: SourceState;
    /// Stage of a migration to select.
    MigrationCycleFilter: MigrationCycle;
    /// State of a task to select.
    TaskStateFilter: TaskState;
}

/// Declares identifiers, which are text and may arrive as an integer.
macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident: $min:expr, $max:expr;)+) => {$(
        $(#[$doc])*
        pub(super) enum $name {}

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                ObjectBuilder::new()
                    .schema_type(SchemaType::from_iter([Type::String, Type::Integer]))
                    .min_length($min)
                    .max_length($max)
                    .into()
            }
        }

        impl ToSchema for $name {}
    )+};
}

identifiers! {
    /// An id without limits.
    AnyId: None, None;
    /// An id, which may be empty.
    Id: None, Some(255);
    /// An id that is not empty.
    FilledId: Some(1), Some(255);
    /// Id of a server template.
    TemplateId: None, Some(100);
    /// Id of a record that the service made: a source server, a task.
    RecordUuid: Some(1), Some(36);
}
