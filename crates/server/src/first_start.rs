//! The data directory, and what is put into it when a control plane starts for the first time.
//!
//! The order survives a crash at any point: credentials are written aside before the database knows
//! them, and come into place only after it does. A start that finds them aside finishes the job.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rehost_certificates::ControlPlaneCa;
use rehost_sms_api::bodies::iam::Named;
use rehost_store::{AccessKeyRow, Store, UserRow};
use serde::{Deserialize, Serialize};

use crate::clock::now_ms;
use crate::identity::hash_password;
use crate::secret;

const USER_NAME: &str = "administrator";

/// What `first-login.json` says: how to log in.
#[derive(Clone, Serialize, Deserialize)]
struct FirstLogin {
    endpoint: String,
    iam_endpoint: String,
    ca_file: Option<PathBuf>,
    domain_name: String,
    domain_id: String,
    project_name: String,
    project_id: String,
    user_name: String,
    password: String,
    access_key: String,
    secret_key: String,
}

/// The files of a control plane.
#[derive(Clone, Debug)]
pub(crate) struct DataDirectory(PathBuf);

impl DataDirectory {
    /// Makes the directory (0700) unless it is there, and closes it to others.
    pub(crate) fn prepare(path: &Path) -> anyhow::Result<Self> {
        let act = || format!("make the data directory {}", path.display());
        for directory in [path.to_path_buf(), path.join("ca")] {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&directory)
                .with_context(act)?;
            std::fs::set_permissions(&directory, Permissions::from_mode(0o700))
                .with_context(act)?;
        }
        // Clients on this machine are told the CA file by its path: it must not depend on ours.
        Ok(Self(path.canonicalize().with_context(act)?))
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("rehost.db")
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.0.join("ca").join("ca.pem")
    }

    pub(crate) fn first_login(&self) -> PathBuf {
        self.0.join("first-login.json")
    }

    fn first_login_aside(&self) -> PathBuf {
        self.0.join("first-login.json.new")
    }

    /// The CA, made on the first start.
    pub(crate) fn authority(&self) -> anyhow::Result<ControlPlaneCa> {
        let directory = self.0.join("ca");
        if let Some(ca) = ControlPlaneCa::load(&directory)? {
            return Ok(ca);
        }
        let ca = ControlPlaneCa::create()?;
        ca.save(&directory)?;
        Ok(ca)
    }
}

/// What a control plane is called, for clients of its small IAM.
pub(crate) async fn names(store: &Store, project: &str) -> anyhow::Result<(Named, Named)> {
    let id = || secret::random_hex(16);
    let domain = Named {
        id: store.setting_or("domain_id", id).await?,
        name: store
            .setting_or("domain_name", || "rehost".to_owned())
            .await?,
    };
    let project = Named {
        id: store.setting_or("project_id", id).await?,
        name: store
            .setting_or("project_name", || project.to_owned())
            .await?,
    };
    Ok((domain, project))
}

/// Where the control plane is reached, as far as `first-login.json` says it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reached<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) ca_file: Option<&'a Path>,
}

/// Makes the administrator if there is none yet, and keeps `first-login.json` true.
pub(crate) async fn ensure_administrator(
    data: &DataDirectory,
    store: &Store,
    (domain, project): (&Named, &Named),
    reached: Reached<'_>,
) -> anyhow::Result<()> {
    if store.user_count().await? > 0 {
        finish_first_login(data)?;
        return refresh_first_login(data, reached);
    }
    if data.first_login().exists() {
        bail!(
            "{} exists, but the database knows nobody; restore the database, or move the file away",
            data.first_login().display()
        );
    }
    let password = secret::random_word(24);
    let key = AccessKeyRow {
        access_key: secret::random_word(20),
        secret_key: secret::random_word(40),
        user_id: secret::random_hex(16),
        create_date: now_ms(),
    };
    let login = FirstLogin {
        endpoint: reached.endpoint.to_owned(),
        iam_endpoint: reached.endpoint.to_owned(),
        ca_file: reached.ca_file.map(Path::to_path_buf),
        domain_name: domain.name.clone(),
        domain_id: domain.id.clone(),
        project_name: project.name.clone(),
        project_id: project.id.clone(),
        user_name: USER_NAME.to_owned(),
        password: password.clone(),
        access_key: key.access_key.clone(),
        secret_key: key.secret_key.clone(),
    };
    write_aside(data, &login)?;
    let user = UserRow {
        id: key.user_id.clone(),
        name: USER_NAME.to_owned(),
        password_hash: hash_password(&password)?,
        create_date: key.create_date,
    };
    store
        .insert_user(&user, &key)
        .await
        .context("add the administrator")?;
    finish_first_login(data)?;
    tracing::info!(
        endpoint = reached.endpoint,
        "first start: name and password of the administrator, and an access key, are in {}",
        data.first_login().display()
    );
    Ok(())
}

fn write_aside(data: &DataDirectory, login: &FirstLogin) -> anyhow::Result<()> {
    let path = data.first_login_aside();
    let act = || format!("write {}", path.display());
    // One that was left behind by a crash holds credentials that never came into force.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(act),
        _ => {}
    }
    let mut text = serde_json::to_string_pretty(login).with_context(act)?;
    text.push('\n');
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .with_context(act)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(act)
}

/// Moves credentials that came into force to where people look for them.
fn finish_first_login(data: &DataDirectory) -> anyhow::Result<()> {
    match std::fs::rename(data.first_login_aside(), data.first_login()) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("write {}", data.first_login().display()))
        }
        _ => Ok(()),
    }
}

/// Says in `first-login.json`, if it is still there, where the control plane is reached now.
fn refresh_first_login(data: &DataDirectory, reached: Reached<'_>) -> anyhow::Result<()> {
    let path = data.first_login();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    let mut login: FirstLogin = serde_json::from_str(&text)
        .with_context(|| format!("read {}; move it away if it is damaged", path.display()))?;
    let ca_file = reached.ca_file.map(Path::to_path_buf);
    if login.endpoint == reached.endpoint && login.ca_file == ca_file {
        return Ok(());
    }
    login.endpoint = reached.endpoint.to_owned();
    login.iam_endpoint = reached.endpoint.to_owned();
    login.ca_file = ca_file;
    write_aside(data, &login)?;
    finish_first_login(data)
}
