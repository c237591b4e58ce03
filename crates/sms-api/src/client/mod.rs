//! A blocking typed client of the control plane: the public contract and the routes beside it.
//!
//! One method a route, named as SMS's SDKs name the operation, grouped by resource in the files
//! beside this one. A [`Client`] is cheap to clone, may be shared between threads, and keeps
//! connections open.
//!
//! For `https` the control plane is trusted through the given CA certificate and nothing else; no
//! root certificates are compiled in and verification cannot be switched off.

mod call;
mod config;
mod connect;
mod error;
mod iam;
mod rehost;
mod sources;
mod tasks;
mod transport;

pub use config::{ClientConfig, Credentials};
pub use error::ClientError;
pub use iam::IssuedToken;

use std::sync::Arc;

use config::Endpoint;

/// A client of one control plane with one identity.
#[derive(Clone, Debug)]
pub struct Client {
    /// Keeps the connections.
    http: ureq::Agent,
    shared: Arc<Shared>,
}

/// What does not change between calls.
#[derive(Debug)]
struct Shared {
    endpoint: Endpoint,
    credentials: Credentials,
}

impl Client {
    /// Makes a client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::Config`] if the endpoint is no URL, if an `https` endpoint comes without a
    /// usable CA certificate, or if certificate and key are unreadable or do not belong together.
    pub fn new(config: ClientConfig) -> Result<Self, ClientError> {
        let endpoint = Endpoint::parse(&config.endpoint)?;
        let http = connect::http_agent(&endpoint, &config)?;
        let shared = Arc::new(Shared {
            endpoint,
            credentials: config.credentials,
        });
        Ok(Self { http, shared })
    }

    /// Base URL of the control plane, without `/` at the end.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.shared.endpoint.base
    }
}
