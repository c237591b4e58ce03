//! The control plane: the SMS v3 API, a small IAM, and Rehost's own routes.
//!
//! Layers, each using only those below it:
//!
//! - `http`: routes; unpack, call, wrap;
//! - `app`: what happens, one file a resource;
//! - `identity`: who calls;
//! - `rehost_migration`: which states follow, pure; `rehost_store`: rows.
//!
//! Beside them `admin` looks after the database of a control plane that may not be running.
//!
//! [`serve()`] runs a control plane; [`Server`] does the same in two steps, for callers that need to
//! know the port before the first request.

pub mod admin;
mod app;
mod audit;
mod clock;
mod errors;
mod file_limit;
mod first_start;
mod http;
mod identity;
mod listener;
mod options;
mod parking;
mod reconcilers;
mod rewound;
mod secret;
mod serve;
mod tls;
mod wakeups;

pub use options::{KeystoneOptions, ServeOptions};
pub use rehost_migration::changestate::Revision;
pub use rehost_store::Database;
pub use serve::{Server, serve};
pub use tls::TlsMode;
