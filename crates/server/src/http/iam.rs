//! The small IAM: what SMS clients ask before their first call.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode};
use rehost_sms_api::bodies::iam::{
    AuthTokensRequest, Domain, DomainList, ListLinks, Project, ProjectList, TokenResponse,
};
use serde::Deserialize;

use super::body::JsonBody;
use super::query::QueryOf;
use crate::app::App;
use crate::errors::ApiError;
use crate::identity::{self, Caller, ValidToken};

const SUBJECT_TOKEN: &str = "x-subject-token";
const AUTH_TOKEN: &str = "x-auth-token";

/// `?nocatalog=true`, or just `?nocatalog`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TokenQuery {
    nocatalog: Option<String>,
}

impl TokenQuery {
    fn with_catalog(&self) -> bool {
        self.nocatalog
            .as_deref()
            .is_none_or(|value| value == "false")
    }
}

/// `POST /v3/auth/tokens`
pub(super) async fn issue_token(
    State(app): State<App>,
    QueryOf(query): QueryOf<TokenQuery>,
    body: Result<JsonBody<AuthTokensRequest>, ApiError>,
) -> Result<Response, ApiError> {
    let JsonBody(body) = body.map_err(in_iam_form)?;
    let (token, body) = identity::issue_token(&app, body, query.with_catalog())
        .await
        .map_err(in_iam_form)?;
    Ok(with_subject(StatusCode::CREATED, &token, body))
}

/// `GET /v3/auth/tokens`
pub(super) async fn show_token(
    State(app): State<App>,
    QueryOf(query): QueryOf<TokenQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (token, valid) = subject(&app, &headers).await?;
    let body = identity::show_token(&app, &valid, query.with_catalog()).await?;
    Ok(with_subject(StatusCode::OK, &token, body))
}

/// `DELETE /v3/auth/tokens`
pub(super) async fn revoke_token(
    State(app): State<App>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let (token, _) = subject(&app, &headers).await?;
    identity::revoke_token(&app.store, &token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The token that a call is about, once it is clear that the caller has one of its own.
async fn subject(app: &App, headers: &HeaderMap) -> Result<(String, ValidToken), ApiError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let missing = |name: &str, status| ApiError::Iam {
        status,
        message: format!("The header {name} is missing or malformed."),
    };
    let own = text(AUTH_TOKEN).ok_or_else(|| missing(AUTH_TOKEN, StatusCode::UNAUTHORIZED))?;
    identity::validate_token(&app.store, own)
        .await
        .map_err(in_iam_form)?;
    let subject =
        text(SUBJECT_TOKEN).ok_or_else(|| missing(SUBJECT_TOKEN, StatusCode::BAD_REQUEST))?;
    let valid = identity::validate_token(&app.store, subject)
        .await
        .map_err(|error| match error {
            ApiError::Gateway(_) => ApiError::Iam {
                status: StatusCode::NOT_FOUND,
                message: "The subject token is not valid.".to_owned(),
            },
            error => error,
        })?;
    Ok((subject.to_owned(), valid))
}

/// Refusals below `/v3/auth` have IAM's form.
fn in_iam_form(error: ApiError) -> ApiError {
    match error {
        ApiError::Refused { code, .. } => ApiError::Iam {
            status: StatusCode::from_u16(code.status()).unwrap_or(StatusCode::BAD_REQUEST),
            message: format!("{} {}", code.message(), code.advice()),
        },
        ApiError::Gateway(_) => ApiError::Iam {
            status: StatusCode::UNAUTHORIZED,
            message: "The token is not valid.".to_owned(),
        },
        error => error,
    }
}

fn with_subject(status: StatusCode, token: &str, body: TokenResponse) -> Response {
    let mut response = (status, Json(body)).into_response();
    if let Ok(mut value) = HeaderValue::from_str(token) {
        value.set_sensitive(true);
        response.headers_mut().insert(SUBJECT_TOKEN, value);
    }
    response
}

/// `GET /v3/auth/domains`
pub(super) async fn domains(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<DomainList>, ApiError> {
    caller.account()?;
    let domain = Domain {
        id: app.domain.id.clone(),
        name: app.domain.name.clone(),
        enabled: true,
        description: String::new(),
    };
    let links = links(&app, "/v3/auth/domains");
    Ok(Json(DomainList {
        domains: vec![domain],
        links,
    }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ProjectQuery {
    name: Option<String>,
    domain_id: Option<String>,
}

/// `GET /v3/projects?name=`
pub(super) async fn projects(
    State(app): State<App>,
    caller: Caller,
    QueryOf(query): QueryOf<ProjectQuery>,
) -> Result<Json<ProjectList>, ApiError> {
    caller.account()?;
    let fits = query.name.is_none_or(|name| name == app.project.name)
        && query.domain_id.is_none_or(|id| id == app.domain.id);
    let project = fits.then(|| Project {
        id: app.project.id.clone(),
        name: app.project.name.clone(),
        domain_id: app.domain.id.clone(),
        parent_id: app.domain.id.clone(),
        is_domain: false,
        enabled: true,
        description: String::new(),
    });
    let links = links(&app, "/v3/projects");
    Ok(Json(ProjectList {
        projects: project.into_iter().collect(),
        links,
    }))
}

fn links(app: &App, path: &str) -> ListLinks {
    ListLinks {
        this: format!("{}{path}", app.endpoint),
        previous: None,
        next: None,
    }
}
