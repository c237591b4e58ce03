//! The agent's side of the control plane's mailbox: registers the server, asks for commands, says
//! what became of them, and keeps the registered disks fresh.
//!
//! Asking is also the sign of life by which the control plane shows a source as connected. When the
//! control plane is away, this loop only gets slower; a running copy does not notice.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Cursor;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rehost_replication::source::error_chain;
use rehost_sms_api::bodies::{CommandBody, ShowCommandResponse};
use rehost_sms_api::client::ClientError;
use rehost_sms_api::rehost::JoinRole;

use crate::backoff::{Backoff, Stop};
use crate::inventory::Inventory;
use crate::orders::{Order, order};
use crate::state::TaskPhase;
use crate::task::{Runner, Shared, network_check};

/// How long the control plane may hold a question for commands, in seconds.
const POLL_SECONDS: u32 = 25;
/// A control plane that answers "nothing" at once does not know long polls; it is asked this often.
const POLL_INTERVAL: Duration = Duration::from_secs(10);
/// Below this an answer came at once.
const AT_ONCE: Duration = Duration::from_secs(1);
/// SMS: an agent refreshes its disks every two hours.
const REFRESH_INTERVAL: Duration = Duration::from_secs(2 * 60 * 60);
/// Pauses while the control plane does not answer.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// The loop and what it needs.
pub(crate) struct Mailbox {
    pub shared: Arc<Shared>,
    pub runner: Arc<Runner>,
    /// Disks that were named by hand; empty for all of this machine.
    pub disks: Vec<PathBuf>,
    /// Name to register under.
    pub name: String,
    pub stop: Stop,
}

impl Mailbox {
    /// Runs until a stop is asked for.
    pub(crate) fn run(&self) {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
        let mut refreshed_at = None;
        while !self.stop.is_requested() {
            match self.turn(&mut refreshed_at) {
                Ok(pause) => {
                    backoff.reset();
                    self.stop.wait(pause);
                }
                Err(error) => {
                    let pause = backoff.pause();
                    self.log(|| {
                        let error: &dyn Error = error.as_ref();
                        tracing::warn!(
                            error,
                            ?pause,
                            "the control plane cannot be asked for commands"
                        );
                    });
                    self.stop.wait(pause);
                }
            }
        }
    }

    /// Registers if need be, asks for one command and carries it out. Returns how long to wait
    /// before the next turn.
    fn turn(&self, refreshed_at: &mut Option<Instant>) -> anyhow::Result<Duration> {
        self.runner.revive();
        let state = self.shared.store.get();
        // The server is registered anew at each start, unless a task is at work: its disks are
        // spoken for then and must not change.
        let source_id = match state.source_id {
            Some(source_id) if refreshed_at.is_some() || state.task.is_some() => source_id,
            known => self.register(known.as_deref())?,
        };
        let refresh_due = refreshed_at.is_none_or(|at| at.elapsed() >= REFRESH_INTERVAL);
        let frozen_soon = state
            .task
            .is_some_and(|task| task.phase == TaskPhase::CuttingOver);
        if refreshed_at.is_none() {
            *refreshed_at = Some(Instant::now());
        } else if refresh_due && !frozen_soon {
            self.refresh(&source_id)?;
            *refreshed_at = Some(Instant::now());
        }
        let asked_at = Instant::now();
        let command = match self
            .shared
            .client
            .show_command(&source_id, Some(POLL_SECONDS))
        {
            Err(error) if is_gone(&error) => {
                self.forget(&source_id);
                return Ok(Duration::ZERO);
            }
            other => other?,
        };
        let order = order(&command);
        if order == Order::Nothing {
            let at_once = asked_at.elapsed() < AT_ONCE;
            return Ok(if at_once {
                POLL_INTERVAL
            } else {
                Duration::ZERO
            });
        }
        let result = self.carry_out(order);
        if let Err(why) = &result {
            self.log(|| tracing::warn!(why, "the command is refused"));
        }
        self.answer(&source_id, &command, result)?;
        Ok(Duration::ZERO)
    }

