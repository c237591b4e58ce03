//! What a control plane leaves in its directory, and what survives a restart.

mod support;

use std::os::unix::fs::PermissionsExt as _;

use rehost_server::{ServeOptions, Server, TlsMode};
use rehost_sms_api::bodies::ListServersQuery;
use rehost_sms_api::client::{Client, ClientConfig, Credentials};
use support::{ControlPlane, source};

#[test]
fn the_first_start_says_how_to_log_in_and_to_nobody_else() {
    let plane = ControlPlane::start();
    let mode = |path: &str| {
        let path = plane.data().join(path);
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode("."), 0o700);
    assert_eq!(mode("ca"), 0o700);
    assert_eq!(mode("ca/ca.key"), 0o600);
    assert_eq!(mode("first-login.json"), 0o600);
    assert_eq!(mode("rehost.db"), 0o600);
    let endpoint = format!("https://{}", plane.address);
    assert_eq!(plane.text("endpoint"), endpoint, "with the real port");
    assert_eq!(plane.text("iam_endpoint"), format!("{endpoint}/iam"));
    for key in [
        "domain_name",
        "domain_id",
        "project_name",
        "project_id",
        "user_name",
        "password",
    ] {
        assert!(!plane.text(key).is_empty(), "{key}");
    }
    let database = std::fs::read(plane.data().join("rehost.db")).unwrap();
    let password = plane.text("password");
    assert!(
        !database
            .windows(password.len())
            .any(|bytes| bytes == password.as_bytes())
    );
}

#[test]
fn a_second_start_keeps_everything() {
    let mut plane = ControlPlane::start();
    let before = plane.login.clone();
    let id = plane
        .administrator()
        .register_server(&source("web-1"))
        .unwrap()
        .id;
    plane.restart();
    for (key, value) in before.as_object().unwrap() {
        if !key.contains("endpoint") {
            assert_eq!(plane.login[key], *value, "{key}");
        }
    }
    let listed = plane
        .administrator()
        .list_servers(&ListServersQuery::default())
        .unwrap();
    assert_eq!(listed.source_servers[0].id, id);
}

#[test]
fn a_client_that_trusts_another_authority_does_not_speak_with_us() {
    let (plane, other) = (ControlPlane::start(), ControlPlane::start());
    let ca_pem = std::fs::read_to_string(other.text("ca_file")).unwrap();
    let mistaken = Client::new(ClientConfig {
        endpoint: plane.text("endpoint"),
        ca_pem: Some(ca_pem),
        credentials: Credentials::None,
    })
    .unwrap();
    assert!(mistaken.health().is_err());
    plane.client(Credentials::None).health().unwrap();
}

#[test]
fn stopping_ends_a_long_poll_with_an_answer() {
    let mut plane = ControlPlane::start();
    let client = plane.administrator();
    let id = client
        .register_server(&source("web-1"))
        .unwrap()
        .id
        .unwrap();
    let polling = {
        let client = plane.administrator();
        std::thread::spawn(move || client.show_command(&id, Some(60)))
    };
    // The poll may begin before or after the stop; a connection that comes too late is refused.
    plane.stop();
    match polling.join().unwrap() {
        Ok(answer) => assert_eq!(answer.command_name.as_deref(), Some("TASK_NOT_STARTED")),
        Err(error) => assert!(error.is_temporary(), "{error:?}"),
    }
}

#[test]
fn without_tls_only_this_machine_is_served() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = ServeOptions::new(directory.path().join("data"), ([0, 0, 0, 0], 0).into());
    options.tls = TlsMode::Off;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let refused = runtime.block_on(Server::bind(options)).unwrap_err();
    assert!(refused.to_string().contains("loopback"), "{refused}");
    assert!(!directory.path().join("data").exists(), "nothing was made");
}
