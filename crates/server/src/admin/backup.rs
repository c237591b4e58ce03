//! A backup in one file: the database and the certificate authority that all agents and receivers
//! trust. One without the other would be a control plane that nobody who joined speaks to.
//!
//! The file is a tar archive (mode 0600) with the members `rehost.db`, `ca.pem` and `ca-key.pem`. It
//! holds every secret of the control plane.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use rehost_certificates::ControlPlaneCa;
use rehost_store::{Database, Store, StoreError, StoreOptions};

use super::{Administration, Place};
use crate::clock::now_ms;
use crate::first_start::DataDirectory;

const DATABASE: &str = DataDirectory::DATABASE;
const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca-key.pem";
/// More than any PEM text of an authority.
const MAX_PEM_BYTES: u64 = 64 * 1024;
/// What of a data directory makes way for a backup.
const REPLACED: [&str; 5] = [
    DATABASE,
    "rehost.db-wal",
    "rehost.db-shm",
    "ca",
    "first-login.json",
];

/// What a restore did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The data directory.
    pub data_dir: PathBuf,
    /// Where that is now which was there before, if anything was.
    pub previous: Option<PathBuf>,
}

impl Administration {
    /// Writes a backup to a file, while the control plane runs or not. The file is there when it is
    /// complete and not before.
    ///
    /// # Errors
    /// With PostgreSQL, which has tools of its own; if the authority cannot be read; if the file is
    /// there already and may not be replaced, or cannot be written.
    pub async fn backup(place: &Place, file: &Path, replace: bool) -> Result<()> {
        let database = place.database()?;
        if let Database::Postgres(_) = database {
            return Err(StoreError::BackupByPgDump.into());
        }
        let directory = place.data_dir.as_deref();
        let directory =
            directory.context("give --data-dir, which holds what belongs into a backup")?;
        let ca = ControlPlaneCa::load(&directory.join("ca"))?.with_context(|| {
            format!(
                "there is no certificate authority in {}",
                directory.display()
            )
        })?;
        ensure!(
            replace || !file.exists(),
            "{} is there already; choose another name, or replace it with --replace",
            file.display()
        );
        let copy = beside(file, ".database");
        let admin = Self::open_to_look(place).await?;
        let copied = admin.store.backup_to(&copy).await;
        admin.close().await;
        copied?;
        let aside = beside(file, ".new");
        let packed = pack(&aside, &copy, &ca).and_then(|()| {
            std::fs::rename(&aside, file)?;
            sync_folder_of(file)
        });
        remove(&copy)?;
        if packed.is_err() {
            remove(&aside)?;
        }
        packed.with_context(|| format!("write {}", file.display()))
    }

    /// Puts a backup into a data directory, after it was checked. What is there already is kept aside
    /// in the directory if it may be replaced.
    ///
    /// # Errors
    /// If the file is no backup or is damaged, if there is a control plane in the directory that may
    /// not be replaced or runs, or if the directory cannot be written.
    pub async fn restore(file: &Path, data_dir: &Path, replace: bool) -> Result<Restored> {
        let taken = REPLACED.iter().any(|name| match *name {
            // The directory of the authority is made early and empty.
            "ca" => {
                std::fs::read_dir(data_dir.join(name)).is_ok_and(|mut files| files.next().is_some())
            }
            name => data_dir.join(name).exists(),
        });
        ensure!(
            replace || !taken,
            "there is a control plane in {}; restore into another directory, or replace it with --replace",
            data_dir.display()
        );
        DataDirectory::prepare(data_dir)?;
        if data_dir.join(DATABASE).exists() {
            ensure_unused(&data_dir.join(DATABASE)).await?;
        }
        let fresh = data_dir.join("restore.new");
        remove_folder(&fresh)?;
        DataDirectory::prepare(&fresh)?;
        let checked = match unpack(file, &fresh) {
            Ok(()) => check(&fresh).await,
            Err(error) => Err(error),
        };
        if let Err(error) = checked {
            remove_folder(&fresh)?;
            return Err(error.context(format!(
                "{} cannot be restored, and {} is as it was",
                file.display(),
                data_dir.display()
            )));
        }
        let act = || format!("put the backup into {}", data_dir.display());
        let previous = put_aside(data_dir, taken).with_context(act)?;
        for name in ["ca", DATABASE] {
            std::fs::rename(fresh.join(name), data_dir.join(name)).with_context(act)?;
        }
        File::open(data_dir)
            .and_then(|folder| folder.sync_all())
            .with_context(act)?;
        remove_folder(&fresh)?;
        Ok(Restored {
            data_dir: data_dir.to_path_buf(),
            previous,
        })
    }
}

