//! Codes of violations: the contract has one of its own for some members (SMS, error codes 60xx to
//! 77xx), and general ones for the rest.

use super::{Fault, Place, Violation};
use crate::errors::ErrorCode;

/// The code of a violation.
pub(super) fn code(violation: &Violation) -> ErrorCode {
    match violation.place {
        Place::Query => of_query(violation),
        Place::Body => of_member(violation).unwrap_or_else(|| of_fault(&violation.fault)),
    }
}

/// Page limits have a code of their own.
fn of_query(violation: &Violation) -> ErrorCode {
    match (violation.path.as_str(), &violation.fault) {
        (_, Fault::Missing) => ErrorCode::Parameters,
        ("limit" | "offset", _) => ErrorCode::NotAnInteger,
        _ => ErrorCode::Parameters,
    }
}

fn of_fault(fault: &Fault) -> ErrorCode {
    match fault {
        Fault::Missing => ErrorCode::IncompleteBody,
        Fault::Type(_) => ErrorCode::MalformedJson,
        _ => ErrorCode::Parameters,
    }
}

/// The special code of a member, if it has one.
fn of_member(violation: &Violation) -> Option<ErrorCode> {
    let (path, fault) = (violation.path.as_str(), &violation.fault);
    let top = path.split(['.', '[']).next().unwrap_or_default();
    match violation.operation {
        "register_server" | "update_server_name" => of_registration(path, fault),
        "update_copy_state" => of_changestate(path, fault),
        "update_task_speed" => match path {
            "subtask_name" => Some(ErrorCode::SubtaskName),
            "progress" => Some(ErrorCode::ProgressRange),
            _ => None,
        },
        "update_command_result" => match (path, fault) {
            ("command_name", Fault::Missing | Fault::Empty) => Some(ErrorCode::CommandMissing),
            ("command_name", _) => Some(ErrorCode::CommandMismatch),
            ("result", _) => Some(ErrorCode::CommandResult),
            ("result_detail", _) => Some(ErrorCode::CommandDetail),
            _ => None,
        },
        "create_task" | "update_task" => of_task(top, path),
        "upload_special_configuration_setting" => {
            (top == "configurations").then_some(ErrorCode::ConfigSetting)
        }
        "update_speed" if path.ends_with("].start") || path.ends_with("].end") => {
            Some(ErrorCode::TimeFormat)
        }
        "register_target" => Some(ErrorCode::TargetRegistration),
        "join" if path != "secret" => Some(ErrorCode::JoinRequestInvalid),
        "create_join_token" if path == "valid_seconds" => Some(ErrorCode::JoinTokenLifetime),
        _ => None,
    }
}

fn of_registration(path: &str, fault: &Fault) -> Option<ErrorCode> {
    match (path, fault) {
        ("name", Fault::Missing) => Some(ErrorCode::NameMissing),
        ("name", Fault::Empty | Fault::Short(_) | Fault::Long(_)) => Some(ErrorCode::NameLength),
        ("name", Fault::Pattern(_)) => Some(ErrorCode::NameCharacters),
        ("os_type", _) => Some(ErrorCode::OsType),
        ("platform", _) => Some(ErrorCode::Platform),
        ("state" | "migration_cycle", _) => Some(ErrorCode::SourceState),
        ("ip" | "ipv6", Fault::Long(_)) => Some(ErrorCode::SourceAddress),
        _ => None,
    }
}

fn of_changestate(path: &str, fault: &Fault) -> Option<ErrorCode> {
    match (path, fault) {
        ("copystate" | "migrationcycle", Fault::Missing) => Some(ErrorCode::ChangestateMissing),
        ("copystate" | "migrationcycle", Fault::Empty) => Some(ErrorCode::ChangestateEmpty),
        ("copystate", Fault::Unlisted(_)) => Some(ErrorCode::SourceState),
        _ => None,
    }
}

fn of_task(top: &str, path: &str) -> Option<ErrorCode> {
    match path {
        "name" => Some(ErrorCode::TaskName),
        "type" => Some(ErrorCode::TaskType),
        "os_type" => Some(ErrorCode::OsType),
        "region_id" | "region_name" => Some(ErrorCode::RegionName),
        "source_server" | "source_server.id" => Some(ErrorCode::SourceId),
        "target_server" => Some(ErrorCode::TargetInfo),
        "target_server.vm_id" => Some(ErrorCode::TargetId),
        _ if top == "target_server" && path.starts_with("target_server.disks") => {
            Some(ErrorCode::TargetDisks)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_with_a_code_of_their_own_get_it() {
        let cases = [
            ("register_server", "name", Fault::Missing, "SMS.6001"),
            ("register_server", "name", Fault::Long(64), "SMS.6002"),
            (
                "update_server_name",
                "name",
                Fault::Pattern(String::new()),
                "SMS.6003",
            ),
            (
                "register_server",
                "os_type",
                Fault::Unlisted(String::new()),
                "SMS.6601",
            ),
            ("register_server", "networks", Fault::Missing, "SMS.6013"),
            ("register_server", "networks", Fault::Few(1), "SMS.9001"),
            ("update_copy_state", "copystate", Fault::Missing, "SMS.7726"),
            (
                "update_copy_state",
                "migrationcycle",
                Fault::Empty,
                "SMS.7727",
            ),
            (
                "update_copy_state",
                "copystate",
                Fault::Unlisted(String::new()),
                "SMS.6005",
            ),
            (
                "update_copy_state",
                "migrationcycle",
                Fault::Unlisted(String::new()),
                "SMS.9001",
            ),
            (
                "update_task_speed",
                "subtask_name",
                Fault::Missing,
                "SMS.6004",
            ),
            (
                "update_task_speed",
                "progress",
                Fault::Large("100".into()),
                "SMS.6101",
            ),
            ("update_task_speed", "totalsize", Fault::Missing, "SMS.6013"),
            (
                "update_command_result",
                "command_name",
                Fault::Missing,
                "SMS.6020",
            ),
            ("update_command_result", "result", Fault::Empty, "SMS.6022"),
            (
                "update_command_result",
                "result_detail",
                Fault::Missing,
                "SMS.6023",
            ),
            (
                "create_task",
                "name",
                Fault::Pattern(String::new()),
                "SMS.7711",
            ),
            ("create_task", "type", Fault::Missing, "SMS.7712"),
            (
                "create_task",
                "source_server.id",
                Fault::Missing,
                "SMS.6030",
            ),
            (
                "create_task",
                "target_server.disks[0].size",
                Fault::Missing,
                "SMS.6033",
            ),
            (
                "create_task",
                "priority",
                Fault::Large("2".into()),
                "SMS.9001",
            ),
            (
                "update_speed",
                "speed_limit[1].end",
                Fault::Missing,
                "SMS.6405",
            ),
            (
                "create_template",
                "template.name",
                Fault::Missing,
                "SMS.6013",
            ),
        ];
        for (operation, path, fault, expected) in cases {
            let violation = Violation {
                operation,
                place: Place::Body,
                path: path.to_owned(),
                fault,
            };
            assert_eq!(violation.code().code(), expected, "{operation} {path}");
        }
    }
}
