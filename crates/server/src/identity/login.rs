//! The token route of the small IAM: a password, or an older token, for a new token.

use http::StatusCode;
use rehost_sms_api::bodies::iam::{
    AuthTokensRequest, CatalogEndpoint, CatalogEntry, Named, PasswordUser, Reference, Scope, Token,
    TokenProject, TokenResponse, TokenUser,
};
use rehost_store::{TokenRow, UserRow};

use super::password::verify_password;
use super::tokens::{self, ValidToken};
use crate::app::App;
use crate::clock::{iam_time, now_ms};
use crate::errors::ApiError;
use crate::secret;

/// How a token was got and what it is for; kept as JSON beside its hash.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct StoredScope {
    method: String,
    project: bool,
}

/// Checks who asks and issues a token: its text for `X-Subject-Token`, and the body.
pub(crate) async fn issue_token(
    app: &App,
    request: AuthTokensRequest,
    with_catalog: bool,
) -> Result<(String, TokenResponse), ApiError> {
    let identity = request.auth.identity;
    let (user, method, expires_at) = match (&identity.password, &identity.token) {
        (Some(password), _) => {
            let user = check_password(app, &password.user).await?;
            (user, "password", now_ms().saturating_add(tokens::LIFE_MS))
        }
        (None, Some(token)) => {
            let valid = tokens::validate_token(&app.store, &token.id)
                .await
                .map_err(|_| unauthorized("The token is not valid; log in with the password."))?;
            let user = app.store.user(&valid.row.user_id).await?;
            let user = user.ok_or_else(|| unauthorized("The user is gone."))?;
            // An exchanged token lives no longer than the one it was got for.
            (user, "token", valid.row.expires_at)
        }
        (None, None) => {
            return Err(bad_request(
                "identity.methods must name password or token, with the member of that name.",
            ));
        }
    };
    let project = check_scope(app, request.auth.scope.as_ref())?;
    let text = secret::random_hex(32);
    let scope = StoredScope {
        method: method.to_owned(),
        project,
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
    let body = describe(app, &row, &scope, &user, with_catalog);
    Ok((text, body))
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
    let user = app.store.user(&row.user_id).await?;
    let user = user.ok_or_else(|| unauthorized("The user is gone."))?;
    Ok(describe(app, row, &scope, &user, with_catalog))
}

async fn check_password(app: &App, claim: &PasswordUser) -> Result<UserRow, ApiError> {
    const WRONG: &str = "The account, the user name or the password is wrong.";
    let password = claim
        .password
        .clone()
        .ok_or_else(|| bad_request("The password is missing."))?;
    let user = match (&claim.id, &claim.name) {
        (Some(id), _) => app.store.user(id).await?,
        (None, Some(name)) => app.store.user_by_name(name).await?,
        (None, None) => return Err(bad_request("The user is named neither by id nor by name.")),
    };
    let now = now_ms();
    if let Some(user) = &user
        && app.user_lockout.is_locked(&user.name, now)
    {
        return Err(unauthorized("Too many failures; wait for five minutes."));
    }
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    let right = verify_password(password, hash).await?;
    let domain = claim
        .domain
        .as_ref()
        .is_none_or(|domain| fits(domain, &app.domain));
    match user {
        Some(user) if right && domain => {
            app.user_lockout.succeeded(&user.name);
            Ok(user)
        }
        Some(user) => {
            app.user_lockout.failed(&user.name, now);
            Err(unauthorized(WRONG))
        }
        None => Err(unauthorized(WRONG)),
    }
}

/// Whether the token is for the project (and not for the domain); refuses what is not ours.
fn check_scope(app: &App, scope: Option<&Scope>) -> Result<bool, ApiError> {
    let Some(scope) = scope else { return Ok(false) };
    if let Some(project) = &scope.project {
        return if fits(project, &app.project) {
            Ok(true)
        } else {
            let name = &app.project.name;
            Err(unauthorized(&format!(
                "There is no such project; the only one is {name}."
            )))
        };
    }
    match &scope.domain {
        Some(domain) if !fits(domain, &app.domain) => {
            let name = &app.domain.name;
            Err(unauthorized(&format!(
                "There is no such account; the only one is {name}."
            )))
        }
        _ => Ok(false),
    }
}

/// Whether a reference by id, or by name, means this.
fn fits(reference: &Reference, named: &Named) -> bool {
    match (&reference.id, &reference.name) {
        (Some(id), _) => *id == named.id,
        (None, Some(name)) => *name == named.name,
        (None, None) => true,
    }
}

fn describe(
    app: &App,
    row: &TokenRow,
    scope: &StoredScope,
    user: &UserRow,
    with_catalog: bool,
) -> TokenResponse {
    let domain = app.domain.clone();
    TokenResponse {
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
            project: scope.project.then(|| TokenProject {
                id: app.project.id.clone(),
                name: app.project.name.clone(),
                domain: domain.clone(),
            }),
            domain: (!scope.project).then_some(domain),
            roles: vec![Named {
                id: "administrator".into(),
                name: "te_admin".into(),
            }],
            catalog: if with_catalog {
                catalog(app)
            } else {
                Vec::new()
            },
        },
    }
}

/// The two services that exist here.
fn catalog(app: &App) -> Vec<CatalogEntry> {
    let entry = |name: &str, kind: &str, url: String| CatalogEntry {
        id: name.to_owned(),
        name: name.to_owned(),
        r#type: kind.to_owned(),
        endpoints: vec![CatalogEndpoint {
            id: format!("{name}-public"),
            interface: "public".into(),
            region: app.project.name.clone(),
            region_id: app.project.name.clone(),
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
