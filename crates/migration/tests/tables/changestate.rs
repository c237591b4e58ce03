//! Every combination of revision, state, `copystate` and `migrationcycle`.

use std::fmt::Write as _;

use rehost_migration::changestate::{
    ChangeStateError, Decision, Outcome, Revision, decide, fits, is_frozen,
};
use rehost_migration::source::{MigrationCycle, SourceState};
use serde_json::json;

use crate::compare;

/// A member of the body: absent, empty, one of the words, or another word.
fn members(words: impl Iterator<Item = &'static str>) -> Vec<(String, Option<&'static str>)> {
    let special = [
        ("(absent)", None),
        ("(empty)", Some("")),
        ("(unknown)", Some("what")),
    ];
    let mut all: Vec<_> = special
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec();
    all.extend(words.map(|word| (word.to_owned(), Some(word))));
    all
}

fn copystates() -> Vec<(String, Option<&'static str>)> {
    members(SourceState::ALL.into_iter().map(SourceState::as_str))
}

fn cycles() -> Vec<(String, Option<&'static str>)> {
    members(MigrationCycle::ALL.into_iter().map(MigrationCycle::as_str))
}

/// What happens, without regard to what the source server has now.
fn cell(
    now: (SourceState, MigrationCycle),
    copystate: Option<&str>,
    cycle: Option<&str>,
    result: Result<Decision, ChangeStateError>,
) -> String {
    let decision = match result {
        Err(error) => return error.code().trim_start_matches("SMS.").to_owned(),
        Ok(decision) => decision,
    };
    let next = match decision.outcome {
        Outcome::Changed { state, cycle } => {
            assert_ne!((state, cycle), now, "a change must change something");
            (state, cycle)
        }
        Outcome::Unchanged => now,
    };
    let set_state = copystate.and_then(|word| word.parse().ok());
    let set_cycle = cycle.and_then(|word| word.parse().ok());
    if decision.reported.is_none() && set_state.is_some() {
        assert_eq!(next, now);
        return "ignored".to_owned();
    }
    assert_eq!(
        next,
        (set_state.unwrap_or(now.0), set_cycle.unwrap_or(now.1))
    );
    match (set_state, set_cycle) {
        (Some(_), Some(_)) => "both",
        (Some(_), None) => "state",
        (None, Some(_)) => "cycle",
        (None, None) => "nothing",
    }
    .to_owned()
}

fn matrix(revision: Revision, now: (SourceState, MigrationCycle)) -> String {
    let mut text = String::from("| copystate \\ migrationcycle |");
    for (name, _) in cycles() {
        write!(text, " {name} |").unwrap();
    }
    text.push_str("\n|---|");
    text.push_str(&"---|".repeat(cycles().len()));
    text.push('\n');
    for (name, copystate) in copystates() {
        write!(text, "| {name} |").unwrap();
        for (_, cycle) in cycles() {
            let result = decide(revision, now.0, now.1, copystate, cycle);
            write!(text, " {} |", cell(now, copystate, cycle, result)).unwrap();
        }
        text.push('\n');
    }
    text
}

/// All pairs of state and cycle that a source server can have.
fn all_now() -> impl Iterator<Item = (SourceState, MigrationCycle)> {
    SourceState::ALL.into_iter().flat_map(|state| {
        MigrationCycle::ALL
            .into_iter()
            .map(move |cycle| (state, cycle))
    })
}

#[test]
fn the_table_of_changestate_is_as_checked_in() {
    let waiting = (SourceState::Waiting, MigrationCycle::Setting);
    let lenient = matrix(Revision::Y2025_09, waiting);
    let strict = matrix(Revision::Y2026_01, waiting);
    for now in all_now() {
        // What is shown for one present state must hold for all of them.
        assert_eq!(matrix(Revision::Y2025_09, now), lenient, "{now:?}");
        if is_frozen(now.0) {
            for (_, copystate) in copystates() {
                for (_, cycle) in cycles() {
                    let ignored = Decision {
                        outcome: Outcome::Unchanged,
                        reported: None,
                    };
                    assert_eq!(
                        decide(Revision::Y2026_01, now.0, now.1, copystate, cycle),
                        Ok(ignored)
                    );
                }
            }
        } else {
            assert_eq!(matrix(Revision::Y2026_01, now), strict, "{now:?}");
        }
    }
    let frozen: Vec<_> = SourceState::ALL
        .into_iter()
        .filter(|state| is_frozen(*state))
        .map(SourceState::as_str)
        .collect();
    compare(
        "changestate.md",
        &format!(
            "# changestate\n\n\
             Written by a test; see `src/changestate.rs` for the reasons.\n\n\
             Cells: `both`, `state`, `cycle`, `nothing` say which of the two the source server takes over;\n\
             numbers are the `SMS` code of the refusal. Case does not matter; `init` is `initialize`.\n\n\
             ## Revision 2025-09 (default), in every state\n\n{lenient}\n\
             ## Revision 2026-01\n\n\
             In {}: everything is answered with success and ignored.\n\nIn every other state:\n\n{strict}",
            frozen.join(", "),
        ),
    );
}

/// The cycle that a source server usually has in a state: the first that fits.
fn usual_cycle(state: SourceState) -> MigrationCycle {
    let mut fitting = MigrationCycle::ALL
        .into_iter()
        .filter(|cycle| fits(state, *cycle));
    fitting.next().unwrap_or(MigrationCycle::Cutovered)
}

/// For programs: every reported state in every state of the source server, under both revisions.
#[test]
fn the_list_of_changestates_is_as_checked_in() {
    let mut lines = Vec::new();
    for revision in [Revision::Y2025_09, Revision::Y2026_01] {
        for state in SourceState::ALL {
            let cycle = usual_cycle(state);
            for (_, copystate) in copystates() {
                let told = copystate.map(|word| word.parse().map_or(cycle, usual_cycle).as_str());
                let decided = decide(revision, state, cycle, copystate, told);
                let (refused, after) = match decided.map(|decision| decision.outcome) {
                    Err(error) => (Some(error.code()), (state, cycle)),
                    Ok(Outcome::Unchanged) => (None, (state, cycle)),
                    Ok(Outcome::Changed { state, cycle }) => (None, (state, cycle)),
                };
                let line = json!([
                    revision.as_str(),
                    [state, cycle],
                    [copystate, told],
                    refused,
                    after
                ]);
                lines.push(line.to_string());
            }
        }
    }
    let head = json!([
        "revision",
        "source before",
        "copystate and migrationcycle",
        "refused with",
        "source after"
    ]);
    compare(
        "changestate.json",
        &format!("[\n{head},\n{}\n]\n", lines.join(",\n")),
    );
}
