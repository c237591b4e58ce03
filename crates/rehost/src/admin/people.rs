//! `rehost admin users`, `keys` and `tokens`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use rehost_server::admin::UserChange;
use rehost_sms_api::rehost::User;
use serde::Serialize;

use super::password::PasswordOptions;
use super::{Context, DomainOption, Role};
use crate::operator::time;
use crate::output;

/// Commands about users.
#[derive(Debug, Subcommand)]
pub(super) enum Users {
    /// List the users of a domain.
    List {
        #[command(flatten)]
        of: DomainOption,
    },
    /// Make a user.
    Add {
        /// Name to log in with.
        name: String,
        /// What the user may do.
        #[arg(long, value_enum)]
        role: Role,
        #[command(flatten)]
        password: PasswordOptions,
        #[command(flatten)]
        of: DomainOption,
    },
    /// Change what a user may do; tokens end.
    SetRole {
        /// Name of the user.
        name: String,
        /// What the user may do from now on.
        #[arg(value_enum)]
        role: Role,
        #[command(flatten)]
        of: DomainOption,
    },
    /// Give a user a new password; tokens and lock-outs end.
    SetPassword {
        /// Name of the user.
        name: String,
        #[command(flatten)]
        password: PasswordOptions,
        #[command(flatten)]
        of: DomainOption,
    },
    /// Keep a user out, with password and access keys; tokens end.
    Disable {
        /// Name of the user.
        name: String,
        #[command(flatten)]
        of: DomainOption,
    },
    /// Let a user in again.
    Enable {
        /// Name of the user.
        name: String,
        #[command(flatten)]
        of: DomainOption,
    },
    /// Remove a user with all keys and tokens.
    Delete {
        /// Name of the user.
        name: String,
        #[command(flatten)]
        of: DomainOption,
    },
}

/// Commands about access keys.
#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// List the access keys of a user, without their secrets.
    List {
        /// Name of the user.
        user: String,
        #[command(flatten)]
        of: DomainOption,
    },
    /// Make an access key; its secret is printed this once.
    Add {
        /// Name of the user.
        user: String,
        /// What the key is for.
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
        #[command(flatten)]
        of: DomainOption,
    },
    /// Remove an access key.
    Delete {
        /// Name of the user.
        user: String,
        /// The key, without its secret.
        access_key: String,
        #[command(flatten)]
        of: DomainOption,
    },
}

/// Commands about tokens.
#[derive(Debug, Subcommand)]
pub(super) enum Tokens {
    /// End all tokens of a user, who can log in again.
    Revoke {
        /// Name of the user.
        user: String,
        #[command(flatten)]
        of: DomainOption,
    },
}

/// A user, and the password that was made for it.
#[derive(Serialize)]
struct WithPassword<'a> {
    #[serde(flatten)]
    user: &'a User,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

/// How many tokens were ended.
#[derive(Serialize)]
struct Revoked {
    revoked: u64,
}

pub(super) async fn users(context: &Context, command: Users) -> Result<ExitCode> {
    match command {
        Users::List { of } => {
            let list = context
                .look(async |admin| admin.users(&of.domain).await)
                .await?;
            if context.json {
                output::print_json(&list)?;
            } else {
                output::print(&table(&list.users))?;
            }
        }
        Users::Add {
            name,
            role,
            password,
            of,
        } => {
            let password = password.get()?;
            let role = role.into();
            let add = async |admin: &rehost_server::admin::Administration| {
                admin
                    .add_user(&of.domain, &name, role, &password.text)
                    .await
            };
            show(context, &context.change(add).await?, password.to_tell())?;
        }
        Users::SetPassword { name, password, of } => {
            let password = password.get()?;
            let change = UserChange::Password(password.text.clone());
            let user = changed(context, &of, &name, change).await?;
            show(context, &user, password.to_tell())?;
        }
        Users::SetRole { name, role, of } => {
            let user = changed(context, &of, &name, UserChange::Role(role.into())).await?;
            show(context, &user, None)?;
        }
        Users::Disable { name, of } => {
            let user = changed(context, &of, &name, UserChange::Enabled(false)).await?;
            show(context, &user, None)?;
        }
        Users::Enable { name, of } => {
            let user = changed(context, &of, &name, UserChange::Enabled(true)).await?;
            show(context, &user, None)?;
        }
        Users::Delete { name, of } => {
            let delete = async |admin: &rehost_server::admin::Administration| {
                admin.delete_user(&of.domain, &name).await
            };
            context.change(delete).await?;
            super::maintenance::done(context)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn changed(
    context: &Context,
    of: &DomainOption,
    name: &str,
    change: UserChange,
) -> Result<User> {
    context
        .change(async |admin| admin.change_user(&of.domain, name, change).await)
        .await
}

fn show(context: &Context, user: &User, password: Option<&str>) -> Result<()> {
    if context.json {
        return output::print_json(&WithPassword { user, password });
    }
    output::print(&table(std::slice::from_ref(user)))?;
    match password {
        Some(password) => output::print(&format!("\npassword: {password}\nIt is told this once.")),
        None => Ok(()),
    }
}

fn table(users: &[User]) -> String {
    let mut rows = vec![
        ["NAME", "ROLE", "STATE", "CREATED", "ID"]
            .map(String::from)
            .to_vec(),
    ];
    rows.extend(users.iter().map(|user| {
        let state = if user.enabled { "enabled" } else { "disabled" };
        vec![
            user.name.clone(),
            user.role.as_str().to_owned(),
            state.to_owned(),
            time(Some(user.created_at)),
            user.id.clone(),
        ]
    }));
    output::table(&rows)
}

pub(super) async fn keys(context: &Context, command: Keys) -> Result<ExitCode> {
    match command {
        Keys::List { user, of } => {
            let list = context
                .look(async |admin| admin.keys(&of.domain, &user).await)
                .await?;
            if context.json {
                output::print_json(&list)?;
            } else {
                let mut rows = vec![
                    ["ACCESS KEY", "CREATED", "DESCRIPTION"]
                        .map(String::from)
                        .to_vec(),
                ];
                rows.extend(
                    list.access_keys.into_iter().map(|key| {
                        vec![key.access_key, time(Some(key.created_at)), key.description]
                    }),
                );
                output::print(&output::table(&rows))?;
            }
        }
        Keys::Add {
            user,
            description,
            of,
        } => {
            let key = context
                .change(async |admin| admin.add_key(&of.domain, &user, &description).await)
                .await?;
            if context.json {
                output::print_json(&key)?;
            } else {
                let (access, secret) = (key.access_key, key.secret_key);
                output::print(&format!(
                    "access key: {access}\nsecret key: {secret}\nThe secret is told this once."
                ))?;
            }
        }
        Keys::Delete {
            user,
            access_key,
            of,
        } => {
            context
                .change(async |admin| admin.delete_key(&of.domain, &user, &access_key).await)
                .await?;
            super::maintenance::done(context)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn tokens(context: &Context, command: Tokens) -> Result<ExitCode> {
    let Tokens::Revoke { user, of } = command;
    let revoked = context
        .change(async |admin| admin.revoke_tokens(&of.domain, &user).await)
        .await?;
    if context.json {
        output::print_json(&Revoked { revoked })?;
    } else {
        let tokens = if revoked == 1 { "token" } else { "tokens" };
        output::print(&format!("{revoked} {tokens} ended"))?;
    }
    Ok(ExitCode::SUCCESS)
}
