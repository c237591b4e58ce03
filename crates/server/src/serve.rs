//! Starting and ending a control plane.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, ensure};
use rehost_store::{Database, Store};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::app::sources::Written;
use crate::app::{App, Parts, Turns, tasks};
use crate::audit::AuditLog;
use crate::first_start::{self, DataDirectory, Names, Reached};
use crate::identity::{Keystone, Known};
use crate::options::ServeOptions;
use crate::tls::TlsMode;
use crate::wakeups::Wakeups;
use crate::{file_limit, http, listener, reconcilers, tls};

/// A control plane that listens and is ready to run.
#[derive(Debug)]
pub struct Server {
    app: App,
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    max_connections: usize,
}

impl Server {
    /// Prepares the data directory, opens the database, and begins to listen. On the first start it
    /// makes the CA and the administrator.
    ///
    /// # Errors
    /// Whatever keeps the control plane from starting, in words for the operator.
    pub async fn bind(options: ServeOptions) -> anyhow::Result<Self> {
        ensure!(
            options.tls != TlsMode::Off || options.listen.ip().is_loopback(),
            "without TLS only a loopback address can be listened on, and {} is none",
            options.listen
        );
        let keystone = options
            .keystone
            .as_ref()
            .map(Keystone::prepare)
            .transpose()?;
        let data = DataDirectory::prepare(&options.data_dir)?;
        let own_file = || Database::Sqlite(data.database());
        let database = options.database.clone().unwrap_or_else(own_file);
        let store = Store::open(&database).await?;
        let ca = match &database {
            Database::Sqlite(_) => data.authority()?,
            Database::Postgres(_) => data.shared_authority(&store).await?,
        };

        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("listen on {}", options.listen))?;
        let address = listener.local_addr().context("find out the port")?;
        let names = tls::names(address, options.advertise.as_deref());
        let tls = tls::prepare(&options.tls, &ca, data.ca_file(), &names)?;
        let endpoint = tls::endpoint(&names, address.port(), tls.is_some());
        let (config, trust) = tls.map(|tls| (tls.config, tls.trust)).unzip();

        let ca_file = trust.as_ref().map(|trust| trust.file.as_path());
        let reached = Reached {
            endpoint: &endpoint,
            ca_file,
        };
        let Names { domain, project } =
            first_start::ensure_first_domain(&data, &store, &options.project, reached).await?;
        tracing::info!(endpoint, listen = %address, "the control plane listens");
        let app = App(Arc::new(Parts {
            store,
            ca,
            trust,
            endpoint,
            domain,
            project,
            revision: options.revision,
            wakeups: Wakeups::default(),
            written: Written::default(),
            opened: tasks::nothing_opened(),
            turns: Turns::default(),
            known: Known::default(),
            keystone,
            audit: AuditLog::default(),
            audit_days: options.audit_days,
        }));
        let max_connections = options
            .max_connections
            .unwrap_or_else(file_limit::connections);
        Ok(Self {
            app,
            listener,
            address,
            tls: config,
            max_connections,
        })
    }

    /// The address that is listened on, with the real port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The base URL that tokens carry.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.app.endpoint
    }

    /// Serves until `shutdown` completes; running requests may end, waiting ones are answered at
    /// once.
    ///
    /// # Errors
    /// If the last entries of the audit log cannot be written.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self {
            app,
            listener,
            tls,
            max_connections,
            ..
        } = self;
        let (stop, stopped) = watch::channel(false);
        let router = http::router(app.clone());
        let reconciling = reconcilers::run(app.clone(), stopped.clone());
        let serving = listener::run(listener, tls, router, max_connections, stopped);
        let ending = async {
            shutdown.await;
            tracing::info!("stopping");
            app.wakeups.stop();
            stop.send_replace(true);
        };
        tokio::join!(serving, reconciling, ending);
        // The last requests have been answered only now.
        let flushed = app.audit.flush(&app.store).await;
        app.store.close().await;
        flushed.context("write the last entries of the audit log")
    }
}

/// Runs a control plane until `shutdown` completes.
///
/// # Errors
/// Whatever keeps the control plane from starting, in words for the operator.
pub async fn serve(
    options: ServeOptions,
    shutdown: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    Server::bind(options).await?.run(shutdown).await
}
