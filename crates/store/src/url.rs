//! Which database to use, as an operator writes it.

use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::PgConnectOptions;

/// Where the control plane keeps what it remembers.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file, for one control plane.
    Sqlite(PathBuf),
    /// A server, for any number of control planes.
    Postgres(PostgresUrl),
}

/// The URL of a PostgreSQL database. It may hold a password, so it shows itself without.
#[derive(Clone)]
pub struct PostgresUrl {
    url: SecretString,
    shown: String,
}

/// Why a text names no database. The text itself is not told, because it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// No scheme that is known.
    #[error(
        "the database is neither postgres://USER:PASSWORD@HOST/NAME nor sqlite:FILE nor a file"
    )]
    Scheme,
    /// Not to be understood.
    #[error(
        "the PostgreSQL URL is malformed; write postgres://USER:PASSWORD@HOST:PORT/NAME, with %xx for special characters"
    )]
    Malformed,
    /// TLS that accepts any certificate.
    #[error(
        "sslmode must be verify-full (with sslrootcert=FILE for an authority of your own), verify-ca, \
         or disable; the other modes accept any certificate"
    )]
    UnverifiedTls,
}

impl FromStr for Database {
    type Err = DatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, DatabaseUrlError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return PostgresUrl::parse(text).map(Self::Postgres);
        }
        let path = match text.strip_prefix("sqlite:") {
            Some(path) => path.strip_prefix("//").unwrap_or(path),
            None if text.contains("://") => return Err(DatabaseUrlError::Scheme),
            None => text,
        };
        if path.is_empty() {
            return Err(DatabaseUrlError::Scheme);
        }
        Ok(Self::Sqlite(PathBuf::from(path)))
    }
}

impl Database {
    /// The URL for the driver, secret included.
    pub(crate) fn driver_url(&self) -> SecretString {
        match self {
            Self::Sqlite(path) => sqlite_url(path).into(),
            Self::Postgres(url) => url.url.clone(),
        }
    }
}

impl std::fmt::Display for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => f.write_str(&url.shown),
        }
    }
}

impl std::fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PostgresUrl({})", self.shown)
    }
}

impl PostgresUrl {
    fn parse(text: &str) -> Result<Self, DatabaseUrlError> {
        let options = PgConnectOptions::from_str(text).map_err(|_| DatabaseUrlError::Malformed)?;
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        if text.contains('#') {
            return Err(DatabaseUrlError::Malformed);
        }
        let mode = query.split('&').find_map(|pair| {
            pair.strip_prefix("sslmode=")
                .or_else(|| pair.strip_prefix("ssl-mode="))
        });
        let mut url = text.to_owned();
        match mode {
            Some("disable" | "verify-ca" | "verify-full") => {}
            Some(_) => return Err(DatabaseUrlError::UnverifiedTls),
            None => {
                // Said nothing, a connection that leaves the machine is encrypted and verified.
                let mode = if is_local(&options) {
                    "disable"
                } else {
                    "verify-full"
                };
                url.push(if query.is_empty() && !text.contains('?') {
                    '?'
                } else {
                    '&'
                });
                url.push_str("sslmode=");
                url.push_str(mode);
            }
        }
        let host = address.rsplit_once('@').map_or_else(
            || address.split_once("://").map_or("", |(_, rest)| rest),
            |(_, host)| host,
        );
        Ok(Self {
            url: url.into(),
            shown: format!("postgres://{host}"),
        })
    }

    /// The URL, secret included.
    pub(crate) fn expose(&self) -> &str {
        self.url.expose_secret()
    }
}

fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The URL of a file, with everything escaped that means something in a URL.
fn sqlite_url(path: &Path) -> String {
    let mut url = String::from("sqlite:");
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for text in [
            "postgres://user:hush@db.example:5433/rehost",
            "postgresql://user:hu%40sh@127.0.0.1/rehost?sslmode=disable",
            "postgres://db.example/rehost?user=u&password=hush&sslmode=verify-full",
        ] {
            let database: Database = text.parse().unwrap_or_else(|error| panic!("{error}"));
            let shown = format!("{database} {database:?}");
            assert!(!shown.contains("hu"), "{shown}");
            assert!(shown.contains("/rehost"), "{shown}");
        }
        for text in [
            "postgres://user:hush@host:port/x",
            "mysql://user:hush@host/x",
        ] {
            let error = text
                .parse::<Database>()
                .map(|_| ())
                .map_err(|error| format!("{error} {error:?}"));
            assert!(error.is_err_and(|error| !error.contains("hush")));
        }
    }

    #[test]
    fn what_leaves_the_machine_is_verified() {
        let url = |text: &str| match text.parse() {
            Ok(Database::Postgres(url)) => Ok(url.expose().to_owned()),
            Ok(Database::Sqlite(path)) => Ok(path.display().to_string()),
            Err(error) => Err(error),
        };
        let ends = |text: &str, end: &str| {
            assert!(url(text).is_ok_and(|url| url.ends_with(end)), "{text}")
        };
        ends("postgres://u@db.example/x", "/x?sslmode=verify-full");
        ends(
            "postgres://u@db.example/x?application_name=a",
            "=a&sslmode=verify-full",
        );
        ends("postgres://u@127.0.0.1/x", "sslmode=disable");
        ends("postgres://u@localhost/x", "sslmode=disable");
        ends(
            "postgres:///x?host=/run/postgresql&user=u",
            "sslmode=disable",
        );
        ends(
            "postgres://u@db.example/x?sslmode=disable",
            "?sslmode=disable",
        );
        for mode in ["prefer", "require", "allow"] {
            let refused = url(&format!("postgres://u@db.example/x?sslmode={mode}"));
            assert_eq!(refused, Err(DatabaseUrlError::UnverifiedTls));
        }
    }

    #[test]
    fn files_are_named_in_three_ways() {
        for (text, path) in [
            ("/var/lib/rehost.db", "/var/lib/rehost.db"),
            ("rehost.db", "rehost.db"),
            ("sqlite:rehost.db", "rehost.db"),
            ("sqlite:///var/lib/rehost.db", "/var/lib/rehost.db"),
        ] {
            let database = text.parse::<Database>();
            assert!(matches!(database, Ok(Database::Sqlite(found)) if found == Path::new(path)));
        }
        assert!(matches!(
            "".parse::<Database>(),
            Err(DatabaseUrlError::Scheme)
        ));
        assert!(matches!(
            "sqlite:".parse::<Database>(),
            Err(DatabaseUrlError::Scheme)
        ));
    }
}
