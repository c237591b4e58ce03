//! Joining: one token, one machine, and what that machine may do afterwards.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod support;

use std::io::Cursor;

use rehost_certificates::{ControlPlaneCa, make_key_and_request};
use rehost_sms_api::bodies::{
    DeleteIds, ListServersQuery, ListTasksQuery, PutCopyStateReq, UpdateTaskStatusReq,
};
use rehost_sms_api::client::{ClientError, Credentials};
use rehost_sms_api::errors::ErrorCode;
use rehost_sms_api::rehost::{JoinRequest, JoinRole, JoinToken, JoinTokenRequest};
use secrecy::SecretString;
use support::{ControlPlane, source, target, task};

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(answer: Result<T, ClientError>, code: ErrorCode) {
    let error = answer.unwrap_err();
    assert!(error.is(code), "{error:?}");
    assert_eq!(error.status(), Some(code.status()));
}

fn request(plane: &ControlPlane, role: JoinRole, valid_seconds: Option<u64>) -> JoinRequest {
    let wanted = JoinTokenRequest {
        role,
        valid_seconds,
    };
    let token = plane.administrator().create_join_token(&wanted).unwrap();
    let token = JoinToken::from_text(&token.token).unwrap();
    assert_eq!(token.endpoint, plane.text("endpoint"));
    let (_, certificate_request) = make_key_and_request("web-1").unwrap();
    JoinRequest {
        secret: token.secret,
        role,
        name: "web-1".into(),
        certificate_request,
    }
}

#[test]
fn a_join_token_is_good_for_one_machine_and_one_role() {
    let plane = ControlPlane::start();
    let stranger = plane.client(Credentials::None);
    let right = request(&plane, JoinRole::Source, None);
    let other_role = JoinRequest {
        role: JoinRole::Target,
        ..right.clone()
    };
    assert_refused(stranger.join(&other_role), ErrorCode::JoinTokenRole);
    let no_request = JoinRequest {
        certificate_request: "x".into(),
        ..right.clone()
    };
    assert_refused(stranger.join(&no_request), ErrorCode::JoinRequestInvalid);
    let no_name = JoinRequest {
        name: String::new(),
        ..right.clone()
    };
    assert_refused(stranger.join(&no_name), ErrorCode::JoinRequestInvalid);
    stranger
        .join(&right)
        .expect("what was refused used nothing up");
    assert_refused(stranger.join(&right), ErrorCode::JoinTokenUsed);
    let guess = JoinRequest {
        secret: "guess".into(),
        ..right
    };
    assert_refused(stranger.join(&guess), ErrorCode::JoinTokenUnknown);
}

#[test]
fn of_many_with_the_same_token_one_joins() {
    let plane = ControlPlane::start();
    let right = request(&plane, JoinRole::Target, None);
    let joined = std::thread::scope(|scope| {
        let rivals: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| plane.client(Credentials::None).join(&right).is_ok()))
            .collect();
        rivals
            .into_iter()
            .map(|rival| rival.join().unwrap())
            .filter(|won| *won)
            .count()
    });
    assert_eq!(joined, 1);
}

#[test]
fn only_accounts_make_join_tokens_of_sensible_life() {
    let plane = ControlPlane::start();
    let administrator = plane.administrator();
    for seconds in [0, 604_801, u64::MAX] {
        let wanted = JoinTokenRequest {
            role: JoinRole::Source,
            valid_seconds: Some(seconds),
        };
        assert_refused(
            administrator.create_join_token(&wanted),
            ErrorCode::JoinTokenLifetime,
        );
    }
    let wanted = JoinTokenRequest {
        role: JoinRole::Source,
        valid_seconds: None,
    };
    let (_, agent) = plane.join(JoinRole::Source, "web-1");
    assert_refused(agent.create_join_token(&wanted), ErrorCode::NoPermission);
    let nobody = plane
        .client(Credentials::None)
        .create_join_token(&wanted)
        .unwrap_err();
    assert_eq!(nobody.status(), Some(401));
}

#[test]
fn a_token_carries_the_fingerprint_of_the_authority() {
    let plane = ControlPlane::start();
    let wanted = JoinTokenRequest {
        role: JoinRole::Source,
        valid_seconds: Some(60),
    };
    let token = plane
        .administrator()
        .create_join_token(&wanted)
        .unwrap()
        .token;
    let ca = ControlPlaneCa::load(&plane.data().join("ca"))
        .unwrap()
        .unwrap();
    assert_eq!(
        JoinToken::from_text(&token).unwrap().ca_sha256,
        ca.fingerprint()
    );
}

