//! Calls that get through as long as one replica lives: whoever has no answer asks another replica.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, ensure};
use rehost_sms_api::client::{Client, ClientError};
use rehost_testkit::{LONG, until};

/// What all callers of a run have seen together.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    answered: AtomicU64,
    unanswered: AtomicU64,
    failed: Mutex<Vec<String>>,
    is_over: AtomicBool,
}

impl Tally {
    /// Calls that were answered.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Calls without an answer: their replica was dead or died.
    pub(crate) fn unanswered(&self) -> u64 {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// Answers of 500 and more. Nothing here justifies one.
    pub(crate) fn failed(&self) -> Vec<String> {
        self.failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Nothing more is going to happen, or something went wrong and nothing more shall.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// How often calls that change something were done.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Count {
    /// Answered with success.
    pub(crate) sure: u64,
    /// Not answered: done or not done.
    pub(crate) doubtful: u64,
}

/// Calls that change something, by what the audit log calls them and by their object.
pub(crate) type Counts = BTreeMap<(&'static str, String), Count>;

/// What became of a call in the end.
#[derive(Debug)]
pub(crate) struct Told<T> {
    /// The answer of the last attempt; never that there was none.
    pub(crate) answer: Result<T, ClientError>,
    /// Attempts before it, of which nobody knows whether they had an effect.
    pub(crate) doubtful: u64,
}

/// All replicas as one of their clients sees them.
#[derive(Debug)]
pub(crate) struct Anywhere<'a> {
    clients: Vec<Client>,
    tally: &'a Tally,
}

impl<'a> Anywhere<'a> {
    pub(crate) fn new(clients: Vec<Client>, tally: &'a Tally) -> Self {
        Self { clients, tally }
    }

    /// Asks any replica, and the next one for as long as there is no answer.
    pub(crate) fn ask<T>(
        &self,
        call: impl Fn(&Client) -> Result<T, ClientError>,
    ) -> Result<Told<T>> {
        let mut doubtful = 0;
        let mut clients = self.clients.iter().cycle().skip(random(2));
        until("a replica answers", LONG, || {
            ensure!(!self.tally.is_over(), "the run has failed elsewhere");
            let Some(client) = clients.next() else {
                return Ok(None);
            };
            let answer = call(client);
            match &answer {
                Err(ClientError::Transport { .. }) => {
                    self.tally.unanswered.fetch_add(1, Ordering::Relaxed);
                }
                Err(error) if error.is_temporary() => {
                    let mut failed = self.tally.failed.lock();
                    let failed = failed.as_mut().unwrap_or_else(|error| error.get_mut());
                    failed.push(error.to_string());
                }
                _ => {
                    self.tally.answered.fetch_add(1, Ordering::Relaxed);
                    return Ok(Some(Told { answer, doubtful }));
                }
            }
            doubtful += 1;
            Ok(None)
        })
    }

    /// As [`Anywhere::ask`], for calls that may be repeated and have to succeed.
    pub(crate) fn get<T>(&self, call: impl Fn(&Client) -> Result<T, ClientError>) -> Result<T> {
        Ok(self.ask(call)?.answer?)
    }

    /// As [`Anywhere::get`], for a call that changes something, which is counted.
    pub(crate) fn tell(
        &self,
        counts: &mut Counts,
        trace: &'static str,
        object: &str,
        call: impl Fn(&Client) -> Result<(), ClientError>,
    ) -> Result<()> {
        let told = self.ask(call)?;
        let count = counts.entry((trace, object.to_owned())).or_default();
        count.doubtful += told.doubtful;
        told.answer?;
        count.sure += 1;
        Ok(())
    }
}

/// Another number below `end` every time: moments differ from run to run anyway.
pub(crate) fn random(end: u64) -> usize {
    let number = RandomState::new().build_hasher().finish() % end.max(1);
    usize::try_from(number).unwrap_or_default()
}
