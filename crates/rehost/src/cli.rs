//! The command line as a whole: what is common to all subcommands, and the list of them.

use clap::{Parser, Subcommand};

use crate::admin;
use crate::commands::{
    agent, freeze_guard, hooks, join_token, receive, serve, sources, targets, tasks, verify,
};
use crate::demo;
use crate::logging::LogFormat;

const EXAMPLES: &str = "\
Try it on one machine, without root:
  rehost demo

A first migration:
  target side   rehost serve --data-dir /var/lib/rehost --listen 10.0.0.5:8443
                rehost join-token --role target --output target.token
                rehost receive --state-dir /var/lib/rehost-receive --join-file target.token \\
                    --listen 0.0.0.0:8444 --advertise 10.0.0.5 --images /srv/images
                rehost join-token --role source --output source.token
  source side   rehost agent --state-dir /var/lib/rehost-agent --join-file source.token
  anywhere      rehost tasks create --source web1 --target hall2 --syncing --start
                rehost tasks watch web1 --until syncing
                rehost tasks cutover web1
                rehost tasks watch web1

The operator's commands (join-token, sources, targets, tasks) log in with the file that the control
plane wrote on its first start, first-login.json: --login FILE, or the environment's REHOST_LOGIN,
or ./first-login.json, or ~/.config/rehost/login.json.";

/// Moves a running server to a new home.
///
/// An agent on the source copies its disks to a receiver on the target side while the source keeps
/// working, follows its changes, and cuts over with little downtime. Both ends then hash their
/// disks, and the copy is proved equal. One control plane steers any number of migrations through
/// an API that is compatible with Server Migration Service (SMS) v3.
#[derive(Debug, Parser)]
#[command(name = "rehost", version, after_long_help = EXAMPLES)]
pub(crate) struct Cli {
    /// How log lines look; they go to standard error.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "text",
        env = "REHOST_LOG_FORMAT"
    )]
    pub(crate) log_format: LogFormat,
    /// What is logged, such as `debug` or `info,rehost_agent=debug`.
    #[arg(long, global = true, value_name = "FILTER", env = "REHOST_LOG")]
    pub(crate) log: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the control plane.
    Serve(serve::Options),
    /// Make a one-time token with which a source or a target joins.
    JoinToken(join_token::Options),
    /// Run on a source server: copies its disks when told to.
    Agent(agent::Options),
    /// Run on the target side: makes volumes and receives them.
    Receive(receive::Options),
    /// List, show, rename and delete source servers.
    #[command(subcommand, visible_alias = "source")]
    Sources(sources::Command),
    /// List and delete targets.
    #[command(subcommand, visible_alias = "target")]
    Targets(targets::Command),
    /// Create, steer and watch migration tasks.
    #[command(subcommand, visible_alias = "task")]
    Tasks(tasks::Command),
    /// Look after a control plane by its database: users, keys, domains, backup, check.
    Admin(admin::Options),
    /// Compare two disks, or check disks against a proof.
    Verify(verify::Options),
    /// Migrate two disks on this machine, end to end, and prove that they are equal.
    Demo(demo::Options),
    /// Hooks around the freeze of a source: recipes for databases, and what is installed.
    #[command(subcommand)]
    Hooks(hooks::Command),
    /// Holds a frozen file system for the agent and thaws it whatever happens.
    #[command(hide = true)]
    FreezeGuard(freeze_guard::Options),
}

impl Command {
    /// Long-running roles say what they do; commands for people only what goes wrong.
    pub(crate) fn default_log_filter(&self) -> &'static str {
        match self {
            Self::Serve(_) | Self::Agent(_) | Self::Receive(_) => "info",
            _ => "warn",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_is_free_of_contradictions() {
        Cli::command().debug_assert();
    }
}
