//! Holding the source still for the final round, and never longer than that.
//!
//! A freeze outlives the process that asked for it, and a server whose root file system stays
//! frozen is as good as dead. So the agent never freezes by itself. It starts a **guard**, a second
//! process of the same executable (`guard`), which freezes and which thaws whatever happens to
//! the agent: on its word, when the agent is gone, and when a time limit is over. Should the guard
//! die, the agent thaws. `targets` finds what has to be frozen, `freezer` is the agent's side. `nodes`
//! are the devices below, whose own caches no freeze writes out. Around all of that hooks are called
//! ([`crate::hooks`]); when the agent is gone, the guard does what is left of that, too.

mod freezer;
mod guard;
mod nodes;
mod targets;

pub use freezer::{GuardCommand, GuardedFreezer};
pub use guard::freeze_guard_main;
pub(crate) use targets::mounted_upon;

/// Longest time that anything stays frozen, in seconds. The final round sends what changed during
/// one sync round and reads the disks; a round that takes longer than this is given up and void.
pub const MAX_FROZEN_SECONDS: u64 = 60;

/// What agent and guard say to each other, one word a line.
mod words {
    /// Agent: freeze.
    pub(super) const FREEZE: &str = "freeze";
    /// Agent: thaw.
    pub(super) const THAW: &str = "thaw";
    /// Agent: I need you no more, and see to everything else myself.
    pub(super) const BYE: &str = "bye";
    /// Guard: I have opened everything and can freeze.
    pub(super) const READY: &str = "ready";
    /// Guard: everything is frozen.
    pub(super) const FROZEN: &str = "frozen";
    /// Guard: everything was frozen until you said `thaw`, and is thawed now.
    pub(super) const THAWED: &str = "thawed";
    /// Guard: the time limit was over, everything is thawed.
    pub(super) const EXPIRED: &str = "expired";
    /// Guard: could not freeze, everything is thawed; the rest of the line says why.
    pub(super) const FAILED: &str = "failed";
}
