//! A PostgreSQL server for one test: made, started, and gone with everything in it when the test is
//! over. Whatever runs on SQLite must run on it, too.

use std::ffi::OsString;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::role::free_port;
use crate::wait::{SHORT, until};

/// Where Debian puts each major version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Who runs the server when the test is root, for PostgreSQL refuses to be root. The first one that
/// this machine knows.
const ORDINARY_USERS: [&str; 2] = ["postgres", "nobody"];
/// The role that owns the databases. It is no superuser: Rehost must not need one.
const ROLE: &str = "rehost";
const PASSWORD: &str = "only-for-this-test";
/// Somebody may take a port between looking for it and listening on it.
const ATTEMPTS: u32 = 5;

/// A running PostgreSQL server with a data directory of its own.
#[derive(Debug)]
pub struct PostgresCluster {
    // Dropped in this order: the process before the directory that it works in.
    server: Server,
    port: u16,
    binaries: PathBuf,
    user: Option<User>,
    databases: AtomicU32,
    directory: tempfile::TempDir,
}

impl PostgresCluster {
    /// Makes a cluster and starts it on a free port of the loopback address. Writes are durable
    /// (`fsync`), as in earnest.
    ///
    /// # Errors
    /// If PostgreSQL is not installed or does not start.
    pub fn start() -> Result<Self> {
        Self::start_in(&std::env::temp_dir())
    }

    /// As [`PostgresCluster::start`], with everything below a directory that others may enter, such as
    /// where a file system is mounted.
    ///
    /// # Errors
    /// If PostgreSQL is not installed or does not start.
    pub fn start_in(parent: &Path) -> Result<Self> {
        let binaries = binaries()?;
        let user = ordinary_user()?;
        let directory = tempfile::Builder::new()
            .prefix("rehost-pg-")
            .tempdir_in(parent)?;
        if let Some(user) = user {
            std::os::unix::fs::chown(directory.path(), Some(user.id), Some(user.group))
                .context("give the directory to the user of the server")?;
        }
        let data = directory.path().join("data");
        let arguments: Vec<OsString> = [
            "--username=postgres",
            // The directory of the socket is closed to others.
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            // Concerns this one run of initdb only.
            "--no-sync",
            "--pgdata",
        ]
        .iter()
        .map(Into::into)
        .chain([data.into_os_string()])
        .collect();
        let mut initdb = as_user(&binaries.join("initdb"), user, directory.path());
        succeed(initdb.args(arguments))?;

        let (server, port) = start_server(&binaries, user, directory.path(), None)?;
        let cluster = Self {
            server,
            port,
            binaries,
            user,
            databases: AtomicU32::new(0),
            directory,
        };
        cluster.run_sql(
            "postgres",
            &format!("CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'"),
        )?;
        Ok(cluster)
    }

    /// Its directory, with the socket and the data.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// How a superuser connects, as libpq understands it.
    #[must_use]
    pub fn connection(&self) -> String {
        let (directory, port) = (self.directory().display(), self.port);
        format!("host={directory} port={port} user=postgres dbname=postgres")
    }

    /// Asks a copy of a cluster's directory, which no server works with: PostgreSQL first does what it
    /// does at a start after a crash. Gives all that it said.
    ///
    /// # Errors
    /// If PostgreSQL cannot use the copy.
    pub fn ask_copy(directory: &Path, database: &str, sql: &str) -> Result<String> {
        let (binaries, user) = (binaries()?, ordinary_user()?);
        // The server that the copy was made of lives on.
        std::fs::remove_file(directory.join("data/postmaster.pid"))
            .context("take the copy of the server's lock away")?;
        let question = directory.join("question");
        std::fs::write(&question, sql).context("write the question")?;
        let mut command = as_user(&binaries.join("postgres"), user, directory);
        command
            .args(["--single", "-D"])
            .arg(directory.join("data"))
            .arg(database)
            .stdin(std::fs::File::open(&question)?);
        let output = succeed(&mut command)?;
        let said = [output.stdout, output.stderr].concat();
        Ok(String::from_utf8_lossy(&said).into_owned())
    }

    /// Makes an empty database and gives its URL, such as
    /// `postgres://rehost:password@127.0.0.1:40001/test_1`.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn database(&self) -> Result<String> {
        let number = 1 + self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        self.run_sql("postgres", &format!("CREATE DATABASE {name} OWNER {ROLE}"))?;
        let port = self.port;
        Ok(format!(
            "postgres://{ROLE}:{PASSWORD}@127.0.0.1:{port}/{name}"
        ))
    }

    /// Runs SQL as superuser, and gives what it selects: a line a row, columns parted by `|`.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn run_sql(&self, database: &str, sql: &str) -> Result<String> {
        let mut command = Command::new(self.binaries.join("psql"));
        command
            .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--set", "ON_ERROR_STOP=1", "--username", "postgres"])
            .arg("--host")
            .arg(self.directory.path())
            .args(["--port", &self.port.to_string()])
            .args(["--dbname", database, "--command", sql]);
        let output = succeed(&mut command)?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// From now on the server takes connections over the network with TLS alone, and proves itself by
    /// this certificate.
    ///
    /// # Errors
    /// If the server does not start again.
    pub fn demand_tls(&mut self, certificate_pem: &str, key_pem: &str) -> Result<()> {
        let data = self.directory.path().join("data");
        let rules = "local all all trust\nhostssl all all all scram-sha-256\n";
        for (name, content) in [
            ("server.crt", certificate_pem),
            ("server.key", key_pem),
            ("pg_hba.conf", rules),
            ("postgresql.auto.conf", "ssl = on\n"),
        ] {
            let path = data.join(name);
            std::fs::write(&path, content).with_context(|| format!("write {name}"))?;
            // The server refuses a key that others can read.
            std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            if let Some(user) = self.user {
                std::os::unix::fs::chown(&path, Some(user.id), Some(user.group))?;
            }
        }
        self.kill()?;
        self.restart()
    }

    /// Ends the server without warning. What it has committed is on the disk.
    ///
    /// # Errors
    /// If it cannot be ended.
    pub fn kill(&mut self) -> Result<()> {
        self.server.end()
    }

    /// Starts the server again after it was killed, on the same port.
    ///
    /// # Errors
    /// If it does not start.
    pub fn restart(&mut self) -> Result<()> {
        let directory = self.directory.path();
        (self.server, _) = start_server(&self.binaries, self.user, directory, Some(self.port))?;
        Ok(())
    }
}

