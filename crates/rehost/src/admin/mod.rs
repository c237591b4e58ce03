//! `rehost admin`: looking after a control plane from its own machine, by its database.
//!
//! Other operator's commands log in and use the API. These need neither a login nor a control plane
//! that runs, so that they help when nobody can log in any more.

mod domains;
mod maintenance;
mod password;
mod people;

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use rehost_server::Database;
use rehost_server::admin::{Administration, Place};
use rehost_sms_api::rehost::AccountRole;

/// Options of `rehost admin`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rehost admin --data-dir /var/lib/rehost users list
  rehost admin --data-dir /var/lib/rehost users set-password administrator
      nobody knows the password any more: makes a new one and prints it once
  rehost admin --data-dir /var/lib/rehost users add ann --role operator
  rehost admin --data-dir /var/lib/rehost keys add ann --description 'terraform on ci1'
  rehost admin --data-dir /var/lib/rehost domains add tenant-7 --administrator root
  rehost admin --data-dir /var/lib/rehost backup /backup/rehost-$(date +%F).tar
  rehost admin --data-dir /var/lib/rehost-new restore /backup/rehost-2026-03-01.tar
  rehost admin --data-dir /var/lib/rehost check

Whoever can read the data directory has every right there is; changes are in the audit log as those
of 'rehost admin'. Lists, backup and check work while the control plane runs. Changes need it to be
stopped, unless it works with PostgreSQL: give --database then, or REHOST_DATABASE.")]
pub(crate) struct Options {
    /// The data directory of the control plane, as given to `rehost serve`.
    #[arg(long, global = true, value_name = "DIR", env = "REHOST_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The database, if it is not in the data directory: postgres://USER:PASSWORD@HOST/DATABASE or
    /// sqlite:FILE. A password belongs into the variable or into ~/.pgpass.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "REHOST_DATABASE",
        hide_env_values = true
    )]
    database: Option<Database>,
    /// Print JSON, in the form of the API, instead of a table.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// People and programs that log in.
    #[command(subcommand, visible_alias = "user")]
    Users(people::Users),
    /// Access keys, with which programs sign their calls.
    #[command(subcommand, visible_alias = "key")]
    Keys(people::Keys),
    /// Tokens, which a login gives out.
    #[command(subcommand, visible_alias = "token")]
    Tokens(people::Tokens),
    /// Tenants, which see nothing of each other.
    #[command(subcommand, visible_alias = "domain")]
    Domains(domains::Domains),
    /// Write database and certificate authority to one file; the control plane may be running.
    Backup(maintenance::Backup),
    /// Check a backup and put it into a data directory.
    Restore(maintenance::Restore),
    /// Check that the database is whole; the exit code is 1 if it is not.
    Check,
}

/// The domain that a command is about.
#[derive(Debug, Args)]
struct DomainOption {
    /// The domain (tenant) it is about.
    #[arg(long, value_name = "NAME", default_value = "rehost")]
    domain: String,
}

/// What a user may do.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Role {
    /// See everything but secrets.
    ReadOnly,
    /// Migrate.
    Operator,
    /// Say who may do what.
    Administrator,
}

impl From<Role> for AccountRole {
    fn from(role: Role) -> Self {
        match role {
            Role::ReadOnly => Self::ReadOnly,
            Role::Operator => Self::Operator,
            Role::Administrator => Self::Administrator,
        }
    }
}

/// Where a command works, and how it shows what comes of it.
#[derive(Debug)]
struct Context {
    place: Place,
    json: bool,
}

impl Context {
    /// Works on a database that may be in use.
    async fn look<T>(&self, work: impl AsyncFnOnce(&Administration) -> Result<T>) -> Result<T> {
        let admin = Administration::open_to_look(&self.place).await?;
        let done = work(&admin).await;
        admin.close().await;
        done
    }

    /// Works on a database that must not be in use unless it is shared anyway.
    async fn change<T>(&self, work: impl AsyncFnOnce(&Administration) -> Result<T>) -> Result<T> {
        let admin = Administration::open_to_change(&self.place).await?;
        let done = work(&admin).await;
        admin.close().await;
        done
    }
}

/// Does what was asked for.
///
/// # Errors
/// If it cannot be done, in words for the operator.
pub(crate) fn run(options: Options) -> Result<ExitCode> {
    let context = Context {
        place: Place {
            data_dir: options.data_dir,
            database: options.database,
        },
        json: options.json,
    };
    match options.command {
        Command::Users(command) => block_on(people::users(&context, command)),
        Command::Keys(command) => block_on(people::keys(&context, command)),
        Command::Tokens(command) => block_on(people::tokens(&context, command)),
        Command::Domains(command) => block_on(domains::run(&context, command)),
        Command::Backup(command) => block_on(maintenance::backup(&context, &command)),
        Command::Restore(command) => block_on(maintenance::restore(&context, &command)),
        Command::Check => block_on(maintenance::check(&context)),
    }
}

fn block_on(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(work)
}
