//! Every kind of reachable task and every event, and what holds for all of them.

use std::collections::HashSet;
use std::fmt::Write as _;

use rehost_migration::task::{
    After, AgentEvent, CloneState, Command, CommandResult, Errand, Event, Mailbox, Phase,
    Snapshots, TargetEvent, Task, TaskState, Transition, WantedBoot,
};

use crate::compare;
use crate::events::{events, is_simple, mailbox, source, title};

/// Every task that events can lead to, in the order in which they are found.
fn reachable() -> Vec<Task> {
    let mut found: Vec<Task> = [false, true]
        .into_iter()
        .flat_map(|drill| [false, true].map(|continuous| Task::new(continuous).with_drill(drill)))
        .flat_map(|task| [false, true].map(|boots| task.with_boots(boots)))
        .collect();
    let mut known: HashSet<Task> = found.iter().copied().collect();
    let mut next = 0;
    while let Some(task) = found.get(next).copied() {
        next += 1;
        for (_, event) in events(task) {
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

fn section(task: Task) -> String {
    let mut rows = String::new();
    let mut refused = Vec::new();
    let mut nothing = Vec::new();
    for (name, event) in events(task) {
        let transition = match task.apply(event) {
            Err(refusal) => {
                refused.push(format!("{name} ({})", refusal.code()));
                continue;
            }
            Ok(Transition {
                task: After::Same,
                source: None,
                mailbox: Mailbox::Keep | Mailbox::Settle(_),
            }) => {
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
        writeln!(
            rows,
            "| {name} | {after} | {} | {} |",
            source(&transition),
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
    let simple = reachable().into_iter().filter(|task| is_simple(*task));
    let sections: Vec<_> = simple.map(section).collect();
    compare(
        "task.md",
        &format!(
            "# Tasks\n\n\
             Written by a test; see `src/task` for the reasons. Every reachable task: how it was created, its\n\
             state, its phase, and what goes on beside the copy. Results of earlier errands, which stay as they\n\
             are, are left out. An empty cell stays as it is; a reported state has changed the source already.\n\
             The result of a command always takes that command out of the mailbox.\n\n{}",
            sections.join("\n")
        ),
    );
}

#[test]
fn reachable_tasks_make_sense() {
    let tasks = reachable();
    for state in TaskState::ALL {
        assert_eq!(
            tasks.iter().any(|task| task.state == state),
            state != TaskState::Reseting,
            "{state}"
        );
    }
    for task in tasks {
        match task.state {
            TaskState::Ready => {
                let plain = Task {
                    aside: task.aside,
                    ..Task::new(task.continuous).with_boots(task.boots)
                };
                assert_eq!(task, plain);
            }
            TaskState::Syncing => assert!(task.phase == Phase::Sync && task.syncs(), "{task:?}"),
            TaskState::MigrateSuccess
            | TaskState::SyncSuccess
            | TaskState::SyncFail
            | TaskState::SyncFRollbacking
            | TaskState::SyncFRollbackSuccess => assert!(task.launched, "{task:?}"),
            TaskState::MigrateFail => assert!(!task.launched, "{task:?}"),
            _ => {}
        }
        assert!(task.phase != Phase::Sync || task.syncs(), "{task:?}");
        let goes_back = matches!(task.state, TaskState::Skipping | TaskState::Deleting);
        assert_eq!(task.aside.former.is_some(), goes_back, "{task:?}");
        assert!(task.aside.errand.is_none() || !goes_back, "{task:?}");
        let cleared = task.aside.snapshots == Snapshots::Cleared;
        assert!(
            !cleared || task.state.is_finished() || task.state == TaskState::Deleting,
            "{} could be synchronised",
            title(task)
        );
    }
}

#[test]
fn agents_may_repeat_themselves() {
    for task in reachable() {
        for (name, event) in events(task) {
            if !matches!(event, Event::Agent(_)) {
                continue;
            }
            let Ok(first) = task.apply(event) else {
                panic!("{name} is refused")
            };
            let once = match first.task {
                After::Becomes(next) => next,
                After::Same => task,
                After::Gone => continue,
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
fn a_target_that_starts_what_it_has_received_ends_the_cut_over() {
    for task in reachable() {
        let event = |event| match task.apply(Event::Target(event)).unwrap().task {
            After::Becomes(next) => next,
            After::Same => task,
            After::Gone => panic!("{} is gone", title(task)),
        };
        let (started, failed) = (event(TargetEvent::Booted), event(TargetEvent::NotBooted));
        match task.wanted_boot() {
            WantedBoot::None => assert_eq!((started, failed), (task, task), "{}", title(task)),
            WantedBoot::Rehearsal => {
                assert_eq!(started.aside.clone, CloneState::Finished);
                assert_eq!(failed.aside.clone, CloneState::Error);
                assert_eq!(started.state, task.state);
            }
            WantedBoot::Launch if task.target_is_free() => assert_eq!(started, task),
            WantedBoot::Launch => {
                assert_eq!(started.state, TaskState::MigrateSuccess);
                assert!(started.launched && started.target_is_free());
                assert_eq!(
                    started.wanted_boot(),
                    WantedBoot::Launch,
                    "it keeps running"
                );
                assert!(!failed.launched || task.launched);
                assert_eq!(failed.wanted_boot(), WantedBoot::None);
            }
        }
        let launches = task.aside.errand == Some(Errand::Launch);
        assert!(!launches || task.boots && task.state == TaskState::Running);
        assert!(task.boots || task.wanted_boot() == WantedBoot::None);
    }
}

#[test]
fn agents_neither_start_nor_pause_and_delete_only_what_is_being_deleted() {
    for task in reachable() {
        for (name, event) in events(task) {
            let (Event::Agent(_), Ok(transition)) = (event, task.apply(event)) else {
                continue;
            };
            let on = format!("{name} on {}", title(task));
            assert!(!matches!(transition.mailbox, Mailbox::Put(..)), "{on}");
            match transition.task {
                After::Same => {}
                After::Gone => assert_eq!(task.state, TaskState::Deleting, "{on}"),
                After::Becomes(next) if next.state == task.state => {}
                After::Becomes(next) => {
                    assert!(task.state.is_active(), "{on} wakes it");
                    assert_ne!(next.state, TaskState::Aborting, "{on}");
                    let pauses = next.state == TaskState::Abort;
                    let asked = task.state == TaskState::Aborting
                        || task.aside.former == Some(TaskState::Abort);
                    assert!(!pauses || asked, "{on}");
                    assert!(next.launched >= task.launched, "{on}");
                }
            }
        }
    }
}

#[test]
fn an_agent_that_refuses_everything_leaves_a_task_that_can_be_driven() {
    for task in reachable() {
        let refused = Command::ALL.into_iter().fold(task, |task, command| {
            let event = Event::Agent(AgentEvent::Command(command, CommandResult::Fail));
            match task.apply(event).unwrap().task {
                After::Becomes(next) => next,
                After::Same => task,
                After::Gone => panic!("{command:?} deletes {}", title(task)),
            }
        });
        let at_rest = !refused.state.is_active()
            || matches!(refused.state, TaskState::Running | TaskState::Syncing);
        assert!(at_rest, "{} stays {}", title(task), title(refused));
        assert_eq!(refused.aside.errand, None, "{}", title(task));
    }
}

#[test]
fn a_task_whose_agent_is_gone_can_always_be_deleted() {
    let mut tasks = reachable();
    tasks.push(Task {
        state: TaskState::Reseting,
        ..Task::new(true)
    });
    for task in tasks {
        let (_, delete) = events(task)
            .into_iter()
            .find(|(name, _)| name == "delete (agent gone)")
            .unwrap();
        assert_eq!(task.apply(delete).unwrap().task, After::Gone);
    }
}
