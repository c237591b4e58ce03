//! The promise: nothing of one tenant can be seen, counted or changed from another, whichever way
//! somebody asks.

mod support;

use rehost_sms_api::contract::{Access, Method, Who, operations};
use rehost_sms_api::rehost::AccountRole;
use serde_json::{Value, json};
use support::tenants::{PASSWORD, Tenant, Things, ask_for_token, done, machine, unknown};
use support::wire::Sender;
use support::{Answer, ControlPlane, source, task};

/// Two tenants whose things have names that say whose they are.
struct Scene {
    plane: ControlPlane,
    alpha: Tenant,
    beta: Tenant,
    of_alpha: Things,
    of_beta: Things,
}

impl Scene {
    fn set() -> Self {
        let plane = ControlPlane::start();
        let alpha = Tenant::first(&plane);
        let beta = Tenant::another(&plane, &alpha, "other");
        let of_alpha = alpha.make_things("alpha");
        let of_beta = beta.make_things("beta");
        Self {
            plane,
            alpha,
            beta,
            of_alpha,
            of_beta,
        }
    }

    /// What may not be in any text that somebody of beta gets.
    fn of_alpha(&self) -> Vec<&str> {
        let mut words = vec!["alpha", self.alpha.domain_id.as_str()];
        words.extend(self.of_alpha.ids());
        words
    }

    /// What alpha sees of everything that is its own.
    fn seen_by_alpha(&self) -> Vec<Value> {
        let Things {
            source_id, task_id, ..
        } = &self.of_alpha;
        let paths = [
            "/v3/sources/overview".to_owned(),
            format!("/v3/sources/{source_id}/command"),
            format!("/v3/tasks/{task_id}/speed-limit"),
            "/v3/vm/templates".to_owned(),
            "/v3/migprojects".to_owned(),
            "/rehost/v1/users".to_owned(),
            format!("/rehost/v1/users/{}/access-keys", self.of_alpha.user_id),
        ];
        paths
            .iter()
            .map(|path| done(&self.alpha.administrator.get(path)))
            .collect()
    }
}

#[test]
fn no_list_and_no_file_holds_anything_of_another_tenant() {
    let scene = Scene::set();
    let mut told_alpha = String::new();
    let mut lists = 0;
    for operation in operations() {
        let about_one = operation
            .path_parameters()
            .any(|name| scene.of_alpha.of_parameter(name).is_some());
        let is_open = operation.access == Access::Everyone;
        if operation.method != Method::Get || about_one || is_open {
            continue;
        }
        let path = operation
            .path
            .split('/')
            .map(|part| match part.starts_with('{') {
                true => "x",
                false => part,
            });
        let path = path.collect::<Vec<_>>().join("/");
        for (who, of_alpha, of_beta) in [
            (
                Who::Account(AccountRole::Administrator),
                &scene.alpha.administrator,
                &scene.beta.administrator,
            ),
            (
                Who::Account(AccountRole::ReadOnly),
                &scene.alpha.read_only,
                &scene.beta.read_only,
            ),
            (Who::Agent, &scene.alpha.agent, &scene.beta.agent),
            (Who::Receiver, &scene.alpha.receiver, &scene.beta.receiver),
        ] {
            if !operation.access.permits(who) {
                continue;
            }
            let text = of_beta.get(&path).text();
            for word in scene.of_alpha() {
                assert!(
                    !text.contains(word),
                    "{} tells {who:?} {word}: {text}",
                    operation.id
                );
            }
            told_alpha += &of_alpha.get(&path).text();
            lists += 1;
        }
    }
    assert!(lists > 25, "{lists}");
    // What is not told to beta is told to alpha, so that there was something to be found.
    for word in scene.of_alpha() {
        assert!(told_alpha.contains(word), "{word}");
    }
}

