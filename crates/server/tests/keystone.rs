//! The promise: Keystone's users come in with Keystone's tokens, each into the tenant of its project,
//! and nobody comes in when Keystone gives no usable answer.

mod support;

use std::path::PathBuf;
use std::sync::Arc;

use rehost_certificates::{ControlPlaneCa, certificates_from_pem, private_key_from_pem};
use rehost_server::KeystoneOptions;
use rustls::ServerConfig;
use serde_json::{Value, json};
use support::scripted_keystone::{Script, ScriptedKeystone, token};
use support::tenants::{done, log_in};
use support::wire::Sender;
use support::{Answer, ControlPlane};

const LATER: &str = "2099-01-01T00:00:00.000000Z";

fn beside(keystone: &ScriptedKeystone, ca_file: Option<PathBuf>) -> ControlPlane {
    ControlPlane::start_beside(KeystoneOptions {
        url: keystone.url(),
        ca_file,
    })
}

fn project(id: &str, name: &str) -> Value {
    json!({ "project": { "id": id, "name": name, "domain": { "id": "default", "name": "Default" } } })
}

fn administrator(plane: &ControlPlane) -> Sender {
    let (domain, user) = (plane.text("domain_name"), plane.text("user_name"));
    Sender::with_token(
        plane,
        &log_in(plane, &domain, &user, &plane.text("password")),
    )
}

fn new_project(name: &str) -> Value {
    json!({
        "name": name, "region": "r", "type": "MIGRATE_BLOCK", "start_target_server": true,
        "use_public_ip": true, "exist_server": true, "syncing": false,
    })
}

#[track_caller]
fn assert_forbidden(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.code()),
        (403, "SMS.9004".into()),
        "{}",
        answer.text()
    );
}

#[test]
fn a_project_is_a_tenant_and_roles_are_mapped() {
    let keystone = ScriptedKeystone::start();
    let plane = beside(&keystone, None);
    let somebody = |text: &str, scope: &Value, roles: &[&str]| {
        keystone.script(text, Script::Says(token(scope, roles, LATER)));
        Sender::with_token(&plane, text)
    };
    let web = project("p1", "web");
    let member = somebody("member", &web, &["member", "reader"]);
    let reader = somebody("reader", &web, &["reader"]);
    let admin = somebody("admin", &web, &["admin"]);
    // Another domain of Keystone's has a project of the same name.
    let stranger = somebody("stranger", &project("p2", "web"), &["admin"]);

    let made = done(&member.post("/v3/migprojects", &new_project("spring")));
    let path = format!("/v3/migprojects/{}", made["id"].as_str().unwrap());
    let listed = done(&reader.get("/v3/migprojects"));
    assert_eq!(
        listed["count"], 2,
        "the default one is there from the beginning: {listed}"
    );
    assert_forbidden(&reader.delete(&path));
    assert_forbidden(&member.get("/rehost/v1/users"));
    assert_eq!(done(&admin.get("/rehost/v1/users"))["count"], 0);
    assert_eq!(stranger.get(&path).status, 404);
    assert_eq!(done(&stranger.get("/v3/migprojects"))["count"], 1);
    assert_eq!(
        done(&reader.get("/v3/auth/domains"))["domains"][0]["id"],
        "p1"
    );
    let named = done(&reader.get("/v3/projects?name=web"));
    assert_eq!(named["projects"][0]["id"], "p1", "{named}");
    let whole_domain = json!({ "domain": { "id": "default", "name": "Default" } });
    let of_domain = somebody("of-domain", &whole_domain, &["member"]);
    assert_eq!(done(&of_domain.get("/v3/migprojects"))["count"], 1);

    assert_forbidden(&somebody("none", &web, &["swiftoperator"]).get("/v3/sources"));
    assert_forbidden(&somebody("unscoped", &json!({}), &["admin"]).get("/v3/sources"));
    // The control plane's own domain is nobody's project.
    let first = project(&plane.text("domain_id"), "rehost");
    assert_forbidden(&somebody("intruder", &first, &["admin"]).get("/v3/sources"));
    // Administrators of a project are not those of the control plane.
    assert_forbidden(&admin.get("/rehost/v1/domains"));

    let log = done(&admin.get("/rehost/v1/audit?user=ann@openstack"));
    assert_eq!(log["records"][1]["action"], "addMigProject", "{log}");
    assert_eq!(log["records"][1]["user_id"], "u-77");

    // Our own users and keys go on to work, in the first domain.
    let own = administrator(&plane);
    assert_eq!(own.get(&path).status, 404);
    let domains = done(&own.get("/rehost/v1/domains"));
    assert_eq!(domains["count"], 4, "{domains}");
    let (access_key, secret_key) = (plane.text("access_key"), plane.text("secret_key"));
    let key = (access_key.as_str(), secret_key.as_str());
    let signed = Sender::nobody(&plane).signed(key, 0, ("GET", "/v3/sources"));
    assert_eq!(signed.status, 200);
    assert_eq!(
        keystone.questions(own.token()),
        0,
        "our own tokens are nobody else's business"
    );
    assert_eq!(
        keystone.questions("reader"),
        1,
        "an answer is believed for a while"
    );
}

