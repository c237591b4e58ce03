//! Hooks for well-known databases, reviewed and ready to be installed.
//!
//! They are shell scripts, because whoever is responsible for a database has to be able to read what
//! is done to it.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// A hook that is ready to be installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// By which it is asked for.
    pub name: &'static str,
    /// What it does, in one line.
    pub summary: &'static str,
    /// The script.
    pub script: &'static str,
}

const MYSQL: &str = include_str!("mysql.sh");

/// All of them.
pub const RECIPES: [Recipe; 3] = [
    Recipe {
        name: "postgresql",
        summary: "a checkpoint before the freeze, so that the copy has little to replay",
        script: include_str!("postgresql.sh"),
    },
    Recipe {
        name: "mysql",
        summary: "changes wait during the freeze (FLUSH TABLES WITH READ LOCK)",
        script: MYSQL,
    },
    Recipe {
        name: "mariadb",
        summary: "changes wait during the freeze (BACKUP STAGE BLOCK_COMMIT)",
        script: MYSQL,
    },
];

/// The recipe of this name.
#[must_use]
pub fn recipe(name: &str) -> Option<&'static Recipe> {
    RECIPES.iter().find(|recipe| recipe.name == name)
}

impl Recipe {
    /// The file in a directory of hooks that it is installed as.
    #[must_use]
    pub fn place(&self, directory: &Path) -> PathBuf {
        directory.join(format!("50-{}", self.name))
    }

    /// Installs it as an executable, and makes the directory if there is none. A script that is there
    /// already, changed perhaps, is only replaced if that is asked for.
    ///
    /// # Errors
    /// Those of the file system; [`io::ErrorKind::AlreadyExists`] if it is there.
    pub fn install(&self, directory: &Path, replace: bool) -> io::Result<PathBuf> {
        let place = self.place(directory);
        if !replace && place.exists() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(directory)?;
        // Nobody calls half a script: names with a dot are no hooks.
        let aside = directory.join(format!("50-{}.new", self.name));
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o700)
            .open(&aside)?;
        file.write_all(self.script.as_bytes())?;
        // Whatever the mask of this process is.
        file.set_permissions(std::fs::Permissions::from_mode(0o755))?;
        file.sync_all()?;
        std::fs::rename(&aside, &place)?;
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hooks::hooks_in;

    #[test]
    fn an_installed_recipe_is_a_hook_and_is_not_overwritten_by_chance() {
        let directory = tempfile::tempdir().unwrap();
        let hooks = directory.path().join("hooks.d");
        let [postgresql, mysql, _] = RECIPES;
        let place = postgresql.install(&hooks, false).unwrap();
        mysql.install(&hooks, false).unwrap();
        let found: Vec<_> = hooks_in(&hooks)
            .unwrap()
            .into_iter()
            .map(|hook| (hook.name, hook.quiesces))
            .collect();
        // A checkpoint brings nothing to rest.
        let expected = [("50-mysql".into(), true), ("50-postgresql".into(), false)];
        assert_eq!(found, expected);
        std::fs::write(&place, "changed").unwrap();
        let refused = postgresql.install(&hooks, false).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        postgresql.install(&hooks, true).unwrap();
        assert_eq!(std::fs::read_to_string(&place).unwrap(), postgresql.script);
    }

    #[test]
    fn every_recipe_knows_its_two_calls_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        for recipe in RECIPES {
            assert_eq!(super::recipe(recipe.name), Some(&recipe));
            let place = recipe.install(directory.path(), true).unwrap();
            let refused = std::process::Command::new(place)
                .arg("dance")
                .env("REHOST_HOOK_MEMORY", directory.path())
                .env("REHOST_HOLD_SECONDS", "1")
                .output()
                .unwrap();
            assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        }
    }
}
