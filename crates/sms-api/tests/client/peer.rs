//! A peer that answers one request after the other from a script and keeps what it received.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use rehost_sms_api::client::{Client, ClientConfig, Credentials};
use rehost_sms_api::signing::{Authorization, RequestToSign, SignatureError, body_hash, verify};

/// A request as it arrived.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Verifies the signature over what was received.
    pub(crate) fn verify(&self, secret_key: &str) -> Result<Authorization, SignatureError> {
        let authorization = Authorization::parse(self.header("authorization").unwrap())?;
        let request = RequestToSign {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            body_sha256: body_hash(&self.body),
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let now = now.as_secs().try_into().unwrap();
        let header = |name: &str| self.header(name);
        verify(&authorization, &request, header, secret_key, now)?;
        Ok(authorization)
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// Reads one request, whether its body has a length or comes in chunks.
pub(crate) fn read_request(stream: impl Read) -> Received {
    let mut reader = BufReader::new(stream);
    let first = line(&mut reader);
    let mut words = first.split(' ');
    let method = words.next().unwrap().to_owned();
    let (path, query) = {
        let target = words.next().unwrap();
        target.split_once('?').unwrap_or((target, ""))
    };
    let mut headers = Vec::new();
    loop {
        let text = line(&mut reader);
        let Some((name, value)) = text.split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut received = Received {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body: Vec::new(),
    };
    if received.header("transfer-encoding") == Some("chunked") {
        loop {
            let length = usize::from_str_radix(&line(&mut reader), 16).unwrap();
            let mut chunk = vec![0; length];
            reader.read_exact(&mut chunk).unwrap();
            received.body.extend(chunk);
            assert_eq!(line(&mut reader), "");
            if length == 0 {
                break;
            }
        }
    } else if let Some(length) = received.header("content-length") {
        received.body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut received.body).unwrap();
    }
    received
}

fn line(reader: &mut impl BufRead) -> String {
    let mut text = String::new();
    reader.read_line(&mut text).unwrap();
    text.trim_end().to_owned()
}

/// Writes an answer and ends the connection with it.
pub(crate) fn write_answer(mut stream: impl Write, status: &str, headers: &str, body: &str) {
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}"
    )
    .unwrap();
    stream.flush().unwrap();
}

/// What the peer answers to one request.
pub(crate) struct Answer {
    pub(crate) status: &'static str,
    pub(crate) headers: &'static str,
    pub(crate) body: String,
}

pub(crate) fn ok(body: &str) -> Answer {
    Answer {
        status: "200 OK",
        headers: "",
        body: body.to_owned(),
    }
}

/// Starts a peer for as many requests as there are answers. Joining it gives what it received.
pub(crate) fn start(answers: Vec<Answer>) -> (String, JoinHandle<Vec<Received>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let mut received = Vec::new();
        for answer in answers {
            let (stream, _) = listener.accept().unwrap();
            received.push(read_request(&stream));
            write_answer(&stream, answer.status, answer.headers, &answer.body);
        }
        received
    });
    (endpoint, thread)
}

pub(crate) fn client(endpoint: &str, credentials: Credentials) -> Client {
    let endpoint = endpoint.to_owned();
    Client::new(ClientConfig {
        endpoint,
        ca_pem: None,
        credentials,
    })
    .unwrap()
}
