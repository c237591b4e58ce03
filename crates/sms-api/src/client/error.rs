//! How a call can fail.

use serde_json::Value;

use crate::errors::ErrorCode;

/// The cause of a failure, where another library knows it.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The client was set up in a way that cannot work.
    #[error("cannot set up the client: {problem}")]
    Config {
        /// What is wrong and what to do.
        problem: &'static str,
        /// Why, where another library knows it.
        #[source]
        source: Option<Cause>,
    },
    /// The request could not be put together.
    #[error("cannot put the request {call} together: check ids and credentials for line breaks")]
    Request {
        /// Method and path.
        call: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// There was no whole answer: refused, unreachable, broken off, timed out, not trusted.
    /// It is unknown whether the request had an effect; calling again later may help.
    #[error(
        "no answer to {call} from {endpoint}: check that the control plane runs and can be reached"
    )]
    Transport {
        /// Method and path.
        call: String,
        /// Base URL.
        endpoint: String,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The control plane refused.
    #[error("{call} was refused with {code} (HTTP {status}): {message}")]
    Api {
        /// Method and path.
        call: String,
        /// HTTP status.
        status: u16,
        /// Error code such as `SMS.7703`; the status where the answer has none.
        code: String,
        /// What the answer says.
        message: String,
        /// The answer's `X-Request-Id`, to be looked up in the log of the control plane.
        request_id: Option<String>,
    },
    /// The answer is not of the expected form.
    #[error(
        "the answer to {call} has an unexpected form: check that both ends are of the same version"
    )]
    Decode {
        /// Method and path.
        call: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The answer is longer than any real one.
    #[error(
        "the answer to {call} is longer than {limit_bytes} bytes: check what answers at this endpoint"
    )]
    Oversize {
        /// Method and path.
        call: String,
        /// The limit.
        limit_bytes: u64,
    },
    /// What was to be sent could not be read.
    #[error("cannot read what {call} is to send: check the file")]
    Input {
        /// Method and path.
        call: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What was received could not be written to where the caller wanted it.
    #[error("cannot write the answer to {call}: check the free space of the output")]
    Output {
        /// Method and path.
        call: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl ClientError {
    /// HTTP status of a refusal.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Api { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the control plane refused with this code.
    #[must_use]
    pub fn is(&self, wanted: ErrorCode) -> bool {
        matches!(self, Self::Api { code, .. } if code == wanted.code())
    }

    /// Whether the same call may succeed later without anybody changing anything: there was no
    /// answer, or the control plane failed or was overloaded.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Transport { .. } => true,
            Self::Api { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }

    /// Reads a refusal as SMS's SDKs do: `error_code` with `error_msg`, else `errorCode` with
    /// `errorMsg`, else `code` with `message`, else the same in any member that is an object.
    pub(super) fn from_answer(
        call: String,
        status: u16,
        body: &[u8],
        request_id: Option<String>,
    ) -> Self {
        /// Enough of a text that is no error body for people to recognise what answered.
        const MAX_TEXT_CHARS: usize = 500;
        let found = serde_json::from_slice(body)
            .ok()
            .and_then(|value| code_and_message(&value));
        let (code, message) = found.unwrap_or_else(|| {
            let text = String::from_utf8_lossy(body);
            (
                status.to_string(),
                text.trim().chars().take(MAX_TEXT_CHARS).collect(),
            )
        });
        Self::Api {
            call,
            status,
            code,
            message,
            request_id,
        }
    }
}

fn code_and_message(value: &Value) -> Option<(String, String)> {
    const NAMES: [(&str, &str); 3] = [
        ("error_code", "error_msg"),
        ("errorCode", "errorMsg"),
        ("code", "message"),
    ];
    let members = value.as_object()?;
    let here = NAMES.iter().find_map(|(code, message)| {
        Some((text(members.get(*code)?)?, text(members.get(*message)?)?))
    });
    here.or_else(|| members.values().find_map(code_and_message))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> (String, String) {
        match ClientError::from_answer("GET /".into(), 400, body.as_bytes(), None) {
            ClientError::Api { code, message, .. } => (code, message),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn every_form_of_error_body_is_read() {
        for (body, code, message) in [
            (
                r#"{"error_code":"SMS.7703","error_msg":"gone"}"#,
                "SMS.7703",
                "gone",
            ),
            (r#"{"errorCode":"A","errorMsg":"b"}"#, "A", "b"),
            (
                r#"{"error":{"code":401,"message":"no","title":"Unauthorized"}}"#,
                "401",
                "no",
            ),
            (
                r#"{"error_code":"SMS.1"}"#,
                "400",
                r#"{"error_code":"SMS.1"}"#,
            ),
            (" Bad Gateway\n", "400", "Bad Gateway"),
            ("", "400", ""),
        ] {
            assert_eq!(read(body), (code.to_owned(), message.to_owned()), "{body}");
        }
        assert_eq!(read(&"x".repeat(10_000)).1.len(), 500);
    }

    #[test]
    fn refusals_can_be_told_apart() {
        let body = br#"{"error_code":"SMS.7602","error_msg":"gone"}"#;
        let error = ClientError::from_answer("GET /".into(), 404, body, None);
        assert!(error.is(ErrorCode::SourceUnknown) && !error.is(ErrorCode::TaskUnknown));
        assert_eq!(error.status(), Some(404));
        assert!(!error.is_temporary());
        assert!(ClientError::from_answer("GET /".into(), 503, b"", None).is_temporary());
    }
}
