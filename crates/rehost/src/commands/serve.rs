//! `rehost serve`: the control plane.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum};
use rehost_server::{Database, KeystoneOptions, Revision, ServeOptions, TlsMode};
use tokio::signal::unix::{SignalKind, signal};

/// Options of `rehost serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rehost serve --data-dir /var/lib/rehost --listen 10.0.0.5:8443
      certified by its own CA, which join tokens and first-login.json name
  rehost serve --data-dir /var/lib/rehost --listen 0.0.0.0:8443 --advertise sms.example.com
      reached by a name
  REHOST_DATABASE=postgres://rehost:secret@db/rehost rehost serve --data-dir /var/lib/rehost \
      --listen 0.0.0.0:8443 --advertise sms.example.com
      one of several replicas over a PostgreSQL database, behind a load balancer of that name
  rehost serve --data-dir ./data --listen 127.0.0.1:8080 --tls off
      plain HTTP for SDKs and tests on the same machine; agents and receivers need TLS to join

On its first start it makes a CA, an administrator and an access key, and writes how to log in to
DIR/first-login.json, which only its owner can read. `GET /healthz` answers 200 when it is up.")]
pub(crate) struct Options {
    /// Where everything durable is kept. Made if it does not exist.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Address and port of the API.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// `self` for certificates of its own CA, `off` for plain HTTP on loopback, or PEM files of a
    /// certificate chain, which ends with the CA certificate, and of its key.
    #[arg(long, value_name = "off|self|CERT,KEY", default_value = "self", value_parser = parse_tls)]
    tls: TlsMode,
    /// A name or IP address at which it is reached; the first is the one that others are told.
    #[arg(long = "advertise", value_name = "NAME_OR_IP")]
    advertise: Vec<String>,
    /// Where rows are kept: `postgres://USER:PASSWORD@HOST/DATABASE`, or `sqlite:FILE`. Default: a
    /// SQLite file in the data directory. Everybody on the machine can read a command line, so a
    /// password belongs into the variable or into ~/.pgpass. Replicas share one PostgreSQL database
    /// and have a data directory each.
    #[arg(
        long,
        value_name = "URL",
        env = "REHOST_DATABASE",
        hide_env_values = true
    )]
    database: Option<Database>,
    /// A Keystone (OpenStack) whose tokens are good here, such as `https://keystone.example:5000`. A
    /// project there is a tenant here; its roles admin, member and reader are administrator, operator
    /// and read-only. Users and keys of Rehost's own go on to work.
    #[arg(long, value_name = "URL")]
    keystone_url: Option<String>,
    /// Certificate authorities (PEM) that may certify Keystone. Default: those of this machine.
    #[arg(long, value_name = "FILE", requires = "keystone_url")]
    keystone_ca_file: Option<PathBuf>,
    /// How many days entries of the audit log are kept.
    #[arg(long, value_name = "DAYS", default_value_t = 365)]
    audit_days: u32,
    /// How many connections are served at once; more have to wait. Default: as many as the limit of
    /// open files (`ulimit -Hn`, systemd's `LimitNOFILE`) leaves room for. An agent keeps one.
    #[arg(long, value_name = "COUNT")]
    max_connections: Option<usize>,
    /// Which text of the API is followed where its versions contradict each other.
    #[arg(long, value_enum, default_value = "2025-09")]
    api_revision: ApiRevision,
}

/// Versions of the SMS API's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ApiRevision {
    /// Fields of changestate are optional, values of all versions are accepted.
    #[value(name = "2025-09")]
    September2025,
    /// Fields of changestate are mandatory and must fit together.
    #[value(name = "2026-01")]
    January2026,
}

fn parse_tls(text: &str) -> Result<TlsMode> {
    match text {
        "off" => Ok(TlsMode::Off),
        "self" => Ok(TlsMode::SelfSigned),
        files => {
            let (certificate, key) = files
                .split_once(',')
                .context("write off, self, or the paths of certificate and key with a comma")?;
            if certificate.is_empty() || key.is_empty() {
                bail!("write the paths of certificate and key with a comma between them");
            }
            Ok(TlsMode::Files {
                certificate: certificate.into(),
                key: key.into(),
            })
        }
    }
}

/// Runs until it is asked to end.
///
/// # Errors
/// If data directory, certificates or port cannot be used.
pub(crate) fn run(options: Options) -> Result<ExitCode> {
    ensure!(
        options.tls != TlsMode::Off || options.listen.ip().is_loopback(),
        "--tls off is for loopback addresses: others could read keys and tokens on the way"
    );
    let serve = ServeOptions {
        advertise: (!options.advertise.is_empty()).then(|| options.advertise.join(",")),
        tls: options.tls,
        database: options.database,
        audit_days: options.audit_days,
        max_connections: options.max_connections,
        keystone: options.keystone_url.map(|url| KeystoneOptions {
            url,
            ca_file: options.keystone_ca_file,
        }),
        revision: match options.api_revision {
            ApiRevision::September2025 => Revision::Y2025_09,
            ApiRevision::January2026 => Revision::Y2026_01,
        },
        ..ServeOptions::new(options.data_dir, options.listen)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for Ctrl-C")?;
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let shutdown = async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        rehost_server::serve(serve, shutdown).await
    })?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_off_or_self_or_two_files() {
        assert_eq!(parse_tls("off").unwrap(), TlsMode::Off);
        assert_eq!(parse_tls("self").unwrap(), TlsMode::SelfSigned);
        let files = TlsMode::Files {
            certificate: "a.pem".into(),
            key: "b.pem".into(),
        };
        assert_eq!(parse_tls("a.pem,b.pem").unwrap(), files);
        for wrong in ["on", "a.pem,", ",b.pem", ""] {
            assert!(parse_tls(wrong).is_err(), "{wrong}");
        }
    }
}
