//! Users, keys, tokens and domains, changed from the control plane's own machine.

use anyhow::{Context as _, Result, bail};
use rehost_sms_api::rehost::{
    AccessKeyList, AccountRole, CreatedAccessKey, CreatedDomain, TenantDomainList, User, UserList,
};
use rehost_store::{StoreError, UserRow};
use serde_json::json;

use super::{Administration, Done, check_body};
use crate::app::accounts;
use crate::clock::now_ms;
use crate::secret;

/// What shall be another with a user.
#[derive(Clone, Debug)]
pub enum UserChange {
    /// What it may do.
    Role(AccountRole),
    /// Its password; it forgives failures, too.
    Password(String),
    /// Whether it may log in and use access keys.
    Enabled(bool),
}

impl Administration {
    /// The users of a domain, by name.
    ///
    /// # Errors
    /// If there is no such domain, or the database fails.
    pub async fn users(&self, domain: &str) -> Result<UserList> {
        let domain = self.domain(domain).await?;
        let rows = self.store.users(&domain.id).await?.into_iter();
        let users: Vec<User> = rows.map(accounts::shown).collect::<Result<_, _>>()?;
        Ok(UserList {
            count: users.len() as u64,
            users,
        })
    }

    async fn user(&self, domain: &str, name: &str) -> Result<UserRow> {
        let domain = self.domain(domain).await?;
        let found = self.store.user_by_name(&domain.id, name).await?;
        found.with_context(|| {
            let domain = domain.name;
            format!(
                "there is no user {name} in the domain {domain}; rehost admin users list shows all"
            )
        })
    }

    /// Makes a user.
    ///
    /// # Errors
    /// If the name is taken, if name or password are not what the API takes, or the database fails.
    pub async fn add_user(
        &self,
        domain: &str,
        name: &str,
        role: AccountRole,
        password: &str,
    ) -> Result<User> {
        let body = json!({ "name": name, "password": password, "role": role });
        check_body("create_user", &body)?;
        let domain = self.domain(domain).await?;
        let user = accounts::new_user(&domain.id, name, role, password).await?;
        match self.store.insert_user(&user).await {
            Err(StoreError::Exists { .. }) => {
                bail!(
                    "there is a user {name} in the domain {} already",
                    domain.name
                )
            }
            done => done?,
        }
        self.note(Done {
            domain_id: &domain.id,
            operation: "create_user",
            object_id: &user.id,
        })
        .await?;
        Ok(accounts::shown(user)?)
    }

    /// Changes a user, who has to log in again.
    ///
    /// # Errors
    /// If there is no such user, if the password is not what the API takes, or the database fails.
    pub async fn change_user(&self, domain: &str, name: &str, change: UserChange) -> Result<User> {
        let mut user = self.user(domain, name).await?;
        match change {
            UserChange::Role(role) => role.as_str().clone_into(&mut user.role),
            UserChange::Enabled(enabled) => user.enabled = i64::from(enabled),
            UserChange::Password(password) => {
                check_body("update_user", &json!({ "password": password }))?;
                user.password_hash = accounts::hashed(&password).await?;
                user.password_changed_at = now_ms();
                self.store.count_user_failures(&user.id, (0, 0)).await?;
            }
        }
        self.store.update_user(&user).await?;
        self.store.delete_tokens_of_user(&user.id).await?;
        self.note(Done {
            domain_id: &user.domain_id,
            operation: "update_user",
            object_id: &user.id,
        })
        .await?;
        Ok(accounts::shown(user)?)
    }

    /// Removes a user with its keys and tokens.
    ///
    /// # Errors
    /// If there is no such user, or the database fails.
    pub async fn delete_user(&self, domain: &str, name: &str) -> Result<()> {
        let user = self.user(domain, name).await?;
        self.store.delete_user(&user.id).await?;
        self.note(Done {
            domain_id: &user.domain_id,
            operation: "delete_user",
            object_id: &user.id,
        })
        .await
    }

