//! Several control planes over one PostgreSQL database, each a process with a data directory and a
//! port of its own, as they would stand behind a load balancer.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rehost_sms_api::client::{Client, ClientConfig, Credentials};
use serde_json::Value;

use crate::postgres::PostgresCluster;
use crate::role::{Role, free_port};
use crate::wait::{SHORT, until};

/// Name of the database that they share.
const DATABASE: &str = "test_1";

/// Replicas of a control plane, with the database that they share.
#[derive(Debug)]
pub struct Replicas {
    // Fields are dropped in this order: processes before what they work with.
    replicas: Vec<Replica>,
    postgres: PostgresCluster,
    database_url: String,
    directory: tempfile::TempDir,
}

#[derive(Debug)]
struct Replica {
    role: Role,
    number: usize,
    port: u16,
    options: Vec<String>,
}

impl Replicas {
    /// Starts one replica for each set of options of `rehost serve`, and waits until all answer.
    ///
    /// # Errors
    /// If one of them does not come up.
    pub fn start(options: &[&[&str]]) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("rehost-e2e-").tempdir()?;
        let postgres = PostgresCluster::start()?;
        let mut replicas = Self {
            replicas: Vec::new(),
            database_url: postgres.database()?,
            postgres,
            directory,
        };
        for (number, options) in options.iter().enumerate() {
            let port = free_port()?;
            let options: Vec<String> = options.iter().map(|&option| option.into()).collect();
            let role = replicas.serve(number, port, &options)?;
            replicas.replicas.push(Replica {
                role,
                number,
                port,
                options,
            });
            // The first makes what the others find.
            replicas.wait_until_up(number)?;
        }
        Ok(replicas)
    }

    /// Ends a replica as `kill -9` does.
    ///
    /// # Errors
    /// If it cannot be signalled.
    pub fn kill(&mut self, number: usize) -> Result<()> {
        let replica = self.replicas.get_mut(number);
        replica.context("no such replica")?.role.kill()
    }

    /// Starts a replica again after it was killed, and waits until it answers.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn restart(&mut self, number: usize) -> Result<()> {
        let replica = self.replica(number)?;
        let role = self.serve(number, replica.port, &replica.options)?;
        self.replicas
            .get_mut(number)
            .context("no such replica")?
            .role = role;
        self.wait_until_up(number)
    }

    /// A client of one replica.
    ///
    /// # Errors
    /// If its CA certificate cannot be read.
    pub fn client(&self, number: usize, credentials: Credentials) -> Result<Client> {
        let ca_file = self.data_directory(number).join("ca/ca.pem");
        let ca_pem = std::fs::read_to_string(&ca_file)
            .with_context(|| format!("read {}", ca_file.display()))?;
        let config = ClientConfig {
            endpoint: format!("https://127.0.0.1:{}", self.replica(number)?.port),
            ca_pem: Some(ca_pem),
            credentials,
        };
        Client::new(config).context("prepare calls")
    }

    /// A client of every replica.
    ///
    /// # Errors
    /// As [`Replicas::client`].
    pub fn clients(&self, credentials: &Credentials) -> Result<Vec<Client>> {
        let clients = self.replicas.iter();
        clients
            .map(|replica| self.client(replica.number, credentials.clone()))
            .collect()
    }

    /// How the administrator logs in.
    ///
    /// # Errors
    /// If the file of the first start cannot be read.
    pub fn first_login(&self) -> Result<Value> {
        let path = self.data_directory(0).join("first-login.json");
        let text = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("read {}", path.display()))
    }

    /// The access key of the administrator.
    ///
    /// # Errors
    /// If the file of the first start is not as it should be.
    pub fn access_key(&self) -> Result<Credentials> {
        let login = self.first_login()?;
        let text = |name: &str| login[name].as_str().context("text of the login");
        Ok(Credentials::AccessKey {
            access_key: text("access_key")?.into(),
            secret_key: text("secret_key")?.into(),
            project_id: Some(text("project_id")?.into()),
        })
    }

    /// Runs SQL on the database that they share: a line a row, columns parted by `|`.
    ///
    /// # Errors
    /// If the server refuses.
    pub fn run_sql(&self, sql: &str) -> Result<String> {
        self.postgres.run_sql(DATABASE, sql)
    }

    /// Everything that a replica has logged.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn log(&self, number: usize) -> Result<String> {
        self.replica(number)?.role.log()
    }

    fn replica(&self, number: usize) -> Result<&Replica> {
        self.replicas.get(number).context("no such replica")
    }

    fn data_directory(&self, number: usize) -> PathBuf {
        self.directory().join(format!("control-plane-{number}"))
    }

    fn directory(&self) -> &Path {
        self.directory.path()
    }

    fn serve(&self, number: usize, port: u16, options: &[String]) -> Result<Role> {
        let data = self.data_directory(number);
        let listen = format!("127.0.0.1:{port}");
        let mut arguments = vec!["serve", "--listen", &listen, "--database"];
        arguments.extend([self.database_url.as_str(), "--data-dir"]);
        arguments.push(data.to_str().context("name of the data directory")?);
        arguments.extend(options.iter().map(String::as_str));
        let log = self.directory().join(format!("serve-{number}.log"));
        Role::start(&format!("replica {number}"), &log, arguments)
    }

    fn wait_until_up(&self, number: usize) -> Result<()> {
        until(&format!("replica {number} answers"), SHORT, || {
            // There is no CA certificate before the first start.
            let client = self.client(number, Credentials::None);
            Ok(client.ok().filter(|client| client.health().is_ok()))
        })?;
        Ok(())
    }
}
