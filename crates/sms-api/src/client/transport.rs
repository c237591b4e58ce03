//! Making a call: credentials, sending, reading the answer. The only place that touches the HTTP
//! library.

use std::io::{Read, Seek, SeekFrom, Write};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use ureq::http::request::Parts;
use ureq::http::{HeaderMap, HeaderValue, Request, Response};
use ureq::{AsSendBody, Body, SendBody};

use super::Client;
use super::call::Call;
use super::config::Credentials;
use super::error::ClientError;
use crate::signing::{self, BODY_HASH_HEADER, RequestToSign};

/// Longest JSON answer that is read.
const MAX_JSON_BYTES: u64 = 64 << 20;
/// Longest proof that is read: 64 hexadecimal digits for each MiB make this good for over 100 TiB.
const MAX_STREAM_BYTES: u64 = 16 << 30;
/// Content type of every body.
const JSON: &str = "application/json";
/// How long a stream may stand still.
const STALL_TIMEOUT: Duration = Duration::from_secs(60);

/// How long to wait for an answer.
#[derive(Clone, Copy)]
enum Patience {
    /// From connecting to the end of the answer.
    AtMost(Duration),
    /// As long as bytes move.
    WhileItMoves,
}

/// What is sent as the body.
enum Payload<'a> {
    Nothing,
    Json(Vec<u8>),
    Stream {
        input: &'a mut dyn Read,
        /// Hash of all that will be read; there if the request is going to be signed.
        sha256: Option<[u8; 32]>,
    },
}

impl Payload<'_> {
    /// Hash that a signature covers.
    fn sha256(&self) -> [u8; 32] {
        match self {
            Self::Nothing => signing::body_hash(b""),
            Self::Json(json) => signing::body_hash(json),
            // Whoever signs has hashed; the hash of nothing would be refused, never believed.
            Self::Stream { sha256, .. } => sha256.unwrap_or_else(|| signing::body_hash(b"")),
        }
    }
}

impl Client {
    /// Calls and reads the answer's body.
    pub(super) fn call<T: DeserializeOwned>(&self, call: Call) -> Result<T, ClientError> {
        Ok(self.call_with_headers(call)?.0)
    }

    /// Calls and takes success for the answer: SMS answers `{}`, nothing or a text.
    pub(super) fn call_for_success(&self, call: Call) -> Result<(), ClientError> {
        let name = call.name();
        let answer = self.send(call)?;
        self.read_all(&name, answer.into_body()).map(drop)
    }

    /// Calls and reads the answer's body; the headers are given as well.
    pub(super) fn call_with_headers<T: DeserializeOwned>(
        &self,
        call: Call,
    ) -> Result<(T, HeaderMap), ClientError> {
        let name = call.name();
        let (parts, body) = self.send(call)?.into_parts();
        let bytes = self.read_all(&name, body)?;
        let value = serde_json::from_slice(&bytes)
            .map_err(|source| ClientError::Decode { call: name, source })?;
        Ok((value, parts.headers))
    }

