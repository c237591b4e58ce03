//! Waits for conditions with a deadline, so that a test is as fast as the program and fails with a
//! sentence instead of hanging.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// For what should happen at once, on a machine that is busy with something else.
pub const SHORT: Duration = Duration::from_secs(30);
/// For what copies data.
pub const LONG: Duration = Duration::from_secs(300);

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks until there is something to see, and gives it.
///
/// # Errors
/// If there is nothing at the deadline, or if looking fails.
pub fn until<T>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > end {
            bail!("not within {} s: {what}", deadline.as_secs());
        }
        std::thread::sleep(PAUSE);
    }
}
