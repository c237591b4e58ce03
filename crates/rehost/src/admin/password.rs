//! Where a new password comes from: standard input, or chance. Never the command line, which
//! everybody on the machine can read.

use std::io::BufRead as _;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use rehost_server::admin::new_password;

/// How a password is given.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct PasswordOptions {
    /// Read the password (8 to 128 characters) as one line from standard input. Otherwise one is made
    /// and printed this once.
    #[arg(long)]
    password_stdin: bool,
}

/// A password, and whether its owner has yet to be told.
pub(super) struct Password {
    pub(super) text: String,
    pub(super) is_new: bool,
}

impl PasswordOptions {
    /// Gets the password.
    ///
    /// # Errors
    /// If standard input cannot be read or is empty.
    pub(super) fn get(self) -> Result<Password> {
        if !self.password_stdin {
            return Ok(Password {
                text: new_password(),
                is_new: true,
            });
        }
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut line)
            .context("read the password from standard input")?;
        let text = line.trim_end_matches(['\r', '\n']).to_owned();
        ensure!(!text.is_empty(), "standard input holds no password");
        Ok(Password {
            text,
            is_new: false,
        })
    }
}

impl Password {
    /// The password if it has to be told.
    pub(super) fn to_tell(&self) -> Option<&str> {
        self.is_new.then_some(&self.text)
    }
}