#[test]
fn no_filter_reaches_over_and_totals_count_the_own_alone() {
    let scene = Scene::set();
    let Things {
        source_id,
        task_id,
        migproject_id,
        template_id,
        user_id,
        ..
    } = &scene.of_alpha;
    let beta = &scene.beta.administrator;
    for (path, member) in [
        (format!("/v3/sources?id={source_id}"), "count"),
        ("/v3/sources?name=alpha".to_owned(), "count"),
        (format!("/v3/sources?migproject={migproject_id}"), "count"),
        (format!("/v3/tasks?id={task_id}"), "count"),
        ("/v3/tasks?name=alpha".to_owned(), "count"),
        (format!("/v3/tasks?source_server_id={source_id}"), "count"),
        ("/v3/vm/templates?name=template-alpha".to_owned(), "count"),
        (format!("/v3/errors?id={source_id}"), "count"),
        (format!("/rehost/v1/audit?user={user_id}"), "count"),
        (format!("/rehost/v1/audit?object={source_id}"), "count"),
        (format!("/rehost/v1/audit?object={template_id}"), "count"),
    ] {
        let found = beta.get(&path);
        assert_eq!(done(&found)[member], 0, "{path}: {}", found.text());
        assert!(!found.text().contains("alpha"), "{path}");
    }
    for domain in [scene.alpha.domain_id.as_str(), "x"] {
        let found = done(&beta.get(&format!("/v3/projects?domain_id={domain}")));
        assert_eq!(found["projects"], json!([]));
    }
    assert_eq!(
        done(&beta.get("/v3/users?name=user-alpha"))["users"],
        json!([])
    );
    for path in ["/v3/sources", "/v3/tasks", "/rehost/v1/targets"] {
        let text = beta.get(path).text();
        assert!(text.contains("beta"), "{path}: {text}");
    }
    assert_eq!(done(&beta.get("/v3/sources"))["count"], 1);
    assert_eq!(done(&beta.get("/v3/tasks"))["count"], 1);
    let overview = done(&beta.get("/v3/sources/overview"));
    let numbers = overview
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_u64);
    assert_eq!(numbers.max(), Some(1), "{overview}");
}

#[test]
fn no_batch_reaches_over() {
    let scene = Scene::set();
    let before = scene.seen_by_alpha();
    let beta = &scene.beta.administrator;
    let same_as_unknown = |path: &str, body: &dyn Fn(&str) -> Value, id: &str| {
        let answer = beta.post(path, &body(id));
        let other = beta.post(path, &body(&unknown(id)));
        let told = other.text().replace(&unknown(id), id);
        assert_eq!(
            (answer.status, answer.text()),
            (other.status, told),
            "{path}"
        );
        assert!(!answer.text().contains("alpha"), "{}", answer.text());
    };
    let ids = |id: &str| json!({ "ids": [id] });
    for (path, id) in [
        ("/v3/tasks/delete", &scene.of_alpha.task_id),
        ("/v3/sources/delete", &scene.of_alpha.source_id),
        ("/v3/vm/templates/delete", &scene.of_alpha.template_id),
    ] {
        same_as_unknown(path, &ids, id);
    }
    let export = |id: &str| json!({ "task_ids": [id] });
    same_as_unknown(
        "/v3/tasks/consistency-results/export",
        &export,
        &scene.of_alpha.task_id,
    );
    // Together with an own one.
    let both = json!({ "ids": [scene.of_beta.template_id, scene.of_alpha.template_id] });
    beta.post("/v3/vm/templates/delete", &both);
    assert_eq!(scene.seen_by_alpha(), before);
    assert_eq!(done(&scene.alpha.operator.get("/v3/tasks"))["count"], 1);
}

#[test]
fn nothing_can_be_made_from_things_of_another_tenant() {
    let scene = Scene::set();
    let before = scene.seen_by_alpha();
    let beta = &scene.beta.operator;
    // Beta's source is bound, so that a fresh one is needed.
    let other_agent = machine(&scene.plane, &scene.beta.administrator, "source");
    let fresh = done(&other_agent.post("/v3/sources", &json!(source("beta-2"))));
    let fresh = fresh["id"].as_str().unwrap();
    let refused = |of_task: &dyn Fn(&str) -> Value, id: &str| {
        let (answer, other) = (
            beta.post("/v3/tasks", &of_task(id)),
            beta.post("/v3/tasks", &of_task(&unknown(id))),
        );
        assert!((400..500).contains(&answer.status), "{}", answer.text());
        let told = other.text().replace(&unknown(id), id);
        assert_eq!((answer.status, answer.text()), (other.status, told));
    };
    let target = &scene.of_beta.target_id;
    refused(&|id| json!(task(id, target)), &scene.of_alpha.source_id);
    refused(&|id| json!(task(fresh, id)), &scene.of_alpha.target_id);
    let from_template = |id: &str| {
        let mut body = json!(task(fresh, target));
        body["vm_template_id"] = json!(id);
        body
    };
    refused(&from_template, &scene.of_alpha.template_id);

    let id = &scene.of_alpha.migproject_id;
    let moved = |id: &str| {
        let path = format!("/v3/sources/{}", scene.of_beta.source_id);
        beta.put(&path, &json!({ "migprojectid": id }))
    };
    let (answer, other) = (moved(id), moved(&unknown(id)));
    assert!((400..500).contains(&answer.status), "{}", answer.text());
    let told = other.text().replace(&unknown(id), id);
    assert_eq!((answer.status, answer.text()), (other.status, told));
    assert_eq!(scene.seen_by_alpha(), before);
}

