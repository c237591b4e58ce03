//! The promise: the document says what the public contract of SMS says, operation by operation,
//! parameter by parameter, member by member. Every intended difference stands with its reason in
//! `docs/api/differences.json`, and that list may only shrink.

mod facts;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rehost_sms_api::contract;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use facts::{Document, Facts, operations, word};

/// Differences that have one reason.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    /// Why we differ.
    reason: String,
    /// The differences, each as the test writes it. One with a `*` stands for all that
    /// fit and are not listed before.
    differences: Vec<String>,
    /// How many differences those with a `*` stand for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
}

/// Differences that there were when somebody last made them fewer.
const MOST_DIFFERENCES: usize = 511;

#[test]
fn the_document_differs_from_the_reference_only_where_we_say_so() {
    let reference: Value = serde_json::from_str(include_str!("../reference/sms-v3.json")).unwrap();
    let ids = ids(&reference);
    let actual = differences(
        &Document::facts(contract::document(), &ids),
        &Document::facts(&reference, &ids),
    );

    let text = std::fs::read_to_string(docs().join("differences.json")).unwrap();
    let groups: Vec<Group> = serde_json::from_str(&text).unwrap();
    let mut unlisted = actual.clone();
    let mut listed = 0;
    let mut wrong = Vec::new();
    for group in &groups {
        assert!(
            group.reason.len() > 20,
            "a reason is a sentence: {}",
            group.reason
        );
        let mut matched = 0;
        for difference in &group.differences {
            let found: Vec<_> = unlisted
                .iter()
                .filter(|it| matches(difference, it))
                .cloned()
                .collect();
            match (found.is_empty(), actual.contains(difference)) {
                (true, true) => wrong.push(format!("listed twice: {difference}")),
                (true, false) => wrong.push(format!("no longer there: {difference}")),
                (false, _) => unlisted.retain(|it| !found.contains(it)),
            }
            matched += if difference.contains('*') {
                found.len()
            } else {
                0
            };
        }
        listed += matched
            + group
                .differences
                .iter()
                .filter(|it| !it.contains('*'))
                .count();
        if matched != group.count.unwrap_or(0) {
            wrong.push(format!("count is {matched}: {}", group.reason));
        }
    }
    wrong.extend(unlisted.iter().map(|it| format!("not listed: {it}")));
    assert!(
        wrong.is_empty(),
        "docs/api/differences.json and the document disagree:\n{}",
        wrong.join("\n")
    );
    assert!(
        listed <= MOST_DIFFERENCES,
        "{listed} differences, and there may only be fewer than {MOST_DIFFERENCES}"
    );
}

#[test]
fn every_operation_of_the_reference_is_there_and_nothing_else_looks_like_one() {
    let reference: Value = serde_json::from_str(include_str!("../reference/sms-v3.json")).unwrap();
    let (ids, ours) = (ids(&reference), ids(contract::document()));
    assert_eq!(ids.len(), 52);
    let missing: Vec<_> = ids.difference(&ours).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // What clients ask an IAM, at its own paths.
    let iam = ["/v3/auth/", "/v3/projects", "/v3/users"];
    for (path, _, operation) in operations(contract::document()) {
        let id = word(operation, "operationId");
        let of_sms = path.starts_with("/v3/") && !iam.iter().any(|it| path.starts_with(it));
        assert_eq!(
            of_sms || path == "/" || path == "/{version}",
            ids.contains(id),
            "{id}"
        );
    }
}

fn ids(document: &Value) -> BTreeSet<String> {
    operations(document)
        .map(|(_, _, operation)| word(operation, "operationId").to_owned())
        .collect()
}

/// What is different, a line for each fact; a place that only one side has is one line.
fn differences(ours: &Facts, reference: &Facts) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    let aspects = |facts: &Facts| {
        let mut places: BTreeMap<String, BTreeMap<String, Value>> = BTreeMap::new();
        for ((place, aspect), value) in facts {
            places
                .entry(place.clone())
                .or_default()
                .insert(aspect.clone(), value.clone());
        }
        places
    };
    let (ours, reference) = (aspects(ours), aspects(reference));
    for place in ours.keys().chain(reference.keys()) {
        match (ours.get(place), reference.get(place)) {
            (Some(_), None) => lines.insert(format!("{place}: ours only")),
            (None, Some(_)) => lines.insert(format!("{place}: reference only")),
            (Some(ours), Some(reference)) => {
                for aspect in ours.keys().chain(reference.keys()) {
                    let (ours, reference) = (ours.get(aspect), reference.get(aspect));
                    if ours != reference {
                        lines.insert(format!("{place}: {}", different(aspect, ours, reference)));
                    }
                }
                continue;
            }
            (None, None) => continue,
        };
    }
    lines
}

fn different(aspect: &str, ours: Option<&Value>, reference: Option<&Value>) -> String {
    if let (Some(Value::Array(ours)), Some(Value::Array(reference))) = (ours, reference) {
        let only = |left: &[Value], right: &[Value]| {
            let left = left.iter().filter(|it| !right.contains(it));
            left.filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        };
        let (more, less) = (only(ours, reference), only(reference, ours));
        return format!("{aspect} has also [{more}] and lacks [{less}]");
    }
    let (ours, reference) = (text(ours), text(reference));
    format!("{aspect} is {ours}, in the reference {reference}")
}

fn text(value: Option<&Value>) -> String {
    value.map_or_else(|| "absent".to_owned(), ToString::to_string)
}

/// Whether a line is the one that is listed, where `*` stands for anything.
fn matches(listed: &str, line: &str) -> bool {
    match listed.split_once('*') {
        None => listed == line,
        Some((begin, end)) => {
            line.len() >= begin.len() + end.len() && line.starts_with(begin) && line.ends_with(end)
        }
    }
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api")
}
