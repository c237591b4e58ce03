//! Runs a role that works in threads until somebody asks for the end.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};

use crate::operator::Interrupt;

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a role may take to end when asked. It may be in the middle of a long poll; leaving it
/// there costs nothing, for a role may die at any moment.
const END_DEADLINE: Duration = Duration::from_secs(5);

/// Runs `role` until it ends by itself, or until Ctrl-C or SIGTERM.
///
/// # Errors
/// What `role` says.
pub(super) fn run_until_interrupted(
    role: impl FnOnce(&AtomicBool) -> Result<()> + Send + 'static,
) -> Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let running = std::thread::Builder::new()
        .name("role".into())
        .spawn(move || role(&told))
        .context("start the role")?;
    while !running.is_finished() && !interrupt.during(PAUSE) {}
    stop.store(true, Ordering::SeqCst);
    let end = Instant::now() + END_DEADLINE;
    while !running.is_finished() {
        if Instant::now() > end {
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(PAUSE);
    }
    running
        .join()
        .map_err(|_| anyhow!("the role broke off: see the log"))??;
    Ok(ExitCode::SUCCESS)
}
