//! What programs on the source have to do around the freeze: hooks.
//!
//! ```text
//!   pre-freeze: 10-a, 20-b --> freeze, final round, thaw --> post-thaw: 20-b, 10-a
//!        |                                                        ^
//!        +-- one fails: nothing is frozen, the cut-over ends -----+
//! ```
//!
//! A hook is an executable in a directory ([`directory`] finds them, and trusts only what nobody but
//! root can change). [`call`] runs one, within a time limit and with its output in the log. A hook may
//! hold something, a lock on all tables for one, so that its second call must come whatever happens:
//! [`debts`] notes it durably before the first call. Who pays: the agent after the thaw; the guard
//! of the freeze if the agent is gone; the agent at its next start if that is gone as well.
//! [`recipes`] are hooks for well-known databases, ready to be installed.

mod call;
mod debts;
mod directory;
pub mod recipes;
mod round;

pub use directory::{Hook, HookDirectoryError, hooks_in};
pub use round::{HookError, Hooks};

/// Where hooks are looked for if nothing else is said.
pub const DEFAULT_DIRECTORY: &str = "/etc/rehost/hooks.d";
