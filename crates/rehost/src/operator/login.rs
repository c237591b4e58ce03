//! Logging in: with the file that the control plane wrote on its first start, and with a token from
//! the environment where secret keys should not be on the machine.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use rehost_sms_api::client::{Client, ClientConfig, Credentials};
use serde::Deserialize;

/// A token from here is used instead of the keys of the login file.
const TOKEN_VARIABLE: &str = "REHOST_AUTH_TOKEN";
/// A login file is smaller than this; anything else is another file.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// Where the login is.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct LoginOptions {
    /// The login file, in the form of first-login.json. Otherwise ./first-login.json or
    /// ~/.config/rehost/login.json is used. A token in REHOST_AUTH_TOKEN replaces its keys.
    #[arg(long, value_name = "FILE", env = "REHOST_LOGIN")]
    login: Option<PathBuf>,
}

/// What of a login file is needed for calls.
#[derive(Deserialize)]
struct LoginFile {
    endpoint: String,
    #[serde(default)]
    ca_file: Option<PathBuf>,
    #[serde(default)]
    access_key: Option<String>,
    #[serde(default)]
    secret_key: Option<String>,
    #[serde(default)]
    project_id: Option<String>,
}

impl LoginOptions {
    /// Options that name a file.
    pub(crate) fn of_file(path: &Path) -> Self {
        Self {
            login: Some(path.to_path_buf()),
        }
    }

    /// A client of the control plane.
    ///
    /// # Errors
    /// If there is no login file, if it cannot be read, or if it does not make a client.
    pub(crate) fn client(&self) -> Result<Client> {
        let path = self.path()?;
        let file = read(&path).with_context(|| format!("read login file {}", path.display()))?;
        let credentials = match std::env::var(TOKEN_VARIABLE) {
            Ok(token) if !token.trim().is_empty() => Credentials::Token(token.trim().into()),
            _ => keys(&file).with_context(|| format!("log in with {}", path.display()))?,
        };
        let ca_pem = file
            .ca_file
            .as_deref()
            .map(|ca| read_ca(&path, ca))
            .transpose()?;
        let endpoint = file.endpoint;
        Client::new(ClientConfig {
            endpoint,
            ca_pem,
            credentials,
        })
        .context("prepare calls")
    }

    fn path(&self) -> Result<PathBuf> {
        if let Some(path) = &self.login {
            return Ok(path.clone());
        }
        let usual = usual_places();
        match usual.iter().find(|path| path.exists()) {
            Some(path) => Ok(path.clone()),
            None => bail!(
                "not logged in: give --login FILE with the control plane's first-login.json, \
                 or copy it to ~/.config/rehost/login.json"
            ),
        }
    }
}

fn usual_places() -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from("first-login.json")];
    if let Some(home) = std::env::var_os("HOME") {
        places.push(Path::new(&home).join(".config/rehost/login.json"));
    }
    places
}

fn read(path: &Path) -> Result<LoginFile> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).context("open it")?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES)
        .read_to_string(&mut text)
        .context("read it")?;
    serde_json::from_str(&text).context("it is not in the form of first-login.json")
}

/// Reads the CA certificate. A login file that was copied to another machine names a path of the
/// control plane's: there the certificate is looked for beside the login file.
fn read_ca(login: &Path, ca: &Path) -> Result<String> {
    let beside = ca.file_name().map(|name| login.with_file_name(name));
    let path = if ca.exists() {
        ca.to_path_buf()
    } else {
        beside.unwrap_or_else(|| ca.into())
    };
    std::fs::read_to_string(&path).with_context(|| {
        format!(
            "read CA certificate {}: copy it from the control plane's {}",
            path.display(),
            ca.display()
        )
    })
}

fn keys(file: &LoginFile) -> Result<Credentials> {
    match (&file.access_key, &file.secret_key) {
        (Some(access_key), Some(secret_key)) => Ok(Credentials::AccessKey {
            access_key: access_key.clone(),
            secret_key: secret_key.clone().into(),
            project_id: file.project_id.clone(),
        }),
        _ => bail!("it holds no access_key and secret_key, and {TOKEN_VARIABLE} is not set"),
    }
}
