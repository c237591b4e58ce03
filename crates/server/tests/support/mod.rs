//! A control plane in a temporary directory, spoken to over real connections.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a helper of a test fails the test"
)]
#![allow(
    clippy::allow_attributes,
    dead_code,
    unreachable_pub,
    reason = "every test program uses its part of this"
)]

pub mod scripted_keystone;
pub mod stage;
pub mod tenants;
pub mod wire;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread::JoinHandle;

use rehost_certificates::make_key_and_request;
use rehost_server::{KeystoneOptions, Revision, ServeOptions, Server, TlsMode};
use rehost_sms_api::bodies::{
    NetWork, PostSourceServerBody, PostTask, ServerDisk, SourceServerByTask, TargetServerByTask,
};
use rehost_sms_api::client::{Client, ClientConfig, Credentials};
use rehost_sms_api::rehost::{
    JoinRequest, JoinRole, JoinToken, JoinTokenRequest, TargetDevice, TargetRegistration,
};
use secrecy::SecretString;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::oneshot;

/// A running control plane.
pub struct ControlPlane {
    directory: TempDir,
    pub address: SocketAddr,
    pub login: Value,
    tls: TlsMode,
    keystone: Option<KeystoneOptions>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl ControlPlane {
    pub fn start() -> Self {
        Self::start_with(TlsMode::SelfSigned, Revision::default())
    }

    /// Without TLS, for requests that no decent client sends.
    pub fn start_plain(revision: Revision) -> Self {
        Self::start_with(TlsMode::Off, revision)
    }

    /// With a Keystone whose tokens are good as well.
    pub fn start_beside(keystone: KeystoneOptions) -> Self {
        Self::start_as(TlsMode::SelfSigned, Revision::default(), Some(keystone))
    }

    fn start_with(tls: TlsMode, revision: Revision) -> Self {
        Self::start_as(tls, revision, None)
    }

    fn start_as(tls: TlsMode, revision: Revision, keystone: Option<KeystoneOptions>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut plane = Self {
            directory,
            address: ([127, 0, 0, 1], 0).into(),
            login: Value::Null,
            tls,
            keystone,
            running: None,
        };
        plane.run(revision);
        plane
    }

    fn run(&mut self, revision: Revision) {
        let mut options = ServeOptions::new(self.data(), ([127, 0, 0, 1], 0).into());
        options.tls = self.tls.clone();
        options.revision = revision;
        options.keystone = self.keystone.clone();
        let (stop, stopped) = oneshot::channel();
        let (started, start) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                let server = Server::bind(options).await.unwrap();
                started.send(server.local_addr()).unwrap();
                server.run(async { drop(stopped.await) }).await.unwrap();
            });
        });
        self.address = start.recv().expect("the control plane starts");
        self.running = Some((stop, thread));
        let login = std::fs::read_to_string(self.data().join("first-login.json")).unwrap();
        self.login = serde_json::from_str(&login).unwrap();
    }

    pub fn data(&self) -> std::path::PathBuf {
        self.directory.path().join("data")
    }

    pub fn stop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            let _ = stop.send(());
            thread.join().expect("the control plane ends in peace");
        }
    }

    /// Stops it and starts it again on the same data, on another port.
    pub fn restart(&mut self) {
        self.stop();
        self.run(Revision::default());
    }

    /// As [`ControlPlane::restart`], and without TLS from now on.
    pub fn restart_plain(&mut self) {
        self.tls = TlsMode::Off;
        self.restart();
    }

    pub fn text(&self, key: &str) -> String {
        self.login[key].as_str().unwrap().to_owned()
    }

    pub fn client(&self, credentials: Credentials) -> Client {
        let ca_pem = self.login["ca_file"]
            .as_str()
            .map(|file| std::fs::read_to_string(Path::new(file)).unwrap());
        Client::new(ClientConfig {
            endpoint: self.text("endpoint"),
            ca_pem,
            credentials,
        })
        .unwrap()
    }

    /// The administrator, by access key.
    pub fn administrator(&self) -> Client {
        self.client(Credentials::AccessKey {
            access_key: self.text("access_key"),
            secret_key: self.text("secret_key").into(),
            project_id: Some(self.text("project_id")),
        })
    }

    /// Joins a machine and answers its id and its client.
    pub fn join(&self, role: JoinRole, name: &str) -> (String, Client) {
        let request = JoinTokenRequest {
            role,
            valid_seconds: None,
        };
        let token = self.administrator().create_join_token(&request).unwrap();
        let secret = JoinToken::from_text(&token.token).unwrap().secret;
        let (key, certificate_request) = make_key_and_request(name).unwrap();
        let request = JoinRequest {
            secret,
            role,
            name: name.into(),
            certificate_request,
        };
        let joined = self.client(Credentials::None).join(&request).unwrap();
        let credentials = Credentials::Certificate {
            cert_pem: joined.certificate,
            key_pem: SecretString::from(key.as_str()),
        };
        (joined.id, self.client(credentials))
    }

    /// A token of the administrator.
    pub fn token(&self) -> String {
        let body = format!(
            r#"{{"auth":{{"identity":{{"methods":["password"],"password":{{"user":{{"name":"{}",
               "password":"{}","domain":{{"name":"{}"}}}}}}}}}}}}"#,
            self.text("user_name"),
            self.text("password"),
            self.text("domain_name")
        );
        let answer = self.send("POST", "/v3/auth/tokens", &[], body.as_bytes());
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.header("x-subject-token").unwrap().to_owned()
    }

    /// Sends a request as it is, over plain TCP, with the given headers and `Content-Length`.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("host"))
        {
            head += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if !headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("transfer-encoding"))
        {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        head += "\r\n";
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        // A refusal may come, and the connection end, before all of a large body is sent.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Answer::parse(&answer)
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

/// An answer, taken apart.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let (head, body) = bytes.split_at(end.expect("a whole answer") + 4);
        let head = std::str::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        Self {
            status,
            headers,
            body: body.to_vec(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }

    /// `error_code`, or empty.
    pub fn code(&self) -> String {
        self.json()["error_code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

/// A registration with two disks.
pub fn source(name: &str) -> PostSourceServerBody {
    let disk = |name: &str, size| ServerDisk {
        name: Some(name.into()),
        size: Some(size),
        ..ServerDisk::default()
    };
    PostSourceServerBody {
        name: Some(name.into()),
        hostname: Some(name.into()),
        ip: Some("192.0.2.10".into()),
        os_type: Some("LINUX".into()),
        os_version: Some("DEBIAN_12_64BIT".into()),
        firmware: Some("BIOS".into()),
        agent_version: Some("0.1.0".into()),
        networks: Some(vec![NetWork {
            name: Some("eth0".into()),
            mac: Some("52:54:00:12:34:56".into()),
            ..NetWork::default()
        }]),
        disks: Some(vec![disk("/dev/vda", 1 << 30), disk("/dev/vdb", 1 << 20)]),
        ..PostSourceServerBody::default()
    }
}

/// What a receiver offers.
pub fn target(name: &str) -> TargetRegistration {
    TargetRegistration {
        name: name.into(),
        data_address: "192.0.2.20".into(),
        data_port: 8899,
        makes_images: true,
        devices: vec![TargetDevice {
            path: "/dev/sdx".into(),
            size_bytes: 1 << 30,
        }],
        boots: false,
    }
}

/// A task from a source to a target.
pub fn task(source_id: &str, target_id: &str) -> PostTask {
    PostTask {
        name: Some("move".into()),
        r#type: Some("MIGRATE_BLOCK".into()),
        os_type: Some("LINUX".into()),
        region_name: Some("rehost".into()),
        region_id: Some("rehost".into()),
        project_name: Some("rehost".into()),
        project_id: Some("rehost".into()),
        source_server: Some(SourceServerByTask {
            id: Some(source_id.into()),
        }),
        target_server: Some(TargetServerByTask {
            vm_id: Some(target_id.into()),
            name: Some("new-home".into()),
            ..TargetServerByTask::default()
        }),
        ..PostTask::default()
    }
}
