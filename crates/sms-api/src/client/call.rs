//! One call as the resources describe it: route, query, body.

use std::time::Duration;

use secrecy::SecretString;
use serde::Serialize;

use crate::signing::percent_encode;

/// How long a call may take that does not wait for anything.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a long poll may take beyond the time that it asks for.
const POLL_GRACE: Duration = Duration::from_secs(30);

/// A call that is being put together.
pub(super) struct Call {
    pub(super) method: &'static str,
    /// Path below the endpoint, percent-encoded.
    pub(super) path: String,
    query: Vec<(String, String)>,
    /// The body; what keeps it from being written is reported when the call is made.
    pub(super) json: Option<Result<Vec<u8>, serde_json::Error>>,
    /// Value of `X-Subject-Token`.
    pub(super) subject_token: Option<SecretString>,
    pub(super) timeout: Duration,
}

impl Call {
    /// A call of a route; the segments of its path are percent-encoded here.
    pub(super) fn new(method: &'static str, segments: &[&str]) -> Self {
        let mut path = String::new();
        for segment in segments {
            path.push('/');
            path.push_str(&percent_encode(segment));
        }
        if path.is_empty() {
            path.push('/');
        }
        let (query, json, subject_token) = (Vec::new(), None, None);
        Self {
            method,
            path,
            query,
            json,
            subject_token,
            timeout: CALL_TIMEOUT,
        }
    }

    pub(super) fn json(mut self, body: &impl Serialize) -> Self {
        self.json = Some(serde_json::to_vec(body));
        self
    }

    pub(super) fn query(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds every member of a flat structure that is there.
    pub(super) fn query_of(mut self, parameters: &impl Serialize) -> Self {
        if let Ok(serde_json::Value::Object(members)) = serde_json::to_value(parameters) {
            for (name, value) in members {
                let text = value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned);
                self.query.push((name, text));
            }
        }
        self
    }

    /// Makes it a long poll.
    pub(super) fn wait_seconds(mut self, seconds: u32) -> Self {
        self.timeout = Duration::from_secs(seconds.into()) + POLL_GRACE;
        self.query("wait_seconds", seconds)
    }

    pub(super) fn subject_token(mut self, token: &SecretString) -> Self {
        self.subject_token = Some(token.clone());
        self
    }

    /// Method and path, for messages. The query is left out.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// The query, percent-encoded; empty if there is none.
    pub(super) fn query_text(&self) -> String {
        let encoded: Vec<_> = self
            .query
            .iter()
            .map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)))
            .collect();
        encoded.join("&")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bodies::ListServersQuery;

    #[test]
    fn paths_and_queries_are_encoded() {
        let call = Call::new("GET", &["v3", "sources", "x/../y z"]);
        assert_eq!(call.name(), "GET /v3/sources/x%2F..%2Fy%20z");
        assert_eq!(Call::new("GET", &[]).path, "/");
        let query = ListServersQuery {
            name: Some("a b&c".into()),
            limit: Some(5),
            connected: Some(true),
            ..Default::default()
        };
        let call = call.query_of(&query).wait_seconds(9);
        assert_eq!(
            call.query_text(),
            "connected=true&limit=5&name=a%20b%26c&wait_seconds=9"
        );
        assert_eq!(call.timeout, Duration::from_secs(39));
    }
}