#[test]
fn a_machine_belongs_to_the_tenant_of_its_join_token() {
    let scene = Scene::set();
    let agent = machine(&scene.plane, &scene.beta.administrator, "source");
    let made = done(&agent.post("/v3/sources", &json!(source("beta-2"))));
    let path = format!("/v3/sources/{}", made["id"].as_str().unwrap());
    assert_eq!(scene.beta.read_only.get(&path).status, 200);
    assert_eq!(scene.alpha.administrator.get(&path).status, 404);
    // Not even the other agent of its own tenant.
    let answer = scene.beta.agent.get(&path);
    assert!(matches!(answer.status, 403 | 404), "{}", answer.text());
    let receiver = machine(&scene.plane, &scene.beta.administrator, "target");
    let named = json!(support::target("beta-2"));
    done(&receiver.put("/rehost/v1/targets/self", &named));
    assert!(
        !scene
            .alpha
            .operator
            .get("/rehost/v1/targets")
            .text()
            .contains("beta-2")
    );
}

#[test]
fn users_of_two_tenants_may_have_one_name_and_are_two() {
    let scene = Scene::set();
    // Both have an operator; only the name of the account tells them apart.
    let of = |domain: &str| {
        let answer = ask_for_token(&scene.plane, domain, "operator", PASSWORD);
        done(&answer)["token"]["user"].clone()
    };
    let (one, two) = (of(&scene.alpha.name), of(&scene.beta.name));
    assert_eq!(one["name"], two["name"]);
    assert_ne!(one["id"], two["id"]);
    assert_ne!(one["domain"]["id"], two["domain"]["id"]);
    let change = json!({ "password": "not your own" });
    let path = format!("/rehost/v1/users/{}", one["id"].as_str().unwrap());
    assert_eq!(
        scene.beta.administrator.put(&path, &change).code(),
        "REHOST.5001"
    );
    // A token for the project of another tenant is not to be had.
    let wanted = |project: &str| {
        let body = json!({ "auth": {
            "identity": { "methods": ["token"], "token": { "id": scene.beta.operator.token() } },
            "scope": { "project": { "id": project } },
        }});
        Sender::nobody(&scene.plane).post("/v3/auth/tokens", &body)
    };
    assert_eq!(wanted(&scene.plane.text("project_id")).status, 401);
    // Nor does one know another's token, by whichever name it is asked for.
    let subject = [("X-Subject-Token", scene.alpha.operator.token())];
    for method in ["GET", "DELETE"] {
        let answer = scene
            .beta
            .administrator
            .send(method, "/v3/auth/tokens", &subject, b"");
        assert_eq!(answer.status, 404, "{}", answer.text());
    }
    assert_eq!(scene.alpha.operator.get("/v3/sources").status, 200);
}

#[test]
fn domains_are_for_administrators_of_the_first_one() {
    let scene = Scene::set();
    let body = json!({ "name": "third", "administrator": "root", "password": PASSWORD });
    let forbidden = |answer: &Answer| {
        assert_eq!((answer.status, answer.code()), (403, "SMS.9004".into()));
        assert!(!answer.text().contains(&scene.alpha.domain_id));
    };
    forbidden(&scene.beta.administrator.get("/rehost/v1/domains"));
    forbidden(&scene.beta.administrator.post("/rehost/v1/domains", &body));
    let listed = done(&scene.alpha.administrator.get("/rehost/v1/domains"));
    assert_eq!(listed["count"], 2);
    let taken = json!({ "name": "other", "administrator": "root", "password": PASSWORD });
    let answer = scene.alpha.administrator.post("/rehost/v1/domains", &taken);
    assert_eq!((answer.status, answer.code()), (409, "REHOST.5006".into()));
}
