//! A point round: between two sync rounds the source is frozen and brought over as in the final round,
//! and the target holds its volumes as they are then. The source works again before that is asked for:
//! until the next round begins nobody writes to the target.
//!
//! A point that cannot be had is told and given up. It never harms the replication: what breaks the
//! session breaks it as it would in a sync round, and everything else is as before.

use super::freeze::Freezer;
use super::run::Replication;
use super::stream::SourceStream;
use super::{Event, Phase, SourceError, error_chain};
use crate::wire::{Advice, is_point_name};

/// Why there is no point.
struct NoPoint {
    /// For people.
    reason: String,
    /// Set if the session cannot go on.
    session: Option<SourceError>,
}

impl NoPoint {
    fn because(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            session: None,
        }
    }
}

impl From<SourceError> for NoPoint {
    fn from(error: SourceError) -> Self {
        let reason = error_chain(&error);
        let session = match error {
            // The source could not be held, or not brought to rest; the streams are as they were.
            SourceError::Freeze(_) | SourceError::Restless { .. } => None,
            error => Some(error),
        };
        Self { reason, session }
    }
}

impl Replication<'_> {
    /// Has the target hold the points that are asked for, one after the other.
    ///
    /// # Errors
    /// What ends the session; never because a point cannot be had.
    pub(super) fn points(
        &mut self,
        streams: &mut [SourceStream],
        freezer: &mut dyn Freezer,
    ) -> Result<(), SourceError> {
        while !self.control.should_stop()
            && let Some(point) = self.control.take_point()
        {
            match self.point_round(streams, freezer, &point) {
                Ok(held_seconds) => self.observer.event(&Event::PointKept {
                    point,
                    held_seconds,
                }),
                Err(NoPoint { reason, session }) => {
                    self.observer.event(&Event::PointFailed { point, reason });
                    session.map_or(Ok(()), Err)?;
                }
            }
        }
        Ok(())
    }

    /// Tells of all points that are asked for that they will not be held.
    pub(super) fn refuse_points(&self, reason: &str) {
        while let Some(point) = self.control.take_point() {
            let reason = reason.to_owned();
            self.observer.event(&Event::PointFailed { point, reason });
        }
    }

    /// Returns for how long the source was held still, in seconds.
    fn point_round(
        &mut self,
        streams: &mut [SourceStream],
        freezer: &mut dyn Freezer,
        point: &str,
    ) -> Result<f64, NoPoint> {
        if !is_point_name(point) {
            return Err(NoPoint::because(
                "a point is named by 1 to 64 letters, digits, dashes, underscores and dots",
            ));
        }
        let frozen = self.frozen_round(streams, freezer, Phase::PointRound, |_, _| Ok(()))?;
        let seen = frozen.seen.map_err(NoPoint::from);
        if let Err(error) = frozen.held {
            // It says why, and a session that broke is broken all the same.
            return Err(NoPoint {
                reason: error_chain(&error),
                session: seen.err().and_then(|failed| failed.session),
            });
        }
        if seen?.is_none() {
            let reason = if self.control.should_stop() {
                "the replication was asked to stop meanwhile"
            } else {
                "the source was not held until everything was through"
            };
            return Err(NoPoint::because(reason));
        }
        let Some(stream) = streams.first_mut() else {
            return Err(SourceError::Protocol("a session without streams").into());
        };
        match stream.keep_point(point) {
            Ok(Ok(())) => Ok(frozen.downtime.as_secs_f64()),
            Ok(Err(reason)) => Err(NoPoint::because(reason)),
            Err(error) => Err(without_points(error).into()),
        }
    }
}

/// A receiver of an earlier release calls the question an unknown kind of frame and ends the stream;
/// another session does everything else with it.
fn without_points(error: SourceError) -> SourceError {
    match error {
        SourceError::Refused { code, message, .. } if code == "bad_frame" => SourceError::Refused {
            message: format!(
                "{message}; the receiver cannot hold a point: install the source's release there"
            ),
            code,
            advice: Advice::Retry,
        },
        error => error,
    }
}
