//! Finds the programs and firmware that machines need, wherever distributions put them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::MachineError;

/// Where QEMU is when it is not in `PATH`.
const OTHER_EMULATORS: &[&str] = &["/usr/libexec/qemu-kvm"];

/// Firmware without Secure Boot, and its empty variables: Debian and Ubuntu, Fedora and Red Hat,
/// Arch, openSUSE.
const UEFI: &[(&str, &str)] = &[
    (
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_VARS_4M.fd",
    ),
    (
        "/usr/share/edk2/ovmf/OVMF_CODE.fd",
        "/usr/share/edk2/ovmf/OVMF_VARS.fd",
    ),
    (
        "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "/usr/share/edk2/x64/OVMF_VARS.4m.fd",
    ),
    (
        "/usr/share/qemu/ovmf-x86_64-4m-code.bin",
        "/usr/share/qemu/ovmf-x86_64-4m-vars.bin",
    ),
];

/// The emulator of PCs.
pub(crate) fn emulator() -> Result<PathBuf, MachineError> {
    in_path("qemu-system-x86_64")
        .or_else(|| first_program(OTHER_EMULATORS.iter().map(PathBuf::from)))
        .ok_or(MachineError::NotInstalled {
            program: "qemu-system-x86_64",
            packages: "qemu-system-x86 (Debian, Ubuntu) or qemu-kvm (Red Hat)",
        })
}

/// What makes overlays.
pub(crate) fn image_tool() -> Result<PathBuf, MachineError> {
    in_path("qemu-img").ok_or(MachineError::NotInstalled {
        program: "qemu-img",
        packages: "qemu-utils (Debian, Ubuntu) or qemu-img (Red Hat)",
    })
}

/// UEFI firmware and its empty variables.
pub(crate) fn uefi() -> Result<(&'static Path, &'static Path), MachineError> {
    UEFI.iter()
        .map(|(code, variables)| (Path::new(code), Path::new(variables)))
        .find(|(code, variables)| code.is_file() && variables.is_file())
        .ok_or(MachineError::NoUefi)
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    first_program(std::env::split_paths(&path).map(|folder| folder.join(name)))
}

fn first_program(mut candidates: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    candidates.find(|path| {
        path.metadata()
            .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_executed_is_a_program() {
        let directory = tempfile::tempdir().unwrap();
        let (text, program) = (
            directory.path().join("text"),
            directory.path().join("program"),
        );
        for path in [&text, &program] {
            std::fs::write(path, "").unwrap();
        }
        std::fs::set_permissions(&text, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        let candidates = [directory.path().into(), text.clone(), program.clone()];
        assert_eq!(first_program(candidates.into_iter()), Some(program));
        assert_eq!(first_program([text].into_iter()), None);
    }
}
