//! The token route of the small IAM: a password, or an older token, for a new token.

use http::StatusCode;
use rehost_sms_api::bodies::iam::{
    AuthTokensRequest, CatalogEndpoint, CatalogEntry, Named, PasswordUser, Scope, Token,
    TokenProject, TokenResponse, TokenUser,
};
use rehost_store::{ProjectRow, TokenRow, UserRow};

use super::Caller;
use super::known::account;
use super::lockout::{MAX_FAILURES, is_locked, locked_until};
use super::password::verify_password;
use super::tenants::{domain, named, project};
use super::tokens::{self, ValidToken};
use crate::app::App;
use crate::clock::{iam_time, now_ms};
use crate::errors::ApiError;
use crate::secret;

/// How a token was got and what it is for; kept as JSON beside its hash.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct StoredScope {
    method: String,
    /// The project that it is for; without one it is for the domain.
    project_id: Option<String>,
}

/// A new token: its text, and what is said of it.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) text: String,
    pub(crate) body: TokenResponse,
}

/// Checks who asks and issues a token. `whom` becomes the user on whose behalf somebody asks, also if
/// that is refused; not so while the user is locked, or strangers could fill the audit log.
pub(crate) async fn issue_token(
    app: &App,
    request: AuthTokensRequest,
    with_catalog: bool,
    whom: &mut Option<Caller>,
) -> Result<Issued, ApiError> {
    let identity = request.auth.identity;
    let (user, method, expires_at) = match (&identity.password, &identity.token) {
        (Some(password), _) => {
            let user = check_password(app, &password.user, whom).await?;
            (user, "password", now_ms().saturating_add(tokens::LIFE_MS))
        }
        (None, Some(token)) => {
            let valid = tokens::validate_token(app, &token.id)
                .await
                .map_err(|_| unauthorized("The token is not valid; log in with the password."))?;
            // An exchanged token lives no longer than the one it was got for.
            *whom = Some(account(&valid.user)?);
            (valid.user, "token", valid.row.expires_at)
        }
        (None, None) => {
            return Err(bad_request(
                "identity.methods must name password or token, with the member of that name.",
            ));
        }
    };
    let project = scope(app, &user, request.auth.scope.as_ref()).await?;
    let text = secret::random_hex(32);
    let scope = StoredScope {
        method: method.to_owned(),
        project_id: project.map(|project| project.id),
    };
    let row = TokenRow {
        token_hash: secret::hash(&text),
        user_id: user.id.clone(),
        scope: serde_json::to_string(&scope).map_err(|source| ApiError::Internal {
            act: "keep a token",
            source: source.into(),
        })?,
        issued_at: now_ms(),
        expires_at,
    };
    app.store.insert_token(&row).await?;
    let body = describe(app, &row, &scope, &user, with_catalog).await?;
    Ok(Issued { text, body })
}

/// What a valid token says, as `GET /v3/auth/tokens` shows it.
pub(crate) async fn show_token(
    app: &App,
    token: &ValidToken,
    with_catalog: bool,
) -> Result<TokenResponse, ApiError> {
    let row = &token.row;
    let scope: StoredScope =
        serde_json::from_str(&row.scope).map_err(|source| ApiError::Stored {
            what: "token scope",
            source: source.into(),
        })?;
    describe(app, row, &scope, &token.user, with_catalog).await
}

