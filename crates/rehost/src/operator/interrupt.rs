//! Ctrl-C, SIGTERM and a closed terminal as something that waiting code notices between two looks, so that it can say
//! what is left running, or put away what it made.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

/// Whether somebody asked this program to end.
#[derive(Debug)]
pub(crate) struct Interrupt {
    asked: Receiver<()>,
    seen: AtomicBool,
}

impl Interrupt {
    /// Starts to listen. From here on the signals no longer end the program by themselves.
    ///
    /// # Errors
    /// If signals cannot be listened to.
    pub(crate) fn listen() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("prepare to listen for signals")?;
        let (mut interrupt, mut terminate, mut hangup) = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::interrupt()).context("listen for Ctrl-C")?,
                signal(SignalKind::terminate()).context("listen for SIGTERM")?,
                (!hangup_is_ignored())
                    .then(|| signal(SignalKind::hangup()))
                    .transpose()
                    .context("listen for SIGHUP")?,
            )
        };
        let (tell, asked) = mpsc::channel();
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                        Some(Some(())) = async { Some(hangup.as_mut()?.recv().await) } => {}
                    }
                });
                // Nobody listens any more when the program is about to end anyway.
                let _ = tell.send(());
            })
            .context("start listening for signals")?;
        Ok(Self {
            asked,
            seen: AtomicBool::new(false),
        })
    }

    /// Waits, and says whether somebody asked for the end meanwhile or before.
    pub(crate) fn during(&self, pause: Duration) -> bool {
        if self.seen.load(Ordering::Relaxed) {
            return true;
        }
        let asked = match self.asked.recv_timeout(pause) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(pause);
                false
            }
        };
        self.seen.fetch_or(asked, Ordering::Relaxed);
        asked
    }
}

/// Whether whoever started this program wants it to outlive the terminal, as `nohup` does.
fn hangup_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores_hangup(&status)
}

/// Reads the first signal's bit of the mask of ignored signals.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_under_nohup_is_told_from_others() {
        assert!(ignores_hangup("Name:\trehost\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hangup(
            "Name:\trehost\nSigIgn:\t0000000000001000\n"
        ));
        assert!(!ignores_hangup(""));
    }
}
