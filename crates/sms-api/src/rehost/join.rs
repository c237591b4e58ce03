//! Joining: how a source or a target gets an identity of its own from a one-time token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the joining side will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum JoinRole {
    /// A source server: runs `rehost agent`.
    Source,
    /// A target server: runs `rehost receive`.
    Target,
}

/// Body of `POST /rehost/v1/join-tokens`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct JoinTokenRequest {
    /// What the holder may join as.
    #[schema(inline)]
    pub role: JoinRole,
    /// How long the token may be used, in seconds; one hour unless given, one week at most.
    #[schema(minimum = 1, maximum = 604_800, nullable = false)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_seconds: Option<u64>,
}

/// Answer of `POST /rehost/v1/join-tokens`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct JoinTokenResponse {
    /// The token as text, see [`JoinToken`].
    pub token: String,
    /// What the holder may join as.
    pub role: JoinRole,
    /// When it ends, milliseconds since 1970.
    pub expires_at: i64,
}

/// What the text of a join token says. Text form: `rehost-join-1.` and the JSON in base64url.
#[derive(Clone, Serialize, Deserialize)]
pub struct JoinToken {
    /// Base URL of the control plane, such as `https://10.0.0.5:8443`.
    pub endpoint: String,
    /// SHA-256 of the control plane's CA certificate (DER), 64 lower-case hexadecimal digits.
    pub ca_sha256: String,
    /// What the holder may join as.
    pub role: JoinRole,
    /// The secret that proves the right to join, once.
    pub secret: String,
}

impl std::fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JoinToken")
            .field("endpoint", &self.endpoint)
            .field("ca_sha256", &self.ca_sha256)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// Why a text is no join token.
#[derive(Debug, thiserror::Error)]
pub enum JoinTokenError {
    /// The text does not start as join tokens do.
    #[error("not a join token: it must start with {PREFIX}")]
    Prefix,
    /// The part behind the prefix is not base64url.
    #[error("damaged join token: copy it again, whole and in one line")]
    Encoding(#[source] base64::DecodeError),
    /// The decoded part is not what this version writes.
    #[error("damaged join token, or one of another version of Rehost")]
    Content(#[source] serde_json::Error),
}

const PREFIX: &str = "rehost-join-1.";

impl JoinToken {
    /// The text that a person copies from the control plane to the joining side.
    #[must_use]
    pub fn to_text(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(json))
    }

    /// Reads the text form. White space around it is ignored.
    ///
    /// # Errors
    /// [`JoinTokenError`] if the text is not a whole token of this version.
    pub fn from_text(text: &str) -> Result<Self, JoinTokenError> {
        let encoded = text
            .trim()
            .strip_prefix(PREFIX)
            .ok_or(JoinTokenError::Prefix)?;
        let json = URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(JoinTokenError::Encoding)?;
        serde_json::from_slice(&json).map_err(JoinTokenError::Content)
    }
}

/// Body of `POST /rehost/v1/join`.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct JoinRequest {
    /// The secret of the join token.
    pub secret: String,
    /// Must be the role of the token.
    pub role: JoinRole,
    /// Name to show to people: the host name unless the user said otherwise.
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// PKCS#10 request for the key that the joining side made and keeps, PEM.
    pub certificate_request: String,
}

impl std::fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JoinRequest")
            .field("role", &self.role)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Answer of `POST /rehost/v1/join`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct JoinResponse {
    /// Id of the new identity; for a target it is also its `vm_id`.
    pub id: String,
    /// What it joined as.
    pub role: JoinRole,
    /// Certificate for the key of the request, PEM.
    pub certificate: String,
    /// CA certificate of the control plane, PEM.
    pub ca: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text_form_and_hides_its_secret() {
        let token = JoinToken {
            endpoint: "https://127.0.0.1:8443".into(),
            ca_sha256: "ab".repeat(32),
            role: JoinRole::Source,
            secret: "hush".into(),
        };
        let read = JoinToken::from_text(&format!(" {}\n", token.to_text())).unwrap();
        assert_eq!(read.endpoint, token.endpoint);
        assert_eq!(read.secret, "hush");
        assert!(!format!("{token:?}").contains("hush"));
        assert!(JoinToken::from_text("rehost-join-1.?").is_err());
        assert!(JoinToken::from_text("hello").is_err());
    }
}
