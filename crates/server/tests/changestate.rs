//! `PUT /v3/sources/{id}/changestate` over HTTP: every word, both revisions, and what is refused.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod support;

use rehost_migration::source::{MigrationCycle, SourceState};
use rehost_server::Revision;
use serde_json::{Value, json};
use support::{Answer, ControlPlane, source};

struct Changing {
    plane: ControlPlane,
    token: String,
}

impl Changing {
    fn start(revision: Revision) -> Self {
        let plane = ControlPlane::start_plain(revision);
        let token = plane.token();
        Self { plane, token }
    }

    fn register(&self, name: &str) -> String {
        self.plane
            .administrator()
            .register_server(&source(name))
            .unwrap()
            .id
            .unwrap()
    }

    fn put_raw(&self, id: &str, body: &[u8]) -> Answer {
        let headers = [
            ("X-Auth-Token", self.token.as_str()),
            ("Content-Type", "application/json"),
        ];
        self.plane.send(
            "PUT",
            &format!("/v3/sources/{id}/changestate"),
            &headers,
            body,
        )
    }

    fn put(&self, id: &str, body: &Value) -> (u16, String) {
        let answer = self.put_raw(id, body.to_string().as_bytes());
        if answer.status == 200 {
            assert_eq!(answer.json(), json!({}));
        }
        (answer.status, answer.code())
    }

    fn shown(&self, id: &str) -> (String, String) {
        let shown = self.plane.administrator().show_server(id).unwrap();
        (shown.state.unwrap(), shown.migration_cycle.unwrap())
    }
}

fn ok() -> (u16, String) {
    (200, String::new())
}

fn refused(code: &str) -> (u16, String) {
    (400, code.to_owned())
}

#[test]
fn by_default_every_word_of_every_revision_is_taken_in_any_case() {
    let api = Changing::start(Revision::Y2025_09);
    let id = api.register("web-1");
    assert_eq!(api.shown(&id), ("waiting".into(), "setting".into()));
    for state in SourceState::ALL {
        let upper = state.as_str().to_uppercase();
        assert_eq!(
            api.put(&id, &json!({ "copystate": upper })),
            ok(),
            "{upper}"
        );
        assert_eq!(api.shown(&id).0, state.as_str());
    }
    for cycle in MigrationCycle::ALL {
        let upper = cycle.as_str().to_uppercase();
        assert_eq!(
            api.put(&id, &json!({ "migrationcycle": upper })),
            ok(),
            "{upper}"
        );
        assert_eq!(api.shown(&id).1, cycle.as_str());
    }
    assert_eq!(api.put(&id, &json!({ "copystate": "Init" })), ok());
    assert_eq!(api.shown(&id).0, "initialize");
}

#[test]
fn the_example_of_the_reference_is_answered_with_success() {
    let api = Changing::start(Revision::Y2025_09);
    let id = api.register("web-1");
    let example = json!({ "copystate": "WAITING", "migrationcycle": "cutovered" });
    assert_eq!(api.put(&id, &example), ok());
    assert_eq!(api.shown(&id), ("waiting".into(), "cutovered".into()));
    let unchanged = api.shown(&id);
    for nothing in [
        json!({}),
        json!({ "copystate": null }),
        json!({ "surprise": 1 }),
    ] {
        assert_eq!(api.put(&id, &nothing), ok(), "{nothing}");
        assert_eq!(api.shown(&id), unchanged);
    }
}

#[test]
fn what_cannot_be_meant_is_refused_and_changes_nothing() {
    let api = Changing::start(Revision::Y2025_09);
    let id = api.register("web-1");
    let before = api.shown(&id);
    for (body, code) in [
        (json!({ "copystate": "" }), "SMS.7727"),
        (
            json!({ "copystate": "error", "migrationcycle": "" }),
            "SMS.7727",
        ),
        (json!({ "copystate": "sleeping" }), "SMS.6005"),
        (json!({ "copystate": "wait\u{0}ing" }), "SMS.6005"),
        (
            json!({ "copystate": "error", "migrationcycle": "sleeping" }),
            "SMS.9001",
        ),
        (json!({ "copystate": 7 }), "SMS.6011"),
        (json!({ "copystate": ["error"] }), "SMS.6011"),
        (json!([]), "SMS.6011"),
        (json!("error"), "SMS.6011"),
    ] {
        assert_eq!(api.put(&id, &body), refused(code), "{body}");
    }
    for (bytes, code) in [
        (&b""[..], "SMS.6012"),
        (b"{", "SMS.6010"),
        (b"\xff", "SMS.6010"),
        (b"copystate=error", "SMS.6010"),
        (br#"{"copystate":"error","#, "SMS.6010"),
    ] {
        assert_eq!(api.put_raw(&id, bytes).code(), code, "{bytes:?}");
    }
    assert_eq!(api.shown(&id), before);
    for unknown in ["nope", "%2e%2e", &"x".repeat(300)] {
        let (status, code) = api.put(unknown, &json!({ "copystate": "error" }));
        assert_eq!((status, code.as_str()), (404, "SMS.7602"), "{unknown}");
    }
}

#[test]
fn the_strict_revision_demands_both_and_a_pair() {
    let api = Changing::start(Revision::Y2026_01);
    let id = api.register("web-1");
    for (body, code) in [
        (json!({}), "SMS.7726"),
        (json!({ "copystate": "error" }), "SMS.7726"),
        (json!({ "migrationcycle": "syncing" }), "SMS.7726"),
        (
            json!({ "copystate": "", "migrationcycle": "syncing" }),
            "SMS.7727",
        ),
        (
            json!({ "copystate": "sleeping", "migrationcycle": "syncing" }),
            "SMS.6005",
        ),
        (
            json!({ "copystate": "WAITING", "migrationcycle": "cutovered" }),
            "SMS.7728",
        ),
        (
            json!({ "copystate": "replicate", "migrationcycle": "testing" }),
            "SMS.7728",
        ),
    ] {
        assert_eq!(api.put(&id, &body), refused(code), "{body}");
    }
    for (state, cycle) in [
        ("INIT", "replicating"),
        ("replicate", "REPLICATING"),
        ("syncing", "syncing"),
        ("cutovering", "cutovering"),
        ("finished", "cutovered"),
    ] {
        let body = json!({ "copystate": state, "migrationcycle": cycle });
        assert_eq!(api.put(&id, &body), ok(), "{body}");
    }
    assert_eq!(api.shown(&id), ("finished".into(), "cutovered".into()));
}

#[test]
fn a_frozen_state_ignores_everything_in_the_strict_revision() {
    let api = Changing::start(Revision::Y2026_01);
    let mut broken = source("web-1");
    broken.disks = None;
    let client = api.plane.administrator();
    let id = client.register_server(&broken).unwrap().id.unwrap();
    assert_eq!(api.shown(&id), ("unavailable".into(), "checking".into()));
    for body in [
        json!({}),
        json!({ "copystate": "" }),
        json!({ "copystate": "sleeping", "migrationcycle": "x" }),
        json!({ "copystate": "waiting", "migrationcycle": "setting" }),
    ] {
        assert_eq!(api.put(&id, &body), ok(), "{body}");
        assert_eq!(api.shown(&id), ("unavailable".into(), "checking".into()));
    }
    // A new check is what leads out of it.
    let mended = source("web-1");
    let again = rehost_sms_api::bodies::PostSourceServerBody {
        id: Some(id.clone()),
        ..mended
    };
    assert_eq!(
        client.register_server(&again).unwrap().id.as_deref(),
        Some(id.as_str())
    );
    assert_eq!(api.shown(&id), ("waiting".into(), "setting".into()));
}
