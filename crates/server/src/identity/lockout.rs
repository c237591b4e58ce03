//! Keys and users that failed too often: refused for a while, whatever they send.
//!
//! The counters stand beside the key or the user in the database, so that all replicas of a control
//! plane count together and a restart forgives nothing.

/// Consecutive failures that lock (FAQ pages of the API gateway).
pub(super) const MAX_FAILURES: i64 = 5;
/// How long a lock lasts.
const LOCK_MS: i64 = 5 * 60 * 1000;

/// Whether something locked until `locked_until` is locked at `now` (milliseconds since 1970).
pub(super) fn is_locked(locked_until: i64, now: i64) -> bool {
    now < locked_until
}

/// Until when a failure at `now` locks, if it is one too many.
pub(super) fn locked_until(now: i64) -> i64 {
    now.saturating_add(LOCK_MS)
}
