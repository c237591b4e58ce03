//! The promise: whoever loses a right has lost it, on every way in, and at once.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use rehost_server::Database;
use rehost_store::{Store, TokenRow};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::tenants::{PASSWORD, add_user, ask_for_token, done, log_in};
use support::wire::Sender;
use support::{Answer, ControlPlane};

const SOURCES: (&str, &str) = ("GET", "/v3/sources");

/// An administrator, and somebody whose account is changed.
struct Scene {
    plane: ControlPlane,
    domain: String,
    administrator: Sender,
    user_id: String,
    path: String,
    key: (String, String),
}

impl Scene {
    fn set() -> Self {
        let plane = ControlPlane::start();
        let domain = plane.text("domain_name");
        let administrator = Sender::with_token(&plane, &administrator_token(&plane));
        let user_id = add_user(&administrator, "ann", "operator");
        let path = format!("/rehost/v1/users/{user_id}");
        let made = done(&administrator.post(&format!("{path}/access-keys"), &json!({})));
        let part = |name: &str| made[name].as_str().unwrap().to_owned();
        let key = (part("access_key"), part("secret_key"));
        Self {
            plane,
            domain,
            administrator,
            user_id,
            path,
            key,
        }
    }

    fn log_in(&self, password: &str) -> Answer {
        ask_for_token(&self.plane, &self.domain, "ann", password)
    }

    fn ann(&self) -> Sender {
        Sender::with_token(
            &self.plane,
            &log_in(&self.plane, &self.domain, "ann", PASSWORD),
        )
    }

    fn signed(&self) -> Answer {
        self.signed_with(&self.key.1)
    }

    fn signed_with(&self, secret_key: &str) -> Answer {
        Sender::nobody(&self.plane).signed((&self.key.0, secret_key), 0, SOURCES)
    }

    fn change(&self, body: &Value) -> Value {
        done(&self.administrator.put(&self.path, body))
    }
}

fn administrator_token(plane: &ControlPlane) -> String {
    let (domain, user) = (plane.text("domain_name"), plane.text("user_name"));
    log_in(plane, &domain, &user, &plane.text("password"))
}

#[track_caller]
fn assert_unknown(answer: &Answer, why: &str) {
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert!(answer.text().contains(why), "{}", answer.text());
}

#[test]
fn a_disabled_user_is_out_on_every_way_in_and_back_when_enabled() {
    let scene = Scene::set();
    let ann = scene.ann();
    assert_eq!(
        (ann.get("/v3/sources").status, scene.signed().status),
        (200, 200)
    );
    assert_eq!(scene.change(&json!({ "enabled": false }))["enabled"], false);
    assert_unknown(&ann.get("/v3/sources"), "decrypt token fail");
    assert_unknown(&scene.signed(), "AK not exist");
    assert_unknown(&scene.log_in(PASSWORD), "disabled");
    assert_eq!(scene.change(&json!({ "enabled": true }))["enabled"], true);
    assert_unknown(&ann.get("/v3/sources"), "decrypt token fail");
    assert_eq!(scene.signed().status, 200);
    assert_eq!(scene.ann().get("/v3/sources").status, 200);
}

#[test]
fn a_new_role_ends_tokens_and_holds_for_keys_at_once() {
    let scene = Scene::set();
    let ann = scene.ann();
    let project = json!({
        "name": "spring", "region": "r", "type": "MIGRATE_BLOCK", "start_target_server": true,
        "use_public_ip": true, "exist_server": true, "syncing": false,
    });
    done(&ann.post("/v3/migprojects", &project));
    assert_eq!(
        scene.change(&json!({ "role": "read-only" }))["role"],
        "read-only"
    );
    assert_unknown(&ann.get("/v3/sources"), "decrypt token fail");
    assert_eq!(scene.signed().status, 200, "a reader may read");
    let removes = ("DELETE", "/v3/migprojects/x");
    let key = (scene.key.0.as_str(), scene.key.1.as_str());
    let refused = Sender::nobody(&scene.plane).signed(key, 0, removes);
    assert_eq!((refused.status, refused.code()), (403, "SMS.9004".into()));
    assert_eq!(scene.ann().delete("/v3/migprojects/x").status, 403);
    scene.change(&json!({ "role": "administrator" }));
    assert_eq!(scene.ann().get("/rehost/v1/users").status, 200);
}