/// The process that the others of the server hang on.
#[derive(Debug)]
struct Server(Child);

impl Server {
    /// Immediate shutdown: to the database as good as a crash, but none of its processes stays.
    fn end(&mut self) -> Result<()> {
        if self.0.try_wait()?.is_some() {
            return Ok(());
        }
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("id of the process")?, Signal::QUIT).context("end PostgreSQL")?;
        let child = &mut self.0;
        until("PostgreSQL has ended", SHORT, || Ok(child.try_wait()?))?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.end().is_err() {
            // Nothing can be done about a process that stays after this.
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// Starts the server on the port, or on any that is free, and waits until it answers.
fn start_server(
    binaries: &Path,
    user: Option<User>,
    directory: &Path,
    port: Option<u16>,
) -> Result<(Server, u16)> {
    let log = directory.join("server.log");
    for _ in 0..ATTEMPTS {
        let port = port.map_or_else(free_port, Ok)?;
        let output = std::fs::File::create(&log).context("create the log of PostgreSQL")?;
        let child = as_user(&binaries.join("postgres"), user, directory)
            .arg("-D")
            .arg(directory.join("data"))
            .arg("-k")
            .arg(directory)
            .args(["-p", &port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=on"])
            .args(["-c", "max_connections=200", "-c", "timezone=UTC"])
            .stdout(output.try_clone().context("open the log of PostgreSQL")?)
            .stderr(output)
            .spawn()
            .context("start PostgreSQL")?;
        let mut server = Server(child);
        let up = until("PostgreSQL answers", SHORT, || {
            if server.0.try_wait()?.is_some() {
                return Ok(Some(false));
            }
            let answer = Command::new(binaries.join("pg_isready"))
                .args(["--quiet", "--host=127.0.0.1", "--port", &port.to_string()])
                .status()
                .context("start pg_isready")?;
            Ok(answer.success().then_some(true))
        })?;
        if up {
            return Ok((server, port));
        }
    }
    let said = std::fs::read_to_string(&log).unwrap_or_default();
    bail!("PostgreSQL does not start: {said}")
}

/// The programs of the newest version that is installed.
fn binaries() -> Result<PathBuf> {
    let newest = std::fs::read_dir(VERSIONS)
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version: u32 = path.file_name()?.to_str()?.parse().ok()?;
            let binaries = path.join("bin");
            binaries
                .join("initdb")
                .exists()
                .then_some((version, binaries))
        })
        .max();
    newest
        .map(|(_, binaries)| binaries)
        .with_context(|| format!("no PostgreSQL below {VERSIONS}: run `cargo xtask test`"))
}

/// Somebody to run the server as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct User {
    id: u32,
    group: u32,
}

/// Nobody in particular unless the test is root.
fn ordinary_user() -> Result<Option<User>> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let known = std::fs::read_to_string("/etc/passwd").context("read /etc/passwd")?;
    let found = ORDINARY_USERS
        .iter()
        .find_map(|name| find_user(&known, name));
    found
        .map(Some)
        .with_context(|| format!("none of the users {ORDINARY_USERS:?} is known"))
}

fn find_user(passwd: &str, name: &str) -> Option<User> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then_some(())?;
        Some(User {
            id: fields.nth(1)?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
        })
    })
}

/// A command in a directory that this user may enter.
fn as_user(program: &Path, user: Option<User>, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(directory)
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    if let Some(user) = user {
        command.uid(user.id).gid(user.group);
    }
    command
}

fn succeed(command: &mut Command) -> Result<Output> {
    let output = command
        .output()
        .with_context(|| format!("start {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_apart_durable_and_gone_afterwards() {
        let mut cluster = PostgresCluster::start().unwrap();
        let (one, two) = (cluster.database().unwrap(), cluster.database().unwrap());
        assert_ne!(one, two);
        cluster
            .run_sql("test_1", "CREATE TABLE t AS SELECT 7 AS n")
            .unwrap();
        assert!(cluster.run_sql("test_2", "SELECT n FROM t").is_err());

        cluster.kill().unwrap();
        assert!(cluster.run_sql("test_1", "SELECT n FROM t").is_err());
        cluster.restart().unwrap();
        assert_eq!(cluster.run_sql("test_1", "SELECT n FROM t").unwrap(), "7");

        let as_rehost = Command::new(cluster.binaries.join("psql"))
            .args([
                &one,
                "-tAc",
                "SELECT rolsuper FROM pg_roles WHERE rolname = current_user",
            ])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&as_rehost.stdout), "f\n");

        let directory = cluster.directory.path().to_owned();
        drop(cluster);
        assert!(!directory.exists());
    }

    #[test]
    fn users_are_found_by_their_whole_name() {
        let passwd =
            "root:x:0:0:root:/root:/bin/bash\nnobody2:x:7:8::/:/\nnobody:x:65534:65533::/:/\n";
        let found = User {
            id: 65534,
            group: 65533,
        };
        assert_eq!(find_user(passwd, "nobody"), Some(found));
        assert_eq!(find_user(passwd, "postgres"), None);
    }
}
