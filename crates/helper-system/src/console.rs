//! Lines on this machine's console, where they are seen when the host does not listen.

use std::io::Write as _;

/// Writes a line. There is nobody left to tell when that fails.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "rehost helper: {text}");
}
