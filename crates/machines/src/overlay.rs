//! Overlays: images that hold only what was written on top of something else, which is only read.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::{DiskFormat, MachineError, programs};

/// What an overlay lies on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backing {
    /// An image file or a block device that nobody writes to as long as the overlay is used.
    File {
        /// Where it is.
        path: PathBuf,
        /// What is in it.
        format: DiskFormat,
    },
    /// An export of a network block device server.
    Nbd {
        /// On a Unix socket of this host: `nbd+unix:///NAME?socket=PATH`.
        url: String,
    },
}

/// Makes an overlay of a given size. What it lies on is not opened for that.
///
/// # Errors
/// [`MachineError::NotInstalled`], [`MachineError::Overlay`]
pub fn create_overlay(path: &Path, size_bytes: u64, backing: &Backing) -> Result<(), MachineError> {
    let failed = |last_words: String| MachineError::Overlay {
        path: path.into(),
        last_words,
    };
    let (format, backing) = match backing {
        Backing::File { path, format } => {
            // Overlays find what they lie on from where they are themselves.
            let path = std::path::absolute(path).map_err(|error| failed(error.to_string()))?;
            (format.name(), path.into_os_string())
        }
        Backing::Nbd { url } if url.starts_with("nbd+unix://") => ("raw", OsString::from(url)),
        Backing::Nbd { url } => return Err(failed(format!("{url} is not on a Unix socket"))),
    };
    let output = Command::new(programs::image_tool()?)
        .args(["create", "-q", "-u", "-f", "qcow2", "-F", format, "-b"])
        .arg(backing)
        .arg(path)
        .arg(size_bytes.to_string())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(());
    }
    Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rehost_testkit::run_tool;

    #[test]
    fn an_overlay_reads_as_what_it_lies_on_and_leaves_it_alone() {
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path().join("base, with a comma.raw");
        let overlay = directory.path().join("overlay.qcow2");
        std::fs::write(&base, vec![7; 3 << 20]).unwrap();
        let backing = Backing::File {
            path: base.clone(),
            format: DiskFormat::Raw,
        };
        create_overlay(&overlay, 3 << 20, &backing).unwrap();
        let judge = |commands: [&str; 2]| {
            let commands = commands.into_iter().flat_map(|command| ["-c", command]);
            let said = run_tool("qemu-io", commands.chain([overlay.to_str().unwrap()])).unwrap();
            assert!(!said.contains("failed"), "{said}");
        };
        judge(["write -P 9 1M 64k", "read -P 7 0 1M"]);
        judge(["read -P 9 1M 64k", "read -P 7 2M 1M"]);
        assert!(std::fs::read(&base).unwrap().iter().all(|&byte| byte == 7));
    }

    #[test]
    fn what_cannot_be_made_is_told_with_the_words_of_the_tool() {
        let nowhere = Path::new("/nowhere/overlay.qcow2");
        let nbd = |url: &str| Backing::Nbd { url: url.into() };
        let refused = create_overlay(nowhere, 1 << 20, &nbd("nbd+unix:///x?socket=/s"));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("No such file or directory"), "{refused}");
        let refused = create_overlay(nowhere, 1 << 20, &nbd("nbd://example.org/x"));
        assert!(refused.unwrap_err().to_string().contains("Unix socket"));
    }
}
