//! What an operator can choose about a control plane.

use std::net::SocketAddr;
use std::path::PathBuf;

use rehost_migration::changestate::Revision;
use rehost_store::Database;

use crate::tls::TlsMode;

/// How a control plane shall run.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// Where everything durable is; made if it is not there.
    pub data_dir: PathBuf,
    /// Address and port to listen on; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// Names and IP addresses, separated by commas, under which others reach the control plane. They
    /// go into its certificate, and the first one into join tokens. Default: the address it listens
    /// on, or the machine's own where that is unspecified.
    pub advertise: Option<String>,
    /// TLS.
    pub tls: TlsMode,
    /// Revision of the contract for `changestate`.
    pub revision: Revision,
    /// Name of the one project, which SMS clients call a region. Takes effect on the first start.
    pub project: String,
    /// Where rows are kept; absent means a SQLite file in the data directory.
    pub database: Option<Database>,
    /// How many days entries of the audit log are kept.
    pub audit_days: u32,
    /// A Keystone whose tokens are good here, beside our own.
    pub keystone: Option<KeystoneOptions>,
    /// How many connections are served at once; more have to wait. Default: as many as the system lets
    /// this process open files, but for some that it needs itself.
    pub max_connections: Option<usize>,
}

/// Where Keystone is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeystoneOptions {
    /// Its URL, such as `https://keystone.example:5000`, with or without `/v3` at the end.
    pub url: String,
    /// PEM file with the certificate authorities that may certify it; without, those of the machine.
    pub ca_file: Option<PathBuf>,
}

impl ServeOptions {
    /// Everything by default, but where data is and where to listen.
    #[must_use]
    pub fn new(data_dir: PathBuf, listen: SocketAddr) -> Self {
        Self {
            data_dir,
            listen,
            advertise: None,
            tls: TlsMode::default(),
            revision: Revision::default(),
            project: "rehost".to_owned(),
            database: None,
            audit_days: 365,
            keystone: None,
            max_connections: None,
        }
    }
}
