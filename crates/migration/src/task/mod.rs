//! The life of a task.
//!
//! ```text
//!            start                 syncing reached            cutover
//!   READY ----------> RUNNING -----------------------> SYNCING -------> RUNNING
//!                   (replicate)   (continuous only)                    (cut-over)
//!                        |                                ^                |
//!                        | final round follows at once    | reached        | done
//!                        | (not continuous)               |                v
//!                        +---------------------> MIGRATE_SUCCESS <---------+
//!                                                         | restart, sync
//!                                                         +-------> RUNNING (sync)
//!
//!   SYNCING, launched --done by itself--> SYNC_SUCCESS --restart, sync--> RUNNING (sync)
//!
//!   RUNNING, SYNCING --stop--> ABORTING --stopped--> ABORT --start--> RUNNING, same phase
//!   RUNNING, SYNCING, ABORTING --failed--> MIGRATE_FAIL --start--> RUNNING, same phase
//!                 (SYNC_FAIL instead, once the target has been launched)
//!   RUNNING, SYNCING --skip--> SKIPPING --skipped or not--> where it was
//!   SYNC_FAIL --sync_failed_rollback--> SYNC_F_ROLLBACKING --done--> SYNC_F_ROLLBACK_SUCCESS
//!                                       (--failed--> SYNC_FAIL)
//!   resting --delete--> DELETING --deleted--> gone      (--refused by the agent--> where it was)
//!   READY --delete--> gone;   every state --delete, agent disconnected--> gone
//!
//!   where the target starts what it has received, the end of the final round is not yet the end:
//!   RUNNING (cut-over) --done--> the target launches --started--> MIGRATE_SUCCESS
//!                                                    --not started--> RUNNING (sync), as before
//!                                                      (MIGRATE_FAIL, if the task is not continuous)
//!
//!   beside it, one at a time:
//!   READY --migration_test--> drill          shown by the source: premiging -> premiged, premigfailed
//!   SYNCING --clone_test--> clone            cloning -> syncing;  clone_state says what came of it
//!   SYNCING, clone there --test--> test      migration cycle testing -> tested
//!   paused, failed --network_check--> measurement
//!   finished --clear--> snapshots removed    clearing -> cleared (never synchronised again), clearfailed
//!   started --collect_log--> logs            beside everything
//! ```
//!
//! A task has a *state*, which SMS defines and people see, a *phase*, which says how far the work
//! has come and where a start takes it up again, and an [`Aside`], which says what goes on beside
//! the copy. All change in one function, [`Task::apply`]; the rest of the system only carries out
//! what it returns.
//!
//! Four rules hold everywhere:
//!
//! - **Operators are refused, agents are not.** An action that does not fit gets an error code. An
//!   event that does not fit is late or repeated, or comes from a client that knows no better; it
//!   leaves the task as it is.
//! - **A reported state belongs to the source server first.** `changestate` may set the source
//!   server to anything that [`crate::changestate`] permits. Only if the state fits what the task is
//!   doing does the task follow; `changestate` can never start, pause or delete a task.
//! - **Everything may come twice.** Agents and the control plane can die between an act and its
//!   report. A repeated event changes nothing the second time.
//! - **An agent may refuse.** A `command_result` of `fail` takes back what was asked for beside the
//!   copy, and the reason is kept; only a START, STOP or SYNC that fails makes the task fail.
//!
//! | command | for |
//! |---|---|
//! | START | start, restart, cutover; with an [`Order`]: clone_test, test, network_check, sync_failed_rollback |
//! | STOP | stop, error_for_overspeed |
//! | SYNC | sync |
//! | SKIP | skip |
//! | PREMIGRATE | migration_test |
//! | DELETE | delete; with an [`Order`]: clear |
//! | UPLOAD_LOG | collect_log |

mod act;
mod apply;
mod aside;
mod effect;
mod event;
mod model;
mod refusal;
mod report;
mod state;
mod target;

pub use aside::{Aside, CloneState, Drill, Errand, Logs, Snapshots};
pub use effect::{After, Command, Mailbox, Order, SourceChange, Transition};
pub use event::{Action, AgentEvent, CommandResult, Event, Facts, TargetEvent};
pub use model::{Phase, Task, WantedBoot, WantedPhase};
pub use refusal::Refusal;
pub use state::TaskState;
