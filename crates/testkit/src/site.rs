//! A whole system on this machine: control plane, receiver and agents, each a real process, in one
//! temporary directory.

mod processes;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rehost_sms_api::rehost::MigrationReport;
use serde_json::Value;

use crate::disks::Mount;
use crate::postgres::PostgresCluster;
use crate::role::{Role, free_port};
use crate::wait::{LONG, SHORT, until};
use processes::{TARGET, make_token, run, start_control_plane, start_receiver, succeeded};

const LOOPBACK: &str = "127.0.0.1";

/// What a control plane keeps its state in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// A file in its data directory.
    Sqlite,
    /// A server of its own.
    Postgres,
}

/// A control plane with one receiver.
#[derive(Debug)]
pub struct Site {
    // Fields are dropped in this order: processes before the directory they work in.
    /// The receiver.
    pub receiver: Role,
    /// The control plane.
    pub control_plane: Role,
    api_port: u16,
    data_port: u16,
    /// Block devices that the receiver offers.
    devices: Vec<PathBuf>,
    database_url: Option<String>,
    /// Address for sources that do not find this machine at its loopback address.
    address_for_sources: Option<String>,
    /// How operators log in.
    login: PathBuf,
    /// The database server, unless the control plane works with SQLite.
    pub postgres: Option<PostgresCluster>,
    _small_disk: Option<Mount>,
    directory: tempfile::TempDir,
}

/// An agent and what is needed to start it again.
#[derive(Debug)]
pub struct Agent {
    /// The process.
    pub role: Role,
    name: String,
    log: PathBuf,
    arguments: Vec<OsString>,
}

impl Agent {
    /// Name of the source as people see it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts it again after it was killed or stopped.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn restart(&mut self) -> Result<()> {
        self.role = Role::start(&self.name, &self.log, &self.arguments)?;
        Ok(())
    }
}

impl Site {
    /// Starts control plane and receiver, and waits until the receiver is connected.
    ///
    /// # Errors
    /// If one of them does not come up.
    pub fn start() -> Result<Self> {
        Self::start_on(Database::Sqlite)
    }

    /// As [`Site::start`], with this database.
    ///
    /// # Errors
    /// If one of them does not come up.
    pub fn start_on(database: Database) -> Result<Self> {
        Self::start_in(make_directory()?, database, None, None)
    }

    /// As [`Site::start`], with a data directory that has room for so much. Needs root.
    ///
    /// # Errors
    /// If one of them does not come up.
    pub fn start_on_small_disk(size_bytes: u64) -> Result<Self> {
        let directory = make_directory()?;
        let data = directory.path().join("control-plane");
        std::fs::create_dir(&data)?;
        let disk = Mount::in_memory(&data, size_bytes)?;
        Self::start_in(directory, Database::Sqlite, Some(disk), None)
    }

    /// As [`Site::start`], for sources that find this machine's loopback address at another one, as
    /// virtual machines do. Join tokens name that address; operators go on to use loopback.
    ///
    /// # Errors
    /// If one of them does not come up.
    pub fn start_for_sources_at(address: &str) -> Result<Self> {
        let directory = make_directory()?;
        let mut site = Self::start_in(directory, Database::Sqlite, None, Some(address))?;
        // The receiver has joined, so what the control plane says of itself from now on is for
        // sources. It writes that into the login file as well, of which operators have a copy.
        let login = site.directory().join("operator-login.json");
        std::fs::copy(site.login_file(), &login).context("copy the login file")?;
        site.login = login;
        site.address_for_sources = Some(address.into());
        site.control_plane.stop(SHORT)?;
        site.restart_control_plane()?;
        site.wait_for_target()?;
        Ok(site)
    }

    fn start_in(
        directory: tempfile::TempDir,
        database: Database,
        small_disk: Option<Mount>,
        data_address: Option<&str>,
    ) -> Result<Self> {
        let (api_port, data_port) = (free_port()?, free_port()?);
        let postgres = match database {
            Database::Sqlite => None,
            Database::Postgres => Some(PostgresCluster::start()?),
        };
        let database_url = postgres
            .as_ref()
            .map(PostgresCluster::database)
            .transpose()?;
        let control_plane =
            start_control_plane(directory.path(), api_port, database_url.as_deref(), None)?;
        let login = directory.path().join("control-plane/first-login.json");
        until("the control plane answers", SHORT, || {
            let args = ["targets", "list", "--json"];
            Ok(login
                .exists()
                .then(|| run(&login, args))
                .transpose()?
                .filter(succeeded))
        })?;
        let token = make_token(directory.path(), &login, "target")?;
        let advertised = data_address.unwrap_or(LOOPBACK);
        let receiver = start_receiver(directory.path(), advertised, data_port, &[], Some(&token))?;
        let site = Self {
            receiver,
            control_plane,
            api_port,
            data_port,
            devices: Vec::new(),
            database_url,
            address_for_sources: None,
            login,
            postgres,
            _small_disk: small_disk,
            directory,
        };
        site.wait_for_target()?;
        Ok(site)
    }

