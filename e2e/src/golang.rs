//! Calls in the spelling of golangsdk, with which the Terraform provider speaks to SMS. Written from
//! its behaviour, and apart from the signing that Rehost itself uses, so that an error of one does
//! not hide behind the same error of the other.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{open, talk, without_certificate};

const USER_AGENT: &str = "golangsdk/2.0.0";

/// How a call says who makes it.
#[derive(Clone, Debug)]
pub enum Access {
    /// Not at all.
    Nothing,
    /// A token of IAM.
    Token(String),
    /// An access key, which signs.
    Keys {
        /// Public part.
        access_key: String,
        /// Secret part.
        secret_key: String,
    },
}

/// One client, as golangsdk's `ProviderClient`.
#[derive(Clone, Debug)]
pub struct Golang {
    port: u16,
    tls: rustls::ClientConfig,
    /// Who calls.
    pub access: Access,
    /// Sent with calls that are signed, and not signed itself.
    pub project_id: Option<String>,
    /// Sent with calls that are signed, and not signed itself.
    pub domain_id: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    /// A header by its name, in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The body in a Go type: a value of another JSON type is an error, null is the zero value, and
    /// what the type does not know is ignored.
    ///
    /// # Errors
    /// If the body does not fit.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).with_context(|| {
            let text = String::from_utf8_lossy(&self.body);
            format!("decode {text} as {}", std::any::type_name::<T>())
        })
    }
}

impl Golang {
    /// A client that has not yet said who it is.
    ///
    /// # Errors
    /// If the CA certificate cannot be read.
    pub fn new(port: u16, ca_file: &Path) -> Result<Self> {
        Ok(Self {
            port,
            tls: without_certificate(ca_file)?,
            access: Access::Nothing,
            project_id: None,
            domain_id: None,
        })
    }

    /// Makes a call, and takes what golangsdk takes for success.
    ///
    /// # Errors
    /// If the call fails, with the answer in the message.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        let answer = self.send(method, path, body)?;
        let good: &[u16] = match method {
            "GET" => &[200],
            "DELETE" => &[200, 202, 204],
            _ => &[200, 201, 202],
        };
        ensure!(
            good.contains(&answer.status),
            "{method} {path}: {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        Ok(answer)
    }

    /// Makes a call that must find nothing: only 404 makes the provider forget an object.
    ///
    /// # Errors
    /// If the answer is another one, or not in the form of SMS errors.
    pub fn is_gone(&self, path: &str) -> Result<()> {
        let answer = self.send("GET", path, None)?;
        let body: Value = answer.decode()?;
        ensure!(
            answer.status == 404 && body["error_code"].is_string() && body["error_msg"].is_string(),
            "GET {path} of something deleted: {} {body}",
            answer.status
        );
        Ok(())
    }

    /// All pages of a list, asked for as golangsdk does: by offset until a page is empty.
    ///
    /// # Errors
    /// If a page does not fit, or if there is no end.
    pub fn pages<T: DeserializeOwned>(&self, path: &str, member: &str) -> Result<Vec<T>> {
        let (bare, query) = path.split_once('?').unwrap_or((path, ""));
        let limit = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("limit="))
            .map(str::parse::<usize>)
            .transpose()?;
        let filters: Vec<&str> = query
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with("offset="))
            .collect();
        let (mut found, mut offset, mut next) = (Vec::new(), 0, path.to_owned());
        for _ in 0..1000 {
            let page = self.page(&next, member)?;
            if page.is_empty() {
                return Ok(found);
            }
            offset += limit.unwrap_or(page.len());
            for row in page {
                let text = row.to_string();
                found.push(
                    serde_json::from_value(row).with_context(|| {
                        format!("decode {text} as {}", std::any::type_name::<T>())
                    })?,
                );
            }
            let mut pairs: Vec<String> = filters.iter().map(ToString::to_string).collect();
            pairs.push(format!("offset={offset}"));
            pairs.sort();
            next = format!("{bare}?{}", pairs.join("&"));
        }
        bail!("{path} has no end")
    }

    /// One page. The pager looks for the list among the members, and so there may be one only.
    fn page(&self, path: &str, member: &str) -> Result<Vec<Value>> {
        let answer = self.request("GET", path, None)?;
        let content_type = answer.header("content-type").unwrap_or_default();
        ensure!(
            content_type.starts_with("application/json"),
            "{path} is {content_type}"
        );
        let body: serde_json::Map<String, Value> = answer.decode()?;
        let lists: Vec<&String> = body
            .iter()
            .filter(|(name, value)| value.is_array() && !name.ends_with("links"))
            .map(|(name, _)| name)
            .collect();
        ensure!(lists == [member], "lists of {path}: {lists:?}");
        let list = body.get(member).and_then(Value::as_array);
        Ok(list.cloned().unwrap_or_default())
    }

    /// Makes a call, whatever comes of it.
    ///
    /// # Errors
    /// If there is no HTTP answer.
    pub fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        // Go's encoder ends a document with a line feed.
        let body = body.map(|value| format!("{value}\n"));
        self.send_text(method, path, body.as_deref())
    }

    /// Makes a call with a body that need not be JSON, whatever comes of it.
    ///
    /// # Errors
    /// If there is no HTTP answer.
    pub fn send_text(&self, method: &str, path: &str, body: Option<&str>) -> Result<Answer> {
        let mut headers = vec![
            ("Accept".to_owned(), "application/json".to_owned()),
            ("User-Agent".to_owned(), USER_AGENT.to_owned()),
        ];
        // The resources set the type on calls without a body, too; looking for IAM does not.
        if body.is_some() || !matches!(self.access, Access::Nothing) {
            headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
        }
        let payload = body.unwrap_or_default().as_bytes();
        match &self.access {
            Access::Nothing => {}
            Access::Token(token) => headers.push(("X-Auth-Token".to_owned(), token.clone())),
            Access::Keys {
                access_key,
                secret_key,
            } => {
                headers.push(("X-Sdk-Date".to_owned(), now()));
                let signature = sign(method, path, &headers, payload, access_key, secret_key)?;
                headers.push(("Authorization".to_owned(), signature));
                for (name, value) in [
                    ("X-Project-Id", &self.project_id),
                    ("X-Domain-Id", &self.domain_id),
                ] {
                    headers.extend(value.clone().map(|value| (name.to_owned(), value)));
                }
            }
        }
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n",
            self.port
        );
        for (name, value) in &headers {
            write!(request, "{name}: {value}\r\n")?;
        }
        if body.is_some() {
            write!(request, "Content-Length: {}\r\n", payload.len())?;
        }
        // Go keeps connections; to close them changes nothing about an answer.
        request += "Connection: close\r\n\r\n";
        let mut bytes = request.into_bytes();
        bytes.extend(payload);
        let mut stream = open(self.port, "127.0.0.1", self.tls.clone())?;
        parse(&talk(&mut stream, &bytes)?).with_context(|| format!("{method} {path}"))
    }
}

