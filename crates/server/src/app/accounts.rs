//! Users of a domain, their roles and their access keys; and domains themselves.

use rehost_sms_api::errors::ErrorCode;
use rehost_sms_api::rehost::{
    AccessKey, AccessKeyList, AccountRole, CreateAccessKeyRequest, CreateDomainRequest,
    CreateUserRequest, CreatedAccessKey, CreatedDomain, TenantDomain, TenantDomainList,
    UpdateUserRequest, User, UserList,
};
use rehost_store::{AccessKeyRow, DomainRow, NewDomain, ProjectRow, StoreError, UserRow};

use super::{App, migprojects};
use crate::clock::now_ms;
use crate::errors::{ApiError, refuse};
use crate::identity::{Caller, hash_password};
use crate::secret;

/// Access keys of one user (IAM has two; programs that rotate theirs need a few more).
pub(crate) const MAX_KEYS: usize = 10;

/// Makes a user.
pub(crate) async fn create(
    app: &App,
    caller: &Caller,
    body: &CreateUserRequest,
) -> Result<User, ApiError> {
    let user = new_user(&caller.domain_id, &body.name, body.role, &body.password).await?;
    match app.store.insert_user(&user).await {
        Err(StoreError::Exists { .. }) => Err(ErrorCode::UserNameTaken.into()),
        done => done.map_err(Into::into).and_then(|()| shown(user)),
    }
}

/// A user who is yet to be stored.
pub(crate) async fn new_user(
    domain_id: &str,
    name: &str,
    role: AccountRole,
    password: &str,
) -> Result<UserRow, ApiError> {
    let now = now_ms();
    Ok(UserRow {
        id: secret::random_hex(16),
        domain_id: domain_id.to_owned(),
        name: name.to_owned(),
        role: role.as_str().to_owned(),
        enabled: 1,
        password_hash: hashed(password).await?,
        failures: 0,
        locked_until: 0,
        password_changed_at: now,
        create_date: now,
    })
}

/// Hashing takes a tenth of a second on purpose, so it must not hold up other requests.
pub(crate) async fn hashed(password: &str) -> Result<String, ApiError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| ApiError::Internal {
        act: "hash a password",
        source,
    };
    let password = password.to_owned();
    tokio::task::spawn_blocking(move || hash_password(&password))
        .await
        .map_err(|error| failed(error.into()))?
        .map_err(|error| failed(error.into()))
}

/// A user of the caller's domain.
async fn load(app: &App, caller: &Caller, id: &str) -> Result<UserRow, ApiError> {
    let user = app.store.user(id).await?;
    user.filter(|user| caller.sees(&user.domain_id))
        .ok_or_else(|| ErrorCode::UserUnknown.into())
}

/// Shows a user.
pub(crate) async fn show(app: &App, caller: &Caller, id: &str) -> Result<User, ApiError> {
    shown(load(app, caller, id).await?)
}

/// All users of the caller's domain.
pub(crate) async fn list(app: &App, caller: &Caller) -> Result<UserList, ApiError> {
    let rows = app.store.users(&caller.domain_id).await?;
    let users = rows.into_iter().map(shown).collect::<Result<Vec<_>, _>>()?;
    Ok(UserList {
        count: users.len() as u64,
        users,
    })
}

/// Changes what a request names. Whatever it is, the user has to log in again. Nobody can change the
/// own role or disable themselves: a domain would be left without an administrator.
pub(crate) async fn update(
    app: &App,
    caller: &Caller,
    id: &str,
    body: &UpdateUserRequest,
) -> Result<User, ApiError> {
    let mut user = load(app, caller, id).await?;
    let own = caller.id() == id;
    if own && (body.role.is_some() || body.enabled == Some(false)) {
        return Err(refuse(
            ErrorCode::OwnAccount,
            "Ask another administrator to do it.",
        ));
    }
    if let Some(password) = &body.password {
        user.password_hash = hashed(password).await?;
        user.password_changed_at = now_ms();
        // Whoever was locked out by guesses at the old one can try the new one at once.
        app.store.count_user_failures(id, (0, 0)).await?;
    }
    if let Some(role) = body.role {
        role.as_str().clone_into(&mut user.role);
    }
    if let Some(enabled) = body.enabled {
        user.enabled = i64::from(enabled);
    }
    app.store.update_user(&user).await?;
    app.store.delete_tokens_of_user(id).await?;
    app.known.changed(&app.store).await?;
    shown(user)
}

/// Removes a user with its keys and tokens.
pub(crate) async fn delete(app: &App, caller: &Caller, id: &str) -> Result<(), ApiError> {
    load(app, caller, id).await?;
    if caller.id() == id {
        return Err(refuse(
            ErrorCode::OwnAccount,
            "Ask another administrator to do it.",
        ));
    }
    app.store.delete_user(id).await?;
    app.known.changed(&app.store).await
}

