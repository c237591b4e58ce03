//! The promise: whatever changes anything leaves one entry that says who, what, on which thing, and
//! what came of it, and no entry tells a secret.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod support;

use rehost_certificates::make_key_and_request;
use rehost_sms_api::contract::{Access, Method, operations};
use rehost_sms_api::rehost::JoinToken;
use serde_json::{Value, json};
use support::tenants::{PASSWORD, Tenant, ask_for_token, done, log_in};
use support::wire::Sender;
use support::{Answer, ControlPlane};

const AUDIT: &str = "/rehost/v1/audit";

/// All entries that a query finds, latest first.
fn entries(administrator: &Sender, query: &str) -> Vec<Value> {
    let found = done(&administrator.get(&format!("{AUDIT}?limit=1000&{query}")));
    let records = found["records"].as_array().unwrap().clone();
    assert_eq!(found["count"], records.len(), "{query}");
    records
}

/// The entries of one call.
fn of_call(administrator: &Sender, answer: &Answer) -> Vec<Value> {
    let id = answer.header("x-request-id").unwrap();
    let mut entries = entries(administrator, "");
    entries.retain(|entry| entry["request_id"] == id);
    entries
}

#[test]
fn every_recorded_call_leaves_one_entry_and_others_none() {
    let plane = ControlPlane::start();
    let tenant = Tenant::first(&plane);
    let things = tenant.make_things("alpha");
    let unknown = "00000000-0000-7000-8000-000000000000";
    let mut rows: Vec<_> = operations().collect();
    rows.sort_by_key(|row| row.method == Method::Delete);
    let mut wrong = Vec::new();
    for row in rows {
        let path = row.path.split('/').map(|part| match part {
            "{version}" => "v3",
            "{task_id}" => things.task_id.as_str(),
            part if part.starts_with('{') => unknown,
            part => part,
        });
        let path = path.collect::<Vec<_>>().join("/");
        let senders = [
            ("read-only", &tenant.read_only),
            ("administrator", &tenant.administrator),
            ("agent", &tenant.agent),
            ("receiver", &tenant.receiver),
        ];
        for (name, sender) in senders {
            let answer = sender.json(row.method.as_str(), &path, &json!({}));
            let found = of_call(&tenant.administrator, &answer);
            // On routes for everybody nobody is known until the call has succeeded.
            let expected = usize::from(row.trace.is_some() && row.access != Access::Everyone);
            if found.len() != expected {
                wrong.push(format!("{name} {}: {found:?}", row.id));
                continue;
            }
            let Some(entry) = found.first() else { continue };
            let (status, code) = (answer.status, code(&answer));
            let same = entry["status"] == status && entry["error_code"] == code.as_str();
            if !same || entry["action"] != row.trace.unwrap() || entry["user_id"] == "" {
                wrong.push(format!("{name} {}: {status} {code}: {entry}", row.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The error code of an answer that may be no JSON.
fn code(answer: &Answer) -> String {
    let body: Value = serde_json::from_str(&answer.text()).unwrap_or_default();
    body["error_code"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn an_entry_says_who_did_what_to_which_thing() {
    let plane = ControlPlane::start();
    let tenant = Tenant::first(&plane);
    let things = tenant.make_things("alpha");
    let one = |answer: &Answer| {
        let found = of_call(&tenant.administrator, answer);
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].clone()
    };
    let renamed = tenant.operator.put(
        &format!("/v3/sources/{}", things.source_id),
        &json!({ "name": "renamed" }),
    );
    let entry = one(&renamed);
    assert_eq!(entry["user_name"], "operator");
    assert_eq!(
        (&entry["action"], &entry["status"]),
        (&json!("updateSource"), &json!(200))
    );
    assert_eq!(
        (&entry["object"], &entry["error_code"]),
        (&json!(things.source_id), &json!(""))
    );
    assert_eq!(entry["address"], "127.0.0.1");

    let refused = tenant
        .read_only
        .delete(&format!("/v3/tasks/{}", things.task_id));
    let entry = one(&refused);
    assert_eq!(entry["user_name"], "read-only");
    assert_eq!(
        (&entry["status"], &entry["error_code"]),
        (&json!(403), &json!("SMS.9004"))
    );
    assert_eq!(entry["object"], things.task_id);

    // What is made has its id from the answer, whoever names none in the path.
    for (action, object) in [
        ("RegisterSourceServer", &things.source_id),
        ("CreateTask", &things.task_id),
        ("addTemplate", &things.template_id),
        ("addMigProject", &things.migproject_id),
    ] {
        let found = entries(&tenant.administrator, &format!("action={action}"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["object"], object.as_str(), "{action}");
    }
    let keys = entries(
        &tenant.administrator,
        &format!("object={}", things.access_key),
    );
    assert_eq!(keys.len(), 1, "{keys:?}");

    let refused = |user: &str, password: &str| {
        let answer = ask_for_token(&plane, &tenant.name, user, password);
        assert_eq!(answer.status, 401, "{}", answer.text());
        of_call(&tenant.administrator, &answer)
    };
    let entry = &refused("operator", "wrong")[0];
    assert_eq!(
        (&entry["user_name"], &entry["status"]),
        (&json!("operator"), &json!(401))
    );
    assert_eq!(refused("nobody", "wrong"), Vec::<Value>::new());
    for _ in 0..5 {
        refused("read-only", "wrong");
    }
    let locked = refused("read-only", PASSWORD);
    assert_eq!(locked, Vec::<Value>::new(), "strangers cannot fill the log");

    let body = json!({ "auth": { "identity": { "methods": ["password"], "password": { "user": {
        "name": "operator", "password": PASSWORD, "domain": { "name": tenant.name },
    }}}}});
    let login = Sender::nobody(&plane).post("/v3/auth/tokens", &body);
    let entry = one(&login);
    assert_eq!(
        (&entry["user_name"], &entry["action"]),
        (&json!("operator"), &json!("createToken"))
    );
}

#[test]
fn a_refused_join_is_noted_once_where_its_token_is_from() {
    let plane = ControlPlane::start();
    let tenant = Tenant::first(&plane);
    let tokens = "/rehost/v1/join-tokens";
    let asked = done(
        &tenant
            .administrator
            .post(tokens, &json!({ "role": "source" })),
    );
    let token = JoinToken::from_text(asked["token"].as_str().unwrap()).unwrap();
    let (_, certificate_request) = make_key_and_request("web-1").unwrap();
    let stranger = Sender::nobody(&plane);
    let join = |secret: &str| {
        let body = json!({
            "secret": secret, "role": "source", "name": "web-1",
            "certificate_request": certificate_request,
        });
        stranger.post("/rehost/v1/join", &body)
    };
    let noted = |answer: &Answer| of_call(&tenant.administrator, answer);
    let joined = join(&token.secret);
    assert_eq!(noted(&joined)[0]["user_id"], done(&joined)["id"]);

    let refused = join(&token.secret);
    let found = noted(&refused);
    assert_eq!(found.len(), 1, "{found:?}");
    let entry = &found[0];
    assert_eq!(
        (&entry["action"], &entry["role"]),
        (&json!("join"), &json!("agent"))
    );
    assert_eq!(entry["status"], refused.status);
    assert_eq!(entry["error_code"], refused.code());
    assert_eq!(
        (&entry["user_id"], &entry["address"]),
        (&json!(""), &json!("127.0.0.1"))
    );
    // Whoever has one refused token cannot fill the log, and whoever has none has no place in it.
    assert!(noted(&join(&token.secret)).is_empty());
    assert!(noted(&join("guess")).is_empty());
}

#[test]
fn nobody_reads_a_secret_in_the_log() {
    let plane = ControlPlane::start();
    let tenant = Tenant::first(&plane);
    let things = tenant.make_things("alpha");
    let asked = done(
        &tenant
            .administrator
            .post("/rehost/v1/join-tokens", &json!({ "role": "source" })),
    );
    let cert = done(
        &tenant
            .agent
            .get(&format!("/v3/tasks/{}/certkey", things.task_id)),
    );
    let passphrase = done(
        &tenant
            .agent
            .get(&format!("/v3/tasks/{}/passphrase", things.task_id)),
    );
    let token = log_in(&plane, &tenant.name, "operator", PASSWORD);
    let mut secrets = vec![
        things.secret_key.clone(),
        plane.text("password"),
        plane.text("secret_key"),
        PASSWORD.to_owned(),
        "password-of-alpha".to_owned(),
        token,
        tenant.administrator.token().to_owned(),
        asked["token"].as_str().unwrap().to_owned(),
    ];
    secrets.push(passphrase["passphrase"].as_str().unwrap().to_owned());
    let members = cert.as_object().unwrap().values();
    secrets.extend(members.filter_map(|value| value.as_str().map(str::to_owned)));
    secrets.retain(|secret| secret.len() > 7);
    assert!(secrets.len() > 9, "{}", secrets.len());
    let list = tenant
        .administrator
        .get(&format!("{AUDIT}?limit=1000"))
        .text();
    let export = tenant.administrator.get(&format!("{AUDIT}/export")).text();
    assert!(list.contains("getCertKey") && export.contains("getCertKey"));
    for secret in secrets {
        assert!(!list.contains(&secret) && !export.contains(&secret));
    }
}

#[test]
fn filters_and_pages_find_what_they_say() {
    let plane = ControlPlane::start();
    let tenant = Tenant::first(&plane);
    let things = tenant.make_things("alpha");
    let all = entries(&tenant.administrator, "");
    assert!(all.len() > 15, "{}", all.len());
    let times: Vec<i64> = all
        .iter()
        .map(|entry| entry["time"].as_i64().unwrap())
        .collect();
    assert!(
        times.is_sorted_by(|late, early| late >= early),
        "latest first"
    );

    for (query, member, value) in [
        ("user=operator".to_owned(), "user_name", "operator"),
        ("action=CreateTask".to_owned(), "action", "CreateTask"),
        (
            format!("object={}", things.task_id),
            "object",
            things.task_id.as_str(),
        ),
    ] {
        let expected: Vec<_> = all
            .iter()
            .filter(|entry| entry[member] == value)
            .cloned()
            .collect();
        assert!(
            !expected.is_empty() && expected.len() < all.len(),
            "{query}"
        );
        assert_eq!(entries(&tenant.administrator, &query), expected, "{query}");
    }
    let id = all
        .iter()
        .find(|entry| entry["user_name"] == "operator")
        .unwrap()["user_id"]
        .clone();
    let by_id = entries(
        &tenant.administrator,
        &format!("user={}", id.as_str().unwrap()),
    );
    assert_eq!(by_id, entries(&tenant.administrator, "user=operator"));

    let middle = times[times.len() / 2];
    let (early, late): (Vec<Value>, Vec<Value>) = all
        .iter()
        .cloned()
        .partition(|entry| entry["time"].as_i64().unwrap() < middle);
    assert_eq!(
        entries(&tenant.administrator, &format!("to={middle}")),
        early
    );
    assert_eq!(
        entries(&tenant.administrator, &format!("from={middle}")),
        late
    );
    assert_eq!(
        entries(&tenant.administrator, "user=nobody-at-all"),
        Vec::<Value>::new()
    );

    let mut pages = Vec::new();
    loop {
        let query = format!("{AUDIT}?limit=4&offset={}", pages.len());
        let page = done(&tenant.administrator.get(&query));
        assert_eq!(page["count"], all.len());
        let records = page["records"].as_array().unwrap();
        if records.is_empty() {
            break;
        }
        pages.extend(records.iter().cloned());
    }
    assert_eq!(pages, all);
    for wrong in [
        "limit=1001",
        "limit=-1",
        "limit=x",
        "offset=x",
        "from=-1",
        "from=x",
    ] {
        let answer = tenant.administrator.get(&format!("{AUDIT}?{wrong}"));
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.text());
    }
}

#[test]
fn the_file_holds_what_the_list_shows_oldest_first() {
    let plane = ControlPlane::start();
    let tenant = Tenant::first(&plane);
    tenant.make_things("alpha");
    let mut list = entries(&tenant.administrator, "");
    let answer = tenant.administrator.get(&format!("{AUDIT}/export"));
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("text/csv")
    );
    assert!(
        answer
            .header("content-disposition")
            .unwrap()
            .contains("audit.csv")
    );
    let text = answer.text();
    let mut table = csv::Reader::from_reader(text.as_bytes());
    let head = table.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), list.len());
    // Ids are in the order of time.
    list.sort_by_key(|entry| entry["id"].as_str().unwrap().to_owned());
    for (row, entry) in rows.iter().zip(&list) {
        for name in [
            "id",
            "user_id",
            "user_name",
            "action",
            "object",
            "address",
            "error_code",
        ] {
            let column = head.iter().position(|column| column == name).unwrap();
            assert_eq!(entry[name], row[column], "{name}");
        }
        let column = head.iter().position(|column| column == "status").unwrap();
        assert_eq!(entry["status"].to_string(), row[column]);
    }
    let none = tenant.administrator.get(&format!("{AUDIT}/export?to=1"));
    assert_eq!(none.text().lines().count(), 1, "the head alone");
}
