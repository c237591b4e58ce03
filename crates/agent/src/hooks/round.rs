//! The hooks of one freeze: all of them before it, and again, the other way round, after it.

use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rehost_replication::source::error_chain;

use super::call::{CallError, Moment, Setting, call};
use super::debts::{DebtError, Debts};
use super::directory::{Hook, HookDirectoryError, hooks_in, trusted};
use crate::freeze::MAX_FROZEN_SECONDS;

/// What a hook holds is held for so long beyond the longest freeze: until its second call comes.
const HOLD_MARGIN: Duration = Duration::from_secs(60);

/// Why there will be no freeze.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    /// The hooks cannot be used.
    #[error("the hooks for the freeze cannot be used")]
    Directory(#[from] HookDirectoryError),
    /// A hook failed before the freeze. All that were called have been called again.
    #[error("the hook {} kept the source from being frozen", .hook.display())]
    PreFreeze {
        /// The hook.
        hook: PathBuf,
        /// What went wrong.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It cannot be noted which hooks are called.
    #[error("it cannot be noted which hooks are called")]
    Note(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The hooks of an agent.
#[derive(Clone, Debug)]
pub struct Hooks {
    directory: Option<PathBuf>,
    /// Where it is noted what is owed, and where hooks keep what they have to remember.
    state_dir: PathBuf,
    /// For each call.
    time_limit: Duration,
}

impl Hooks {
    /// The hooks of `directory`, if any; `time_limit` is for each call. What is owed to them is noted
    /// in `state_dir`.
    #[must_use]
    pub fn new(directory: Option<PathBuf>, state_dir: &Path, time_limit: Duration) -> Self {
        // Hooks work in another directory, and so may the next process.
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.into());
        Self {
            directory: directory.as_deref().map(absolute),
            state_dir: absolute(state_dir),
            time_limit,
        }
    }

    /// Where the hooks are, if they are used.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// What the guard of a freeze is given, so that it can pay what is owed to hooks: where that is
    /// noted, and the time limit of a call in seconds.
    pub(crate) fn for_guard(&self) -> [OsString; 2] {
        let seconds = self.time_limit.as_secs().to_string();
        [self.state_dir.clone().into(), seconds.into()]
    }

    /// The hooks there are now.
    ///
    /// # Errors
    /// [`HookDirectoryError`]
    pub fn list(&self) -> Result<Vec<Hook>, HookDirectoryError> {
        self.directory.as_deref().map_or(Ok(Vec::new()), hooks_in)
    }

    /// Calls these hooks before a freeze. Returns when the first of them had ended: from then on
    /// something may be held. If one fails, all that were called are called again at once, the
    /// one that failed included, because nobody knows how far it got.
    ///
    /// # Errors
    /// [`HookError`]; then nothing is held.
    pub(crate) fn pre_freeze(&self, hooks: &[Hook]) -> Result<Option<Instant>, HookError> {
        let mut held_since = None;
        for hook in hooks {
            if let Err(error) = self.call_first(hook) {
                self.post_thaw();
                return Err(error);
            }
            held_since.get_or_insert_with(Instant::now);
        }
        Ok(held_since)
    }

    fn call_first(&self, hook: &Hook) -> Result<(), HookError> {
        let failed = |cause: Box<dyn std::error::Error + Send + Sync>| HookError::PreFreeze {
            hook: hook.path.clone(),
            cause,
        };
        let noted = Debts::open(&self.state_dir).and_then(|mut debts| debts.add(&hook.path));
        noted.map_err(|error| HookError::Note(error.into()))?;
        self.called(&hook.path, Moment::PreFreeze)
            .map_err(|error| failed(error.into()))
    }

    /// Calls every hook that is owed a call after a freeze, the last one first. One that fails is
    /// called again the next time; a hook that is not there any more is owed nothing. Says in the log
    /// what went wrong; there is nobody who could do anything about it at once.
    pub(crate) fn post_thaw(&self) {
        if let Err(error) = self.pay() {
            let reason = error_chain(&error);
            tracing::error!(
                reason,
                "it is not known which hooks are owed a call after the freeze"
            );
        }
    }

    /// As [`Hooks::post_thaw`], for what an earlier process has left.
    pub(crate) fn pay_old_debts(&self) {
        if !self.state_dir.join("hooks-owed.json").exists()
            || Debts::open(&self.state_dir).is_ok_and(|debts| debts.all().is_empty())
        {
            return;
        }
        tracing::warn!("an earlier process has left hooks without their call after the freeze");
        self.post_thaw();
    }

    fn pay(&self) -> Result<(), DebtError> {
        if !self.state_dir.join("hooks-owed.json").exists() {
            return Ok(());
        }
        let mut debts = Debts::open(&self.state_dir)?;
        let mut unpaid = Vec::new();
        for hook in debts.all().into_iter().rev() {
            if !hook.exists() {
                tracing::warn!(hook = %hook.display(), "a hook is gone that was called before the freeze");
                continue;
            }
            if let Err(error) = self.called(&hook, Moment::PostThaw) {
                let reason = error_chain(&error);
                tracing::error!(
                    hook = %hook.display(),
                    reason,
                    "a hook failed after the freeze: what it holds may still be held"
                );
                unpaid.push(hook);
            }
        }
        unpaid.reverse();
        debts.keep(unpaid)
    }

    /// Calls one hook and writes its output into the log.
    fn called(&self, hook: &Path, moment: Moment) -> Result<(), HookCallError> {
        let memory = self.state_dir.join("hooks");
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&memory)
            .map_err(HookCallError::Memory)?;
        // Whoever could have changed it since it was listed, could have it run as root.
        let program = trusted(hook)?;
        let setting = Setting {
            time_limit: self.time_limit,
            longest_hold: Duration::from_secs(MAX_FROZEN_SECONDS) + HOLD_MARGIN + self.time_limit,
            memory: &memory,
        };
        let begun = Instant::now();
        let output = call(&program, moment, &setting)?;
        let seconds = begun.elapsed().as_secs_f64();
        tracing::info!(
            hook = %hook.display(),
            moment = moment.word(),
            seconds,
            output,
            "a hook was called"
        );
        Ok(())
    }
}

/// Why a hook was not called with success.
#[derive(Debug, thiserror::Error)]
enum HookCallError {
    #[error("cannot make the directory for what hooks remember")]
    Memory(#[source] std::io::Error),
    #[error(transparent)]
    Directory(#[from] HookDirectoryError),
    #[error(transparent)]
    Call(#[from] CallError),
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    struct Stage {
        hooks: Hooks,
        directory: tempfile::TempDir,
    }

    /// Hooks that note their calls; those called `fails` say no before the freeze.
    fn stage(names: &[&str]) -> Stage {
        let directory = tempfile::tempdir().unwrap();
        let (hooks_dir, state_dir) = (directory.path().join("d"), directory.path().join("s"));
        std::fs::create_dir(&hooks_dir).unwrap();
        std::fs::create_dir(&state_dir).unwrap();
        let calls = directory.path().join("calls");
        for name in names {
            let script = format!(
                "#!/bin/sh\necho {name} $1 >> {}\ncase {name}-$1 in *fails-pre-freeze) exit 1;; \
                 *stuck-post-thaw) exit 1;; esac\n",
                calls.display()
            );
            let path = hooks_dir.join(name);
            std::fs::write(&path, script).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
        let hooks = Hooks::new(Some(hooks_dir), &state_dir, Duration::from_secs(60));
        Stage { hooks, directory }
    }

    impl Stage {
        fn pre_freeze(&self) -> Result<Option<Instant>, HookError> {
            self.hooks.pre_freeze(&self.hooks.list().unwrap())
        }

        fn calls(&self) -> Vec<String> {
            let calls = self.directory.path().join("calls");
            let text = std::fs::read_to_string(&calls).unwrap_or_default();
            let _ = std::fs::remove_file(&calls);
            text.lines().map(Into::into).collect()
        }
    }

    #[test]
    fn hooks_are_called_in_order_and_the_other_way_round() {
        let stage = stage(&["10-a", "20-b"]);
        assert!(stage.pre_freeze().unwrap().is_some());
        assert_eq!(stage.calls(), ["10-a pre-freeze", "20-b pre-freeze"]);
        stage.hooks.post_thaw();
        assert_eq!(stage.calls(), ["20-b post-thaw", "10-a post-thaw"]);
        stage.hooks.post_thaw();
        assert!(stage.calls().is_empty());
    }

    #[test]
    fn one_that_fails_ends_it_and_takes_back_what_was_done() {
        let stage = stage(&["10-a", "20-fails", "30-c"]);
        let error = stage.pre_freeze().unwrap_err();
        let text = error_chain(&error);
        assert!(
            text.contains("20-fails") && text.contains("exit status: 1"),
            "{text}"
        );
        assert_eq!(
            stage.calls(),
            [
                "10-a pre-freeze",
                "20-fails pre-freeze",
                "20-fails post-thaw",
                "10-a post-thaw"
            ]
        );
    }

    #[test]
    fn the_next_process_pays_what_this_one_owes() {
        let stage = stage(&["10-a", "20-stuck"]);
        stage.pre_freeze().unwrap();
        stage.calls();
        // As if this process had died here.
        let next = stage.hooks.clone();
        next.pay_old_debts();
        assert_eq!(stage.calls(), ["20-stuck post-thaw", "10-a post-thaw"]);
        // What failed is tried again, until it works.
        next.pay_old_debts();
        assert_eq!(stage.calls(), ["20-stuck post-thaw"]);
        let stuck = next.directory().unwrap().join("20-stuck");
        std::fs::remove_file(stuck).unwrap();
        next.pay_old_debts();
        next.pay_old_debts();
        assert!(stage.calls().is_empty());
    }

    #[test]
    fn without_a_directory_there_are_no_hooks() {
        let state = tempfile::tempdir().unwrap();
        let hooks = Hooks::new(None, state.path(), Duration::from_secs(1));
        assert!(hooks.list().unwrap().is_empty());
        assert_eq!(hooks.pre_freeze(&[]).unwrap(), None);
        hooks.post_thaw();
        assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 0);
    }
}
