//! Keys and users that failed too often: refused for a while, whatever they send.
//!
//! Kept in memory: a restart forgives, which costs an attacker a restart of ours.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Consecutive failures that lock (FAQ pages of the API gateway).
const MAX_FAILURES: u32 = 5;
/// How long a lock lasts.
const LOCK_MS: i64 = 5 * 60 * 1000;

#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    locked_until: i64,
}

/// Counts failures by name. Only names that exist may be counted, so that the table stays small.
#[derive(Debug, Default)]
pub(crate) struct Lockout {
    names: Mutex<HashMap<String, Failures>>,
}

impl Lockout {
    /// Whether `name` is locked at `now` (milliseconds since 1970).
    pub(crate) fn is_locked(&self, name: &str, now: i64) -> bool {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names
            .get(name)
            .is_some_and(|failures| now < failures.locked_until)
    }

    /// Counts a failure; the fifth in a row locks.
    pub(crate) fn failed(&self, name: &str, now: i64) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = names.entry(name.to_owned()).or_insert(Failures {
            count: 0,
            locked_until: 0,
        });
        failures.count += 1;
        if failures.count >= MAX_FAILURES {
            *failures = Failures {
                count: 0,
                locked_until: now.saturating_add(LOCK_MS),
            };
            tracing::warn!(name, "locked after too many failures");
        }
    }

    /// Forgets the failures of `name`.
    pub(crate) fn succeeded(&self, name: &str) {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_failures_in_a_row_lock_for_five_minutes() {
        let lockout = Lockout::default();
        for _ in 0..4 {
            lockout.failed("AK", 0);
        }
        assert!(!lockout.is_locked("AK", 0));
        lockout.failed("AK", 1000);
        assert!(lockout.is_locked("AK", 1000));
        assert!(lockout.is_locked("AK", 1000 + LOCK_MS - 1));
        assert!(!lockout.is_locked("AK", 1000 + LOCK_MS));
        assert!(!lockout.is_locked("other", 1000));
    }

    #[test]
    fn a_success_in_between_forgives() {
        let lockout = Lockout::default();
        for _ in 0..20 {
            lockout.failed("AK", 0);
            lockout.succeeded("AK");
        }
        assert!(!lockout.is_locked("AK", 0));
    }
}