#[test]
fn a_new_password_ends_tokens_and_the_old_password() {
    let scene = Scene::set();
    let ann = scene.ann();
    let changed = scene.change(&json!({ "password": "another horse" }));
    assert!(!changed.to_string().contains("horse"));
    assert_unknown(&ann.get("/v3/sources"), "decrypt token fail");
    assert_unknown(&scene.log_in(PASSWORD), "wrong");
    assert_eq!(scene.log_in("another horse").status, 201);
    assert_eq!(scene.signed().status, 200, "keys have secrets of their own");
}

#[test]
fn a_user_that_is_gone_takes_keys_and_tokens_along() {
    let scene = Scene::set();
    let ann = scene.ann();
    done(&scene.administrator.delete(&scene.path));
    assert_unknown(&ann.get("/v3/sources"), "decrypt token fail");
    assert_unknown(&scene.signed(), "AK not exist");
    assert_unknown(&scene.log_in(PASSWORD), "wrong");
    let gone = scene.administrator.get(&scene.path);
    assert_eq!((gone.status, gone.code()), (404, "REHOST.5001".into()));
    assert_eq!(
        scene.administrator.delete(&scene.path).code(),
        "REHOST.5001"
    );
    // The name is free again, and the new user has nothing of the old one.
    let other = add_user(&scene.administrator, "ann", "read-only");
    assert_ne!(other, scene.user_id);
    let keys = done(
        &scene
            .administrator
            .get(&format!("/rehost/v1/users/{other}/access-keys")),
    );
    assert_eq!(keys["count"], 0);
}

#[test]
fn keys_live_until_they_are_deleted_and_a_user_has_ten_at_most() {
    let scene = Scene::set();
    let keys = format!("{}/access-keys", scene.path);
    for number in 0..9 {
        let name = json!({ "description": format!("key {number}") });
        done(&scene.administrator.post(&keys, &name));
    }
    assert_eq!(
        scene.administrator.post(&keys, &json!({})).code(),
        "REHOST.5005"
    );
    let list = scene.administrator.get(&keys);
    assert_eq!(done(&list)["count"], 10);
    assert!(!list.text().contains(&scene.key.1), "secrets are told once");
    let own = format!("{keys}/{}", scene.key.0);
    done(&scene.administrator.delete(&own));
    assert_unknown(&scene.signed(), "AK not exist");
    assert_eq!(scene.administrator.delete(&own).code(), "REHOST.5004");
    done(&scene.administrator.post(&keys, &json!({})));
}

#[test]
fn nobody_can_take_away_their_own_rights() {
    let scene = Scene::set();
    let users = done(&scene.administrator.get("/rehost/v1/users"));
    let own = users["users"].as_array().unwrap().iter();
    let mut own = own.filter(|user| user["name"] == "administrator");
    let path = format!(
        "/rehost/v1/users/{}",
        own.next().unwrap()["id"].as_str().unwrap()
    );
    for body in [json!({ "role": "read-only" }), json!({ "enabled": false })] {
        assert_eq!(scene.administrator.put(&path, &body).code(), "REHOST.5003");
    }
    assert_eq!(scene.administrator.delete(&path).code(), "REHOST.5003");
    done(
        &scene
            .administrator
            .put(&path, &json!({ "password": "my own new one" })),
    );
}

#[test]
fn names_and_passwords_are_what_the_document_says() {
    let scene = Scene::set();
    let user = |name: &str, password: &str, role: &str| {
        let body = json!({ "name": name, "password": password, "role": role });
        scene.administrator.post("/rehost/v1/users", &body)
    };
    assert_eq!(user("ann", PASSWORD, "operator").code(), "REHOST.5002");
    for (name, password, role) in [
        ("", PASSWORD, "operator"),
        ("a b", PASSWORD, "operator"),
        ("x".repeat(65).as_str(), PASSWORD, "operator"),
        ("bob", "short", "operator"),
        ("bob", "x".repeat(129).as_str(), "operator"),
        ("bob", PASSWORD, "root"),
    ] {
        assert_eq!(
            user(name, password, role).status,
            400,
            "{name} {password} {role}"
        );
    }
    assert_eq!(
        scene
            .administrator
            .put(&scene.path, &json!({ "password": "short" }))
            .status,
        400
    );
    assert_eq!(scene.log_in(PASSWORD).status, 201);
}

