//! SHA-256, written as Debian writes it.

use std::path::Path;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

/// The hash of some bytes in lower-case hexadecimal.
pub(super) fn of_bytes(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing into a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// The hash of a file that fits into memory.
///
/// # Errors
/// If it cannot be read.
pub(super) fn of_file(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    Ok(of_bytes(&bytes))
}
