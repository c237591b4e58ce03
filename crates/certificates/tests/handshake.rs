//! Who can speak with whom, shown by TLS handshakes in memory.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rehost_certificates::{
    ControlPlaneCa, TaskCertificates, certificates_from_pem, control_plane_client_config,
    data_path_client_config, data_path_server_config, fingerprint_sha256,
    first_contact_client_config, make_key_and_request, private_key_from_pem, roots_from_pem,
    server_name,
};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use secrecy::ExposeSecret as _;

/// Moves bytes between both ends until they have shaken hands and a word got through.
fn converse(
    client: ClientConfig,
    server: ServerConfig,
    name: &str,
) -> Result<ServerConnection, rustls::Error> {
    let name = name.to_owned().try_into().unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name)?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    client.writer().write_all(b"hello").unwrap();
    for _ in 0..10 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut input = wire.as_slice();
        while !input.is_empty() {
            server.read_tls(&mut input).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut input = wire.as_slice();
        while !input.is_empty() {
            client.read_tls(&mut input).unwrap();
            client.process_new_packets()?;
        }
    }
    let mut word = [0; 5];
    server.reader().read_exact(&mut word).unwrap();
    assert_eq!(&word, b"hello");
    Ok(server)
}

fn source_end(set: &TaskCertificates, trusted: &TaskCertificates) -> ClientConfig {
    data_path_client_config(
        &set.source_certificate,
        set.source_private_key.expose_secret(),
        set.passphrase.expose_secret(),
        &trusted.ca,
    )
    .unwrap()
}

fn target_end(set: &TaskCertificates) -> ServerConfig {
    data_path_server_config(
        &set.target_data_certificate,
        set.target_data_private_key.expose_secret(),
        set.passphrase.expose_secret(),
        &set.ca,
    )
    .unwrap()
}

fn control_plane_end(authority: &ControlPlaneCa, names: &[&str]) -> ServerConfig {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let (chain, key) = authority.issue_server(&names).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots_from_pem(authority.certificate_pem()).unwrap()),
        provider.clone(),
    )
    .allow_unauthenticated()
    .build()
    .unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            certificates_from_pem(&chain).unwrap(),
            private_key_from_pem(&key).unwrap(),
        )
        .unwrap()
}

#[test]
fn both_ends_of_one_task_understand_each_other() {
    let task = TaskCertificates::mint("a").unwrap();
    let server = converse(
        source_end(&task, &task),
        target_end(&task),
        &server_name("a"),
    )
    .unwrap();
    assert_eq!(
        server.protocol_version(),
        Some(rustls::ProtocolVersion::TLSv1_3)
    );
}

#[test]
fn the_source_of_another_task_is_refused() {
    let (task_a, task_b) = (
        TaskCertificates::mint("a").unwrap(),
        TaskCertificates::mint("b").unwrap(),
    );
    // It even knows and trusts the target of task B: its own certificate gives it away.
    let error = converse(
        source_end(&task_a, &task_b),
        target_end(&task_b),
        &server_name("b"),
    )
    .unwrap_err();
    assert!(
        matches!(error, rustls::Error::InvalidCertificate(_)),
        "{error:?}"
    );
}

#[test]
fn a_source_refuses_the_target_of_another_task() {
    let (task_a, task_b) = (
        TaskCertificates::mint("a").unwrap(),
        TaskCertificates::mint("b").unwrap(),
    );
    let error = converse(
        source_end(&task_a, &task_a),
        target_end(&task_b),
        &server_name("a"),
    )
    .unwrap_err();
    assert!(
        matches!(error, rustls::Error::InvalidCertificate(_)),
        "{error:?}"
    );
}

#[test]
fn a_source_certificate_cannot_play_the_target() {
    let task = TaskCertificates::mint("a").unwrap();
    let pretender = data_path_server_config(
        &task.source_certificate,
        task.source_private_key.expose_secret(),
        task.passphrase.expose_secret(),
        &task.ca,
    )
    .unwrap();
    assert!(converse(source_end(&task, &task), pretender, &server_name("a")).is_err());
}

#[test]
fn an_identity_is_known_by_the_fingerprint_of_its_certificate() {
    let authority = ControlPlaneCa::create().unwrap();
    let (key, request) = make_key_and_request("web-1").unwrap();
    let certificate = authority.sign_identity(&request, "source-1").unwrap();
    let client =
        control_plane_client_config(authority.certificate_pem(), Some((&certificate, &key)))
            .unwrap();
    let server = converse(
        client,
        control_plane_end(&authority, &["127.0.0.1"]),
        "127.0.0.1",
    )
    .unwrap();
    let issued = certificates_from_pem(&certificate).unwrap();
    let presented = server.peer_certificates().unwrap();
    assert_eq!(
        fingerprint_sha256(&presented[0]),
        fingerprint_sha256(&issued[0])
    );
}

#[test]
fn a_client_without_a_certificate_is_served_and_one_of_another_authority_is_not() {
    let (authority, other) = (
        ControlPlaneCa::create().unwrap(),
        ControlPlaneCa::create().unwrap(),
    );
    let anonymous = control_plane_client_config(authority.certificate_pem(), None).unwrap();
    let server = converse(
        anonymous,
        control_plane_end(&authority, &["localhost"]),
        "localhost",
    )
    .unwrap();
    assert!(server.peer_certificates().is_none());

    let (key, request) = make_key_and_request("web-1").unwrap();
    let foreign = other.sign_identity(&request, "source-1").unwrap();
    let client =
        control_plane_client_config(authority.certificate_pem(), Some((&foreign, &key))).unwrap();
    assert!(
        converse(
            client,
            control_plane_end(&authority, &["localhost"]),
            "localhost"
        )
        .is_err()
    );
}

#[test]
fn first_contact_trusts_the_fingerprint_and_still_checks_the_name() {
    let authority = ControlPlaneCa::create().unwrap();
    let known = || first_contact_client_config(&authority.fingerprint()).unwrap();
    let end = || control_plane_end(&authority, &["10.0.0.5", "rehost.example"]);
    converse(known(), end(), "10.0.0.5").unwrap();
    converse(known(), end(), "rehost.example").unwrap();
    assert!(converse(known(), end(), "10.0.0.6").is_err());

    let other = ControlPlaneCa::create().unwrap();
    let wrong = first_contact_client_config(&other.fingerprint()).unwrap();
    assert!(converse(wrong, end(), "10.0.0.5").is_err());
}
