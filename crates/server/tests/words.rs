//! The document names every word that the rules write into answers or read from requests. It would
//! be untrue otherwise, and requests are checked against it.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::collections::BTreeSet;

use rehost_migration::source::{MigrationCycle, SourceState};
use rehost_migration::subtask::SubtaskName;
use rehost_migration::task::TaskState;
use rehost_sms_api::contract;
use serde_json::Value;

/// The words that a member may hold, whether or not it may be `null` beside them.
fn words(schema: &str, member: &str) -> BTreeSet<&'static str> {
    let member = &contract::document()["components"]["schemas"][schema]["properties"][member];
    let forms = member["oneOf"].as_array().into_iter().flatten();
    let words = forms
        .chain([member])
        .find_map(|form| form["enum"].as_array());
    words.unwrap().iter().filter_map(Value::as_str).collect()
}

#[test]
fn states_and_stages_are_those_of_the_rules() {
    let states: BTreeSet<_> = SourceState::ALL.iter().map(|word| word.as_str()).collect();
    for schema in [
        "ShowServerResponse",
        "SourceServersResponseBody",
        "SourceServerResponse",
        "SourceServerAssociatedWithTask",
    ] {
        assert_eq!(words(schema, "state"), states, "{schema}");
    }
    let cycles: BTreeSet<_> = MigrationCycle::ALL
        .iter()
        .map(|word| word.as_str())
        .collect();
    for schema in [
        "ShowServerResponse",
        "SourceServersResponseBody",
        "SourceServerResponse",
    ] {
        assert_eq!(words(schema, "migration_cycle"), cycles, "{schema}");
    }
    let tasks: BTreeSet<_> = TaskState::ALL.iter().map(|word| word.as_str()).collect();
    for schema in ["ShowTaskResponse", "TasksResponseBody"] {
        assert_eq!(words(schema, "state"), tasks, "{schema}");
    }
}

#[test]
fn words_of_agents_are_those_of_the_rules_in_either_case() {
    let copy_states = words("PutCopyStateReq", "copystate");
    for word in &copy_states {
        assert!(word.parse::<SourceState>().is_ok(), "{word}");
    }
    for state in SourceState::ALL {
        assert!(copy_states.contains(state.as_str()), "{state}");
        assert!(
            copy_states.contains(state.as_str().to_uppercase().as_str()),
            "{state}"
        );
    }
    let cycles = words("PutCopyStateReq", "migrationcycle");
    for word in &cycles {
        assert!(word.parse::<MigrationCycle>().is_ok(), "{word}");
    }
    for cycle in MigrationCycle::ALL {
        assert!(cycles.contains(cycle.as_str()), "{cycle}");
        assert!(
            cycles.contains(cycle.as_str().to_uppercase().as_str()),
            "{cycle}"
        );
    }
    let subtasks: BTreeSet<_> = SubtaskName::ALL.iter().map(|name| name.as_str()).collect();
    assert_eq!(words("UpdateTaskSpeedReq", "subtask_name"), subtasks);
}
