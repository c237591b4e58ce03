//! Tenants with people and machines of every kind, and with one thing of every kind.

use rehost_certificates::make_key_and_request;
use rehost_sms_api::rehost::JoinToken;
use serde_json::{Value, json};

use super::wire::Sender;
use super::{Answer, ControlPlane, source, target, task};

/// Password of everybody but the first administrator.
pub const PASSWORD: &str = "correct horse";

/// A domain with somebody of every role and a machine of every kind.
#[derive(Debug)]
pub struct Tenant {
    pub name: String,
    pub domain_id: String,
    pub administrator: Sender,
    pub operator: Sender,
    pub read_only: Sender,
    pub agent: Sender,
    pub receiver: Sender,
}

impl Tenant {
    /// The first domain of the control plane.
    pub fn first(plane: &ControlPlane) -> Self {
        let (name, user) = (plane.text("domain_name"), plane.text("user_name"));
        let token = log_in(plane, &name, &user, &plane.text("password"));
        Self::with_administrator(plane, &name, &plane.text("domain_id"), &token)
    }

    /// Another domain.
    pub fn another(plane: &ControlPlane, first: &Self, name: &str) -> Self {
        let body = json!({ "name": name, "administrator": "root", "password": PASSWORD });
        let made = first.administrator.post("/rehost/v1/domains", &body);
        let id = done(&made)["id"].as_str().unwrap().to_owned();
        let token = log_in(plane, name, "root", PASSWORD);
        Self::with_administrator(plane, name, &id, &token)
    }

    fn with_administrator(plane: &ControlPlane, name: &str, id: &str, token: &str) -> Self {
        let administrator = Sender::with_token(plane, token);
        let person = |role: &str| {
            add_user(&administrator, role, role);
            Sender::with_token(plane, &log_in(plane, name, role, PASSWORD))
        };
        Self {
            name: name.to_owned(),
            domain_id: id.to_owned(),
            operator: person("operator"),
            read_only: person("read-only"),
            agent: machine(plane, &administrator, "source"),
            receiver: machine(plane, &administrator, "target"),
            administrator,
        }
    }

    /// Makes one thing of every kind, all with `name` in their names.
    pub fn make_things(&self, name: &str) -> Things {
        let id = |answer: Answer| done(&answer)["id"].as_str().unwrap().to_owned();
        done(
            &self
                .receiver
                .put("/rehost/v1/targets/self", &json!(target(name))),
        );
        let targets = done(&self.operator.get("/rehost/v1/targets"));
        let target_id = targets["targets"][0]["id"].as_str().unwrap().to_owned();
        let source_id = id(self.agent.post("/v3/sources", &json!(source(name))));
        let mut wanted = task(&source_id, &target_id);
        wanted.name = Some(format!("task-{name}"));
        let task_id = id(self.operator.post("/v3/tasks", &json!(wanted)));
        let template = json!({ "template": {
            "name": format!("template-{name}"), "is_template": true, "region": "r",
            "projectid": "p", "target_server_name": name, "availability_zone": "a",
            "target_password": format!("password-of-{name}"),
        }});
        let template_id = id(self.operator.post("/v3/vm/templates", &template));
        let migproject = json!({
            "name": format!("project-{name}"), "region": "r", "type": "MIGRATE_BLOCK",
            "start_target_server": true, "use_public_ip": true, "exist_server": true,
            "syncing": false,
        });
        let migproject_id = id(self.operator.post("/v3/migprojects", &migproject));
        let user_id = add_user(&self.administrator, &format!("user-{name}"), "operator");
        let keys = format!("/rehost/v1/users/{user_id}/access-keys");
        let key = done(
            &self
                .administrator
                .post(&keys, &json!({ "description": name })),
        );
        let key = |member: &str| key[member].as_str().unwrap().to_owned();
        Things {
            source_id,
            task_id,
            target_id,
            template_id,
            migproject_id,
            user_id,
            access_key: key("access_key"),
            secret_key: key("secret_key"),
        }
    }
}

/// Things of a tenant.
#[derive(Debug)]
pub struct Things {
    pub source_id: String,
    pub task_id: String,
    pub target_id: String,
    pub template_id: String,
    pub migproject_id: String,
    pub user_id: String,
    pub access_key: String,
    pub secret_key: String,
}

impl Things {
    /// The thing that a parameter of a path names; `None` for parameters that name no thing.
    pub fn of_parameter(&self, name: &str) -> Option<&str> {
        Some(match name {
            "source_id" | "server_id" => &self.source_id,
            "task_id" => &self.task_id,
            "target_id" => &self.target_id,
            "id" => &self.template_id,
            "mig_project_id" => &self.migproject_id,
            "user_id" => &self.user_id,
            "access_key" => &self.access_key,
            _ => return None,
        })
    }

    /// Ids of everything.
    pub fn ids(&self) -> [&str; 7] {
        [
            &self.source_id,
            &self.task_id,
            &self.target_id,
            &self.template_id,
            &self.migproject_id,
            &self.user_id,
            &self.access_key,
        ]
    }
}

/// An id of the same form that nothing has.
pub fn unknown(id: &str) -> String {
    let (rest, last) = id.split_at(id.len() - 1);
    format!("{rest}{}", if last == "0" { '1' } else { '0' })
}

/// The body of a success.
#[track_caller]
pub fn done(answer: &Answer) -> Value {
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    answer.json()
}

/// Adds a user with [`PASSWORD`] and answers its id.
#[track_caller]
pub fn add_user(administrator: &Sender, name: &str, role: &str) -> String {
    let body = json!({ "name": name, "password": PASSWORD, "role": role });
    let user = done(&administrator.post("/rehost/v1/users", &body));
    user["id"].as_str().unwrap().to_owned()
}

/// Asks for a token.
pub fn ask_for_token(plane: &ControlPlane, domain: &str, user: &str, password: &str) -> Answer {
    let body = json!({ "auth": { "identity": { "methods": ["password"], "password": {
        "user": { "name": user, "password": password, "domain": { "name": domain } },
    }}}});
    Sender::nobody(plane).post("/v3/auth/tokens", &body)
}

/// Gets a token.
#[track_caller]
pub fn log_in(plane: &ControlPlane, domain: &str, user: &str, password: &str) -> String {
    let answer = ask_for_token(plane, domain, user, password);
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.header("x-subject-token").unwrap().to_owned()
}

/// A machine that joins as `source` or `target`.
pub fn machine(plane: &ControlPlane, administrator: &Sender, role: &str) -> Sender {
    let asked = administrator.post("/rehost/v1/join-tokens", &json!({ "role": role }));
    let token = done(&asked)["token"].as_str().unwrap().to_owned();
    let (key, request) = make_key_and_request(role).unwrap();
    let body = json!({
        "secret": JoinToken::from_text(&token).unwrap().secret,
        "role": role, "name": role, "certificate_request": request,
    });
    let joined = done(&Sender::nobody(plane).post("/rehost/v1/join", &body));
    Sender::with_certificate(plane, joined["certificate"].as_str().unwrap(), &key)
}