#[test]
fn five_failures_lock_keys_and_users_even_over_a_restart() {
    let mut scene = Scene::set();
    for _ in 0..5 {
        assert_unknown(&scene.signed_with("guess"), "verify aksk signature fail");
        assert_unknown(&scene.log_in("guess"), "wrong");
    }
    let locked = |scene: &Scene| {
        assert_unknown(
            &scene.signed(),
            "AK access failed to reach the limit,forbidden",
        );
        assert_unknown(&scene.log_in(PASSWORD), "Too many failures");
    };
    locked(&scene);
    scene.plane.restart();
    locked(&scene);
    // Others are not affected, and an administrator who gives a new password opens the door again.
    let token = administrator_token(&scene.plane);
    scene.administrator = Sender::with_token(&scene.plane, &token);
    scene.change(&json!({ "password": "another horse" }));
    assert_eq!(scene.log_in("another horse").status, 201);
}

#[test]
fn a_success_in_between_forgives_failures() {
    let scene = Scene::set();
    for _ in 0..3 {
        for _ in 0..4 {
            assert_eq!(scene.signed_with("guess").status, 401);
            assert_eq!(scene.log_in("guess").status, 401);
        }
        assert_eq!(scene.signed().status, 200);
        assert_eq!(scene.log_in(PASSWORD).status, 201);
    }
}

#[test]
fn a_signed_request_is_good_for_a_quarter_of_an_hour() {
    let scene = Scene::set();
    let key = (scene.key.0.as_str(), scene.key.1.as_str());
    let at = |minutes: i64| {
        Sender::nobody(&scene.plane)
            .signed(key, minutes * 60, SOURCES)
            .status
    };
    assert_eq!([-14, 0, 14].map(at), [200; 3]);
    assert_eq!([-16, 16, -24 * 60].map(at), [401; 3]);
}

#[test]
fn a_revoked_token_is_void_and_others_of_the_user_are_not() {
    let scene = Scene::set();
    let (one, two) = (scene.ann(), scene.ann());
    assert_eq!(one.get("/v3/sources").status, 200);
    let subject = [("X-Subject-Token", one.token())];
    assert_eq!(
        two.send("DELETE", "/v3/auth/tokens", &subject, b"").status,
        204
    );
    assert_unknown(&one.get("/v3/sources"), "decrypt token fail");
    assert_eq!(two.get("/v3/sources").status, 200);
    let again = two.send("DELETE", "/v3/auth/tokens", &subject, b"");
    assert_eq!(again.status, 404, "{}", again.text());
}

#[test]
fn a_token_ends_and_says_when() {
    let mut scene = Scene::set();
    scene.plane.stop();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_millis()).unwrap();
    let token = |text: &str, issued_at, expires_at| TokenRow {
        token_hash: Sha256::digest(text)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        user_id: scene.user_id.clone(),
        scope: json!({ "method": "password", "project_id": null }).to_string(),
        issued_at,
        expires_at,
    };
    let rows = [
        token("ended", now, now - 1),
        token("good", now, now + 3_600_000),
        // Issued before the password was changed, as the user is younger than this.
        token("older", now - 86_400_000, now + 3_600_000),
    ];
    let database = Database::Sqlite(scene.plane.data().join("rehost.db"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::open(&database).await.unwrap();
        for row in &rows {
            store.insert_token(row).await.unwrap();
        }
        store.close().await;
    });
    scene.plane.restart();
    let get = |text: &str| Sender::with_token(&scene.plane, text).get("/v3/sources");
    assert_unknown(&get("ended"), "token expires, expires_at: 20");
    assert_eq!(get("good").status, 200);
    assert_unknown(&get("older"), "decrypt token fail");
}