#[test]
fn tokens_that_keystone_does_not_know_or_that_ended_are_refused() {
    let keystone = ScriptedKeystone::start();
    let plane = beside(&keystone, None);
    let refused = |text: &str, why: &str| {
        let answer = Sender::with_token(&plane, text).get("/v3/sources");
        assert_eq!(
            (answer.status, answer.code()),
            (401, "APIGW.0301".into()),
            "{}",
            answer.text()
        );
        assert!(answer.text().contains(why), "{}", answer.text());
    };
    refused("nobody-knows-it", "decrypt token fail");
    for status in [401, 403, 404] {
        let text = format!("status-{status}");
        keystone.script(&text, Script::Status(status));
        refused(&text, "decrypt token fail");
    }
    let ended = "2020-01-02T00:00:00.000000Z";
    let said = token(&project("p1", "web"), &["admin"], ended);
    keystone.script("ended", Script::Says(said));
    refused(
        "ended",
        "token expires, expires_at: 2020-01-02T00:00:00.000000Z",
    );
    let domains = done(&administrator(&plane).get("/rehost/v1/domains"));
    assert_eq!(domains["count"], 1, "nothing was made for them");
}

#[test]
fn no_usable_answer_lets_nobody_in() {
    let mut keystone = ScriptedKeystone::start();
    let plane = beside(&keystone, None);
    let good = token(&project("p1", "web"), &["admin"], LATER);
    let without = |member: &str| {
        let mut body = good.clone();
        body["token"].as_object_mut().unwrap().remove(member);
        Script::Says(body)
    };
    let with = |pointer: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        Script::Says(body)
    };
    let bytes = |text: &str| Script::Bytes(text.as_bytes().to_vec());
    let scripts = [
        without("expires_at"),
        without("user"),
        with("/token/expires_at", json!("tomorrow")),
        with("/token/expires_at", json!(null)),
        with("/token/project/id", json!("../p1")),
        with("/token/user/id", json!("")),
        with("/token/roles", json!("admin")),
        Script::Says(json!([])),
        Script::Says(json!("admin")),
        Script::Status(500),
        Script::Status(302),
        Script::Status(204),
        bytes(""),
        bytes("SSH-2.0-OpenSSH\r\n"),
        bytes("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{\"toke"),
        bytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\u{0}\u{1}"),
        Script::Flood,
        Script::Silence,
    ];
    let down = |text: &str| {
        let answer = Sender::with_token(&plane, text).get("/v3/sources");
        (answer.status, answer.code())
    };
    for (number, script) in scripts.into_iter().enumerate() {
        let text = format!("script-{number}");
        keystone.script(&text, script.clone());
        assert_eq!(down(&text), (503, "REHOST.5008".into()), "{script:?}");
    }
    keystone.script("good", Script::Says(good));
    assert_eq!(down("good").0, 200);
    keystone.stop();
    assert_eq!(down("other"), (503, "REHOST.5008".into()));
    let iam = Sender::with_token(&plane, "other").get("/v3/auth/tokens");
    assert_eq!(
        (iam.status, &iam.json()["error"]["code"]),
        (503, &json!(503))
    );
    // Whoever has an account of ours still gets in, to look after it.
    assert_eq!(administrator(&plane).get("/v3/sources").status, 200);
}

#[test]
fn a_keystone_behind_another_certificate_is_not_asked() {
    let directory = tempfile::tempdir().unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let (ours, others) = (
        ControlPlaneCa::create().unwrap(),
        ControlPlaneCa::create().unwrap(),
    );
    let (chain, key) = ours.issue_server(&["127.0.0.1".to_owned()]).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            certificates_from_pem(&chain).unwrap(),
            private_key_from_pem(&key).unwrap(),
        )
        .unwrap();
    let keystone = ScriptedKeystone::start_with(Some(Arc::new(config)));
    let said = token(&project("p1", "web"), &["reader"], LATER);
    keystone.script("good", Script::Says(said));
    for (name, authority, expected) in [("ours", &ours, 200), ("others", &others, 503)] {
        let file = directory.path().join(name);
        std::fs::write(&file, authority.certificate_pem()).unwrap();
        let plane = beside(&keystone, Some(file));
        let answer = Sender::with_token(&plane, "good").get("/v3/sources");
        assert_eq!(answer.status, expected, "{name}: {}", answer.text());
    }
    assert_eq!(keystone.questions("good"), 1);
}