/// Makes an access key for a user; its secret is told this once.
pub(crate) async fn create_key(
    app: &App,
    caller: &Caller,
    user_id: &str,
    body: CreateAccessKeyRequest,
) -> Result<CreatedAccessKey, ApiError> {
    load(app, caller, user_id).await?;
    if app.store.access_keys(user_id).await?.len() >= MAX_KEYS {
        return Err(ErrorCode::TooManyKeys.into());
    }
    let key = new_key(user_id, body.description.unwrap_or_default());
    app.store.insert_access_key(&key).await?;
    Ok(CreatedAccessKey {
        access_key: key.access_key,
        secret_key: key.secret_key,
    })
}

/// A key that is yet to be stored.
pub(crate) fn new_key(user_id: &str, description: String) -> AccessKeyRow {
    AccessKeyRow {
        access_key: secret::random_word(20),
        secret_key: secret::random_word(40),
        user_id: user_id.to_owned(),
        description,
        enabled: 1,
        failures: 0,
        locked_until: 0,
        create_date: now_ms(),
    }
}

/// The access keys of a user.
pub(crate) async fn keys(
    app: &App,
    caller: &Caller,
    user_id: &str,
) -> Result<AccessKeyList, ApiError> {
    load(app, caller, user_id).await?;
    Ok(listed(app.store.access_keys(user_id).await?))
}

/// Access keys as they are shown.
pub(crate) fn listed(rows: Vec<AccessKeyRow>) -> AccessKeyList {
    let access_keys: Vec<_> = rows
        .into_iter()
        .map(|row| AccessKey {
            access_key: row.access_key,
            description: row.description,
            created_at: row.create_date,
        })
        .collect();
    AccessKeyList {
        count: access_keys.len() as u64,
        access_keys,
    }
}

/// Removes an access key of a user; from then on its signatures are worth nothing.
pub(crate) async fn delete_key(
    app: &App,
    caller: &Caller,
    user_id: &str,
    access_key: &str,
) -> Result<(), ApiError> {
    load(app, caller, user_id).await?;
    if !app.store.delete_access_key(user_id, access_key).await? {
        return Err(ErrorCode::AccessKeyUnknown.into());
    }
    app.known.changed(&app.store).await
}

/// A user as it is shown.
pub(crate) fn shown(row: UserRow) -> Result<User, ApiError> {
    let role = AccountRole::from_name(&row.role).ok_or_else(|| ApiError::Stored {
        what: "role",
        source: row.role.clone().into(),
    })?;
    Ok(User {
        id: row.id,
        name: row.name,
        domain_id: row.domain_id,
        role,
        enabled: row.enabled != 0,
        created_at: row.create_date,
    })
}

/// Makes a domain with its first administrator, its project and its default migration project.
pub(crate) async fn create_domain(
    app: &App,
    caller: &Caller,
    body: &CreateDomainRequest,
) -> Result<CreatedDomain, ApiError> {
    check_first_domain(app, caller)?;
    let id = secret::random_hex(16);
    let role = AccountRole::Administrator;
    let administrator = new_user(&id, &body.administrator, role, &body.password).await?;
    let administrator_id = administrator.id.clone();
    let domain = new_domain(id, &body.name, &app.project.name, Some(administrator), None)?;
    match app.store.insert_domain(&domain).await {
        Err(StoreError::Exists { .. }) => Err(ErrorCode::DomainNameTaken.into()),
        done => {
            done?;
            Ok(CreatedDomain {
                id: domain.domain.id,
                administrator_id,
            })
        }
    }
}

/// A domain that is yet to be stored, with everything that one has from the beginning.
pub(crate) fn new_domain(
    id: String,
    name: &str,
    project: &str,
    administrator: Option<UserRow>,
    key: Option<AccessKeyRow>,
) -> Result<NewDomain, ApiError> {
    Ok(NewDomain {
        project: ProjectRow {
            id: secret::random_hex(16),
            domain_id: id.clone(),
            name: project.to_owned(),
        },
        migproject: migprojects::first(&id, project)?,
        administrator,
        key,
        domain: DomainRow {
            id,
            name: name.to_owned(),
            create_date: now_ms(),
        },
    })
}

/// All domains of the control plane.
pub(crate) async fn domains(app: &App, caller: &Caller) -> Result<TenantDomainList, ApiError> {
    check_first_domain(app, caller)?;
    Ok(listed_domains(app.store.domains().await?))
}

/// Domains as they are shown.
pub(crate) fn listed_domains(rows: Vec<DomainRow>) -> TenantDomainList {
    let domains: Vec<_> = rows
        .into_iter()
        .map(|row| TenantDomain {
            id: row.id,
            name: row.name,
            created_at: row.create_date,
        })
        .collect();
    TenantDomainList {
        count: domains.len() as u64,
        domains,
    }
}

/// Domains are made by administrators of the first one, who also run the control plane.
fn check_first_domain(app: &App, caller: &Caller) -> Result<(), ApiError> {
    if caller.domain_id == app.domain.id {
        return Ok(());
    }
    Err(refuse(
        ErrorCode::NoPermission,
        "Domains are for administrators of the control plane's first domain.",
    ))
}
