//! Files that nobody has seen before and that do not compress: what changing sources write.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Where random bytes come from.
///
/// # Errors
/// If the system gives none.
pub(super) fn source() -> Result<File> {
    File::open("/dev/urandom").context("open /dev/urandom")
}

/// Makes a file of the given size in bytes.
///
/// # Errors
/// If it cannot be written.
pub(super) fn make_file(path: &Path, size_bytes: u64) -> Result<()> {
    let mut file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    std::io::copy(&mut source()?.take(size_bytes), &mut file)
        .with_context(|| format!("fill {}", path.display()))?;
    Ok(())
}
