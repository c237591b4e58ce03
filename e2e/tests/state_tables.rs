//! The promise: the checked-in table of `changestate` is what is served. Every reported word is tried
//! in every state of a source server, under both revisions of the contract. Two replicas over one
//! database make that possible, one for each: the lenient one brings the source server into any
//! state, and what one has answered, the other one shows.
//!
//! The table of actions is held by the tests of the control plane itself.

use anyhow::{Context as _, Result, bail, ensure};
use rehost_sms_api::bodies::{NetWork, PostSourceServerBody, PutCopyStateReq, ServerDisk};
use rehost_sms_api::client::{Client, ClientError};
use rehost_testkit::Replicas;
use serde_json::Value;

const TABLE: &str = include_str!("../../crates/migration/tables/changestate.json");
const LENIENT: &str = "2025-09";
const STRICT: &str = "2026-01";
/// All states under both revisions, and then as many words as there are.
const LEAST_ROWS: usize = 900;

/// A state and a cycle, or what was said of them.
type Words = (Option<String>, Option<String>);

#[test]
fn every_word_of_changestate_is_answered_as_the_table_says() -> Result<()> {
    let replicas = Replicas::start(&[
        &["--log", "info", "--api-revision", LENIENT],
        &["--log", "info", "--api-revision", STRICT],
    ])?;
    let clients = replicas.clients(&replicas.access_key()?)?;
    let [lenient, strict] = clients.as_slice() else {
        bail!("two replicas")
    };
    let table: Vec<Value> = serde_json::from_str(TABLE)?;
    // The first line says what the columns are.
    let rows = table.get(1..).context("rows of the table")?;
    ensure!(rows.len() >= LEAST_ROWS, "{} rows", rows.len());
    std::thread::scope(|scope| {
        let half = |revision: &'static str, tried: &'static str| {
            let (asked, other) = match revision {
                LENIENT => (lenient, strict),
                _ => (strict, lenient),
            };
            let rows = rows.iter().filter(move |row| row[0] == revision);
            scope.spawn(move || try_rows(rows, lenient, asked, other).context(tried))
        };
        let halves = [half(LENIENT, "2025-09"), half(STRICT, "2026-01")];
        let mut tried = 0;
        for half in halves {
            let Ok(done) = half.join() else {
                bail!("a half of the table panicked")
            };
            tried += done?;
        }
        assert_eq!(tried, rows.len(), "every row is of a known revision");
        Ok(())
    })
}

/// Tries rows one after the other on a source server of their own, and says how many there were.
fn try_rows<'t>(
    rows: impl Iterator<Item = &'t Value>,
    lenient: &Client,
    asked: &Client,
    other: &Client,
) -> Result<usize> {
    let registered = lenient.register_server(&source())?;
    let id = registered.id.context("id of the source")?;
    let mut tried = 0;
    for row in rows {
        let before = words(&row[1]);
        say(lenient, &id, &before)?;
        ensure!(shown(asked, &id)? == before, "{row}: it must begin there");
        let refused = match say(asked, &id, &words(&row[2])) {
            Ok(()) => None,
            Err(ClientError::Api { code, status, .. }) => {
                ensure!(status == 400, "{row}: {status}");
                Some(code)
            }
            Err(error) => return Err(error.into()),
        };
        ensure!(refused.as_deref() == row[3].as_str(), "{row}: {refused:?}");
        let now = shown(other, &id)?;
        ensure!(now == words(&row[4]), "{row}: {now:?}");
        tried += 1;
    }
    Ok(tried)
}

fn words(pair: &Value) -> Words {
    let word = |at: usize| pair[at].as_str().map(str::to_owned);
    (word(0), word(1))
}

fn say(client: &Client, id: &str, (state, cycle): &Words) -> Result<(), ClientError> {
    let body = PutCopyStateReq {
        copystate: state.clone(),
        migrationcycle: cycle.clone(),
    };
    client.update_copy_state(id, &body)
}

fn shown(client: &Client, id: &str) -> Result<Words> {
    let shown = client.show_server(id)?;
    Ok((shown.state, shown.migration_cycle))
}

fn source() -> PostSourceServerBody {
    PostSourceServerBody {
        name: Some("web-1".into()),
        hostname: Some("web-1".into()),
        ip: Some("192.0.2.10".into()),
        os_type: Some("LINUX".into()),
        os_version: Some("DEBIAN_12_64BIT".into()),
        agent_version: Some("25.2.0".into()),
        networks: Some(vec![NetWork {
            name: Some("eth0".into()),
            mac: Some("52:54:00:12:34:56".into()),
            ..NetWork::default()
        }]),
        disks: Some(vec![ServerDisk {
            name: Some("/dev/vda".into()),
            size: Some(1 << 30),
            ..ServerDisk::default()
        }]),
        ..PostSourceServerBody::default()
    }
}
