//! What happens: one file a resource. Load rows, ask the rules of `migration`, compare and set, wake
//! who waits; on a lost race look and decide again.
//!
//! Nothing here knows HTTP, and nothing here decides a state: states are decided by `migration`.

pub(crate) mod accounts;
mod assignments;
pub(crate) mod audit_log;
pub(crate) mod certificates;
pub(crate) mod checks;
pub(crate) mod consistency_export;
pub(crate) mod copy_plans;
mod documents;
mod kept;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod mailbox;
pub(crate) mod migprojects;
pub(crate) mod proofs;
pub(crate) mod reports;
pub(crate) mod service;
pub(crate) mod sources;
pub(crate) mod stored;
pub(crate) mod table;
pub(crate) mod targets;
pub(crate) mod tasks;
pub(crate) mod templates;
mod turns;

pub(crate) use assignments::{source_assignment, target_assignments};
pub(crate) use turns::Turns;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use rehost_certificates::ControlPlaneCa;
use rehost_migration::changestate::Revision;
use rehost_sms_api::bodies::iam::Named;
use rehost_store::Store;
use tokio::time::Instant;

use crate::audit::AuditLog;
use crate::errors::ApiError;
use crate::identity::{Keystone, Known};
use crate::tls::Trust;
use crate::wakeups::Wakeups;

/// An agent or a receiver that was not heard of for so long counts as gone. A long poll lasts at
/// most [`MAX_WAIT_SECONDS`] and notes a visit at its beginning and at its end.
pub(crate) const CONNECTED_MS: i64 = 75_000;
/// Longest wait of a long poll, in seconds; more is cut to this.
pub(crate) const MAX_WAIT_SECONDS: u64 = 60;
/// How often a change is tried against rivals. Every loss means that a rival got through, so this
/// many in a row happen to nobody.
const MAX_ATTEMPTS: u32 = 50;

/// Everything that a control plane is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) ca: ControlPlaneCa,
    /// What machines must trust; absent without TLS.
    pub(crate) trust: Option<Trust>,
    /// Base URL, without a slash at its end.
    pub(crate) endpoint: String,
    pub(crate) domain: Named,
    pub(crate) project: Named,
    pub(crate) revision: Revision,
    pub(crate) wakeups: Wakeups,
    /// Parts of source servers that were shown lately.
    pub(crate) written: sources::Written,
    /// Tasks that were opened lately.
    pub(crate) opened: tasks::Opened,
    /// Who plans onto the devices of a target, one after the other.
    pub(crate) turns: Turns,
    /// Who calls, as far as that was looked up lately.
    pub(crate) known: Known,
    /// Whose tokens are good beside our own.
    pub(crate) keystone: Option<Keystone>,
    pub(crate) audit: AuditLog,
    /// How long entries of the audit log are kept.
    pub(crate) audit_days: u32,
}

/// The control plane, shared by all requests.
#[derive(Clone, Debug)]
pub(crate) struct App(pub(crate) Arc<Parts>);

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// When a long poll that asked for `wait_seconds` ends.
pub(crate) fn deadline(wait_seconds: Option<u64>) -> Instant {
    Instant::now() + Duration::from_secs(wait_seconds.unwrap_or(0).min(MAX_WAIT_SECONDS))
}

/// How often a change has been tried.
#[derive(Debug, Default)]
pub(crate) struct Attempts(u32);

impl Attempts {
    /// Whether to try again: a rival was faster, and not for too long.
    pub(crate) fn again<T>(&mut self, done: &Result<T, ApiError>) -> bool {
        self.0 += 1;
        self.0 < MAX_ATTEMPTS && done.as_ref().is_err_and(ApiError::is_lost_race)
    }
}

/// Runs a block, which may use `?` and `.await`, until it is not beaten by a rival. It must read
/// everything anew each time. A macro, because a function that takes an async closure gives futures
/// of which the compiler cannot see that they may move between threads.
macro_rules! retry {
    ($attempt:block) => {{
        let mut attempts = $crate::app::Attempts::default();
        loop {
            let done: Result<_, $crate::errors::ApiError> = async { $attempt }.await;
            if !attempts.again(&done) {
                break done;
            }
        }
    }};
}
pub(crate) use retry;
