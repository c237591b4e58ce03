//! What takes minutes to make is made once and kept below `target/`. An entry's name holds a hash of
//! everything that it was made from, so a changed recipe makes a new one and removes the old.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rehost_testkit::until;

/// How long another process may take to make the same thing.
const PATIENCE: Duration = Duration::from_secs(1800);
/// So much of the hash is in the name.
const KEY_LENGTH: usize = 16;

/// The folder of everything that is kept.
#[derive(Debug)]
pub(crate) struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// The cache of the checkout that this test was built in.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn of_checkout() -> Result<Self> {
        // A test is `target/debug/deps/name-hash`.
        let test = std::env::current_exe().context("find this test")?;
        let target = test
            .ancestors()
            .nth(3)
            .context("find the target directory")?;
        Self::at(&target.join("systems"))
    }

    fn at(directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("make {}", directory.display()))?;
        Ok(Self {
            directory: directory.to_owned(),
        })
    }

    /// The folder `name` that was made from `ingredients`; if there is none, `make` fills it. What
    /// another process makes meanwhile is waited for. A folder that is there is complete.
    ///
    /// # Errors
    /// If `make` fails, or if the folder cannot be kept.
    pub(crate) fn entry(
        &self,
        name: &str,
        ingredients: &[&str],
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let entry = self
            .directory
            .join(format!("{name}.{}", key_of(ingredients)));
        if entry.exists() {
            return Ok(entry);
        }
        let _lock = self.lock(name)?;
        if entry.exists() {
            return Ok(entry);
        }
        self.remove_others(name)?;
        let unfinished = self.directory.join(format!("{name}.unfinished"));
        std::fs::create_dir(&unfinished)
            .with_context(|| format!("make {}", unfinished.display()))?;
        make(&unfinished).with_context(|| format!("make {name}"))?;
        std::fs::rename(&unfinished, &entry)
            .with_context(|| format!("keep {}", entry.display()))?;
        Ok(entry)
    }

    fn lock(&self, name: &str) -> Result<File> {
        let path = self.directory.join(format!("{name}-lock"));
        let file = File::create(&path).with_context(|| format!("create {}", path.display()))?;
        until(
            &format!("{} is free", path.display()),
            PATIENCE,
            || match file.try_lock() {
                Ok(()) => Ok(Some(())),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(error)) => Err(error.into()),
            },
        )?;
        Ok(file)
    }

    fn remove_others(&self, name: &str) -> Result<()> {
        let prefix = format!("{name}.");
        for entry in std::fs::read_dir(&self.directory)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                std::fs::remove_dir_all(entry.path())
                    .with_context(|| format!("remove {}", entry.path().display()))?;
            }
        }
        Ok(())
    }
}

fn key_of(ingredients: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for ingredient in ingredients {
        hasher.update(&ingredient.len().to_le_bytes());
        hasher.update(ingredient.as_bytes());
    }
    let mut key = hasher.finalize().to_hex().to_string();
    key.truncate(KEY_LENGTH);
    key
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn an_entry_is_made_once_and_anew_when_its_ingredients_change() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::at(directory.path()).unwrap();
        let write =
            |text: &'static str| move |place: &Path| Ok(std::fs::write(place.join("f"), text)?);
        let first = cache.entry("tree", &["a", "b"], write("1")).unwrap();
        let again = cache.entry("tree", &["a", "b"], write("2")).unwrap();
        assert_eq!(first, again);
        assert_eq!(std::fs::read_to_string(first.join("f")).unwrap(), "1");
        let changed = cache.entry("tree", &["ab"], write("3")).unwrap();
        assert_ne!(first, changed);
        assert!(!first.exists(), "what nobody will ask for takes no room");
    }

    #[test]
    fn what_was_made_by_half_is_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::at(directory.path()).unwrap();
        let half = |place: &Path| {
            std::fs::write(place.join("f"), "half")?;
            bail!("interrupted")
        };
        assert!(cache.entry("tree", &["a"], half).is_err());
        let made = cache.entry("tree", &["a"], |_| Ok(())).unwrap();
        assert!(!made.join("f").exists());
    }
}
