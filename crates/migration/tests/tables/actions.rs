//! Every operation against every state of a task, for people and, as JSON, for programs: each task
//! comes with the steps that lead to it, so that a test can take them over HTTP and try the action.

use std::fmt::Write as _;

use rehost_migration::task::{After, Event, Task, TaskState};
use serde_json::{Value, json};

use crate::compare;
use crate::events::{actions, as_json, events, mailbox, source, title};

/// A task for the table: what it is called, how it was created, and the steps to it. Steps have the
/// names of events in the table of tasks.
struct Case {
    name: &'static str,
    continuous: bool,
    drill: bool,
    /// `None` if no rule leads there.
    steps: Option<Vec<&'static str>>,
    task: Task,
}

const COPIES: [&str; 3] = ["start", "START: success", "reports replicate"];
const LAUNCHED: [&str; 5] = [
    "start",
    "START: success",
    "reports replicate",
    "reports cutovering",
    "reports finished",
];
const SYNCS: [&str; 4] = [
    "start",
    "START: success",
    "reports replicate",
    "reports syncing",
];

fn case(
    name: &'static str,
    (continuous, drill): (bool, bool),
    first: &[&'static str],
    then: &[&'static str],
) -> Case {
    let steps = [first, then].concat();
    let start = Task::new(continuous).with_drill(drill);
    let task = steps.iter().fold(start, |task, step| {
        let (_, event) = events(task)
            .into_iter()
            .find(|(name, _)| name == step)
            .unwrap();
        match task.apply(event).unwrap().task {
            After::Becomes(next) => next,
            After::Same => task,
            After::Gone => panic!("{name}: {step} deletes it"),
        }
    });
    Case {
        name,
        continuous,
        drill,
        steps: Some(steps),
        task,
    }
}

fn cases() -> Vec<Case> {
    let (plain, continuous, drill) = ((false, false), (true, false), (false, true));
    let again = ["restart", "START: success", "reports syncing"];
    let failed_again = [
        "restart",
        "START: success",
        "reports syncing",
        "reports error",
    ];
    let after_launch = |name, then: &[&'static str]| case(name, plain, &LAUNCHED, then);
    let mut all = vec![
        case("new", plain, &[], &[]),
        case("new, drill planned", drill, &[], &[]),
        case("drill runs", drill, &[], &["migration_test"]),
        case(
            "drill done",
            drill,
            &[],
            &["migration_test", "PREMIGRATE: success"],
        ),
        case("copies", plain, &COPIES, &[]),
        case(
            "cuts over",
            continuous,
            &SYNCS,
            &["cutover", "START: success"],
        ),
        case("synchronises", continuous, &SYNCS, &[]),
        case(
            "synchronises, clone being made",
            continuous,
            &SYNCS,
            &["clone_test"],
        ),
        case(
            "synchronises, clone made",
            continuous,
            &SYNCS,
            &["clone_test", "START: success", "reports syncing"],
        ),
        after_launch("synchronises after the launch", &again),
        after_launch("launched", &[]),
        after_launch("launched, being cleared", &["clear"]),
        after_launch("launched, cleared", &["clear", "DELETE: success"]),
        after_launch("launched, not cleared", &["clear", "DELETE: fail"]),
        after_launch("logs under way", &["collect_log"]),
        case(
            "ended its synchronisation",
            plain,
            &[&LAUNCHED[..], &again].concat(),
            &["reports finished"],
        ),
        case("failed", plain, &COPIES, &["reports error"]),
        after_launch("failed after the launch", &failed_again),
        case("pauses", plain, &COPIES, &["stop"]),
        case("paused", plain, &COPIES, &["stop", "STOP: success"]),
        case(
            "paused, network being measured",
            plain,
            &COPIES,
            &["stop", "STOP: success", "network_check"],
        ),
        case(
            "paused after the launch",
            plain,
            &[&LAUNCHED[..], &again].concat(),
            &["stop", "STOP: success"],
        ),
        case("skips", plain, &COPIES, &["skip (check at 50 percent)"]),
        after_launch("being deleted", &["delete (agent connected)"]),
        case(
            "rolls back",
            plain,
            &[&LAUNCHED[..], &failed_again].concat(),
            &["sync_failed_rollback"],
        ),
        case(
            "rolled back",
            plain,
            &[&LAUNCHED[..], &failed_again].concat(),
            &["sync_failed_rollback", "START: success", "reports finished"],
        ),
    ];
    all.push(Case {
        name: "being reset",
        continuous: false,
        drill: false,
        steps: None,
        task: Task {
            state: TaskState::Reseting,
            ..Task::new(false)
        },
    });
    let order = |case: &Case| {
        TaskState::ALL
            .into_iter()
            .position(|state| state == case.task.state)
    };
    all.sort_by_key(order);
    all
}

#[test]
fn the_table_of_actions_is_as_checked_in() {
    let cases = cases();
    for state in TaskState::ALL {
        assert!(cases.iter().any(|case| case.task.state == state), "{state}");
    }
    let mut text = String::from(
        "# Actions\n\n\
         Written by a test; see `src/task` for the reasons. Every operation on a task in every state; the\n\
         same for programs, with the steps that lead to each task, is in `actions.json`. An answer that is\n\
         a code is the SMS code of the refusal. An empty cell stays as it is.\n",
    );
    let mut lines = Vec::new();
    for case in &cases {
        write!(
            text,
            "\n## {}: {}\n\n{}\n\n| operation | answer | task | source | mailbox |\n|---|---|---|---|---|\n",
            case.task.state,
            case.name,
            title(case.task)
        )
        .unwrap();
        for (name, action) in actions(case.task) {
            let decided = case.task.apply(Event::Operator(action));
            lines.push(line(case, name, &as_json(&decided)));
            let row = match decided {
                Err(refusal) => format!("{} | | |", refusal.code()),
                Ok(transition) => {
                    let after = match transition.task {
                        After::Same => String::new(),
                        After::Becomes(next) => title(next),
                        After::Gone => "gone".to_owned(),
                    };
                    let mailbox = mailbox(transition.mailbox);
                    format!("OK | {after} | {} | {mailbox}", source(&transition))
                }
            };
            writeln!(text, "| {name} | {row} |").unwrap();
        }
    }
    compare("actions.md", &text);
    compare("actions.json", &format!("[\n{}\n]\n", lines.join(",\n")));
}

fn line(case: &Case, operation: &str, answer: &Value) -> String {
    json!({
        "state": case.task.state,
        "name": case.name,
        "created": { "syncing": case.continuous, "need_migration_test": case.drill },
        "steps": case.steps,
        "operation": operation,
        "answer": answer,
    })
    .to_string()
}