async fn check_password(
    app: &App,
    claim: &PasswordUser,
    whom: &mut Option<Caller>,
) -> Result<UserRow, ApiError> {
    const WRONG: &str = "The account, the user name or the password is wrong.";
    let password = claim
        .password
        .clone()
        .ok_or_else(|| bad_request("The password is missing."))?;
    let domain = domain(app, claim.domain.as_ref()).await?;
    let user = match (&domain, &claim.id, &claim.name) {
        (_, None, None) => {
            return Err(bad_request("The user is named neither by id nor by name."));
        }
        (None, _, _) => None,
        (Some(domain), Some(id), _) => {
            let user = app.store.user(id).await?;
            // An id needs no domain; one that is named must be the right one.
            user.filter(|user| claim.domain.is_none() || user.domain_id == domain.id)
        }
        (Some(domain), None, Some(name)) => app.store.user_by_name(&domain.id, name).await?,
    };
    let now = now_ms();
    if user
        .as_ref()
        .is_some_and(|user| is_locked(user.locked_until, now))
    {
        return Err(unauthorized("Too many failures; wait for five minutes."));
    }
    *whom = user.as_ref().map(account).transpose()?;
    // A user who is not there costs as much time as a wrong password.
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let right = verify_password(password, hash).await?;
    let Some(user) = user else {
        return Err(unauthorized(WRONG));
    };
    if !right {
        app.store
            .note_login_failure(&user.id, MAX_FAILURES, locked_until(now))
            .await?;
        return Err(unauthorized(WRONG));
    }
    if user.enabled == 0 {
        return Err(unauthorized("The user is disabled; ask an administrator."));
    }
    app.store.note_login_ok(&user).await?;
    Ok(user)
}

/// The project that the token shall be for, if not for the domain; refuses what is not the user's.
async fn scope(
    app: &App,
    user: &UserRow,
    scope: Option<&Scope>,
) -> Result<Option<ProjectRow>, ApiError> {
    let Some(scope) = scope else { return Ok(None) };
    if let Some(reference) = &scope.project {
        let found = project(app, &user.domain_id, reference).await?;
        return found.map(Some).ok_or_else(|| {
            unauthorized("There is no such project; GET /v3/projects lists those there are.")
        });
    }
    if let Some(reference) = &scope.domain {
        let found = domain(app, Some(reference)).await?;
        if found.is_none_or(|found| found.id != user.domain_id) {
            return Err(unauthorized("This is not the account of the user."));
        }
    }
    Ok(None)
}

async fn describe(
    app: &App,
    row: &TokenRow,
    scope: &StoredScope,
    user: &UserRow,
    with_catalog: bool,
) -> Result<TokenResponse, ApiError> {
    let domain = app.store.domain(&user.domain_id).await?;
    let domain = named(domain.ok_or_else(|| unauthorized("The account is gone."))?);
    let projects = app.store.projects(&user.domain_id).await?;
    let project = projects
        .iter()
        .find(|project| Some(&project.id) == scope.project_id.as_ref());
    let region = project.or_else(|| projects.first());
    let region = region.map_or_else(String::new, |project| project.name.clone());
    Ok(TokenResponse {
        token: Token {
            methods: vec![scope.method.clone()],
            expires_at: iam_time(row.expires_at),
            issued_at: iam_time(row.issued_at),
            user: TokenUser {
                id: user.id.clone(),
                name: user.name.clone(),
                domain: domain.clone(),
                password_expires_at: String::new(),
            },
            project: project.map(|project| TokenProject {
                id: project.id.clone(),
                name: project.name.clone(),
                domain: domain.clone(),
            }),
            domain: project.is_none().then_some(domain),
            roles: vec![Named {
                id: user.role.clone(),
                name: user.role.clone(),
            }],
            catalog: if with_catalog {
                catalog(app, &region)
            } else {
                Vec::new()
            },
        },
    })
}

/// The two services that exist here.
fn catalog(app: &App, region: &str) -> Vec<CatalogEntry> {
    let entry = |name: &str, kind: &str, url: String| CatalogEntry {
        id: name.to_owned(),
        name: name.to_owned(),
        r#type: kind.to_owned(),
        endpoints: vec![CatalogEndpoint {
            id: format!("{name}-public"),
            interface: "public".into(),
            region: region.to_owned(),
            region_id: region.to_owned(),
            url,
        }],
    };
    let endpoint = &app.endpoint;
    vec![
        entry("iam", "identity", format!("{endpoint}/v3")),
        entry("sms", "sms", format!("{endpoint}/v3")),
    ]
}

fn unauthorized(message: &str) -> ApiError {
    ApiError::Iam {
        status: StatusCode::UNAUTHORIZED,
        message: message.to_owned(),
    }
}

fn bad_request(message: &str) -> ApiError {
    ApiError::Iam {
        status: StatusCode::BAD_REQUEST,
        message: message.to_owned(),
    }
}
