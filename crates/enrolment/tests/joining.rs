//! Joining against a scripted control plane: a real TLS peer that answers one request.
#![expect(clippy::unwrap_used, reason = "a failing helper should fail the test")]

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair,
};
use rehost_certificates::fingerprint_sha256;
use rehost_enrolment::{EnrolError, FirstContactError, Identity, enrol, load_or_enrol};
use rehost_sms_api::rehost::{JoinRequest, JoinResponse, JoinRole, JoinToken};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A CA and a server certificate of it for 127.0.0.1.
struct Plane {
    ca: CertificateDer<'static>,
    ca_pem: String,
    issuer: Issuer<'static, KeyPair>,
    tls: Arc<ServerConfig>,
}

impl Plane {
    fn new(subject: &str) -> Self {
        let ca_key = KeyPair::generate().unwrap();
        let mut ca_params = CertificateParams::default();
        ca_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = ca_params.self_signed(&ca_key).unwrap();
        let issuer = Issuer::new(ca_params, ca_key);
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![subject.to_owned()]).unwrap();
        let leaf = params.signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone(), ca.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        Self {
            ca: ca.der().clone(),
            ca_pem: ca.pem(),
            issuer,
            tls: Arc::new(tls),
        }
    }

    fn fingerprint(&self) -> String {
        fingerprint_sha256(&self.ca)
    }

    /// Certifies whatever is asked for, as the control plane would.
    fn answer(&self, request: &JoinRequest) -> JoinResponse {
        let request =
            CertificateSigningRequestParams::from_pem(&request.certificate_request).unwrap();
        JoinResponse {
            id: "0191-source".into(),
            role: JoinRole::Source,
            certificate: request.signed_by(&self.issuer).unwrap().pem(),
            ca: self.ca_pem.clone(),
        }
    }
}

/// Serves until a join request was answered, and hands it out. Connections that end before they
/// say anything (the first contact, refused handshakes) are only counted.
fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    answer: impl Fn(&JoinRequest) -> JoinResponse + Send + 'static,
) -> JoinHandle<JoinRequest> {
    thread::spawn(move || {
        loop {
            let (stream, _) = listener.accept().unwrap();
            let session = ServerConnection::new(tls.clone()).unwrap();
            let mut stream = StreamOwned::new(session, stream);
            let Some(body) = read_request(&mut stream) else {
                continue;
            };
            let request: JoinRequest = serde_json::from_slice(&body).unwrap();
            let body = serde_json::to_vec(&answer(&request)).unwrap();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                 connection: close\r\n\r\n",
                body.len()
            )
            .unwrap();
            stream.write_all(&body).unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
            return request;
        }
    })
}

/// The body of one `POST /rehost/v1/join`; nothing if the peer goes away before.
fn read_request(stream: &mut StreamOwned<ServerConnection, TcpStream>) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(
        head.starts_with("post /rehost/v1/join http/1.1\r\n"),
        "{head}"
    );
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map(|length| length.trim().parse().unwrap());
    let mut body = vec![0; length.unwrap()];
    stream.read_exact(&mut body).unwrap();
    Some(body)
}

fn token(listener: &TcpListener, ca_sha256: String, role: JoinRole) -> String {
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    JoinToken {
        endpoint,
        ca_sha256,
        role,
        secret: "hush".into(),
    }
    .to_text()
}

fn join(state_dir: &Path, token: &str) -> Result<Identity, EnrolError> {
    enrol(state_dir, token, JoinRole::Source, "web-1")
}

