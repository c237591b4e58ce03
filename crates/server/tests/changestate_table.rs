//! The checked-in table of changestate, tried over HTTP: a source server in every state is told every
//! word, in both revisions, and answers and becomes what the table says.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod support;

use rehost_server::Revision;
use rehost_sms_api::bodies::PutCopyStateReq;
use rehost_sms_api::client::{Client, ClientError};
use serde::Deserialize;
use support::{ControlPlane, source};

const TABLE: &str = include_str!("../../migration/tables/changestate.json");

type Words = (Option<String>, Option<String>);

/// A row: revision, source before, what it is told, the code of the refusal, source after.
#[derive(Deserialize)]
struct Row(
    String,
    (String, String),
    Words,
    Option<String>,
    (String, String),
);

#[test]
fn the_revision_of_2025_09_is_as_its_table_says() {
    replay("2025-09", Revision::Y2025_09);
}

#[test]
fn the_revision_of_2026_01_is_as_its_table_says() {
    replay("2026-01", Revision::Y2026_01);
}

fn replay(name: &str, revision: Revision) {
    let rows: Vec<serde_json::Value> = serde_json::from_str(TABLE).unwrap();
    // The first row is the head.
    let rows = rows.into_iter().skip(1).map(serde_json::from_value);
    let rows: Vec<Row> = rows.collect::<Result<_, _>>().unwrap();
    let rows: Vec<Row> = rows.into_iter().filter(|row| row.0 == name).collect();
    assert!(
        rows.len() > 100,
        "the table has {} rows of {name}",
        rows.len()
    );

    // The milder revision takes every pair, so it can lead to every state.
    let mut plane = ControlPlane::start_plain(Revision::Y2025_09);
    let client = plane.administrator();
    let ids: Vec<String> = rows
        .iter()
        .enumerate()
        .map(|(number, Row(_, before, ..))| {
            let id = client.register_server(&source(&format!("s{number}")));
            let id = id.unwrap().id.unwrap();
            let (state, cycle) = before.clone();
            tell(&client, &id, (Some(state), Some(cycle))).unwrap();
            assert_eq!(words(&client, &id), *before);
            id
        })
        .collect();
    plane.restart_as(revision);
    let client = plane.administrator();
    for (Row(_, before, told, refused, after), id) in rows.into_iter().zip(ids) {
        let answer = tell(&client, &id, told.clone());
        let code = answer.err().map(|error| match error {
            ClientError::Api { code, .. } => code,
            other => other.to_string(),
        });
        assert_eq!(code, refused, "{before:?} told {told:?}");
        assert_eq!(words(&client, &id), after, "{before:?} told {told:?}");
    }
}

fn tell(client: &Client, id: &str, (copystate, migrationcycle): Words) -> Result<(), ClientError> {
    let body = PutCopyStateReq {
        copystate,
        migrationcycle,
    };
    client.update_copy_state(id, &body)
}

fn words(client: &Client, id: &str) -> (String, String) {
    let shown = client.show_server(id).unwrap();
    (shown.state.unwrap(), shown.migration_cycle.unwrap())
}
