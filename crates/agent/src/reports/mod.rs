//! Telling the control plane how a task goes.
//!
//! Reports are state, not a queue: of each kind only the newest is kept ([`outbox`]), and whatever
//! could not be told is told again later, in its newest form ([`reporter`]). A control plane that
//! is away for an hour costs the copy nothing and gets one report of each kind afterwards. Only the
//! end of a task must arrive whatever happens; it is kept in the agent's durable state until then.

mod outbox;
mod reporter;

pub(crate) use outbox::{Outbox, Report, Slot};
pub(crate) use reporter::Reporter;
