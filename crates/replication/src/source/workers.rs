//! Sharing a round among the streams of a session, and putting together what came of it.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rehost_volumes::HashTree;

use super::SourceError;
use super::progress::REPORT_INTERVAL;
use super::round::{Hashed, Round};
use super::stream::SourceStream;
use super::used::View;
use crate::transport::FrameWriter;

/// How long workers may take to come to an end after a stop was asked for or the round was halted.
/// What is in flight then is sent again one day; that is better than to wait for a receiver that does
/// not answer.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Has one worker per stream work on a round, and waits for all of them. Calls `meanwhile` now and
/// then, and at the end.
pub(super) fn share(
    round: &Round<'_>,
    streams: &mut [SourceStream],
    meanwhile: &mut dyn FnMut(&Round<'_>),
) -> Result<Vec<Hashed>, SourceError> {
    let (done, wait) = channel::<()>();
    let writers: Vec<_> = streams.iter().map(SourceStream::writer).collect();
    let mut stopping = None;
    thread::scope(|scope| {
        let workers: Vec<_> = streams
            .iter_mut()
            .map(|stream| {
                let done = done.clone();
                scope.spawn(move || {
                    let result = round.work(stream);
                    if result.is_err() {
                        round.halt();
                    }
                    drop(done);
                    result
                })
            })
            .collect();
        drop(done);
        // The channel carries nothing: it closes when the last worker is through.
        while wait.recv_timeout(REPORT_INTERVAL) == Err(RecvTimeoutError::Timeout) {
            meanwhile(round);
            if (round.is_halted() || round.control.should_stop())
                && stopping.get_or_insert_with(Instant::now).elapsed() >= STOP_PATIENCE
            {
                writers.iter().for_each(FrameWriter::close);
            }
        }
        meanwhile(round);
        gather(
            workers
                .into_iter()
                .map(|worker| worker.join().map_err(|_| SourceError::Worker)),
        )
    })
}

/// All results, or the error that says most: what the receiver refused explains why other streams
/// broke.
fn gather(
    results: impl Iterator<Item = Result<Result<Vec<Hashed>, SourceError>, SourceError>>,
) -> Result<Vec<Hashed>, SourceError> {
    let mut all = Vec::new();
    let mut worst: Option<SourceError> = None;
    for result in results {
        match result.and_then(|result| result) {
            Ok(seen) => all.extend(seen),
            Err(error) => match &worst {
                Some(known) if error.is_link() || !known.is_link() => {}
                _ => worst = Some(error),
            },
        }
    }
    worst.map_or(Ok(all), Err)
}

/// Puts the stretches that the workers saw together to one tree per volume.
pub(super) fn trees(views: &[View], mut seen: Vec<Hashed>) -> Result<Vec<HashTree>, SourceError> {
    seen.sort_unstable_by_key(|part| (part.position, part.first));
    let mut seen = seen.into_iter().peekable();
    let trees = views.iter().enumerate().map(|(position, view)| {
        let mut leaves = Vec::new();
        while let Some(part) = seen.next_if(|part| part.position == position) {
            leaves.extend(part.hashes);
        }
        HashTree::new(view.size_bytes(), leaves)
            .ok_or(SourceError::Protocol("hashes of some chunks are missing"))
    });
    trees.collect()
}
