//! Ctrl-C and SIGTERM as something that waiting code notices between two looks, so that it can say
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
        let (mut interrupt, mut terminate) = {
            let _inside = runtime.enter();
            (
                signal(SignalKind::interrupt()).context("listen for Ctrl-C")?,
                signal(SignalKind::terminate()).context("listen for SIGTERM")?,
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
