//! The small IAM: what SMS clients ask before their first call.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode};
use rehost_sms_api::bodies::iam::{
    AuthTokensRequest, Domain, DomainList, IamUser, IamUserList, ListLinks, Project, ProjectList,
    TokenResponse,
};
use serde::Deserialize;

use super::body::JsonBody;
use super::query::QueryOf;
use crate::app::App;
use crate::errors::ApiError;
use crate::identity::{self, Caller, ValidToken};

const SUBJECT_TOKEN: &str = "x-subject-token";

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
    let JsonBody(body) = body.map_err(ApiError::in_iam_form)?;
    let mut whom = None;
    let issued = identity::issue_token(&app, body, query.with_catalog(), &mut whom).await;
    let mut response = match issued {
        Ok(issued) => with_subject(StatusCode::CREATED, &issued.text, issued.body),
        Err(error) => error.in_iam_form().into_response(),
    };
    // For the audit log, which else knows nobody on a route for everybody.
    if let Some(caller) = whom {
        response.extensions_mut().insert::<Caller>(caller);
    }
    Ok(response)
}

/// `GET /v3/auth/tokens`
pub(super) async fn show_token(
    State(app): State<App>,
    QueryOf(query): QueryOf<TokenQuery>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (token, valid) = subject(&app, &caller, &headers).await?;
    let body = identity::show_token(&app, &valid, query.with_catalog()).await?;
    Ok(with_subject(StatusCode::OK, &token, body))
}

/// `DELETE /v3/auth/tokens`
pub(super) async fn revoke_token(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let (token, _) = subject(&app, &caller, &headers).await?;
    identity::revoke_token(&app, &token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The token that a call is about; that of another domain does not exist for the caller.
async fn subject(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
) -> Result<(String, ValidToken), ApiError> {
    let text = headers
        .get(SUBJECT_TOKEN)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| ApiError::Iam {
            status: StatusCode::BAD_REQUEST,
            message: format!("The header {SUBJECT_TOKEN} is missing or malformed."),
        })?;
    let unknown = || ApiError::Iam {
        status: StatusCode::NOT_FOUND,
        message: "The subject token is not valid.".to_owned(),
    };
    let valid = identity::validate_token(app, text)
        .await
        .map_err(|error| match error {
            ApiError::Gateway(_) => unknown(),
            error => error,
        })?;
    if !caller.sees(&valid.user.domain_id) {
        return Err(unknown());
    }
    Ok((text.to_owned(), valid))
}

fn with_subject(status: StatusCode, token: &str, body: TokenResponse) -> Response {
    let mut response = (status, Json(body)).into_response();
    if let Ok(mut value) = HeaderValue::from_str(token) {
        value.set_sensitive(true);
        response.headers_mut().insert(SUBJECT_TOKEN, value);
    }
    response
}

/// `GET /v3/auth/domains`: that of the caller, and no other.
pub(super) async fn domains(
    State(app): State<App>,
    caller: Caller,
) -> Result<Json<DomainList>, ApiError> {
    let domain = app.store.domain(&caller.domain_id).await?;
    let domains = domain.into_iter().map(|domain| Domain {
        id: domain.id,
        name: domain.name,
        enabled: true,
        description: String::new(),
    });
    Ok(Json(DomainList {
        domains: domains.collect(),
        links: links(&app, "/v3/auth/domains"),
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
    let named = |name: &str| query.name.as_ref().is_none_or(|wanted| wanted == name);
    let mut projects = app.store.projects(&caller.domain_id).await?;
    if query.domain_id.is_some_and(|id| id != caller.domain_id) {
        projects.clear();
    }
    let projects = projects
        .into_iter()
        .filter(|project| named(&project.name))
        .map(|project| Project {
            id: project.id,
            name: project.name,
            parent_id: project.domain_id.clone(),
            domain_id: project.domain_id,
            is_domain: false,
            enabled: true,
            description: String::new(),
        });
    Ok(Json(ProjectList {
        projects: projects.collect(),
        links: links(&app, "/v3/projects"),
    }))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct UserQuery {
    name: Option<String>,
}

/// `GET /v3/users?name=`: for clients that look up their own user id by its name.
pub(super) async fn users(
    State(app): State<App>,
    caller: Caller,
    QueryOf(query): QueryOf<UserQuery>,
) -> Result<Json<IamUserList>, ApiError> {
    let found = match &query.name {
        Some(name) => app.store.user_by_name(&caller.domain_id, name).await?,
        None => app.store.user(caller.id()).await?,
    };
    let users = found.into_iter().map(|user| IamUser {
        id: user.id,
        name: user.name,
        domain_id: user.domain_id,
        enabled: user.enabled != 0,
    });
    Ok(Json(IamUserList {
        users: users.collect(),
        links: links(&app, "/v3/users"),
    }))
}

fn links(app: &App, path: &str) -> ListLinks {
    ListLinks {
        this: format!("{}{path}", app.endpoint),
        previous: None,
        next: None,
    }
}
