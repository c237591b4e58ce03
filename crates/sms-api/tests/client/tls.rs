//! Calls over TLS: the given CA alone is trusted, and the client certificate is presented.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rehost_sms_api::client::{Client, ClientConfig, ClientError, Credentials};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::WebPkiClientVerifier;

use crate::peer::{read_request, write_answer};

struct Authority {
    pem: String,
    der: rustls::pki_types::CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    let (pem, der) = (certificate.pem(), certificate.der().clone());
    Authority {
        pem,
        der,
        issuer: Issuer::new(params, key),
    }
}

/// A certificate and its key.
fn issue(authority: &Authority, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, &authority.issuer).unwrap(), key)
}

/// Serves one connection that must present a certificate of the authority. Joining it gives the
/// client's certificate if a request arrived.
fn serve_once(authority: &Authority) -> (String, JoinHandle<Option<Vec<u8>>>) {
    let (certificate, key) = issue(authority, "127.0.0.1");
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der.clone()).unwrap();
    let clients =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let connection = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = rustls::StreamOwned::new(connection, socket);
        stream.conn.complete_io(&mut stream.sock).ok()?;
        let presented = stream.conn.peer_certificates()?.first()?.to_vec();
        read_request(&mut stream);
        write_answer(&mut stream, "200 OK", "", "{}");
        stream.conn.send_close_notify();
        stream.conn.complete_io(&mut stream.sock).ok();
        Some(presented)
    });
    (endpoint, thread)
}

fn config(
    endpoint: &str,
    ca_pem: &str,
    certificate: &rcgen::Certificate,
    key: &KeyPair,
) -> ClientConfig {
    ClientConfig {
        endpoint: endpoint.to_owned(),
        ca_pem: Some(ca_pem.to_owned()),
        credentials: Credentials::Certificate {
            cert_pem: certificate.pem(),
            key_pem: key.serialize_pem().into(),
        },
    }
}

#[test]
fn the_client_certificate_is_presented_to_a_trusted_server() {
    let authority = authority();
    let (endpoint, server) = serve_once(&authority);
    let (certificate, key) = issue(&authority, "agent");
    let client = Client::new(config(&endpoint, &authority.pem, &certificate, &key)).unwrap();
    client.health().unwrap();
    assert_eq!(server.join().unwrap().unwrap(), certificate.der().to_vec());
}

#[test]
fn a_server_of_another_authority_is_not_trusted() {
    let (ours, theirs) = (authority(), authority());
    let (endpoint, server) = serve_once(&theirs);
    let (certificate, key) = issue(&theirs, "agent");
    let client = Client::new(config(&endpoint, &ours.pem, &certificate, &key)).unwrap();
    assert!(matches!(
        client.health(),
        Err(ClientError::Transport { .. })
    ));
    assert_eq!(server.join().unwrap(), None);
}

#[test]
fn what_cannot_work_is_refused_before_connecting() {
    let authority = authority();
    let (certificate, key) = issue(&authority, "agent");
    let (_, other_key) = issue(&authority, "other");
    let endpoint = "https://127.0.0.1:1";
    let refused = |config| matches!(Client::new(config), Err(ClientError::Config { .. }));
    assert!(!refused(config(
        endpoint,
        &authority.pem,
        &certificate,
        &key
    )));
    assert!(refused(config(
        endpoint,
        &authority.pem,
        &certificate,
        &other_key
    )));
    assert!(refused(config(
        endpoint,
        "no certificate",
        &certificate,
        &key
    )));
    let mut without_ca = config(endpoint, "", &certificate, &key);
    without_ca.ca_pem = None;
    assert!(refused(without_ca));
    let mut broken_key = config(endpoint, &authority.pem, &certificate, &key);
    broken_key.credentials = Credentials::Certificate {
        cert_pem: certificate.pem(),
        key_pem: "none".into(),
    };
    assert!(refused(broken_key));
}
