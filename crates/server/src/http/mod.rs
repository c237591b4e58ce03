//! Unpack, call, wrap. No rule and no SQL lives here; the list of all routes is in [`routes`].

pub(crate) mod body;
mod iam;
mod path;
mod query;
mod rehost;
mod request_id;
mod routes;
mod sources;
mod task_settings;
mod tasks;
mod versions;

pub(crate) use routes::router;
