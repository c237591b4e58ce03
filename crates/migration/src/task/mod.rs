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
//!                                                         | restart
//!                                                         +-------> RUNNING (sync)
//!
//!   RUNNING, SYNCING --stop--> ABORTING --stopped--> ABORT --start--> RUNNING, same phase
//!   RUNNING, SYNCING, ABORTING --failed--> MIGRATE_FAIL --start--> RUNNING, same phase
//!                 (SYNC_FAIL instead, once the target has been launched)
//!   every state --delete--> gone, unless the agent is at it
//! ```
//!
//! A task has a *state*, which SMS defines and people see, and a *phase*, which says how far the
//! work has come and where a start takes it up again. Both change in one function,
//! [`Task::apply`]; the rest of the system only carries out what it returns.
//!
//! Three rules hold everywhere:
//!
//! - **Operators are refused, agents are not.** An action that does not fit gets an error code. An
//!   event that does not fit is late or repeated, or comes from a client that knows no better; it
//!   leaves the task as it is.
//! - **A reported state belongs to the source server first.** `changestate` may set the source
//!   server to anything that [`crate::changestate`] permits. Only if the state fits what the task is
//!   doing does the task follow; `changestate` can never start, pause or delete a task.
//! - **Everything may come twice.** Agents and the control plane can die between an act and its
//!   report. A repeated event changes nothing the second time.

mod apply;
mod effect;
mod event;
mod state;

pub use apply::Refusal;
pub use effect::{After, Command, Mailbox, SourceChange, Transition};
pub use event::{Action, AgentEvent, CommandResult, Event};
pub use state::{Phase, Task, TaskState, WantedPhase};