/// `Authorization` for these headers, of which `host` is none.
fn sign(
    method: &str,
    path: &str,
    headers: &[(String, String)],
    payload: &[u8],
    access_key: &str,
    secret_key: &str,
) -> Result<String> {
    let (bare, query) = path.split_once('?').unwrap_or((path, ""));
    let mut uri = bare.to_owned();
    if !uri.ends_with('/') {
        uri.push('/');
    }
    let mut pairs: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).collect();
    pairs.sort_unstable();
    let mut covered: Vec<(String, &str)> = headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
        .collect();
    covered.sort();
    let names: Vec<&str> = covered.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let mut lines = String::new();
    for (name, value) in &covered {
        writeln!(lines, "{name}:{value}")?;
    }
    let canonical = format!(
        "{method}\n{uri}\n{}\n{lines}\n{names}\n{}",
        pairs.join("&"),
        hex(&Sha256::digest(payload))
    );
    let date = headers
        .iter()
        .find(|(name, _)| name == "X-Sdk-Date")
        .context("X-Sdk-Date")?;
    let text = format!(
        "SDK-HMAC-SHA256\n{}\n{}",
        date.1,
        hex(&Sha256::digest(canonical))
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(secret_key.as_bytes()).context("secret key")?;
    mac.update(text.as_bytes());
    let signature = hex(&mac.finalize().into_bytes());
    Ok(format!(
        "SDK-HMAC-SHA256 Access={access_key}, SignedHeaders={names}, Signature={signature}"
    ))
}

fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn parse(bytes: &[u8]) -> Result<Answer> {
    let end = bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .with_context(|| format!("no answer: {}", String::from_utf8_lossy(bytes)))?;
    let head = std::str::from_utf8(&bytes[..end]).context("head of the answer")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    let status = status.split(' ').nth(1).context("status")?;
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let answer = Answer {
        status: status.parse().context("status")?,
        headers,
        body: bytes[end + 4..].to_vec(),
    };
    if let Some(length) = answer.header("content-length") {
        ensure!(
            length.parse() == Ok(answer.body.len()),
            "a body of {length} bytes has {}",
            answer.body.len()
        );
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of the public SDK's own signer.
    const ACCESS_KEY: &str = "TESTAK0123456789ABCD";
    const SECRET_KEY: &str = "TESTSK0123456789abcdefghijklmnopqrstuvwx";

    fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(own).collect()
    }

    #[test]
    fn a_body_is_signed_as_the_sdk_does() {
        let headers = headers(&[
            ("Content-Type", "application/json"),
            ("Host", "sms.example.com:8443"),
            ("User-Agent", "ua/1"),
            ("X-Project-Id", "p1"),
            ("X-Sdk-Date", "20260102T030405Z"),
        ]);
        let path = "/v3/sources/dcdbe339-b02d-4578-95a1-9c9c547d0000/changestate";
        let body = br#"{"copystate": "WAITING", "migrationcycle": "cutovered"}"#;
        let value = sign("PUT", path, &headers, body, ACCESS_KEY, SECRET_KEY).unwrap();
        let wanted = "20e42b1ec4b3d0b207579dbb87ce5998fa327dd0463985aea209b7dbc9e2e50d";
        assert!(value.ends_with(&format!("Signature={wanted}")), "{value}");
    }

    #[test]
    fn a_query_is_signed_in_order() {
        let headers = headers(&[
            ("Host", "127.0.0.1:8080"),
            ("X-Sdk-Date", "20260102T030405Z"),
        ]);
        let path = "/v3/sources?offset=0&connected=true&limit=10&name=a%20b%2F%E4%B8%AD~";
        let value = sign("GET", path, &headers, b"", ACCESS_KEY, SECRET_KEY).unwrap();
        let wanted = "cdf0647f9f7b7aa4df71c131f24d011b7f8e487f55902812ac05ab7ae83efc4f";
        assert!(value.ends_with(&format!("Signature={wanted}")), "{value}");
    }
}
