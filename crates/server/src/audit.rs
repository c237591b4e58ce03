//! The audit log: who changed what, on which object, and what came of it.
//!
//! A call of an account is in the log before it is answered, so that nobody can act and then keep the
//! trace from being written by ending the control plane. What machines tell a thousand times
//! (heart-beats, progress) is written in batches by [`AuditLog`]. Bodies are never kept: they may hold
//! passwords.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use rehost_sms_api::contract::Operation;
use rehost_store::{AuditRow, Store};

use crate::app::App;
use crate::clock::now_ms;
use crate::errors::{ApiError, RefusedWith};
use crate::http::request_id::RequestId;
use crate::identity::{Caller, Who};
use crate::secret;

/// Entries that wait for their batch; more are written at once.
const MAX_WAITING: usize = 1024;
/// What an account tells as often as a machine when it acts as one.
const TELEMETRY: [&str; 1] = ["update_task_speed"];

/// The object of a call that names none in its path, put into the answer by the route.
#[derive(Clone, Debug)]
pub(crate) struct AuditObject(pub(crate) String);

/// A call on its way through, as far as the audit log wants it.
#[derive(Debug)]
pub(crate) struct Call {
    operation: &'static Operation,
    /// What the audit log calls it.
    trace: &'static str,
    path: String,
    object_id: String,
    request_id: String,
    address: String,
    /// Who calls, once that is known.
    pub(crate) caller: Option<Caller>,
}

impl Call {
    /// What a request says before anybody looked at it closely. Nothing of one that changes nothing.
    pub(crate) fn new(
        operation: &'static Operation,
        request: &Request,
        object_id: Option<&str>,
    ) -> Option<Self> {
        let trace = operation.trace?;
        let extensions = request.extensions();
        Some(Self {
            operation,
            trace,
            path: request.uri().path().to_owned(),
            object_id: object_id.unwrap_or_default().to_owned(),
            request_id: extensions
                .get::<RequestId>()
                .map(|id| id.0.clone())
                .unwrap_or_default(),
            address: extensions
                .get::<SocketAddr>()
                .map(|address| address.ip().to_string())
                .unwrap_or_default(),
            caller: None,
        })
    }

    fn entry(self, caller: &Caller, response: &Response) -> AuditRow {
        let extensions = response.extensions();
        let (user_name, role) = match &caller.who {
            Who::Account {
                user_name, role, ..
            } => (user_name.as_str(), role.as_str()),
            Who::Source { .. } => ("", "agent"),
            Who::Target { .. } => ("", "receiver"),
        };
        AuditRow {
            id: secret::new_id(),
            time: now_ms(),
            domain_id: caller.domain_id.clone(),
            user_id: caller.id().to_owned(),
            user_name: user_name.to_owned(),
            role: role.to_owned(),
            trace: self.trace.to_owned(),
            method: self.operation.method.as_str().to_owned(),
            path: self.path,
            object_id: extensions
                .get::<AuditObject>()
                .map_or(self.object_id, |object| object.0.clone()),
            status: i64::from(response.status().as_u16()),
            error_code: extensions
                .get::<RefusedWith>()
                .map(|refused| refused.0.to_owned())
                .unwrap_or_default(),
            request_id: self.request_id,
            address: self.address,
        }
    }
}

/// Notes an answered call, if it is one that changes anything. If it cannot be noted, the caller is
/// told, because an action without a trace must not look like one with a trace.
pub(crate) async fn note(app: &App, call: Option<Call>, response: Response) -> Response {
    let Some(call) = call else {
        return response;
    };
    // Routes for everybody find out themselves on whose behalf they act.
    let named = response.extensions().get::<Caller>().cloned();
    let Some(caller) = call.caller.clone().or(named) else {
        return response;
    };
    let machine = !caller.is_account() || TELEMETRY.contains(&call.operation.id);
    let entry = call.entry(&caller, &response);
    let noted = if machine {
        app.audit.later(&app.store, entry).await
    } else {
        app.store.insert_audit(&[entry]).await.map_err(Into::into)
    };
    match noted {
        // A refusal stays the refusal that it is.
        Err(error) if response.status() < StatusCode::BAD_REQUEST => error.into_response(),
        _ => response,
    }
}

/// Entries that wait to be written together.
#[derive(Debug, Default)]
pub(crate) struct AuditLog {
    waiting: Mutex<Vec<AuditRow>>,
    /// Held while a batch is written: whoever flushes must not go on while one is on its way.
    writing: tokio::sync::Mutex<()>,
}

impl AuditLog {
    /// Keeps an entry for the next batch; a full batch is written by whoever fills it.
    async fn later(&self, store: &Store, entry: AuditRow) -> Result<(), ApiError> {
        let full = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push(entry);
            waiting.len() >= MAX_WAITING
        };
        if full {
            self.flush(store).await
        } else {
            Ok(())
        }
    }

    /// Writes what waits. If that fails it waits on, as far as there is room.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn flush(&self, store: &Store) -> Result<(), ApiError> {
        let _writing = self.writing.lock().await;
        let waiting = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *waiting)
        };
        if waiting.is_empty() {
            return Ok(());
        }
        let written = store.insert_audit(&waiting).await;
        if written.is_err() {
            let mut later = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let room = MAX_WAITING.saturating_sub(later.len());
            later.splice(..0, waiting.into_iter().take(room));
        }
        Ok(written?)
    }
}
