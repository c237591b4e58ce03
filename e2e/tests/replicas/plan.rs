//! What a simulated agent and its operator are going to do: every fourth migration goes straight
//! through, is paused and goes on, synchronises until its cut-over, or is started over in the end.

/// A kind of migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    Straight,
    /// Stopped by the operator in the middle of the copy, and started again.
    Stopped,
    /// With continuous synchronisation, until the operator orders the cut-over.
    Continuous,
    /// Restarted by the operator after it succeeded.
    Again,
}

/// What an agent does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Reports state and cycle of the source server.
    Say(&'static str, &'static str),
    /// Reports the progress of a subtask, in percent.
    Progress(&'static str, u32),
    /// Has the operator do something, which then comes as a command.
    Order(&'static str),
}

use Step::{Order, Progress, Say};

const BEGIN: [Step; 6] = [
    Say("replicate", "replicating"),
    Progress("SSL_CONFIG", 100),
    Progress("FORMAT_DISK_LINUX_BLOCK", 40),
    Progress("FORMAT_DISK_LINUX_BLOCK", 100),
    Progress("MIGRATE_LINUX_BLOCK", 20),
    Progress("MIGRATE_LINUX_BLOCK", 50),
];
const COPY: [Step; 2] = [
    Progress("MIGRATE_LINUX_BLOCK", 80),
    Progress("MIGRATE_LINUX_BLOCK", 100),
];
const SYNC: [Step; 3] = [
    Say("syncing", "syncing"),
    Progress("SYNC_LINUX_BLOCK", 30),
    Progress("SYNC_LINUX_BLOCK", 100),
];
const CUTOVER: [Step; 5] = [
    Say("cutovering", "cutovering"),
    Progress("CONFIGURE_LINUX_BLOCK", 50),
    Progress("CONFIGURE_LINUX_BLOCK", 100),
    Progress("CHECK_CONSISTENCY", 100),
    Say("finished", "cutovered"),
];
const FINISHED: Step = Say("finished", "cutovered");

impl Plan {
    pub(crate) fn of(number: usize) -> Self {
        let all = [Self::Straight, Self::Stopped, Self::Continuous, Self::Again];
        all[number % all.len()]
    }

    /// What follows from each START, in order.
    pub(crate) fn legs(self) -> Vec<Vec<Step>> {
        let (begin, copy, sync, cutover) = (&BEGIN[..], &COPY[..], &SYNC[..], &CUTOVER[..]);
        let legs: &[&[&[Step]]] = match self {
            Self::Straight => &[&[begin, copy, cutover]],
            Self::Stopped => &[&[begin, &[Order("stop")]], &[begin, copy, cutover]],
            Self::Continuous => &[&[begin, copy, sync, &[Order("cutover")]], &[cutover]],
            Self::Again => &[
                &[begin, copy, cutover, &[Order("restart")]],
                &[sync, &[FINISHED]],
            ],
        };
        legs.iter().map(|leg| leg.concat()).collect()
    }

    /// The state of the task in the end.
    pub(crate) fn last_state(self) -> &'static str {
        match self {
            Self::Again => "SYNC_SUCCESS",
            _ => "MIGRATE_SUCCESS",
        }
    }

    /// Answered calls that such a migration takes at least.
    pub(crate) fn least_calls(self) -> u64 {
        // Each step beside its look at the mailbox.
        self.legs().concat().len() as u64 * 2
    }
}
