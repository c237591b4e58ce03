//! Marks in the copied system that say what a program has already done.
//!
//! Whether a text is right can be seen; whether an initramfs was built for the new hardware
//! cannot. A mark holds what the program was run for and what it left behind: it holds as long as
//! both are still so, and an interrupted run leaves none.

use crate::changes::{READABLE, Work};
use crate::contract::FixupName;
use crate::error::FixupError;

const DIRECTORY: &str = "/var/lib/rehost/boot-fixups";

fn path(name: FixupName) -> String {
    format!("{DIRECTORY}/{}", name.word())
}

/// Whether the mark of a fix-up says just this.
pub(crate) fn says(work: &Work<'_>, name: FixupName, text: &str) -> Result<bool, FixupError> {
    Ok(work.read(&path(name))?.as_deref() == Some(text))
}

/// Leaves a mark.
pub(crate) fn leave(work: &mut Work<'_>, name: FixupName, text: &str) -> Result<(), FixupError> {
    work.write(&path(name), text, READABLE)
}

/// One line about a file for a mark: its size and time.
pub(crate) fn state_of(work: &Work<'_>, path: &str) -> String {
    match work.root.file_state(path) {
        Some(state) => format!("{path} {} {}\n", state.size_bytes, state.modified_seconds),
        None => format!("{path} is not there\n"),
    }
}
