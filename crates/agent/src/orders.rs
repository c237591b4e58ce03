//! What the words in the mailbox mean (SMS, ShowCommand, over all its revisions). Pure.

use rehost_sms_api::bodies::ShowCommandResponse;

/// What is to be done about a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Nothing is wanted.
    Nothing,
    /// Take the task up, or look at its assignment again.
    Start { task_id: String },
    /// Let it rest.
    Rest { task_id: String },
    /// Let it rest for good; what was kept of it goes.
    Delete { task_id: String },
    /// Skip its consistency check.
    SkipCheck { task_id: String },
    /// Hold the source for a moment, and have the target keep what it has then.
    KeepPoint { task_id: String },
    /// Measure the link to its target.
    CheckNetwork { task_id: String },
    /// Send the logs.
    SendLogs { task_id: String },
    /// It cannot be done here, or makes no sense.
    Refuse { why: String },
}

/// Reads a command. One that is for an operation names it among its parameters.
pub(crate) fn order(command: &ShowCommandResponse) -> Order {
    let word = command.command_name.as_deref().unwrap_or_default();
    let word = word.to_ascii_uppercase();
    if matches!(
        word.as_str(),
        "" | "TASK_NOT_STARTED" | "TASK_HAS_STOPPED" | "TASK_HAS_FINISHED"
    ) {
        return Order::Nothing;
    }
    let param = command.command_param.as_ref();
    let Some(task_id) = param.and_then(|param| param.task_id.clone()) else {
        return refuse(&format!("{word} without a task"));
    };
    let operation = param.and_then(|param| param.operation.as_deref());
    match (word.as_str(), operation.unwrap_or_default()) {
        ("START", "network_check") => Order::CheckNetwork { task_id },
        ("START", "clone_test") => Order::KeepPoint { task_id },
        ("START" | "SYNC", "") => Order::Start { task_id },
        ("STOP", "") => Order::Rest { task_id },
        ("DELETE", "") => Order::Delete { task_id },
        ("SKIP", "") => Order::SkipCheck { task_id },
        ("UPLOAD_LOG", "") => Order::SendLogs { task_id },
        ("START", "test") => refuse(
            "a clone is tested when it is made, and thrown away then: make another one with clone_test",
        ),
        ("START", "sync_failed_rollback") => refuse(
            "this agent keeps no snapshots of the target to roll back to: start the task again, \
             and what differs is sent again",
        ),
        ("DELETE", "clear") => refuse("this agent makes no snapshots: there are none to clear"),
        ("PREMIGRATE", _) => refuse(
            "this agent has no migration drill: create the task without need_migration_test, and \
             check the network with network_check",
        ),
        (word, "") => refuse(&format!("this agent does not know {word}")),
        (word, operation) => refuse(&format!("this agent does not know {word} for {operation}")),
    }
}

fn refuse(why: &str) -> Order {
    Order::Refuse { why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(word: &str, param: &str) -> Order {
        let json = format!(r#"{{"command_name":"{word}","command_param":{param}}}"#);
        order(&serde_json::from_str(&json).unwrap())
    }

    #[test]
    fn commands_are_understood() {
        let task_id = || "t".to_owned();
        for (word, order) in [
            ("START", Order::Start { task_id: task_id() }),
            ("sync", Order::Start { task_id: task_id() }),
            ("STOP", Order::Rest { task_id: task_id() }),
            ("DELETE", Order::Delete { task_id: task_id() }),
            ("SKIP", Order::SkipCheck { task_id: task_id() }),
            ("UPLOAD_LOG", Order::SendLogs { task_id: task_id() }),
            ("TASK_HAS_FINISHED", Order::Nothing),
            ("TASK_NOT_STARTED", Order::Nothing),
        ] {
            assert_eq!(command(word, r#"{"task_id":"t"}"#), order, "{word}");
        }
        assert_eq!(order(&ShowCommandResponse::default()), Order::Nothing);
        let check = r#"{"task_id":"t","operation":"network_check"}"#;
        assert_eq!(
            command("START", check),
            Order::CheckNetwork { task_id: task_id() }
        );
        let clone = r#"{"task_id":"t","operation":"clone_test"}"#;
        assert_eq!(
            command("START", clone),
            Order::KeepPoint { task_id: task_id() }
        );
    }

    #[test]
    fn what_cannot_be_done_is_refused_with_a_reason() {
        let refused = |word, param: &str| match command(word, param) {
            Order::Refuse { why } => why,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused("START", "null"), "START without a task");
        let (plain, with) = (r#"{"task_id":"t"}"#, |operation: &str| {
            format!(r#"{{"task_id":"t","operation":"{operation}"}}"#)
        });
        assert!(refused("PREMIGRATE", plain).contains("no migration drill"));
        assert!(refused("RSET_LOG_ACL", plain).contains("does not know RSET_LOG_ACL"));
        assert!(refused("START", &with("test")).contains("tested when it is made"));
        assert!(refused("START", &with("sync_failed_rollback")).contains("no snapshots"));
        assert!(refused("DELETE", &with("clear")).contains("no snapshots"));
        // What is not understood must not be taken for the plain command.
        assert!(refused("START", &with("dance")).contains("START for dance"));
        assert!(refused("STOP", &with("dance")).contains("STOP for dance"));
    }
}
