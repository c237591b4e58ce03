//! `rehost hooks`: what is called on a source around the freeze, and ready recipes for databases.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use rehost_agent::hooks::recipes::{RECIPES, Recipe, recipe};
use rehost_agent::hooks::{DEFAULT_DIRECTORY, hooks_in};

use crate::output;

/// What can be done with hooks. Run on the source server.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the recipes that come with Rehost, and the hooks that are installed.
    List(Where),
    /// Print the script of a recipe, to be read before it is installed.
    Show(Named),
    /// Install a recipe as a hook. An agent calls it from the next cut-over on.
    #[command(after_help = HELP)]
    Install(Install),
}

const HELP: &str = "\
Examples:
  rehost hooks show mariadb | less
  rehost hooks install mariadb
  /etc/rehost/hooks.d/50-mariadb.conf     settings, if the usual ones do not fit

An agent that is started without --hooks looks for the directory at its start: start it again after
the first hook was installed.";

/// Where hooks are.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// The directory of hooks.
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DIRECTORY)]
    directory: PathBuf,
}

/// A recipe.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Name of the recipe: `postgresql`, `mysql`, `mariadb`.
    #[arg(value_name = "RECIPE")]
    name: String,
}

/// Options of `install`.
#[derive(Debug, Args)]
pub(crate) struct Install {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    at: Where,
    /// Replace the hook if it is there, with whatever was changed in it.
    #[arg(long)]
    replace: bool,
}

/// Runs one of the commands.
///
/// # Errors
/// If there is no such recipe, or if hooks cannot be read or written.
pub(crate) fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::List(at) => list(at),
        Command::Show(named) => output::print(find(named)?.script.trim_end()),
        Command::Install(options) => install(options),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn find(named: &Named) -> Result<&'static Recipe> {
    let known = || RECIPES.map(|recipe| recipe.name).join(", ");
    recipe(&named.name)
        .with_context(|| format!("there is no recipe {}: there are {}", named.name, known()))
}

fn list(at: &Where) -> Result<()> {
    let mut rows = vec![vec!["RECIPE".into(), "WHAT IT DOES".into()]];
    rows.extend(RECIPES.map(|recipe| vec![recipe.name.into(), recipe.summary.into()]));
    output::print(&output::table(&rows))?;
    let directory = &at.directory;
    if !directory.exists() {
        return output::print(&format!("\nno hooks: there is no {}", directory.display()));
    }
    let mut rows = vec![vec!["HOOK".into(), "PROGRAMS AT REST".into()]];
    let hooks = hooks_in(directory)?.into_iter();
    rows.extend(hooks.map(|hook| {
        let at_rest = if hook.quiesces { "yes" } else { "no" };
        vec![hook.path.display().to_string(), at_rest.into()]
    }));
    output::print(&format!("\n{}", output::table(&rows)))
}

fn install(options: &Install) -> Result<()> {
    let (recipe, directory) = (find(&options.named)?, &options.at.directory);
    match recipe.install(directory, options.replace) {
        Ok(place) => output::print(&format!("installed {}", place.display())),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => bail!(
            "{} is there already: compare it with rehost hooks show {}, and give --replace",
            recipe.place(directory).display(),
            recipe.name
        ),
        Err(error) => {
            Err(error).with_context(|| format!("write the hook into {}", directory.display()))
        }
    }
}