    /// Ends all tokens of a user: how many there were.
    ///
    /// # Errors
    /// If there is no such user, or the database fails.
    pub async fn revoke_tokens(&self, domain: &str, name: &str) -> Result<u64> {
        let user = self.user(domain, name).await?;
        let revoked = self.store.delete_tokens_of_user(&user.id).await?;
        self.note(Done {
            domain_id: &user.domain_id,
            operation: "revoke_token",
            object_id: &user.id,
        })
        .await?;
        Ok(revoked)
    }

    /// The access keys of a user, oldest first.
    ///
    /// # Errors
    /// If there is no such user, or the database fails.
    pub async fn keys(&self, domain: &str, name: &str) -> Result<AccessKeyList> {
        let user = self.user(domain, name).await?;
        Ok(accounts::listed(self.store.access_keys(&user.id).await?))
    }

    /// Makes an access key for a user; its secret is told this once.
    ///
    /// # Errors
    /// If there is no such user, if it has as many keys as there can be, or the database fails.
    pub async fn add_key(
        &self,
        domain: &str,
        name: &str,
        description: &str,
    ) -> Result<CreatedAccessKey> {
        check_body("create_access_key", &json!({ "description": description }))?;
        let user = self.user(domain, name).await?;
        if self.store.access_keys(&user.id).await?.len() >= accounts::MAX_KEYS {
            bail!(
                "{name} has {} access keys, and no more are possible: delete one",
                accounts::MAX_KEYS
            );
        }
        let key = accounts::new_key(&user.id, description.to_owned());
        self.store.insert_access_key(&key).await?;
        self.note(Done {
            domain_id: &user.domain_id,
            operation: "create_access_key",
            object_id: &key.access_key,
        })
        .await?;
        Ok(CreatedAccessKey {
            access_key: key.access_key,
            secret_key: key.secret_key,
        })
    }

    /// Removes an access key of a user.
    ///
    /// # Errors
    /// If there is no such user or key, or the database fails.
    pub async fn delete_key(&self, domain: &str, name: &str, access_key: &str) -> Result<()> {
        let user = self.user(domain, name).await?;
        if !self.store.delete_access_key(&user.id, access_key).await? {
            bail!("{name} has no access key {access_key}; rehost admin keys list {name} shows all");
        }
        self.note(Done {
            domain_id: &user.domain_id,
            operation: "delete_access_key",
            object_id: access_key,
        })
        .await
    }

    /// All domains, by name.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn domains(&self) -> Result<TenantDomainList> {
        Ok(accounts::listed_domains(self.store.domains().await?))
    }

    /// Makes a domain with its first administrator, in the region of the first domain.
    ///
    /// # Errors
    /// If the name is taken, if a name or the password are not what the API takes, or the database
    /// fails.
    pub async fn add_domain(
        &self,
        name: &str,
        administrator: &str,
        password: &str,
    ) -> Result<CreatedDomain> {
        let body = json!({ "name": name, "administrator": administrator, "password": password });
        check_body("create_domain", &body)?;
        let first = self.domain(crate::first_start::DOMAIN_NAME).await?;
        let projects = self.store.projects(&first.id).await?;
        let region = projects
            .first()
            .context("find the project of the first domain")?;
        let id = secret::random_hex(16);
        let role = AccountRole::Administrator;
        let administrator = accounts::new_user(&id, administrator, role, password).await?;
        let administrator_id = administrator.id.clone();
        let new = accounts::new_domain(id, name, &region.name, Some(administrator), None)?;
        match self.store.insert_domain(&new).await {
            Err(StoreError::Exists { .. }) => bail!("there is a domain {name} already"),
            done => done?,
        }
        self.note(Done {
            domain_id: &first.id,
            operation: "create_domain",
            object_id: &new.domain.id,
        })
        .await?;
        Ok(CreatedDomain {
            id: new.domain.id,
            administrator_id,
        })
    }
}
