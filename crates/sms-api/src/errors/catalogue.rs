//! Every error code that the control plane raises.
//!
//! SMS's own table puts nearly all codes at 400. Unknown ids are the exception here (404), because
//! clients such as Terraform take only 404 as "gone". Meanings of `SMS.nnnn` are SMS's; the
//! `REHOST.nnnn` codes belong to the routes below `/rehost/v1`.

macro_rules! catalogue {
    ($($name:ident $code:literal $status:literal $message:literal $advice:literal;)*) => {
        /// An error code with everything that is said about it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $(#[doc = concat!("`", $code, "`: ", $message)] $name,)*
        }

        /// All codes, in the order of the catalogue.
        pub const ALL_ERROR_CODES: &[ErrorCode] = &[$(ErrorCode::$name,)*];

        impl ErrorCode {
            /// The code as it is written in `error_code`.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// HTTP status.
            #[must_use]
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// What is wrong, one sentence.
            #[must_use]
            pub fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }

            /// What to do about it, one sentence.
            #[must_use]
            pub fn advice(self) -> &'static str {
                match self { $(Self::$name => $advice,)* }
            }
        }
    };
}

catalogue! {
    // Bodies and parameters.
    ServiceError "SMS.6000" 500 "The service failed on the inside." "Try again; if it lasts, look for the request id in the log of the control plane.";
    NameMissing "SMS.6001" 400 "The name of the source server is missing." "Give name.";
    NameLength "SMS.6002" 400 "The name of the source server has a wrong length." "Use 1 to 64 characters.";
    NameCharacters "SMS.6003" 400 "The name of the source server has characters that are not permitted." "Use letters, digits, underscore, hyphen and dot.";
    SubtaskName "SMS.6004" 400 "There is no subtask of this name." "Use a subtask name of the API reference.";
    SourceState "SMS.6005" 400 "There is no source server state or migration cycle of this name." "Use a value of the API reference.";
    Platform "SMS.6006" 400 "There is no platform of this name." "Use a value of the API reference.";
    NotJson "SMS.6010" 400 "The body is not JSON." "Send a JSON object.";
    MalformedJson "SMS.6011" 400 "The body is JSON but does not have the form of this call." "Compare the named member with the API reference.";
    EmptyBody "SMS.6012" 400 "The body is empty." "Send a JSON object.";
    IncompleteBody "SMS.6013" 400 "The body lacks a member that this call demands." "Add the named member.";
    BodyTooLong "SMS.6014" 413 "The body is too long." "Send less at once.";
    ContentType "SMS.6016" 400 "The content type is not application/json." "Send Content-Type: application/json.";
    CommandMissing "SMS.6020" 400 "The command result names no command." "Give command_name.";
    CommandMismatch "SMS.6021" 400 "The command result names a command that this source server was not given." "Report the command that was fetched last.";
    CommandResult "SMS.6022" 400 "The result of the command is not known." "Give result as success or fail.";
    CommandDetail "SMS.6023" 400 "The command result has no detail." "Give result_detail, at least as an empty object.";
    SourceId "SMS.6030" 400 "The source server id is missing or malformed." "Give an id as listed by GET /v3/sources.";
    TargetInfo "SMS.6031" 400 "The target server is not described." "Give target_server.";
    TargetId "SMS.6032" 400 "The target server's vm_id is missing." "Give an id as listed by GET /rehost/v1/targets.";
    TargetDisks "SMS.6033" 400 "The target disks do not fit." "Correct the named disk.";
    RegionName "SMS.6034" 400 "The region is missing." "Give region_name and region_id.";
    ProgressRange "SMS.6101" 400 "The progress is missing or out of range." "Give a whole number from 0 to 100.";
    Database "SMS.6301" 500 "The service could not reach its database." "Try again; if it lasts, check the data directory of the control plane.";
    ConfigSetting "SMS.6304" 400 "A setting is not known or too long." "Use the setting names of the API reference and values of at most 1024 characters.";
    NotAnInteger "SMS.6404" 400 "A parameter is not an integer or out of range." "Correct the named parameter.";
    TimeFormat "SMS.6405" 400 "A time is malformed." "Write times of the day as HH:MM.";
    TooFewDisks "SMS.1311" 400 "The target has too few disks." "Name a target disk for every disk that is migrated, or leave out source disks.";
    FirmwareDiffers "SMS.6504" 400 "Source and target start by different firmware." "Choose a target that starts by the firmware of the source.";
    FileSystem "SMS.6509" 400 "The file system does not permit it." "Keep the size of the named volume.";
    NoDisks "SMS.6519" 400 "The source server has no disk that could be migrated." "Run the agent as root, so that it sees the disks.";
    SourceUnavailable "SMS.6520" 400 "The source server failed its feasibility check." "Read checks of the source server, correct them and restart the agent.";
    NotYours "SMS.6527" 403 "The source server belongs to somebody else." "Use the identity with which it was registered.";
    SourceAddress "SMS.6530" 400 "The source server has no IP address." "Give ip or ipv6.";
    BelowUsed "SMS.6538" 400 "A size is smaller than what is used." "Enlarge the named volume.";
    DiskBelowPartitions "SMS.6539" 400 "A disk is smaller than its partitions." "Enlarge the named disk.";
    WindowsShrinks "SMS.6540" 400 "Disks and partitions of Windows cannot become smaller." "Keep their size or enlarge them.";
    GroupBelowVolumes "SMS.6541" 400 "A volume group does not fit its volumes." "Enlarge it, or leave LVM as it is.";
    TargetWithoutUefi "SMS.6561" 400 "The source starts by UEFI but the target does not." "Choose a target that starts by UEFI.";
    OsType "SMS.6601" 400 "The operating system type is not known." "Give os_type as LINUX or WINDOWS.";
    SourceDisconnected "SMS.6603" 400 "The source server is not connected." "Start the agent on the source server and check that it reaches the control plane.";
    NotEnoughSpace "SMS.6611" 400 "The target has not enough space." "Choose a larger target disk.";
    NotWholeMegabytes "SMS.6612" 400 "A size is not a whole number of MB." "Give multiples of 1048576 bytes.";
    NoRoomForGpt "SMS.6613" 400 "A disk has no room for its GPT." "Leave 33 MB free behind the last partition, 128 MB on Windows.";
    TargetBelowPartitions "SMS.6614" 400 "A target disk is smaller than its partitions." "Enlarge the named disk.";
    TargetInTask "SMS.6615" 400 "The target server's device is already in a task." "Choose another device, or delete the other task.";

    // Tasks.
    PortClosed "SMS.6605" 400 "The data port of the target cannot be reached." "Open the port on the way, and check that the receiver runs.";
    TemplateUnknown "SMS.7101" 404 "There is no template of this id." "List the templates there are.";
    TemplateInUse "SMS.7111" 400 "The template is used by a task." "Delete the task first.";
    TemplateNameTaken "SMS.7112" 400 "There is a template of this name already." "Choose another name.";
    TooManyTemplates "SMS.7113" 400 "There are as many templates as there can be." "Delete one that is not used any more.";
    ProjectUnknown "SMS.7301" 404 "There is no migration project of this id." "List the projects there are.";
    DefaultProject "SMS.7303" 400 "The default migration project cannot be deleted." "Make another project the default one first.";
    ProjectHasSources "SMS.7311" 400 "There are source servers in the migration project." "Move them to another project first.";
    ProjectNameTaken "SMS.7312" 400 "There is a migration project of this name already." "Choose another name.";
    SourceHasTask "SMS.7601" 400 "The source server already has a task." "Delete the task first.";
    SourceUnknown "SMS.7602" 404 "There is no source server with this id." "List them with GET /v3/sources.";
    TaskUnknown "SMS.7703" 404 "There is no task with this id." "List them with GET /v3/tasks.";
    TaskName "SMS.7711" 400 "The task name is missing or not permitted." "Use 1 to 64 letters, digits, underscores and hyphens.";
    TaskType "SMS.7712" 400 "The task type is not known or not possible for this source server." "Use MIGRATE_BLOCK.";
    CannotStart "SMS.7713" 400 "The task cannot be started in its present state." "Start it when it is ready, paused or failed.";
    CannotStop "SMS.7714" 400 "The task cannot be stopped in its present state." "Stop it while it runs or synchronises.";
    CannotSync "SMS.7715" 400 "The task cannot be synchronised in its present state." "Synchronise after the target has been launched.";
    LogsRunning "SMS.7716" 400 "Logs are being collected already." "Wait until that is over.";
    LogsBeforeStart "SMS.7717" 400 "There are no logs before the start of the task." "Start the task first.";
    CannotRollBack "SMS.7718" 400 "The task cannot be rolled back in its present state." "Only a failed synchronisation is rolled back.";
    CannotDelete "SMS.7719" 400 "The task cannot be deleted in its present state." "Stop it first and wait until it is stopped.";
    OnlyContinuousSync "SMS.7721" 400 "Cloning and cut-over are possible only during continuous synchronisation." "Wait until the task is SYNCING; a task without syncing cuts over by itself.";
    OnlyAfterLaunch "SMS.7722" 400 "The task can be restarted only after the target has been launched." "Use start for a task that was paused or failed.";
    ChangestateMissing "SMS.7726" 400 "copystate or migrationcycle is missing." "Give both.";
    ChangestateEmpty "SMS.7727" 400 "copystate or migrationcycle is empty." "Give both a value of the API reference.";
    ChangestatePair "SMS.7728" 400 "copystate and migrationcycle do not fit each other." "Use a pair of the API reference.";
    NoClone "SMS.8017" 400 "There is no clone." "Clone the target server first.";
    TargetMissing "SMS.8102" 400 "There is no target server with this vm_id." "List them with GET /rehost/v1/targets.";
    TooManyProjects "SMS.8115" 400 "There are as many migration projects as there can be." "Delete one that is not used any more.";
    CannotUnlock "SMS.8114" 400 "The target cannot be unlocked in the present state of the task." "Stop the task first.";
    Parameters "SMS.9001" 400 "A parameter is not permitted." "Correct the named parameter.";
    NoPermission "SMS.9004" 403 "The caller may not do this." "Use an identity that has the right to it.";
    PasswordNotReadable "SMS.9905" 400 "The password cannot be read in the present state of the source server." "Read it while a task of this template replicates or synchronises.";

    // What else SMS has a code for and a control plane of ours can say: findings of feasibility
    // checks, failures that agents report, limits of requests.
    SourceRecordGone "SMS.0507" 400 "The record of the source server is gone." "Restart the agent, so that it registers again.";
    MigrationFailed "SMS.1801" 400 "The migration failed." "Read the reason in the log of the agent and start the task again.";
    OsVersion "SMS.6503" 400 "The version of the operating system is not supported." "Compare it with the list of supported versions.";
    FirmwareUnknown "SMS.6505" 400 "The firmware of the source server is not known." "Give firmware as BIOS or UEFI.";
    CpuUnknown "SMS.6506" 400 "The number of CPUs is not known." "Give cpu_quantity.";
    SystemFolder "SMS.6507" 400 "The system folder is missing." "Give system_dir.";
    PartitionStyle "SMS.6508" 400 "A partition table is neither GPT nor MBR." "Convert the named disk, or leave it out.";
    OemSystem "SMS.6510" 400 "An OEM edition of Windows may not start on another machine." "Have a licence ready that is valid on the target.";
    DriverFiles "SMS.6511" 400 "Driver files are missing that the target needs." "Restore atapi.sys, pciidex.sys and intelide.sys.";
    SystemServices "SMS.6512" 400 "A service that the migration needs does not run." "Start the named service.";
    AdministratorRights "SMS.6513" 400 "The agent lacks the rights of an administrator." "Run the agent as administrator or root.";
    MemoryUnknown "SMS.6514" 400 "The memory of the source server is not known or not enough." "Give memory in bytes.";
    Paravirtualised "SMS.6515" 400 "The source server is paravirtualised." "Install a kernel that starts on hardware or full virtualisation.";
    BootLoaderUnsupported "SMS.6516" 400 "The boot loader is not GRUB." "Install GRUB.";
    RsyncMissing "SMS.6517" 400 "rsync is missing on the source server." "Install rsync, if files are migrated one by one.";
    RawDevices "SMS.6518" 400 "The source server uses raw devices." "Migrate what is on them by other means.";
    SystemDiskFirst "SMS.6532" 400 "The system disk is not the first disk." "Put the system disk first.";
    SystemDiskLarge "SMS.6537" 400 "The system disk is larger than 1 TB." "Choose a target that can hold it.";
    MuchData "SMS.6543" 400 "More than 1 TB has to be copied, which takes long." "Plan for it, or leave disks out.";
    DiskSlow "SMS.6547" 400 "A disk of the source server answers slowly." "Migrate when there is less load.";
    LogsNotPossible "SMS.7707" 400 "The agent is too old to give its logs." "Install the agent of this control plane.";

    // Rehost: joining.
    JoinTokenUnknown "REHOST.1001" 403 "There is no such join token." "Make one with rehost join-token and copy it whole.";
    JoinTokenExpired "REHOST.1002" 403 "The join token has expired." "Make a new one with rehost join-token.";
    JoinTokenUsed "REHOST.1003" 403 "The join token was used already." "Make a new one with rehost join-token; each is good for one machine.";
    JoinTokenRole "REHOST.1004" 403 "The join token is for the other role." "Make one for this role: source for an agent, target for a receiver.";
    JoinRequestInvalid "REHOST.1005" 400 "The join request has no valid name or certificate request." "Give a name of 1 to 64 characters and a PKCS#10 request in PEM.";
    JoinTokenLifetime "REHOST.1006" 400 "valid_seconds is out of range." "Give 1 to 604800 seconds.";

    // Rehost: targets.
    TargetUnknown "REHOST.2001" 404 "There is no target with this id." "List them with GET /rehost/v1/targets.";
    TargetInUse "REHOST.2002" 409 "The target is bound to a task." "Delete the task first.";
    NotATarget "REHOST.2003" 403 "This route is for targets only." "Join as a target with rehost receive --join.";
    TargetRegistration "REHOST.2004" 400 "The registration of the target is malformed." "Correct the named member.";
    TaskNotOfTarget "REHOST.2005" 404 "The task is not bound to this target." "Fetch the assignments again.";

    // Rehost: starting what was received.
    BootUnknown "REHOST.6001" 404 "There is no such boot." "List them with GET /rehost/v1/tasks/{task_id}/boots.";
    NothingBoots "REHOST.6002" 400 "The target of this task starts nothing." "Start its receiver with --boot, choose a source server with a system disk, and leave start_target_server on.";

    // Rehost: reports and proofs.
    ProofAbsent "REHOST.3001" 404 "There is no proof of this task yet." "Wait until the final round has been compared.";
    ReportAbsent "REHOST.3002" 404 "There is no report of this task yet." "Wait until the first round is through.";
    ProofTooLarge "REHOST.3003" 413 "The proof is too large." "Check that the proof document belongs to this task.";
    ProofMalformed "REHOST.3004" 400 "The proof is not a proof document of this task." "Send the document as the agent wrote it.";
    LogArchiveAbsent "REHOST.3005" 404 "There are no logs at this address, or no longer." "Collect the logs again, and use the new address.";
    LogArchiveTooLarge "REHOST.3006" 413 "The logs are too large." "Send 64 MiB at most.";
    LogsNotWanted "REHOST.3007" 409 "Nobody asked for the logs of this task." "Ask for them with POST /v3/tasks/{task_id}/log.";
    CopyPlanAbsent "REHOST.3008" 404 "The agent of this source server has not said how it is going to copy." "Start the agent, and wait until it has registered.";
    UserUnknown "REHOST.5001" 404 "There is no user of this id." "List the users there are.";
    UserNameTaken "REHOST.5002" 409 "There is a user of this name already." "Choose another name.";
    OwnAccount "REHOST.5003" 409 "Nobody can take away their own rights." "Use another account for it.";
    AccessKeyUnknown "REHOST.5004" 404 "The user has no such access key." "List the keys of the user.";
    TooManyKeys "REHOST.5005" 409 "The user has as many access keys as there can be." "Delete one that is not used any more.";
    DomainNameTaken "REHOST.5006" 409 "There is a domain of this name already." "Choose another name.";
    ProjectIdUnknown "REHOST.5007" 404 "There is no project of this id." "List the projects with GET /v3/projects.";
    IdentityServiceDown "REHOST.5008" 503 "The identity service (Keystone) that tokens are checked with gives no usable answer." "Try again; if it lasts, tell who runs the control plane: its log says what is wrong.";
    DiskFull "REHOST.4002" 507 "The disk of the control plane's database is full; nothing was changed." "Free space on it and try again; nothing else needs to be done.";
    RouteUnknown "REHOST.4001" 404 "There is no such route." "Compare method and path with the documentation.";
}

impl ErrorCode {
    /// The code with this text, if the catalogue has it.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        ALL_ERROR_CODES
            .iter()
            .copied()
            .find(|entry| entry.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_is_unique_and_complete() {
        let mut seen = HashSet::new();
        for &entry in ALL_ERROR_CODES {
            let code = entry.code();
            assert!(seen.insert(code), "{code} is there twice");
            let (family, number) = code.split_once('.').unwrap();
            assert!(family == "SMS" || family == "REHOST", "{code}");
            assert!(number.len() == 4 && number.parse::<u16>().is_ok(), "{code}");
            assert!((400..600).contains(&entry.status()), "{code}");
            for text in [entry.message(), entry.advice()] {
                assert!(text.ends_with('.') && text.len() > 5, "{code}: {text}");
            }
            assert_eq!(ErrorCode::from_code(code), Some(entry));
        }
        assert_eq!(ErrorCode::from_code("SMS.1"), None);
    }

    #[test]
    fn only_unknown_ids_are_404() {
        assert_eq!(ErrorCode::SourceUnknown.status(), 404);
        assert_eq!(ErrorCode::TaskUnknown.status(), 404);
        assert_eq!(ErrorCode::ChangestatePair.status(), 400);
    }
}