fn beside(file: &Path, end: &str) -> PathBuf {
    let mut path = file.as_os_str().to_owned();
    path.push(end);
    path.into()
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn remove_folder(path: &Path) -> Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn sync_folder_of(file: &Path) -> Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    Ok(File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()?)
}

fn create_private(path: &Path) -> Result<File> {
    remove(path)?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    file.with_context(|| format!("create {}", path.display()))
}

fn pack(archive: &Path, database: &Path, ca: &ControlPlaneCa) -> Result<()> {
    let mut archive = tar::Builder::new(create_private(archive)?);
    let key = ca.key_pem();
    for (name, text) in [(CERTIFICATE, ca.certificate_pem()), (KEY, key.as_str())] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        archive.append_data(&mut header, name, text.as_bytes())?;
    }
    archive.append_file(DATABASE, &mut File::open(database)?)?;
    let mut file = archive.into_inner()?;
    file.flush()?;
    Ok(file.sync_all()?)
}

/// Takes the members out that a backup has, and nothing else.
fn unpack(archive: &Path, folder: &Path) -> Result<()> {
    use std::io::Read as _;
    let file = File::open(archive).with_context(|| format!("open {}", archive.display()))?;
    let mut archive = tar::Archive::new(file);
    let (mut certificate, mut key, mut database) = (None, None, false);
    for member in archive.entries().context("read it as a backup")? {
        let member = member.context("read it as a backup")?;
        ensure!(
            member.header().entry_type().is_file(),
            "it is no backup of a control plane"
        );
        let name = member.path_bytes().into_owned();
        let (name, size) = (String::from_utf8_lossy(&name).into_owned(), member.size());
        let mut member = member;
        match name.as_str() {
            CERTIFICATE | KEY => {
                let mut text = String::new();
                let mut start = member.by_ref().take(MAX_PEM_BYTES);
                start
                    .read_to_string(&mut text)
                    .context("read the certificate authority")?;
                let place = if name == KEY {
                    &mut key
                } else {
                    &mut certificate
                };
                *place = Some(text);
            }
            DATABASE => {
                let mut file = create_private(&folder.join(DATABASE))?;
                let copied =
                    std::io::copy(&mut member, &mut file).context("unpack the database")?;
                ensure!(copied == size, "it ends in the middle of the database");
                file.sync_all().context("unpack the database")?;
                database = true;
            }
            _ => bail!("it is no backup of a control plane: it holds {name:?}"),
        }
    }
    let (Some(certificate), Some(key), true) = (certificate, key, database) else {
        bail!("it is no backup of a control plane, or ends too early");
    };
    Ok(ControlPlaneCa::restore(
        &folder.join("ca"),
        &certificate,
        &key,
    )?)
}

/// Whether what was unpacked makes a control plane.
async fn check(folder: &Path) -> Result<()> {
    ControlPlaneCa::load(&folder.join("ca"))?.context("it has no certificate authority")?;
    let database = Database::Sqlite(folder.join(DATABASE));
    let options = StoreOptions {
        exclusive: false,
        ..StoreOptions::default()
    };
    let store = Store::open_with(&database, options).await?;
    let checked = store.check().await;
    let domains = store.domains().await;
    store.close().await;
    checked?;
    ensure!(
        !domains?.is_empty(),
        "its database is that of no control plane"
    );
    Ok(())
}

/// Refuses a database that is in use. One that is damaged is not, and may be replaced.
async fn ensure_unused(database: &Path) -> Result<()> {
    match Store::open(&Database::Sqlite(database.to_path_buf())).await {
        Ok(store) => {
            store.close().await;
            Ok(())
        }
        Err(StoreError::InUse { path }) => {
            bail!(
                "a control plane is running on {}: stop it first",
                path.display()
            )
        }
        Err(_) => Ok(()),
    }
}

/// Moves what is there out of the way, into a directory beside it.
fn put_aside(data_dir: &Path, taken: bool) -> Result<Option<PathBuf>> {
    if !taken {
        return Ok(None);
    }
    let aside = data_dir.join(format!("replaced-{}", now_ms()));
    DataDirectory::prepare(&aside)?;
    for name in REPLACED {
        match std::fs::rename(data_dir.join(name), aside.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(Some(aside))
}
