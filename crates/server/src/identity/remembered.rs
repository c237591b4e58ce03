//! Answers that were given a moment ago, by what was asked.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// More than so many are not remembered at once.
const MAX_ENTRIES: usize = 10_000;

/// Answers that are believed for a while. What does not exist is not remembered: it may come into being
/// any moment.
#[derive(Debug)]
pub(super) struct Remembered<T> {
    life: Duration,
    inner: Mutex<Inner<T>>,
}

#[derive(Debug)]
struct Inner<T> {
    answers: HashMap<String, (Instant, T)>,
    /// How often everything was forgotten.
    forgotten: u64,
}

/// A question that was begun. An answer is remembered only if nothing was forgotten since, and is as old
/// as its question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    forgotten: u64,
    since: Instant,
}

impl<T: Clone> Remembered<T> {
    /// Remembers each answer for `life`.
    pub(super) fn new(life: Duration) -> Self {
        Self {
            life,
            inner: Mutex::new(Inner {
                answers: HashMap::new(),
                forgotten: 0,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer, if it is remembered; else the question begins now.
    pub(super) fn recall(&self, key: &str) -> Result<T, Asked> {
        let inner = self.lock();
        match inner.answers.get(key) {
            Some((since, answer)) if since.elapsed() < self.life => Ok(answer.clone()),
            _ => Err(Asked {
                forgotten: inner.forgotten,
                since: Instant::now(),
            }),
        }
    }

    /// Remembers the answer to a question.
    pub(super) fn remember(&self, asked: Asked, key: &str, answer: &T) {
        let mut inner = self.lock();
        if inner.forgotten != asked.forgotten {
            return;
        }
        if inner.answers.len() >= MAX_ENTRIES {
            inner.answers.clear();
        }
        inner
            .answers
            .insert(key.to_owned(), (asked.since, answer.clone()));
    }

    /// Forgets everything, and what is being asked right now as well.
    pub(super) fn forget(&self) {
        let mut inner = self.lock();
        inner.answers.clear();
        inner.forgotten += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_from_before_a_change_is_not_remembered_after_it() {
        let remembered = Remembered::new(Duration::from_secs(60));
        let asked = remembered.recall("key").unwrap_err();
        remembered.forget();
        remembered.remember(asked, "key", &"stale");
        let asked = remembered.recall("key").unwrap_err();
        remembered.remember(asked, "key", &"fresh");
        assert_eq!(remembered.recall("key").unwrap(), "fresh");
    }

    #[test]
    fn an_answer_is_believed_for_a_while() {
        let remembered = Remembered::new(Duration::ZERO);
        let asked = remembered.recall("key").unwrap_err();
        remembered.remember(asked, "key", &1);
        assert!(remembered.recall("key").is_err());
    }
}