#[test]
fn a_token_of_this_control_plane_gives_a_lasting_identity() {
    let plane = Plane::new("127.0.0.1");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let token = token(&listener, plane.fingerprint(), JoinRole::Source);
    let tls = plane.tls.clone();
    let server = serve(listener, tls, move |request| plane.answer(request));

    let state = tempfile::tempdir().unwrap();
    assert!(Identity::load(state.path()).unwrap().is_none());
    let joined = join(state.path(), &token).unwrap();
    let request = server.join().unwrap();
    assert_eq!(
        (request.secret.as_str(), request.name.as_str()),
        ("hush", "web-1")
    );
    assert!(!format!("{joined:?}").contains("PRIVATE KEY"));

    let loaded = Identity::load(state.path()).unwrap().unwrap();
    assert_eq!(
        (loaded.id.as_str(), loaded.role),
        ("0191-source", JoinRole::Source)
    );
    loaded.client().unwrap();
    let mode = std::fs::metadata(state.path().join("identity.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    // The token is used up and its server gone: a restart must not need it.
    let again = load_or_enrol(state.path(), Some(&token), JoinRole::Source, "web-1").unwrap();
    assert_eq!(again.id, joined.id);
    let other = load_or_enrol(state.path(), None, JoinRole::Target, "web-1");
    assert!(matches!(other, Err(EnrolError::OtherIdentity { .. })));
}

#[test]
fn a_control_plane_with_another_ca_gets_no_secret() {
    let (right, wrong) = (Plane::new("127.0.0.1"), Plane::new("127.0.0.1"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let token = token(&listener, right.fingerprint(), JoinRole::Source);
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let session = ServerConnection::new(wrong.tls.clone()).unwrap();
        read_request(&mut StreamOwned::new(session, stream))
    });
    let state = tempfile::tempdir().unwrap();
    let refused = join(state.path(), &token);
    assert!(
        matches!(
            refused,
            Err(EnrolError::FirstContact(
                FirstContactError::SomebodyElse { .. }
            ))
        ),
        "{refused:?}"
    );
    assert_eq!(server.join().unwrap(), None);
    assert!(Identity::load(state.path()).unwrap().is_none());
}

#[test]
fn the_right_ca_is_not_enough_if_the_name_is_another() {
    let plane = Plane::new("elsewhere.example");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let token = token(&listener, plane.fingerprint(), JoinRole::Source);
    let server = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let session = ServerConnection::new(plane.tls.clone()).unwrap();
        read_request(&mut StreamOwned::new(session, stream))
    });
    let refused = join(tempfile::tempdir().unwrap().path(), &token);
    assert!(
        matches!(
            refused,
            Err(EnrolError::FirstContact(
                FirstContactError::SomebodyElse { .. }
            ))
        ),
        "{refused:?}"
    );
    assert_eq!(server.join().unwrap(), None);
}

#[test]
fn an_answer_with_another_ca_is_refused_and_nothing_is_stored() {
    let (plane, other) = (Plane::new("127.0.0.1"), Plane::new("127.0.0.1"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let token = token(&listener, plane.fingerprint(), JoinRole::Source);
    let server = serve(listener, plane.tls.clone(), move |request| {
        other.answer(request)
    });
    let state = tempfile::tempdir().unwrap();
    assert!(matches!(
        join(state.path(), &token),
        Err(EnrolError::OtherCa)
    ));
    server.join().unwrap();
    assert!(Identity::load(state.path()).unwrap().is_none());
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let state = tempfile::tempdir().unwrap();
    let target = token(&listener, "00".repeat(32), JoinRole::Target);
    assert!(matches!(
        join(state.path(), &target),
        Err(EnrolError::OtherRole { .. })
    ));
    assert!(matches!(
        join(state.path(), "hello"),
        Err(EnrolError::Token(_))
    ));
    let nothing = load_or_enrol(state.path(), None, JoinRole::Source, "web-1");
    assert!(matches!(nothing, Err(EnrolError::NoToken { .. })));
    let nobody = token(&listener, "00".repeat(32), JoinRole::Source);
    drop(listener);
    let refused = join(state.path(), &nobody);
    assert!(
        matches!(
            refused,
            Err(EnrolError::FirstContact(FirstContactError::Connect { .. }))
        ),
        "{refused:?}"
    );
}