    /// Calls and writes the answer's body to `output` as it comes. Returns its length in bytes.
    pub(super) fn download(&self, call: &Call, output: &mut dyn Write) -> Result<u64, ClientError> {
        let name = call.name();
        let answer = self.exchange(call, Payload::Nothing, Patience::WhileItMoves)?;
        let mut reader = answer
            .into_body()
            .into_with_config()
            .limit(MAX_STREAM_BYTES)
            .reader();
        let mut buffer = vec![0; 64 << 10];
        let mut total_bytes = 0;
        loop {
            let count = match reader.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.no_answer(name, ureq::Error::from(error))),
            };
            let Some(part) = buffer.get(..count).filter(|part| !part.is_empty()) else {
                return Ok(total_bytes);
            };
            if let Err(source) = output.write_all(part) {
                return Err(ClientError::Output { call: name, source });
            }
            total_bytes += part.len() as u64;
        }
    }

    /// Calls with a body that is read as it is sent, from where `input` stands to its end. A
    /// signature needs the hash of the whole body first; then it is read twice.
    pub(super) fn upload(
        &self,
        call: &Call,
        input: &mut (impl Read + Seek),
    ) -> Result<(), ClientError> {
        let sha256 = matches!(self.shared.credentials, Credentials::AccessKey { .. })
            .then(|| hash_ahead(input))
            .transpose()
            .map_err(|source| ClientError::Input {
                call: call.name(),
                source,
            })?;
        let payload = Payload::Stream { input, sha256 };
        let answer = self.exchange(call, payload, Patience::WhileItMoves)?;
        self.read_all(&call.name(), answer.into_body()).map(drop)
    }

    fn send(&self, mut call: Call) -> Result<Response<Body>, ClientError> {
        let payload = match call.json.take() {
            None => Payload::Nothing,
            Some(Ok(json)) => Payload::Json(json),
            Some(Err(source)) => {
                return Err(ClientError::Request {
                    call: call.name(),
                    source: source.into(),
                });
            }
        };
        let patience = Patience::AtMost(call.timeout);
        self.exchange(&call, payload, patience)
    }

    /// Sends and waits for the head of the answer. Success is any status of the 200s; everything
    /// else, redirects among them, is a refusal.
    fn exchange(
        &self,
        call: &Call,
        payload: Payload<'_>,
        patience: Patience,
    ) -> Result<Response<Body>, ClientError> {
        let head = self
            .head(call, &payload)
            .map_err(|source| ClientError::Request {
                call: call.name(),
                source: source.into(),
            })?;
        let answer = match payload {
            Payload::Nothing => self.run(Request::from_parts(head, SendBody::none()), patience),
            Payload::Json(json) => self.run(Request::from_parts(head, json), patience),
            Payload::Stream { input, .. } => self.run(
                Request::from_parts(head, SendBody::from_reader(input)),
                patience,
            ),
        };
        let answer = answer.map_err(|error| self.no_answer(call.name(), error))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let request_id = answer
            .headers()
            .get("x-request-id")
            .and_then(|id| id.to_str().ok());
        let request_id = request_id.map(str::to_owned);
        let body = self.read_all(&call.name(), answer.into_body())?;
        Err(ClientError::from_answer(
            call.name(),
            status.as_u16(),
            &body,
            request_id,
        ))
    }

    /// Request line and headers, signed if the credentials say so.
    fn head(&self, call: &Call, payload: &Payload<'_>) -> Result<Parts, ureq::http::Error> {
        let endpoint = &self.shared.endpoint;
        let query = call.query_text();
        let mark = if query.is_empty() { "" } else { "?" };
        let mut request = Request::builder()
            .method(call.method)
            .uri(format!("{}{}{mark}{query}", endpoint.base, call.path))
            .header("host", &endpoint.host)
            .header("accept", "application/json");
        let mut signed_headers = vec![("host", endpoint.host.as_str())];
        if !matches!(payload, Payload::Nothing) {
            request = request.header("content-type", JSON);
            signed_headers.push(("content-type", JSON));
        }
        if let Some(token) = &call.subject_token {
            request = request.header("x-subject-token", secret_header(token)?);
        }
        match &self.shared.credentials {
            Credentials::None | Credentials::Certificate { .. } => {}
            Credentials::Token(token) => {
                request = request.header("x-auth-token", secret_header(token)?);
            }
            Credentials::AccessKey {
                access_key,
                secret_key,
                project_id,
            } => {
                if let Some(project_id) = project_id {
                    request = request.header("x-project-id", project_id);
                    signed_headers.push(("x-project-id", project_id));
                }
                let body_sha256 = payload.sha256();
                let announced;
                if matches!(payload, Payload::Stream { .. }) {
                    announced = signing::announce_body_hash(&body_sha256);
                    request = request.header(BODY_HASH_HEADER, &announced);
                    signed_headers.push((BODY_HASH_HEADER, &announced));
                }
                let to_sign = RequestToSign {
                    method: call.method,
                    path: &format!("{}{}", endpoint.path_prefix, call.path),
                    query: &query,
                    body_sha256,
                };
                let now = jiff::Timestamp::now().as_second();
                let secret_key = secret_key.expose_secret();
                let signed = signing::sign(&to_sign, &signed_headers, access_key, secret_key, now);
                request = request
                    .header("authorization", signed.authorization)
                    .header("x-sdk-date", signed.date);
            }
        }
        Ok(request.body(())?.into_parts().0)
    }

    fn run<B: AsSendBody>(
        &self,
        request: Request<B>,
        patience: Patience,
    ) -> Result<Response<Body>, ureq::Error> {
        let configured = self.http.configure_request(request);
        let configured = match patience {
            Patience::AtMost(limit) => configured.timeout_global(Some(limit)),
            Patience::WhileItMoves => configured
                .timeout_per_read(Some(STALL_TIMEOUT))
                .timeout_per_write(Some(STALL_TIMEOUT)),
        };
        self.http.run(configured.build())
    }

    fn read_all(&self, call: &str, body: Body) -> Result<Vec<u8>, ClientError> {
        body.into_with_config()
            .limit(MAX_JSON_BYTES)
            .read_to_vec()
            .map_err(|error| self.no_answer(call.to_owned(), error))
    }

    fn no_answer(&self, call: String, error: ureq::Error) -> ClientError {
        match error {
            ureq::Error::BodyExceedsLimit(limit_bytes) => {
                ClientError::Oversize { call, limit_bytes }
            }
            other => ClientError::Transport {
                call,
                endpoint: self.shared.endpoint.base.clone(),
                source: other.into(),
            },
        }
    }
}

/// Hash of all that is left to be read, with `input` where it stood before.
fn hash_ahead(input: &mut (impl Read + Seek)) -> std::io::Result<[u8; 32]> {
    let begin = input.stream_position()?;
    let hash = signing::hash_of_reader(input)?;
    input.seek(SeekFrom::Start(begin))?;
    Ok(hash)
}

/// A header value that the HTTP library keeps out of its logs.
fn secret_header(secret: &SecretString) -> Result<HeaderValue, ureq::http::Error> {
    let mut value = HeaderValue::from_str(secret.expose_secret())?;
    value.set_sensitive(true);
    Ok(value)
}
