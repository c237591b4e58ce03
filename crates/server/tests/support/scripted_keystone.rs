//! A Keystone that answers what a test wants it to answer, over real connections.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

/// What is answered to a question about a token.
#[derive(Clone, Debug)]
pub enum Script {
    /// 200 with this body.
    Says(Value),
    /// This status with an empty body.
    Status(u16),
    /// These bytes, and then the end.
    Bytes(Vec<u8>),
    /// Nothing, for as long as the other side waits.
    Silence,
    /// A body without end.
    Flood,
}

#[derive(Debug, Default)]
struct Told {
    scripts: HashMap<String, Script>,
    questions: Vec<String>,
    ended: bool,
}

/// A scripted Keystone; it ends with the test.
#[derive(Debug)]
pub struct ScriptedKeystone {
    address: SocketAddr,
    scheme: &'static str,
    told: Arc<Mutex<Told>>,
    thread: Option<JoinHandle<()>>,
}

impl ScriptedKeystone {
    pub fn start() -> Self {
        Self::start_with(None)
    }

    pub fn start_with(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let told = Arc::new(Mutex::new(Told::default()));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::clone(&told);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let (tls, told) = (tls.clone(), Arc::clone(&shared));
                // The last connection of all is made by whoever ends this.
                if told.lock().unwrap().ended {
                    return;
                }
                std::thread::spawn(move || match tls {
                    None => answer(stream, &told),
                    Some(config) => {
                        let session = ServerConnection::new(config).unwrap();
                        answer(StreamOwned::new(session, stream), &told);
                    }
                });
            }
        });
        Self {
            address,
            scheme,
            told,
            thread: Some(thread),
        }
    }

    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// From now on this is answered to questions about a token.
    pub fn script(&self, token: &str, script: Script) {
        let mut told = self.told.lock().unwrap();
        told.scripts.insert(token.to_owned(), script);
    }

    /// How often it was asked about a token.
    pub fn questions(&self, token: &str) -> usize {
        let told = self.told.lock().unwrap();
        told.questions
            .iter()
            .filter(|asked| *asked == token)
            .count()
    }

    /// Ends it: whoever connects from now on is refused.
    pub fn stop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.told.lock().unwrap().ended = true;
            let _ = TcpStream::connect(self.address);
            thread.join().unwrap();
        }
    }
}

impl Drop for ScriptedKeystone {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

/// What Keystone says of a good token.
pub fn token(scope: &Value, roles: &[&str], expires_at: &str) -> Value {
    let roles: Vec<_> = roles
        .iter()
        .map(|name| json!({ "id": name, "name": name }))
        .collect();
    let mut token = json!({
        "methods": ["password"], "expires_at": expires_at, "issued_at": "2020-01-01T00:00:00.000000Z",
        "user": { "id": "u-77", "name": "ann@openstack", "domain": { "id": "default", "name": "Default" } },
        "roles": roles, "audit_ids": ["x"], "is_domain": false,
    });
    for (name, value) in scope.as_object().unwrap() {
        token[name] = value.clone();
    }
    json!({ "token": token })
}

fn answer(mut stream: impl Read + Write, told: &Mutex<Told>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let header = |name: &str| {
        let line = head
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with(name));
        line.map(|line| line[name.len() + 1..].trim().to_owned())
            .unwrap_or_default()
    };
    let subject = header("x-subject-token");
    let is_right = head.starts_with("GET /v3/auth/tokens?") && subject == header("x-auth-token");
    let script = {
        let mut told = told.lock().unwrap();
        told.questions.push(subject.clone());
        told.scripts.get(&subject).cloned()
    };
    let plain = |status: u16, body: &str| {
        format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    let bytes = match script {
        _ if !is_right => plain(400, ""),
        None => plain(
            404,
            r#"{"error":{"code":404,"message":"no","title":"Not Found"}}"#,
        ),
        Some(Script::Says(body)) => plain(200, &body.to_string()),
        Some(Script::Status(status)) => plain(status, ""),
        Some(Script::Bytes(bytes)) => bytes,
        Some(Script::Silence) => {
            let _ = stream.read(&mut byte);
            return;
        }
        Some(Script::Flood) => {
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n";
            let mut sent = stream.write_all(head.as_bytes());
            while sent.is_ok() {
                sent = stream.write_all(&[b' '; 64 * 1024]);
            }
            return;
        }
    };
    let _ = stream.write_all(&bytes);
    let _ = stream.flush();
}
