//! `rehost admin domains`.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use serde::Serialize;

use super::Context;
use super::password::PasswordOptions;
use crate::operator::time;
use crate::output;

/// Commands about domains.
#[derive(Debug, Subcommand)]
pub(super) enum Domains {
    /// List all domains.
    List,
    /// Make a domain with its first administrator.
    Add {
        /// Name of the domain.
        name: String,
        /// Name of its first administrator.
        #[arg(long, value_name = "NAME", default_value = "administrator")]
        administrator: String,
        #[command(flatten)]
        password: PasswordOptions,
    },
}

/// A new domain, and the password that was made for its administrator.
#[derive(Serialize)]
struct Added<'a> {
    id: &'a str,
    administrator_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

pub(super) async fn run(context: &Context, command: Domains) -> Result<ExitCode> {
    match command {
        Domains::List => {
            let list = context.look(async |admin| admin.domains().await).await?;
            if context.json {
                output::print_json(&list)?;
            } else {
                let mut rows = vec![["NAME", "CREATED", "ID"].map(String::from).to_vec()];
                let domains = list.domains.into_iter();
                rows.extend(
                    domains
                        .map(|domain| vec![domain.name, time(Some(domain.created_at)), domain.id]),
                );
                output::print(&output::table(&rows))?;
            }
        }
        Domains::Add {
            name,
            administrator,
            password,
        } => {
            let password = password.get()?;
            let made = context
                .change(async |admin| {
                    admin
                        .add_domain(&name, &administrator, &password.text)
                        .await
                })
                .await?;
            if context.json {
                output::print_json(&Added {
                    id: &made.id,
                    administrator_id: &made.administrator_id,
                    password: password.to_tell(),
                })?;
            } else {
                output::print(&format!(
                    "domain: {name}\nid: {}\nadministrator: {administrator}",
                    made.id
                ))?;
                if let Some(password) = password.to_tell() {
                    output::print(&format!("password: {password}\nIt is told this once."))?;
                }
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
