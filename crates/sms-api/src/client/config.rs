//! Whom the client talks to, and as whom.

use secrecy::SecretString;
use ureq::http::Uri;

use super::error::ClientError;

/// What a [`super::Client`] is made from.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Base URL of the control plane, such as `https://10.0.0.5:8443`. Plain `http` is meant for
    /// loopback addresses.
    pub endpoint: String,
    /// CA certificate(s) that the control plane is trusted by, PEM. Needed for `https`.
    pub ca_pem: Option<String>,
    /// As whom to call.
    pub credentials: Credentials,
}

/// As whom to call. Secrets stay out of `Debug`.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// As nobody: for logging in, for joining, for the health and version routes.
    None,
    /// With a token, sent as `X-Auth-Token`.
    Token(SecretString),
    /// With an access key; every request is signed with SDK-HMAC-SHA256.
    AccessKey {
        /// Access key (AK).
        access_key: String,
        /// Secret key (SK).
        secret_key: SecretString,
        /// Sent as `X-Project-Id` if given.
        project_id: Option<String>,
    },
    /// With a client certificate: agents and receivers.
    Certificate {
        /// Certificate, or certificate chain with the own one first, PEM.
        cert_pem: String,
        /// Private key of the certificate, unencrypted, PEM.
        key_pem: SecretString,
    },
}

/// A base URL, taken apart as far as requests need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// The URL without `/` at the end.
    pub(super) base: String,
    /// Value of the header `Host`: without the port where it is the scheme's own.
    pub(super) host: String,
    /// Path of the URL without `/` at the end; empty as a rule.
    pub(super) path_prefix: String,
    pub(super) is_https: bool,
    pub(super) is_loopback: bool,
}

impl Endpoint {
    pub(super) fn parse(text: &str) -> Result<Self, ClientError> {
        let malformed = || ClientError::Config {
            problem: "the endpoint is no URL: write it as https://host:port",
            source: None,
        };
        let base = text.trim().trim_end_matches('/').to_owned();
        let uri: Uri = base.parse().map_err(|_| malformed())?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(malformed()),
        };
        let authority = uri.authority().ok_or_else(malformed)?;
        if authority.host().is_empty() || authority.as_str().contains('@') || uri.query().is_some()
        {
            return Err(malformed());
        }
        let own_port = if is_https { 443 } else { 80 };
        let host = match authority.port_u16() {
            Some(port) if port != own_port => format!("{}:{port}", authority.host()),
            _ => authority.host().to_owned(),
        };
        let bare = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        let is_loopback = bare.eq_ignore_ascii_case("localhost")
            || bare
                .parse()
                .is_ok_and(|address: std::net::IpAddr| address.is_loopback());
        let path_prefix = uri.path().trim_end_matches('/').to_owned();
        Ok(Self {
            base,
            host,
            path_prefix,
            is_https,
            is_loopback,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_taken_apart() {
        let endpoint = Endpoint::parse(" https://sms.example.com:8443/ ").unwrap();
        assert_eq!(endpoint.base, "https://sms.example.com:8443");
        assert_eq!(endpoint.host, "sms.example.com:8443");
        assert_eq!(
            (endpoint.path_prefix.as_str(), endpoint.is_https),
            ("", true)
        );
        assert!(!endpoint.is_loopback);
        assert_eq!(Endpoint::parse("http://a:80").unwrap().host, "a");
        assert_eq!(Endpoint::parse("http://a:443/x/").unwrap().host, "a:443");
        assert_eq!(
            Endpoint::parse("http://a:443/x/").unwrap().path_prefix,
            "/x"
        );
        for loopback in ["http://127.0.0.1:1", "http://[::1]:1", "https://localhost"] {
            assert!(Endpoint::parse(loopback).unwrap().is_loopback, "{loopback}");
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for text in [
            "",
            "x",
            "10.0.0.5:8443",
            "ftp://a",
            "https://",
            "https://u:p@a",
            "https://a?b",
        ] {
            assert!(
                matches!(Endpoint::parse(text), Err(ClientError::Config { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn secrets_stay_out_of_debug() {
        let credentials = Credentials::AccessKey {
            access_key: "AK".into(),
            secret_key: "hush".into(),
            project_id: None,
        };
        assert!(!format!("{credentials:?}").contains("hush"));
    }
}
