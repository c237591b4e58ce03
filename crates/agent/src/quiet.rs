//! The time in which this process must not write files or logs.
//!
//! While the source's file systems are frozen, whoever writes to one of them sleeps in the kernel
//! and cannot be woken. The state directory and the log may lie on a frozen one. A thread that
//! slept there with a lock of the log in its hands would take all others with it. So every thread
//! that writes takes a permit, and the freeze waits until all permits are back.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
struct State {
    permits: usize,
    quiet: bool,
}

/// Decides when writing is allowed. Clones decide together.
#[derive(Clone, Debug, Default)]
pub(crate) struct QuietTime {
    shared: Arc<(Mutex<State>, Condvar)>,
}

/// While this lives, no quiet time begins.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    quiet_time: &'a QuietTime,
}

impl QuietTime {
    /// Waits until no quiet time is on, and keeps it away until the permit is dropped. To be held
    /// for one write, not across calls over a network.
    pub(crate) fn permit(&self) -> Permit<'_> {
        let mut state = self.state();
        while state.quiet {
            state = self.wait(state);
        }
        state.permits += 1;
        Permit { quiet_time: self }
    }

    /// Begins a quiet time, when all permits are back.
    pub(crate) fn begin(&self) {
        let mut state = self.state();
        state.quiet = true;
        while state.permits > 0 {
            state = self.wait(state);
        }
    }

    /// Ends it.
    pub(crate) fn end(&self) {
        self.state().quiet = false;
        self.shared.1.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.shared
            .1
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.quiet_time.state().permits -= 1;
        self.quiet_time.shared.1.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn nobody_writes_while_it_is_quiet() {
        let quiet_time = QuietTime::default();
        let permit = quiet_time.permit();
        let (sender, order) = mpsc::channel();
        let freezer = {
            let (quiet_time, sender) = (quiet_time.clone(), sender.clone());
            thread::spawn(move || {
                quiet_time.begin();
                sender.send("frozen").unwrap();
            })
        };
        sender.send("written").unwrap();
        drop(permit);
        freezer.join().unwrap();
        let writer = {
            let quiet_time = quiet_time.clone();
            thread::spawn(move || {
                let _permit = quiet_time.permit();
                sender.send("written again").unwrap();
            })
        };
        assert_eq!(order.recv(), Ok("written"));
        assert_eq!(order.recv(), Ok("frozen"));
        assert!(order.try_recv().is_err());
        quiet_time.end();
        writer.join().unwrap();
        assert_eq!(order.recv(), Ok("written again"));
    }
}
