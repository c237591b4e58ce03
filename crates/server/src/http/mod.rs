//! Unpack, call, wrap. No rule and no SQL lives here; the list of all routes is in [`routes`].

mod accounts;
pub(crate) mod body;
mod boots;
mod documentation;
mod iam;
mod logs;
mod migprojects;
mod path;
mod query;
mod rehost;
pub(crate) mod request_id;
mod routes;
mod service;
mod sources;
pub(crate) mod stream;
mod task_settings;
mod tasks;
mod templates;
mod versions;

pub(crate) use routes::router;
