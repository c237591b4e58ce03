//! Tokens of a Keystone, the identity service of OpenStack, in place of tokens of our own.
//!
//! A token that is not ours is shown to Keystone, which says whose it is, for which project, and with
//! which roles. The project is the tenant, made when it is seen for the first time. An answer is
//! believed for at most [`BELIEVED`], so that a token that was revoked there ends here soon; a
//! Keystone that does not answer lets nobody in.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use axum::body::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rehost_certificates::roots_from_pem;
use rehost_sms_api::errors::{ErrorCode, GatewayReason};
use rehost_sms_api::rehost::AccountRole;
use rehost_store::{DomainRow, StoreError};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;

use super::remembered::Remembered;
use super::{Caller, Who};
use crate::app::{App, accounts};
use crate::clock::{iam_time, now_ms};
use crate::errors::{ApiError, chain, refuse};
use crate::options::KeystoneOptions;
use crate::secret;

/// How long an answer is believed; never longer than the token lives.
const BELIEVED: Duration = Duration::from_secs(60);
/// From connecting to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A token without its catalogue is a few KiB, with hundreds of roles a few dozen.
const MAX_ANSWER_BYTES: usize = 256 * 1024;
/// Questions at once; strangers who make tokens up must not flood Keystone through us.
const MAX_AT_ONCE: usize = 32;
/// Where distributions keep the authorities that a machine trusts.
const SYSTEM_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Why Keystone's answer is worth nothing.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("connect to Keystone; check --keystone-url and that it runs")]
    Connect(#[source] std::io::Error),
    #[error("verify Keystone's certificate; check --keystone-ca-file")]
    Tls(#[source] std::io::Error),
    #[error("ask Keystone")]
    Exchange(#[source] hyper::Error),
    #[error("read Keystone's answer of at most {MAX_ANSWER_BYTES} bytes")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("Keystone did not answer within {} seconds", TIMEOUT.as_secs())]
    Slow,
    #[error("Keystone answered with status {0}")]
    Status(StatusCode),
    #[error("Keystone's answer is no token")]
    Form(#[source] serde_json::Error),
    #[error("Keystone's token has no time of its end")]
    End(#[source] jiff::Error),
    #[error("Keystone's token names something by {0:?}, which is no id")]
    Id(String),
    #[error("put a question to Keystone together")]
    Question(#[source] http::Error),
}

/// A Keystone that is asked about tokens.
#[derive(Debug)]
pub(crate) struct Keystone {
    host: String,
    port: u16,
    /// Host and port as the header `Host` has them.
    authority: HeaderValue,
    /// Path of the token route.
    path: String,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    places: Semaphore,
    /// Callers by the hash of their token, with the end of the token in milliseconds since 1970.
    known: Remembered<(i64, Caller)>,
}

impl Keystone {
    /// Prepares questions to the Keystone that the options name, without asking anything yet.
    pub(crate) fn prepare(options: &KeystoneOptions) -> anyhow::Result<Self> {
        let url = options.url.trim_end_matches('/');
        let url = url.strip_suffix("/v3").unwrap_or(url);
        let uri: Uri = url
            .parse()
            .context("read the URL of Keystone; write https://HOST:PORT")?;
        let authority = uri.authority().context("the URL of Keystone has no host")?;
        ensure!(
            !authority.as_str().contains('@') && uri.query().is_none(),
            "the URL of Keystone has more than scheme, host, port and path"
        );
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let (port, tls) = match uri.scheme_str() {
            Some("https") => {
                let name = ServerName::try_from(host.clone())
                    .with_context(|| format!("use {host} as the name of a TLS server"))?;
                let config = tls_config(options.ca_file.as_deref())?;
                (443, Some((Arc::new(config), name)))
            }
            Some("http") => {
                let is_loopback = host == "localhost"
                    || host
                        .parse::<std::net::IpAddr>()
                        .is_ok_and(|address| address.is_loopback());
                ensure!(
                    is_loopback,
                    "http is for a Keystone on this machine: others could read tokens on the way; use https"
                );
                (80, None)
            }
            _ => bail!("the URL of Keystone begins with neither https:// nor http://"),
        };
        Ok(Self {
            port: authority.port_u16().unwrap_or(port),
            authority: HeaderValue::from_str(authority.as_str())
                .context("use the host of Keystone in a request")?,
            path: format!(
                "{}/v3/auth/tokens?nocatalog=1",
                uri.path().trim_end_matches('/')
            ),
            host,
            tls,
            places: Semaphore::new(MAX_AT_ONCE),
            known: Remembered::new(BELIEVED),
        })
    }

    /// The caller whom a token stands for.
    pub(super) async fn caller(&self, app: &App, token: &str) -> Result<Caller, ApiError> {
        let hash = secret::hash(token);
        let asked = match self.known.recall(&hash) {
            Ok((expires_at_ms, caller)) => {
                alive(expires_at_ms)?;
                return Ok(caller);
            }
            Err(asked) => asked,
        };
        let found = match self.ask(token).await {
            Ok(found) => found.ok_or(GatewayReason::BadToken)?,
            Err(trouble) => return Err(down(&trouble)),
        };
        let expires_at_ms = match found.expires_at.parse::<jiff::Timestamp>() {
            Ok(end) => end.as_millisecond(),
            Err(error) => return Err(down(&Trouble::End(error))),
        };
        alive(expires_at_ms)?;
        let caller = admit(app, found).await?;
        self.known
            .remember(asked, &hash, &(expires_at_ms, caller.clone()));
        Ok(caller)
    }

    /// What Keystone says of a token; nothing if it does not know it.
    async fn ask(&self, token: &str) -> Result<Option<Token>, Trouble> {
        let Ok(mut token) = HeaderValue::from_str(token) else {
            return Ok(None);
        };
        token.set_sensitive(true);
        let question = async {
            // Closed never; and whoever waits too long for a place is told so as well.
            let _place = self.places.acquire().await;
            self.exchange(token).await
        };
        let answer = tokio::time::timeout(TIMEOUT, question).await;
        let (status, body) = answer.map_err(|_| Trouble::Slow)??;
        match status {
            StatusCode::OK => {
                let answer: Answer = serde_json::from_slice(&body).map_err(Trouble::Form)?;
                Ok(Some(answer.token))
            }
            // A token proves itself here, so a refusal means that it is good for nothing.
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => Ok(None),
            status => Err(Trouble::Status(status)),
        }
    }

    async fn exchange(&self, token: HeaderValue) -> Result<(StatusCode, Bytes), Trouble> {
        let request = Request::get(&self.path)
            .header(HOST, self.authority.clone())
            .header(ACCEPT, "application/json")
            .header(CONNECTION, "close")
            .header("x-auth-token", token.clone())
            .header("x-subject-token", token)
            .body(Empty::new())
            .map_err(Trouble::Question)?;
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(Trouble::Connect)?;
        match &self.tls {
            None => converse(stream, request).await,
            Some((config, name)) => {
                let connector = TlsConnector::from(Arc::clone(config));
                let stream = connector.connect(name.clone(), stream).await;
                converse(stream.map_err(Trouble::Tls)?, request).await
            }
        }
    }
}

/// Whether a token is good at this time.
fn alive(expires_at_ms: i64) -> Result<(), ApiError> {
    if expires_at_ms > now_ms() {
        return Ok(());
    }
    let expires_at = iam_time(expires_at_ms);
    Err(GatewayReason::TokenExpired { expires_at }.into())
}

/// One request over one connection.
async fn converse<S: AsyncRead + AsyncWrite + Send + Unpin>(
    stream: S,
    request: Request<Empty<Bytes>>,
) -> Result<(StatusCode, Bytes), Trouble> {
    let shaken = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = shaken.map_err(Trouble::Exchange)?;
    let mut connection = pin!(connection);
    let mut exchange = pin!(async {
        let answer = sender.send_request(request).await;
        let (head, body) = answer.map_err(Trouble::Exchange)?.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
        Ok((head.status, body.map_err(Trouble::Body)?.to_bytes()))
    });
    tokio::select! {
        done = &mut exchange => done,
        // What came before the end of the connection is still to be read.
        _ = &mut connection => exchange.await,
    }
}

/// Trust in the authorities of a file, or else in those of the machine.
fn tls_config(ca_file: Option<&Path>) -> anyhow::Result<ClientConfig> {
    let file = match ca_file {
        Some(file) => file,
        None => SYSTEM_ROOTS
            .iter()
            .map(Path::new)
            .find(|path| path.exists())
            .context("find the certificate authorities of this machine; name a file with --keystone-ca-file")?,
    };
    let act = || format!("read certificate authorities from {}", file.display());
    let pem = std::fs::read_to_string(file).with_context(act)?;
    let roots = roots_from_pem(&pem).with_context(act)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("choose TLS versions")?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Nobody gets in; why stands in the log, where those look who can mend it.
fn down(trouble: &Trouble) -> ApiError {
    tracing::error!(error = %chain(trouble), "a token could not be checked");
    ErrorCode::IdentityServiceDown.into()
}

#[derive(Debug, Deserialize)]
struct Answer {
    token: Token,
}

/// What is needed of a token of Keystone's.
#[derive(Debug, Deserialize)]
struct Token {
    expires_at: String,
    user: Thing,
    #[serde(default)]
    project: Option<Thing>,
    #[serde(default)]
    domain: Option<Thing>,
    #[serde(default)]
    roles: Vec<Role>,
}

/// A user, a project or a domain.
#[derive(Debug, Deserialize)]
struct Thing {
    id: String,
    name: String,
}

#[derive(Debug, Deserialize)]
struct Role {
    name: String,
}

/// The highest role that Keystone's roles amount to.
fn role(roles: &[Role]) -> Option<AccountRole> {
    let ours = roles
        .iter()
        .filter_map(|role| match role.name.to_ascii_lowercase().as_str() {
            "admin" => Some(AccountRole::Administrator),
            "member" => Some(AccountRole::Operator),
            "reader" => Some(AccountRole::ReadOnly),
            _ => None,
        });
    ours.max()
}

/// Whether a text can be an id of Keystone's, which are UUIDs, hashes, or `default`.
fn is_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

/// The caller that a good token makes, in its tenant.
async fn admit(app: &App, token: Token) -> Result<Caller, ApiError> {
    let no = |why: &str| refuse(ErrorCode::NoPermission, why);
    let Some(role) = role(&token.roles) else {
        return Err(no(
            "The token has none of the roles admin, member and reader.",
        ));
    };
    let scope = token.project.map(|project| (project, true));
    let scope = scope.or_else(|| token.domain.map(|domain| (domain, false)));
    let Some((tenant, is_project)) = scope else {
        return Err(no(
            "The token is for no project; ask Keystone for one that is.",
        ));
    };
    for id in [&token.user.id, &tenant.id] {
        if !is_id(id) {
            return Err(down(&Trouble::Id(id.clone())));
        }
    }
    // Its administrators run the control plane, and they are our own.
    if tenant.id == app.domain.id {
        return Err(no("The control plane's own domain is not Keystone's."));
    }
    ensure_domain(app, &tenant, is_project).await?;
    Ok(Caller {
        domain_id: tenant.id,
        who: Who::Account {
            user_id: token.user.id,
            user_name: plain(&token.user.name),
            role,
        },
    })
}

/// Makes the tenant with what one has from the beginning, unless it is there.
async fn ensure_domain(app: &App, tenant: &Thing, is_project: bool) -> Result<(), ApiError> {
    if is_there(app, &tenant.id).await? {
        return Ok(());
    }
    let name = plain(&tenant.name);
    // Projects of several domains may have one name, and ids are unique.
    for name in [name.as_str(), &tenant.id] {
        let id = tenant.id.clone();
        let mut new = accounts::new_domain(id.clone(), name, &app.project.name, None, None)?;
        if is_project {
            new.project.id = id;
            new.project.name = plain(&tenant.name);
        }
        match app.store.insert_domain(&new).await {
            Ok(()) => {
                let DomainRow { id, name, .. } = new.domain;
                tracing::info!(
                    id,
                    name,
                    "a domain of Keystone's was seen for the first time"
                );
                return Ok(());
            }
            Err(StoreError::Exists { .. }) => {
                // Perhaps another request was faster.
                if is_there(app, &tenant.id).await? {
                    return Ok(());
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(ApiError::Internal {
        act: "make a domain of Keystone's",
        source: format!("{} is taken as a name", tenant.id).into(),
    })
}

async fn is_there(app: &App, domain_id: &str) -> Result<bool, ApiError> {
    Ok(app.store.domain(domain_id).await?.is_some())
}

/// A name as it can be shown and stored: 64 characters, none of which controls anything.
fn plain(name: &str) -> String {
    let shown = name.chars().filter(|character| !character.is_control());
    shown.take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> KeystoneOptions {
        KeystoneOptions {
            url: url.to_owned(),
            ca_file: None,
        }
    }

    #[test]
    fn the_url_is_that_of_keystone_with_or_without_its_version() {
        for url in [
            "http://127.0.0.1:5000",
            "http://127.0.0.1:5000/",
            "http://127.0.0.1:5000/v3",
            "http://127.0.0.1:5000/v3/",
        ] {
            let keystone = Keystone::prepare(&options(url)).unwrap();
            assert_eq!(keystone.path, "/v3/auth/tokens?nocatalog=1", "{url}");
            assert_eq!((keystone.host.as_str(), keystone.port), ("127.0.0.1", 5000));
        }
        let below = Keystone::prepare(&options("http://[::1]/identity/v3")).unwrap();
        assert_eq!(below.path, "/identity/v3/auth/tokens?nocatalog=1");
        assert_eq!((below.host.as_str(), below.port), ("::1", 80));
        for url in [
            "http://keystone.example:5000",
            "ftp://127.0.0.1",
            "127.0.0.1:5000",
            "https://",
            "http://user:hush@127.0.0.1",
            "",
        ] {
            let error = Keystone::prepare(&options(url)).map(|_| ()).unwrap_err();
            assert!(!format!("{error:?}").contains("hush"));
        }
    }

    #[test]
    fn the_highest_role_wins() {
        let named = |names: &[&str]| {
            let roles: Vec<_> = names
                .iter()
                .map(|&name| Role { name: name.into() })
                .collect();
            role(&roles)
        };
        assert_eq!(
            named(&["reader", "member", "x"]),
            Some(AccountRole::Operator)
        );
        assert_eq!(named(&["reader"]), Some(AccountRole::ReadOnly));
        assert_eq!(
            named(&["Admin", "reader"]),
            Some(AccountRole::Administrator)
        );
        assert_eq!(named(&["administrator", "swift"]), None);
        assert_eq!(named(&[]), None);
    }

    #[test]
    fn ids_and_names_are_harmless() {
        assert!(is_id("0605767a5580d5762fc5c0118c0f2a3b") && is_id("default"));
        for wrong in ["", "a b", "a/b", "é", &"x".repeat(65)] {
            assert!(!is_id(wrong), "{wrong}");
        }
        assert_eq!(plain("a\u{7}b\n"), "ab");
        assert_eq!(plain(&"é".repeat(100)).chars().count(), 64);
    }
}