    /// Where the control plane keeps its state.
    #[must_use]
    pub fn data_directory(&self) -> PathBuf {
        self.directory().join("control-plane")
    }

    /// URL of the control plane's database, unless that is a file in its data directory.
    #[must_use]
    pub fn database_url(&self) -> Option<&str> {
        self.database_url.as_deref()
    }

    /// The directory of the site.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Base URL of the control plane.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("https://127.0.0.1:{}", self.api_port)
    }

    /// TCP port of the API.
    #[must_use]
    pub fn api_port(&self) -> u16 {
        self.api_port
    }

    /// TCP port of the data path.
    #[must_use]
    pub fn data_port(&self) -> u16 {
        self.data_port
    }

    /// How operators log in.
    #[must_use]
    pub fn login_file(&self) -> PathBuf {
        self.login.clone()
    }

    /// The CA certificate of the control plane.
    #[must_use]
    pub fn ca_file(&self) -> PathBuf {
        self.directory().join("control-plane/ca/ca.pem")
    }

    /// A place for the disk of a source.
    #[must_use]
    pub fn disk(&self, name: &str) -> PathBuf {
        self.directory().join("disks").join(name)
    }

    /// Name of the target.
    #[must_use]
    pub fn target(&self) -> &'static str {
        TARGET
    }

    /// Starts the control plane again after it was killed or stopped.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn restart_control_plane(&mut self) -> Result<()> {
        let (directory, database) = (self.directory.path(), self.database_url.as_deref());
        let address = self.address_for_sources.as_deref();
        self.control_plane = start_control_plane(directory, self.api_port, database, address)?;
        Ok(())
    }

    /// Starts the receiver again after it was killed or stopped.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn restart_receiver(&mut self) -> Result<()> {
        let address = self.address_for_sources.as_deref().unwrap_or(LOOPBACK);
        let (directory, port) = (self.directory.path(), self.data_port);
        self.receiver = start_receiver(directory, address, port, &self.devices, None)?;
        Ok(())
    }

    /// Starts the receiver again, offering these block devices, which tasks may then overwrite.
    ///
    /// # Errors
    /// If it cannot be stopped or started.
    pub fn offer_devices(&mut self, devices: &[&Path]) -> Result<()> {
        self.devices = devices.iter().map(|&device| device.to_owned()).collect();
        self.receiver.kill()?;
        self.restart_receiver()
    }

    /// A file with a join token for one source.
    ///
    /// # Errors
    /// If the control plane refuses.
    pub fn source_token(&self) -> Result<PathBuf> {
        make_token(self.directory(), &self.login, "source")
    }

    /// Joins a source with these disks, and waits until it is registered.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn agent(&self, name: &str, disks: &[&Path]) -> Result<Agent> {
        let token = self.source_token()?;
        self.agent_known_by(name, disks, ["--join-file".into(), token.into()])
    }

    /// As [`Site::agent`], with further options of `rehost agent`.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn agent_with(&self, name: &str, disks: &[&Path], options: &[&str]) -> Result<Agent> {
        let token = self.source_token()?;
        let mut words = vec!["--join-file".into(), token.into()];
        words.extend(options.iter().map(OsString::from));
        self.agent_known_by(name, disks, words)
    }

    /// As [`Site::agent`], but the agent calls with an access key in place of joining.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn agent_with_access_key(&self, name: &str, disks: &[&Path]) -> Result<Agent> {
        let known_by: [OsString; 6] = [
            "--key-file".into(),
            self.login_file().into(),
            "--endpoint".into(),
            self.endpoint().into(),
            "--ca-file".into(),
            self.ca_file().into(),
        ];
        self.agent_known_by(name, disks, known_by)
    }

    fn agent_known_by(
        &self,
        name: &str,
        disks: &[&Path],
        known_by: impl IntoIterator<Item = OsString>,
    ) -> Result<Agent> {
        let state = self.directory().join(format!("agent-{name}"));
        let mut arguments: Vec<OsString> = [
            "agent",
            "--log",
            "debug",
            "--sync-interval-seconds",
            "1",
            "--name",
            name,
            "--state-dir",
        ]
        .map(Into::into)
        .into();
        arguments.push(state.into());
        arguments.extend(known_by);
        for disk in disks {
            arguments.extend(["--disk".into(), disk.as_os_str().to_owned()]);
        }
        let log = self.directory().join(format!("logs/{name}.log"));
        let role = Role::start(name, &log, &arguments)?;
        let agent = Agent {
            role,
            name: name.into(),
            log,
            arguments,
        };
        self.wait_for_source(name, SHORT)?;
        Ok(agent)
    }

    /// Waits until a source of this name is registered.
    ///
    /// # Errors
    /// If it is not there at the deadline.
    pub fn wait_for_source(&self, name: &str, deadline: Duration) -> Result<()> {
        until(&format!("source {name} is registered"), deadline, || {
            let list = self.json(["sources", "list"])?;
            Ok(find(&list["source_servers"], "name", name).map(|_| ()))
        })
    }

    /// Creates a task and gives its id. `options` are those of `rehost tasks create`.
    ///
    /// # Errors
    /// If the control plane refuses.
    pub fn create_task(&self, agent: &Agent, options: &[&str]) -> Result<String> {
        self.create_task_of(agent.name(), options)
    }

    /// As [`Site::create_task`], for a source that runs elsewhere.
    ///
    /// # Errors
    /// If the control plane refuses.
    pub fn create_task_of(&self, source: &str, options: &[&str]) -> Result<String> {
        let fixed = ["tasks", "create", "--source", source, "--target", TARGET];
        let answer = self.json(fixed.into_iter().chain(options.iter().copied()))?;
        Ok(answer["id"].as_str().context("id of the task")?.to_owned())
    }

    /// Does something to a task: `start`, `stop`, `sync`, `cutover`, `delete`.
    ///
    /// # Errors
    /// If the control plane refuses.
    pub fn act(&self, task: &str, action: &str) -> Result<()> {
        let output = self.run(["tasks", action, task])?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(succeeded(&output), "rehost tasks {action} failed: {errors}");
        Ok(())
    }

    /// Waits until a task is in a state.
    ///
    /// # Errors
    /// If it fails on the way, or is elsewhere at the deadline.
    pub fn wait_for_state(&self, task: &str, state: &str, deadline: Duration) -> Result<Value> {
        let mut last = String::new();
        let found = until(&format!("task is {state}"), deadline, || {
            let Ok(shown) = self.json(["tasks", "show", task]) else {
                // The control plane may be the one that was just killed.
                return Ok(None);
            };
            last = shown["state"].as_str().unwrap_or_default().to_owned();
            if last != state && last.ends_with("_FAIL") {
                bail!("the task failed: {shown:#}");
            }
            Ok((last == state).then_some(shown))
        });
        found.with_context(|| format!("last state seen: {last}"))
    }

    /// What the agent measured.
    ///
    /// # Errors
    /// If there is no report.
    pub fn report(&self, task: &str) -> Result<MigrationReport> {
        let report = self.json(["tasks", "report", task])?;
        serde_json::from_value(report).context("read the report")
    }

    /// The image file that the receiver has made of a source disk.
    ///
    /// # Errors
    /// If there is none.
    pub fn image(&self, disk: &str) -> Result<PathBuf> {
        let images = self.images()?;
        // A file that is not finished has another end.
        let is_wanted = |path: &&PathBuf| {
            let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
            name.contains(disk) && (name.ends_with(".raw") || name.ends_with(".qcow2"))
        };
        let found = images.iter().find(is_wanted).cloned();
        found.with_context(|| format!("find the image of {disk} among {images:?}"))
    }

    /// The image files that the receiver has made, sorted by name.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn images(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let mut waiting = vec![self.directory().join("images")];
        while let Some(directory) = waiting.pop() {
            for entry in std::fs::read_dir(&directory)? {
                let path = entry?.path();
                if path.is_dir() {
                    waiting.push(path)
                } else {
                    found.push(path)
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Waits until a sync round that began after now is through: the one at hand may have passed the
    /// place of a change already.
    ///
    /// # Errors
    /// If there is no such round.
    pub fn wait_for_round(&self, task: &str) -> Result<()> {
        // Nothing while the control plane does not answer: it may have been killed just now.
        let rounds = || -> Option<u32> {
            let report = self.report(task).ok()?;
            report.volumes.iter().map(|volume| volume.rounds).min()
        };
        let wanted = 2 + until("figures of the rounds", SHORT, || Ok(rounds()))?;
        until("one more sync round", LONG, || {
            Ok(rounds().filter(|&done| done >= wanted).map(|_| ()))
        })
    }

    /// Runs a command of the executable as an operator who is logged in.
    ///
    /// # Errors
    /// If it cannot be started; how it ends is for the caller to judge.
    pub fn run<I, S>(&self, arguments: I) -> Result<Output>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        run(&self.login_file(), arguments)
    }

    /// As [`Site::run`], with `--json`, for commands that must succeed.
    ///
    /// # Errors
    /// If the command fails or prints something else than JSON.
    pub fn json<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Result<Value> {
        let arguments: Vec<&str> = arguments.into_iter().chain(["--json"]).collect();
        let output = self.run(&arguments)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "rehost {} failed: {errors}",
            arguments.join(" ")
        );
        serde_json::from_slice(&output.stdout)
            .with_context(|| format!("read what rehost {} printed", arguments.join(" ")))
    }

    fn wait_for_target(&self) -> Result<()> {
        until("the target is connected", SHORT, || {
            let list = self.json(["targets", "list"])?;
            let target = find(&list["targets"], "name", TARGET);
            Ok(target
                .filter(|target| target["connected"] == true)
                .map(|_| ()))
        })
    }
}

fn make_directory() -> Result<tempfile::TempDir> {
    let directory = tempfile::Builder::new().prefix("rehost-e2e-").tempdir()?;
    for folder in ["logs", "images", "disks"] {
        std::fs::create_dir(directory.path().join(folder))?;
    }
    Ok(directory)
}

fn find<'a>(list: &'a Value, member: &str, value: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|entry| entry[member] == value)
}
