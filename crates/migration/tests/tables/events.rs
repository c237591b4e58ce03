//! Events and transitions in words: what the tables of tasks are written in.

use rehost_migration::source::SourceState;
use rehost_migration::task::{
    Action, After, AgentEvent, Command, CommandResult, Errand, Event, Mailbox, Phase, TargetEvent,
    Task, TaskState, Transition,
};
use serde_json::{Value, json};

/// Actions with the names and the facts under which the tables show them, on a task.
pub(crate) fn actions(task: Task) -> Vec<(&'static str, Action)> {
    let delete = |agent_connected| Action::Delete {
        agent_connected,
        source_state: task.source().state,
        with_source: false,
    };
    vec![
        ("start", Action::Start),
        ("stop", Action::Stop),
        ("error_for_overspeed", Action::Overspeed),
        ("restart", Action::Restart),
        ("sync", Action::Sync),
        ("cutover", Action::Cutover),
        ("clone_test", Action::CloneTest { template: true }),
        (
            "clone_test (no template)",
            Action::CloneTest { template: false },
        ),
        ("test", Action::Test),
        ("network_check", Action::NetworkCheck),
        (
            "skip (check at 50 percent)",
            Action::Skip {
                check_percent: Some(50),
            },
        ),
        (
            "skip (no check runs)",
            Action::Skip {
                check_percent: None,
            },
        ),
        ("clear", Action::Clear),
        ("migration_test", Action::MigrationTest),
        ("sync_failed_rollback", Action::SyncFailedRollback),
        (
            "collect_log",
            Action::CollectLog {
                mailbox_empty: true,
            },
        ),
        (
            "collect_log (another command waits)",
            Action::CollectLog {
                mailbox_empty: false,
            },
        ),
        ("unlock", Action::Unlock),
        ("delete (agent connected)", delete(true)),
        ("delete (agent gone)", delete(false)),
        (
            "delete source (agent connected)",
            Action::Delete {
                agent_connected: true,
                source_state: task.source().state,
                with_source: true,
            },
        ),
    ]
}

/// Every report of an agent, with its name in the tables.
pub(crate) fn reports() -> Vec<(String, AgentEvent)> {
    let mut all = Vec::new();
    for command in Command::ALL {
        for (word, result) in [
            ("success", CommandResult::Success),
            ("fail", CommandResult::Fail),
        ] {
            let event = AgentEvent::Command(command, result);
            all.push((format!("{}: {word}", command.as_str()), event));
        }
    }
    all.extend(SourceState::ALL.into_iter().filter_map(|state| {
        let event = AgentEvent::from_reported(state)?;
        Some((format!("reports {state}"), event))
    }));
    all.push(("reports the network".to_owned(), AgentEvent::Measured));
    all
}

/// Every event on a task, with its name in the tables.
pub(crate) fn events(task: Task) -> Vec<(String, Event)> {
    let actions = actions(task).into_iter();
    let operators = actions.map(|(name, action)| (name.to_owned(), Event::Operator(action)));
    let agents = reports()
        .into_iter()
        .map(|(name, event)| (name, Event::Agent(event)));
    let targets = [
        ("target started", TargetEvent::Booted),
        ("target not started", TargetEvent::NotBooted),
    ];
    let targets = targets.map(|(name, event)| (name.to_owned(), Event::Target(event)));
    operators.chain(agents).chain(targets).collect()
}

/// A task in words.
pub(crate) fn title(task: Task) -> String {
    let kind = if task.continuous {
        "continuous"
    } else {
        "plain"
    };
    let mut text = format!("{kind}: {} ({}", task.state, task.phase.as_str());
    if task.launched {
        text.push_str(", launched");
    }
    if task.boots {
        text.push_str(", boots");
    }
    let plain = Task {
        aside: rehost_migration::task::Aside::default(),
        ..task
    };
    if task != plain {
        for word in aside_words(task) {
            text.push_str(", ");
            text.push_str(&word);
        }
    }
    text.push(')');
    text
}

fn aside_words(task: Task) -> Vec<String> {
    let aside = serde_json::to_value(task.aside).unwrap();
    let usual = serde_json::to_value(rehost_migration::task::Aside::default()).unwrap();
    let members = aside.as_object().unwrap();
    members
        .iter()
        .filter(|(name, value)| usual[name.as_str()] != **value)
        .map(|(name, value)| format!("{name} {}", value.as_str().unwrap()))
        .collect()
}

/// What becomes of the mailbox, in words; empty if nothing.
pub(crate) fn mailbox(mailbox: Mailbox) -> String {
    match mailbox {
        Mailbox::Keep => String::new(),
        Mailbox::Put(command, None) => format!("put {}", command.as_str()),
        Mailbox::Put(command, Some(order)) => {
            format!("put {} ({})", command.as_str(), order.as_str())
        }
        Mailbox::Settle(command) => format!("settle {}", command.as_str()),
        Mailbox::Clear => "clear".to_owned(),
    }
}

/// What becomes of the source server, in words; empty if nothing.
pub(crate) fn source(transition: &Transition) -> String {
    let change = transition.source;
    change
        .map(|change| format!("{} / {}", change.state, change.cycle))
        .unwrap_or_default()
}

/// The answer of a rule, for a program: `refused` has the code, else the members say what is so
/// afterwards; a member that is `null` stays as it is.
pub(crate) fn as_json(decided: &Result<Transition, rehost_migration::task::Refusal>) -> Value {
    let transition = match decided {
        Err(refusal) => return json!({ "refused": refusal.code() }),
        Ok(transition) => transition,
    };
    let (task, gone) = match transition.task {
        After::Same => (Value::Null, false),
        After::Becomes(next) => (json!(next), false),
        After::Gone => (Value::Null, true),
    };
    let command = match transition.mailbox {
        Mailbox::Put(command, order) => json!({
            "command_name": command.as_str(), "operation": order.map(|order| order.as_str()),
        }),
        _ => Value::Null,
    };
    json!({
        "task": task,
        "gone": gone,
        "source_state": transition.source.map(|change| change.state),
        "migration_cycle": transition.source.map(|change| change.cycle),
        "command": command,
    })
}

/// Whether a task is simple enough for the table of tasks: what goes on beside the copy is nothing,
/// or one errand that has left no other trace. Of tasks whose target starts what it has received only
/// those are shown that differ by it.
pub(crate) fn is_simple(task: Task) -> bool {
    use rehost_migration::task::{CloneState, Drill, Logs, Snapshots};
    let aside = task.aside;
    let (mut drill, mut clone, mut snapshots) = (
        aside.drill == Drill::Unplanned,
        aside.clone == CloneState::NotReady,
        aside.snapshots == Snapshots::Kept,
    );
    match aside.errand {
        Some(Errand::Drill) => drill = aside.drill == Drill::Planned,
        Some(Errand::Clone) => {
            clone = matches!(aside.clone, CloneState::Preparing | CloneState::Creating);
        }
        Some(Errand::Test) => clone = aside.clone == CloneState::Finished,
        Some(Errand::Clear | Errand::NetworkCheck | Errand::Launch) => {}
        None => {
            drill |= task.state == TaskState::Ready && !task.continuous;
            snapshots |= aside.snapshots == Snapshots::Cleared && !task.continuous;
        }
    }
    let cuts_over = task.phase == Phase::Cutover && task.state == TaskState::Running;
    let waits_for_target = matches!(aside.errand, Some(Errand::Launch | Errand::Clone));
    let shown = !task.boots || cuts_over || waits_for_target;
    drill && clone && snapshots && shown && aside.logs == Logs::Init
}
