//! How agent and receiver are handed their join token: in a file, in the environment, or, where
//! nobody else is on the machine, on the command line.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;

/// Longer files are not tokens.
const MAX_TOKEN_BYTES: u64 = 64 * 1024;

/// Who this side is, and where its join token is.
#[derive(Debug, Args)]
pub(crate) struct JoinOptions {
    /// Where this side keeps who it is and what it is doing. Made if it does not exist.
    #[arg(long, value_name = "DIR")]
    pub(crate) state_dir: PathBuf,
    /// Name to show to people.
    #[arg(long, value_name = "NAME", default_value_t = host_name())]
    pub(crate) name: String,
    /// File that holds the join token. Only needed until this side has joined.
    #[arg(long, value_name = "FILE", conflicts_with = "join")]
    join_file: Option<PathBuf>,
    /// The join token itself. Everybody on the machine can read the command lines of processes:
    /// prefer --join-file or the environment.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "REHOST_JOIN_TOKEN",
        hide_env_values = true
    )]
    join: Option<String>,
}

impl JoinOptions {
    /// The text of the join token, if one was given and there is still a use for it: a service is
    /// started again with the command line it was first started with, long after the file is gone.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(crate) fn token(&self) -> Result<Option<String>> {
        if self.state_dir.join("identity.json").exists() {
            return Ok(None);
        }
        match &self.join_file {
            Some(path) => read(path).map(Some),
            None => Ok(self.join.clone().filter(|text| !text.trim().is_empty())),
        }
    }
}

fn read(path: &Path) -> Result<String> {
    let act = || format!("read join token from {}", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).with_context(act)?;
    file.take(MAX_TOKEN_BYTES)
        .read_to_string(&mut text)
        .with_context(act)?;
    Ok(text.trim().to_owned())
}

fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(state_dir: &Path, file: Option<&Path>, text: Option<&str>) -> JoinOptions {
        JoinOptions {
            state_dir: state_dir.into(),
            name: "x".into(),
            join_file: file.map(Into::into),
            join: text.map(Into::into),
        }
    }

    #[test]
    fn a_token_comes_from_the_file_or_from_the_text() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        std::fs::write(&file, " abc\n").unwrap();
        let token = |file, text| options(directory.path(), file, text).token().unwrap();
        assert_eq!(token(Some(file.as_path()), None).as_deref(), Some("abc"));
        assert_eq!(token(None, Some("def")).as_deref(), Some("def"));
        assert_eq!(token(None, Some(" ")), None);
        assert_eq!(token(None, None), None);
    }

    #[test]
    fn after_joining_nobody_asks_for_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let gone = directory.path().join("gone");
        assert!(
            options(directory.path(), Some(&gone), None)
                .token()
                .is_err()
        );
        std::fs::write(directory.path().join("identity.json"), "{}").unwrap();
        assert_eq!(
            options(directory.path(), Some(&gone), None)
                .token()
                .unwrap(),
            None
        );
    }
}
