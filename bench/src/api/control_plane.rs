//! The control plane that is measured: the real executable, plain HTTP on loopback, with a data
//! directory of its own and either database; and replicas of it over one PostgreSQL.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rehost_testkit::{PostgresCluster, Role, SHORT, free_port, until};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::load::Connection;

/// How long a control plane with much to write may take to end.
const STOP_WITHIN: Duration = Duration::from_secs(60);

/// A control plane, running or not.
#[derive(Debug)]
pub(crate) struct ControlPlane {
    // Dropped before what it works with.
    role: Option<Role>,
    pub(crate) address: SocketAddr,
    /// Where rows are: a file, or a URL.
    pub(crate) database: rehost_store::Database,
    url: Option<String>,
    _postgres: Option<PostgresCluster>,
    directory: TempDir,
    /// How to log in is kept by whoever was started first.
    is_first: bool,
}

impl ControlPlane {
    /// Makes a place for one, with an empty database.
    ///
    /// # Errors
    /// If the database does not come up.
    pub(crate) fn prepare(database: rehost_testkit::Database, scratch: &Path) -> Result<Self> {
        let directory = directory(scratch)?;
        let postgres = match database {
            rehost_testkit::Database::Sqlite => None,
            rehost_testkit::Database::Postgres => Some(PostgresCluster::start()?),
        };
        let url = postgres
            .as_ref()
            .map(PostgresCluster::database)
            .transpose()?;
        let database = match &url {
            Some(url) => url.parse().context("read a URL")?,
            None => rehost_store::Database::Sqlite(directory.path().join("data/rehost.db")),
        };
        Ok(Self {
            role: None,
            address: SocketAddr::from(([127, 0, 0, 1], free_port()?)),
            database,
            url,
            _postgres: postgres,
            directory,
            is_first: true,
        })
    }

    /// Makes a place for another one over the same PostgreSQL; with SQLite there can be none.
    ///
    /// # Errors
    /// If its directory cannot be made.
    pub(crate) fn replica(&self, scratch: &Path) -> Result<Option<Self>> {
        if self.url.is_none() {
            return Ok(None);
        }
        Ok(Some(Self {
            role: None,
            address: SocketAddr::from(([127, 0, 0, 1], free_port()?)),
            database: self.database.clone(),
            url: self.url.clone(),
            _postgres: None,
            directory: directory(scratch)?,
            is_first: false,
        }))
    }

    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// If it does not come up.
    pub(crate) fn start(&mut self) -> Result<()> {
        let mut arguments: Vec<OsString> = ["serve", "--log", "warn", "--tls", "off", "--listen"]
            .map(Into::into)
            .into();
        arguments.push(self.address.to_string().into());
        arguments.extend(["--data-dir".into(), self.data().into()]);
        if let Some(url) = &self.url {
            // The database lives as long as this run, and its password is known to everybody.
            arguments.extend(["--database".into(), url.into()]);
        }
        let log = self.directory.path().join("log");
        self.role = Some(Role::start("control plane", &log, arguments)?);
        let (address, login) = (self.address, self.data().join("first-login.json"));
        let is_first = self.is_first;
        until("the control plane listens", SHORT, || {
            let listens = std::net::TcpStream::connect(address).is_ok();
            Ok((listens && (login.exists() || !is_first)).then_some(()))
        })
    }

    /// Ends it.
    ///
    /// # Errors
    /// If it does not end well.
    pub(crate) fn stop(&mut self) -> Result<()> {
        if let Some(mut role) = self.role.take() {
            let status = role.stop(STOP_WITHIN)?;
            ensure!(status.success(), "the control plane ended with {status}");
        }
        Ok(())
    }

    /// Id of the process.
    ///
    /// # Errors
    /// If it is not running.
    pub(crate) fn pid(&self) -> Result<u32> {
        let role = self.role.as_ref();
        role.map(Role::pid).context("the control plane is stopped")
    }

    /// Logs in as the administrator, in whose domain everything is.
    ///
    /// # Errors
    /// If that is refused.
    pub(crate) async fn log_in(&self) -> Result<Session> {
        let login = std::fs::read(self.data().join("first-login.json"))?;
        let login: Value = serde_json::from_slice(&login)?;
        let body = json!({"auth": {
            "identity": {"methods": ["password"], "password": {"user": {
                "name": login["user_name"], "password": login["password"],
                "domain": {"name": login["domain_name"]},
            }}},
            "scope": {"project": {"name": login["project_name"]}},
        }});
        let mut connection = Connection::open(self.address, None).await?;
        let mut request = Vec::new();
        write_request(
            &mut request,
            "POST",
            "/v3/auth/tokens",
            "",
            &body.to_string(),
        );
        connection.call(&request).await?;
        let token = connection.header("x-subject-token");
        Ok(Session {
            connection,
            token: token.context("find the token")?,
            domain_id: login["domain_id"].as_str().unwrap_or_default().to_owned(),
        })
    }

    fn data(&self) -> std::path::PathBuf {
        self.directory.path().join("data")
    }
}

fn directory(scratch: &Path) -> Result<TempDir> {
    tempfile::Builder::new()
        .prefix("rehost-bench-api-")
        .tempdir_in(scratch)
        .context("make a directory")
}

/// An administrator who is logged in.
#[derive(Debug)]
pub(crate) struct Session {
    connection: Connection,
    pub(crate) token: String,
    pub(crate) domain_id: String,
}

impl Session {
    /// Calls and answers the JSON of the answer.
    ///
    /// # Errors
    /// If the call is refused.
    pub(crate) async fn call(&mut self, method: &str, path: &str, body: &Value) -> Result<Value> {
        let mut request = Vec::new();
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        write_request(&mut request, method, path, &self.token, &body);
        let answer = self.connection.call(&request).await;
        let answer = answer.with_context(|| format!("{method} {path}"))?;
        if answer.is_empty() {
            bail!("{method} {path}: no body");
        }
        serde_json::from_slice(answer).context("read JSON")
    }
}

/// Appends a request as it goes over the wire.
pub(crate) fn write_request(to: &mut Vec<u8>, method: &str, path: &str, token: &str, body: &str) {
    for piece in [method, " ", path, " HTTP/1.1\r\nhost: rehost\r\n"] {
        to.extend_from_slice(piece.as_bytes());
    }
    if !token.is_empty() {
        for piece in ["x-auth-token: ", token, "\r\n"] {
            to.extend_from_slice(piece.as_bytes());
        }
    }
    if !body.is_empty() {
        to.extend_from_slice(b"content-type: application/json\r\ncontent-length: ");
        to.extend_from_slice(body.len().to_string().as_bytes());
        to.extend_from_slice(b"\r\n");
    }
    to.extend_from_slice(b"\r\n");
    to.extend_from_slice(body.as_bytes());
}
