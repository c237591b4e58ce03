//! Points that the target keeps for rehearsals: whoever asks for one waits here for its end.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rehost_replication::source::{Event, Observer};

/// What became of the last point.
#[derive(Debug, Default)]
struct State {
    /// The point, and why the target does not keep it if it does not.
    last: Option<(String, Result<(), String>)>,
    /// The task is not at work any more.
    ended: bool,
}

/// Where the end of a point is told.
#[derive(Debug, Default)]
pub(crate) struct Points {
    state: Mutex<State>,
    changed: Condvar,
}

impl Points {
    /// Waits until the target keeps a point that was asked for.
    ///
    /// # Errors
    /// Why it does not.
    pub(crate) fn wait(&self, point: &str) -> Result<(), String> {
        let mut state = self.lock();
        loop {
            if let Some((_, result)) = state.last.as_ref().filter(|(last, _)| last == point) {
                return result.clone();
            }
            if state.ended {
                return Err("the task came to rest before the source could be held".into());
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nobody waits any longer: the task is not at work any more.
    pub(crate) fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn settle(&self, point: &str, result: Result<(), String>) {
        self.lock().last = Some((point.to_owned(), result));
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears what a replication says of points, and passes everything on.
pub(crate) struct PointsHeard<'a> {
    pub(crate) points: &'a Points,
    pub(crate) observer: &'a dyn Observer,
}

impl std::fmt::Debug for PointsHeard<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PointsHeard").finish_non_exhaustive()
    }
}

impl Observer for PointsHeard<'_> {
    fn event(&self, event: &Event) {
        self.observer.event(event);
        match event {
            Event::PointKept { point, .. } => self.points.settle(point, Ok(())),
            Event::PointFailed { point, reason } => self.points.settle(point, Err(reason.clone())),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_waited_for_until_it_is_kept_or_fails_or_the_task_ends() {
        let points = Points::default();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| points.wait("a"));
            points.settle("b", Ok(()));
            points.settle("a", Err("frozen for too long".into()));
            assert_eq!(waiting.join().unwrap(), Err("frozen for too long".into()));
        });
        points.settle("c", Ok(()));
        assert_eq!(points.wait("c"), Ok(()));
        points.end();
        assert!(points.wait("d").unwrap_err().contains("came to rest"));
    }
}
