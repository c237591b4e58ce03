//! Every reachable task and every event.

use std::collections::HashSet;
use std::fmt::Write as _;

use rehost_migration::source::SourceState;
use rehost_migration::task::{
    Action, After, AgentEvent, Command, CommandResult, Event, Mailbox, Phase, Task, TaskState,
    Transition,
};

use crate::compare;

/// Every event with its name in the table.
fn events() -> Vec<(&'static str, Event)> {
    let operator = |name, action| (name, Event::Operator(action));
    let delete = |name, agent_connected, source_state| {
        operator(
            name,
            Action::Delete {
                agent_connected,
                source_state,
            },
        )
    };
    let agent = |name, event| (name, Event::Agent(event));
    let command = |name, command, result| agent(name, AgentEvent::Command(command, result));
    vec![
        operator("start", Action::Start),
        operator("stop", Action::Stop),
        operator("cutover", Action::Cutover),
        operator("restart", Action::Restart),
        operator("sync", Action::Sync),
        operator("clone_test", Action::Clone),
        delete("delete (agent gone)", false, SourceState::Replicate),
        delete(
            "delete (agent connected, source waiting)",
            true,
            SourceState::Waiting,
        ),
        delete(
            "delete (agent connected, source replicate)",
            true,
            SourceState::Replicate,
        ),
        command("START: success", Command::Start, CommandResult::Success),
        command("START: fail", Command::Start, CommandResult::Fail),
        command("STOP: success", Command::Stop, CommandResult::Success),
        command("STOP: fail", Command::Stop, CommandResult::Fail),
        agent("reports replicate", AgentEvent::CopyRuns),
        agent("reports syncing", AgentEvent::SyncReached),
        agent("reports cutovering", AgentEvent::CutoverRuns),
        agent("reports finished", AgentEvent::Done),
        agent("reports error", AgentEvent::Failed),
        agent("reports stopped", AgentEvent::Stopped),
    ]
}

/// Every task that events can lead to, in the order in which they are found.
fn reachable() -> Vec<Task> {
    let mut found = vec![Task::new(false), Task::new(true)];
    let mut known: HashSet<Task> = found.iter().copied().collect();
    let mut next = 0;
    while let Some(task) = found.get(next).copied() {
        next += 1;
        for (_, event) in events() {
            if let Ok(Transition {
                task: After::Becomes(after),
                ..
            }) = task.apply(event)
                && known.insert(after)
            {
                found.push(after);
            }
        }
    }
    found
}

fn title(task: Task) -> String {
    let kind = if task.continuous {
        "continuous"
    } else {
        "plain"
    };
    let launched = if task.launched { ", launched" } else { "" };
    format!("{kind}: {} ({}{launched})", task.state, task.phase.as_str())
}

fn mailbox(mailbox: Mailbox) -> String {
    match mailbox {
        Mailbox::Keep => String::new(),
        Mailbox::Put(command) => format!("put {}", command.as_str()),
        Mailbox::Settle(command) => format!("settle {}", command.as_str()),
        Mailbox::Clear => "clear".to_owned(),
    }
}

fn section(task: Task) -> String {
    let mut rows = String::new();
    let mut refused = Vec::new();
    let mut nothing = Vec::new();
    for (name, event) in events() {
        let transition = match task.apply(event) {
            Err(refusal) => {
                refused.push(format!("{name} ({})", refusal.code()));
                continue;
            }
            Ok(Transition::NOTHING) => {
                nothing.push(name);
                continue;
            }
            Ok(transition) => transition,
        };
        let after = match transition.task {
            After::Same => String::new(),
            After::Becomes(next) => title(next),
            After::Gone => "gone".to_owned(),
        };
        let source = transition
            .source
            .map(|change| format!("{} / {}", change.state, change.cycle))
            .unwrap_or_default();
        writeln!(
            rows,
            "| {name} | {after} | {source} | {} |",
            mailbox(transition.mailbox)
        )
        .unwrap();
    }
    format!(
        "## {}\n\n| event | task | source | mailbox |\n|---|---|---|---|\n{rows}\n\
         Refused: {}.\n\nNothing: {}.\n",
        title(task),
        refused.join(", "),
        nothing.join(", ")
    )
}

#[test]
fn the_table_of_tasks_is_as_checked_in() {
    let sections: Vec<_> = reachable().into_iter().map(section).collect();
    compare(
        "task.md",
        &format!(
            "# Tasks\n\n\
             Written by a test; see `src/task` for the reasons. Every reachable task: how it was created, its\n\
             state, its phase. An empty cell stays as it is; a reported state has changed the source already.\n\n{}",
            sections.join("\n")
        ),
    );
}

#[test]
fn reachable_tasks_make_sense() {
    let tasks = reachable();
    for state in TaskState::ALL {
        assert!(
            tasks.iter().any(|task| task.state == state),
            "{state} is never reached"
        );
    }
    for task in tasks {
        match task.state {
            TaskState::Ready => assert_eq!(task, Task::new(task.continuous)),
            TaskState::Syncing => assert!(task.phase == Phase::Sync && task.syncs(), "{task:?}"),
            TaskState::MigrateSuccess | TaskState::SyncFail => assert!(task.launched, "{task:?}"),
            TaskState::MigrateFail => assert!(!task.launched, "{task:?}"),
            _ => {}
        }
        assert!(task.phase != Phase::Sync || task.syncs(), "{task:?}");
    }
}

#[test]
fn agents_may_repeat_themselves() {
    for task in reachable() {
        for (name, event) in events() {
            if !matches!(event, Event::Agent(_)) {
                continue;
            }
            let Ok(first) = task.apply(event) else {
                panic!("{name} is refused")
            };
            let once = match first.task {
                After::Becomes(next) => next,
                After::Same => task,
                After::Gone => panic!("{name} deletes"),
            };
            let second = once.apply(event).unwrap();
            assert_eq!(
                (second.task, second.source),
                (After::Same, None),
                "{name} on {}",
                title(task)
            );
        }
    }
}

#[test]
fn agents_neither_start_nor_pause_nor_delete() {
    for task in reachable() {
        for (name, event) in events() {
            let (Event::Agent(_), Ok(transition)) = (event, task.apply(event)) else {
                continue;
            };
            assert!(
                !matches!(transition.mailbox, Mailbox::Put(_)),
                "{name} on {}",
                title(task)
            );
            if let After::Becomes(next) = transition.task {
                assert!(task.state.is_active(), "{name} wakes {}", title(task));
                assert_ne!(next.state, TaskState::Aborting);
                let pauses = next.state == TaskState::Abort;
                assert!(
                    !pauses || task.state == TaskState::Aborting,
                    "{name} on {}",
                    title(task)
                );
                assert!(next.launched >= task.launched);
            }
        }
    }
}
