//! The helper system of this receiver, as it lies in a folder.

use std::path::Path;

use anyhow::{Context as _, ensure};
use rehost_helper_system::image::{FORMAT_VERSION, INITRAMFS, KERNEL, MANIFEST, Manifest};
use rehost_machines::KernelSpec;
use rehost_target_providers::HelperSystem;

/// Making initial ramdisks takes memory: what they consist of is in it.
const MEMORY_MIB: u32 = 1024;
/// Processors of its machine.
const CPUS: u32 = 2;

/// Reads what there is in `folder`.
///
/// # Errors
/// If it is not a helper system of this version.
pub(crate) fn open(folder: &Path) -> anyhow::Result<HelperSystem> {
    let path = folder.join(MANIFEST);
    let text = std::fs::read(&path).with_context(|| {
        format!(
            "read {}: make the helper system with `cargo xtask image --output {}`",
            path.display(),
            folder.display()
        )
    })?;
    let manifest: Manifest =
        serde_json::from_slice(&text).with_context(|| format!("understand {}", path.display()))?;
    ensure!(
        manifest.version == FORMAT_VERSION,
        "the helper system in {} is of version {}, and this receiver needs {FORMAT_VERSION}: make it anew",
        folder.display(),
        manifest.version
    );
    for name in [KERNEL, INITRAMFS] {
        ensure!(
            folder.join(name).is_file(),
            "{} lacks {name}: make the helper system anew",
            folder.display()
        );
    }
    Ok(HelperSystem {
        kernel: KernelSpec {
            kernel: folder.join(KERNEL),
            initramfs: Some(folder.join(INITRAMFS)),
            command_line: manifest.kernel_arguments,
        },
        cpus: CPUS,
        memory_mib: MEMORY_MIB,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_helper_system_is_said_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let error = open(folder.path()).unwrap_err();
        assert!(error.to_string().contains("cargo xtask image"), "{error}");
        let manifest = Manifest {
            version: FORMAT_VERSION,
            kernel_release: "6.1".into(),
            kernel_arguments: "quiet".into(),
            packages: vec![],
            files: vec![],
            contents: vec![],
            absent_modules: vec![],
        };
        let text = serde_json::to_vec(&manifest).unwrap();
        std::fs::write(folder.path().join(MANIFEST), text).unwrap();
        let error = open(folder.path()).unwrap_err();
        assert!(error.to_string().contains("lacks vmlinuz"), "{error}");
        for name in [KERNEL, INITRAMFS] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(open(folder.path()).unwrap().kernel.command_line, "quiet");
    }
}