#[test]
fn an_agent_touches_its_own_source_and_nothing_else() {
    let plane = ControlPlane::start();
    let administrator = plane.administrator();
    let (_, agent) = plane.join(JoinRole::Source, "web-1");
    let (_, other) = plane.join(JoinRole::Source, "web-2");
    let (target_id, receiver) = plane.join(JoinRole::Target, "vault");
    receiver.register_target(&target("vault")).unwrap();
    let own = agent.register_server(&source("web-1")).unwrap().id.unwrap();
    let foreign = other.register_server(&source("web-2")).unwrap().id.unwrap();
    let task_id = administrator
        .create_task(&task(&foreign, &target_id))
        .unwrap()
        .id
        .unwrap();

    assert_refused(
        agent.list_servers(&ListServersQuery::default()),
        ErrorCode::NoPermission,
    );
    agent.show_server(&own).unwrap();
    assert_refused(agent.show_server(&foreign), ErrorCode::NotYours);
    assert_refused(agent.show_command(&foreign, None), ErrorCode::NotYours);
    let change = PutCopyStateReq {
        copystate: Some("error".into()),
        migrationcycle: None,
    };
    assert_refused(
        agent.update_copy_state(&foreign, &change),
        ErrorCode::NotYours,
    );
    let stolen = rehost_sms_api::bodies::PostSourceServerBody {
        id: Some(foreign.clone()),
        ..source("web-1")
    };
    assert_refused(agent.register_server(&stolen), ErrorCode::NotYours);

    assert_refused(agent.show_task(&task_id), ErrorCode::NotYours);
    assert_refused(agent.show_cert_key(&task_id, true), ErrorCode::NotYours);
    assert_refused(agent.show_passphrase(&task_id), ErrorCode::NotYours);
    assert_refused(agent.source_assignment(&task_id), ErrorCode::NotYours);
    assert_refused(
        agent.put_proof(&task_id, &mut Cursor::new("x")),
        ErrorCode::NotYours,
    );
    assert_refused(
        agent.list_tasks(&ListTasksQuery::default()),
        ErrorCode::NoPermission,
    );

    // Even of its own: what is an operator's to decide.
    let start = UpdateTaskStatusReq {
        operation: Some("start".into()),
        ..UpdateTaskStatusReq::default()
    };
    assert_refused(
        other.update_task_status(&task_id, &start),
        ErrorCode::NoPermission,
    );
    assert_refused(other.delete_task(&task_id), ErrorCode::NoPermission);
    assert_refused(agent.delete_server(&own), ErrorCode::NoPermission);
    let ids = DeleteIds {
        ids: vec![own.clone()],
    };
    assert_refused(agent.delete_servers(&ids), ErrorCode::NoPermission);
    assert_refused(
        agent.create_task(&task(&own, &target_id)),
        ErrorCode::NoPermission,
    );
    assert_refused(agent.list_targets(), ErrorCode::NoPermission);
    assert_refused(agent.register_target(&target("x")), ErrorCode::NoPermission);
}

#[test]
fn a_target_touches_its_own_assignments_and_nothing_else() {
    let plane = ControlPlane::start();
    let (target_id, receiver) = plane.join(JoinRole::Target, "vault");
    let (_, other) = plane.join(JoinRole::Target, "other");
    receiver.register_target(&target("vault")).unwrap();
    other.register_target(&target("other")).unwrap();
    let (_, agent) = plane.join(JoinRole::Source, "web-1");
    let own = agent.register_server(&source("web-1")).unwrap().id.unwrap();
    let task_id = plane
        .administrator()
        .create_task(&task(&own, &target_id))
        .unwrap()
        .id
        .unwrap();

    assert_eq!(
        receiver
            .target_assignments(None, 0)
            .unwrap()
            .assignments
            .len(),
        1
    );
    assert_eq!(
        other.target_assignments(None, 0).unwrap().assignments.len(),
        0
    );
    let report = rehost_sms_api::rehost::TargetTaskReport {
        state: rehost_sms_api::rehost::TargetTaskState::Ready,
        message: String::new(),
        paths: Vec::new(),
    };
    assert_refused(
        other.report_target_task(&task_id, &report),
        ErrorCode::TaskNotOfTarget,
    );
    assert_refused(receiver.show_task(&task_id), ErrorCode::NoPermission);
    assert_refused(
        receiver.show_cert_key(&task_id, true),
        ErrorCode::NoPermission,
    );
    assert_refused(receiver.show_server(&own), ErrorCode::NoPermission);
    assert_refused(
        receiver.register_server(&source("x")),
        ErrorCode::NoPermission,
    );
    assert_refused(agent.target_assignments(None, 0), ErrorCode::NoPermission);
}

#[test]
fn a_target_that_was_removed_is_not_known_any_more() {
    let plane = ControlPlane::start();
    let administrator = plane.administrator();
    let (target_id, receiver) = plane.join(JoinRole::Target, "vault");
    receiver.register_target(&target("vault")).unwrap();
    let listed = administrator.list_targets().unwrap();
    assert_eq!(
        (listed.count, listed.targets[0].id.as_str()),
        (1, target_id.as_str())
    );
    assert!(listed.targets[0].connected);
    administrator.delete_target(&target_id).unwrap();
    assert_eq!(administrator.list_targets().unwrap().count, 0);
    assert_eq!(
        receiver
            .register_target(&target("vault"))
            .unwrap_err()
            .status(),
        Some(401)
    );
    assert_refused(
        administrator.delete_target(&target_id),
        ErrorCode::TargetUnknown,
    );
}

#[test]
fn a_certificate_of_another_authority_is_no_identity() {
    let plane = ControlPlane::start();
    let (key, request) = make_key_and_request("web-1").unwrap();
    let cert_pem = ControlPlaneCa::create()
        .unwrap()
        .sign_identity(&request, "web-1")
        .unwrap();
    let key_pem = SecretString::from(key.as_str());
    let pretender = plane.client(Credentials::Certificate { cert_pem, key_pem });
    assert!(
        pretender
            .list_servers(&ListServersQuery::default())
            .is_err()
    );
}
