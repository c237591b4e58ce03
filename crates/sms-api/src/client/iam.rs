//! Calls of the small IAM, and the version routes.

use secrecy::SecretString;

use super::call::Call;
use super::{Client, ClientError};
use crate::bodies::iam::{AuthTokensRequest, DomainList, ProjectList, TokenResponse};
use crate::bodies::{ListApiVersionResponse, Version};

/// A token that was given out.
#[derive(Clone, Debug)]
pub struct IssuedToken {
    /// The token itself, from the header `X-Subject-Token`.
    pub token: SecretString,
    /// What it stands for.
    pub body: TokenResponse,
}

impl Client {
    /// `POST /v3/auth/tokens`: logs in.
    ///
    /// # Errors
    /// [`ClientError`]; an answer without a token in its header counts as [`ClientError::Decode`].
    pub fn create_token(&self, body: &AuthTokensRequest) -> Result<IssuedToken, ClientError> {
        let call = Call::new("POST", &["v3", "auth", "tokens"])
            .query("nocatalog", true)
            .json(body);
        let name = call.name();
        let (body, headers) = self.call_with_headers(call)?;
        let token = headers
            .get("x-subject-token")
            .and_then(|value| value.to_str().ok());
        let token = token.ok_or_else(|| ClientError::Decode {
            call: name,
            source: serde::de::Error::missing_field("X-Subject-Token"),
        })?;
        Ok(IssuedToken {
            token: SecretString::from(token),
            body,
        })
    }

    /// `GET /v3/auth/tokens`: what a token stands for, if it is good.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn check_token(&self, token: &SecretString) -> Result<TokenResponse, ClientError> {
        self.call(Call::new("GET", &["v3", "auth", "tokens"]).subject_token(token))
    }

    /// `DELETE /v3/auth/tokens`: ends a token.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn revoke_token(&self, token: &SecretString) -> Result<(), ClientError> {
        self.call_for_success(Call::new("DELETE", &["v3", "auth", "tokens"]).subject_token(token))
    }

    /// `GET /v3/auth/domains`
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn list_domains(&self) -> Result<DomainList, ClientError> {
        self.call(Call::new("GET", &["v3", "auth", "domains"]))
    }

    /// `GET /v3/projects`: those with this name, or all.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn list_projects(&self, name: Option<&str>) -> Result<ProjectList, ClientError> {
        let call = Call::new("GET", &["v3", "projects"]);
        self.call(match name {
            Some(name) => call.query("name", name),
            None => call,
        })
    }

    /// `GET /`: the versions of the interface.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn list_api_version(&self) -> Result<ListApiVersionResponse, ClientError> {
        self.call(Call::new("GET", &[]))
    }

    /// `GET /{version}`: one version, such as `v3`.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn show_api_version(&self, version: &str) -> Result<Version, ClientError> {
        self.call(Call::new("GET", &[version]))
    }
}
