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
use rehost_sms_api::rehost::AccountRole;
use rehost_store::{Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::app::accounts;
use crate::secret;

const USER_NAME: &str = "administrator";
/// Name of the first domain.
pub(crate) const DOMAIN_NAME: &str = "rehost";

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
    /// Name of the database file, where there is one.
    pub(crate) const DATABASE: &str = "rehost.db";

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
        self.0.join(Self::DATABASE)
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

    /// The CA of a control plane that runs alone, made on the first start.
    pub(crate) fn authority(&self) -> anyhow::Result<ControlPlaneCa> {
        let directory = self.0.join("ca");
        if let Some(ca) = ControlPlaneCa::load(&directory)? {
            return Ok(ca);
        }
        let ca = ControlPlaneCa::create()?;
        ca.save(&directory)?;
        Ok(ca)
    }

    /// The CA of replicas over one database, which holds it for all of them.
    pub(crate) async fn shared_authority(&self, store: &Store) -> anyhow::Result<ControlPlaneCa> {
        let directory = self.0.join("ca");
        let local = ControlPlaneCa::load(&directory)?;
        let offered = match &local {
            Some(ca) => SharedAuthority::of(ca),
            None => SharedAuthority::of(&ControlPlaneCa::create()?),
        };
        let offered = serde_json::to_string(&offered).context("write the CA as JSON")?;
        let stored = store.setting_or("authority", || offered).await?;
        let stored: SharedAuthority =
            serde_json::from_str(&stored).context("read the CA of the database")?;
        match local {
            Some(ca) if ca.certificate_pem() == stored.certificate => return Ok(ca),
            Some(_) => bail!(
                "{} is the CA of another control plane than the database; use another data directory",
                self.ca_file().display()
            ),
            None => ControlPlaneCa::restore(&directory, &stored.certificate, &stored.key)?,
        }
        let ca = ControlPlaneCa::load(&directory)?;
        ca.context("read the CA that was just written")
    }
}

/// The CA as it stands in the database. Its key is no more secret than the access keys beside it.
#[derive(Serialize, Deserialize)]
struct SharedAuthority {
    certificate: String,
    key: String,
}

impl SharedAuthority {
    fn of(ca: &ControlPlaneCa) -> Self {
        Self {
            certificate: ca.certificate_pem().to_owned(),
            key: ca.key_pem().to_string(),
        }
    }
}

/// What a control plane is called: its first domain, and the project of that.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) domain: Named,
    pub(crate) project: Named,
}

/// Where the control plane is reached, as far as `first-login.json` says it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reached<'a> {
    pub(crate) endpoint: &'a str,
    pub(crate) ca_file: Option<&'a Path>,
}

/// Makes the first domain with its administrator if there is none yet, and keeps `first-login.json`
/// true. Of several replicas that start for the first time, one does it.
pub(crate) async fn ensure_first_domain(
    data: &DataDirectory,
    store: &Store,
    project: &str,
    reached: Reached<'_>,
) -> anyhow::Result<Names> {
    let id = store
        .setting_or("domain_id", || secret::random_hex(16))
        .await?;
    if let Some(names) = names(store, &id).await? {
        finish_first_login(data)?;
        refresh_first_login(data, reached)?;
        return Ok(names);
    }
    if data.first_login().exists() {
        bail!(
            "{} exists, but the database knows nobody; restore the database, or move the file away",
            data.first_login().display()
        );
    }
    let password = secret::random_word(24);
    let role = AccountRole::Administrator;
    let user = accounts::new_user(&id, USER_NAME, role, &password).await?;
    let key = accounts::new_key(&user.id, "first start".to_owned());
    let login_key = key.clone();
    let domain = accounts::new_domain(id.clone(), DOMAIN_NAME, project, Some(user), Some(key))?;
    let login = FirstLogin {
        endpoint: reached.endpoint.to_owned(),
        iam_endpoint: iam_endpoint(reached),
        ca_file: reached.ca_file.map(Path::to_path_buf),
        domain_name: domain.domain.name.clone(),
        domain_id: id.clone(),
        project_name: domain.project.name.clone(),
        project_id: domain.project.id.clone(),
        user_name: USER_NAME.to_owned(),
        password,
        access_key: login_key.access_key,
        secret_key: login_key.secret_key,
    };
    write_aside(data, &login)?;
    match store.insert_domain(&domain).await {
        Ok(()) => {
            finish_first_login(data)?;
            tracing::info!(
                endpoint = reached.endpoint,
                "first start: name and password of the administrator, and an access key, are in {}",
                data.first_login().display()
            );
        }
        Err(StoreError::Exists { .. }) => {
            // Another replica was faster; its credentials are the ones in force.
            remove_aside(data)?;
        }
        Err(error) => return Err(error).context("add the administrator"),
    }
    let names = names(store, &id).await?;
    names.context("find the domain that was just made")
}

/// The names of the first domain, once there is one.
async fn names(store: &Store, domain_id: &str) -> anyhow::Result<Option<Names>> {
    let Some(domain) = store.domain(domain_id).await? else {
        return Ok(None);
    };
    let projects = store.projects(domain_id).await?;
    let project = projects
        .into_iter()
        .next()
        .context("find the project of the first domain")?;
    Ok(Some(Names {
        domain: Named {
            id: domain.id,
            name: domain.name,
        },
        project: Named {
            id: project.id,
            name: project.name,
        },
    }))
}

/// IAM has a base of its own, because clients discover its versions there in another form than SMS's.
fn iam_endpoint(reached: Reached<'_>) -> String {
    format!("{}/iam", reached.endpoint)
}

fn remove_aside(data: &DataDirectory) -> anyhow::Result<()> {
    let path = data.first_login_aside();
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn write_aside(data: &DataDirectory, login: &FirstLogin) -> anyhow::Result<()> {
    let path = data.first_login_aside();
    let act = || format!("write {}", path.display());
    // One that was left behind by a crash holds credentials that never came into force.
    remove_aside(data)?;
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
    login.iam_endpoint = iam_endpoint(reached);
    login.ca_file = ca_file;
    write_aside(data, &login)?;
    finish_first_login(data)
}