    fn register(&self, known_id: Option<&str>) -> anyhow::Result<String> {
        let inventory = Inventory::take(&self.disks)?;
        let body = inventory.register_body(known_id, &self.name);
        let answer = match self.shared.client.register_server(&body) {
            Err(error) if known_id.is_some() && is_gone(&error) => self
                .shared
                .client
                .register_server(&inventory.register_body(None, &self.name))?,
            other => other?,
        };
        let id = answer
            .id
            .ok_or_else(|| anyhow::anyhow!("the registration was not given an id"))?;
        self.shared.set_disks(inventory.disks);
        self.shared
            .store
            .update_or_warn(|state| state.source_id = Some(id.clone()));
        self.shared.tell_copy_plan(&BTreeMap::new());
        self.log(|| tracing::info!(source_id = id, "registered as a source server"));
        Ok(id)
    }

    fn refresh(&self, source_id: &str) -> anyhow::Result<()> {
        let inventory = Inventory::take(&self.disks)?;
        self.shared
            .client
            .update_disk_info(source_id, &inventory.disk_info_body())?;
        self.shared.set_disks(inventory.disks);
        if self.shared.store.get().task.is_none() {
            self.shared.tell_copy_plan(&BTreeMap::new());
        }
        Ok(())
    }

    /// The control plane does not know this source server any more.
    fn forget(&self, source_id: &str) {
        self.log(|| tracing::warn!(source_id, "the registration is gone; registering anew"));
        self.shared
            .store
            .update_or_warn(|state| state.source_id = None);
    }

    fn carry_out(&self, order: Order) -> Result<(), String> {
        self.log(|| tracing::info!(?order, "command"));
        match order {
            Order::Nothing => Ok(()),
            Order::Start { task_id } => {
                self.runner.start(&task_id).map_err(|busy| busy.to_string())
            }
            Order::Rest { task_id } => {
                self.runner.rest(&task_id);
                Ok(())
            }
            Order::Delete { task_id } => {
                self.runner.delete(&task_id);
                Ok(())
            }
            Order::KeepPoint { task_id } => self.runner.keep_point(&task_id),
            Order::SkipCheck { task_id } => self
                .runner
                .skip_check(&task_id)
                .map_err(|idle| idle.to_string()),
            Order::CheckNetwork { task_id } => match network_check::run(&self.shared, &task_id) {
                Ok(found) => {
                    self.log(|| tracing::info!(task_id, ?found, "the link is measured"));
                    Ok(())
                }
                Err(error) => Err(error_chain(error.as_ref())),
            },
            Order::SendLogs { task_id } => self
                .send_logs(&task_id)
                .map_err(|error| error_chain(error.as_ref())),
            Order::Refuse { why } => Err(why),
        }
    }

    /// Packs what is kept of this agent's log and sends it. It is in memory meanwhile: the disk that
    /// it would lie on belongs to the server that is being migrated, and may be frozen.
    fn send_logs(&self, task_id: &str) -> anyhow::Result<()> {
        let mut archive = Cursor::new(self.shared.logs.pack()?);
        self.shared
            .client
            .upload_log_archive(task_id, JoinRole::Source, &mut archive)?;
        Ok(())
    }

    /// Says what became of a command. If that fails, the control plane gives the command again,
    /// and carrying it out twice does no harm.
    fn answer(
        &self,
        source_id: &str,
        command: &ShowCommandResponse,
        result: Result<(), String>,
    ) -> Result<(), ClientError> {
        let (word, message) = match result {
            Ok(()) => ("success", String::new()),
            Err(why) => ("fail", why),
        };
        let task_id = command
            .command_param
            .as_ref()
            .and_then(|param| param.task_id.as_ref());
        let body = CommandBody {
            command_name: command.command_name.clone(),
            result: Some(word.into()),
            result_detail: Some(serde_json::json!({ "msg": message, "task_id": task_id })),
        };
        self.shared.client.update_command_result(source_id, &body)
    }

    fn log(&self, write: impl FnOnce()) {
        let _permit = self.shared.quiet_time.permit();
        write();
    }
}

/// Whether the control plane has no such source server (any more).
fn is_gone(error: &ClientError) -> bool {
    match error {
        ClientError::Api { status: 404, .. } => true,
        ClientError::Api { code, .. } => code == "SMS.0507" || code == "SMS.7602",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_that_is_gone_is_told_from_one_that_is_refused() {
        let refused = |status, code: &str| ClientError::Api {
            call: String::new(),
            status,
            code: code.into(),
            message: String::new(),
            request_id: None,
        };
        assert!(is_gone(&refused(404, "SMS.7602")));
        assert!(is_gone(&refused(400, "SMS.0507")));
        assert!(!is_gone(&refused(400, "SMS.9001")));
        assert!(!is_gone(&refused(401, "APIGW.0301")));
    }
}
