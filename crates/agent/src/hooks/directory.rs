//! Which hooks there are, and whether they can be trusted: they are run as the agent, which is root.
//!
//! Names are those that run-parts(8) takes (letters, digits, `_`, `-`), so that backup files of editors
//! and packages are no hooks, and a file for settings can lie beside its hook. Files that cannot be
//! executed are no hooks either, which is how one is switched off. A hook that somebody else than root
//! or the agent's own user could change is not skipped but refused: whoever put it there wants it to
//! run.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// How much of a hook is looked at for what it says of itself.
const HEAD_BYTES: u64 = 4096;
/// By this line a hook says that programs are at rest between its two calls.
const QUIESCES: &str = "# rehost-grade: application";
/// More than anybody has.
const MAX_HOOKS: usize = 64;

/// An executable that is called before the freeze and after the thaw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Its file name, by which hooks are ordered.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Whether it says that it brings programs to rest (a line `# rehost-grade: application` within
    /// the first 4 KiB).
    pub quiesces: bool,
}

/// Why hooks cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HookDirectoryError {
    /// The directory or a hook cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// Somebody else could put a program there that would run as root.
    #[error(
        "{} can be changed by others than root: make root its owner, and let nobody else write to it",
        path.display()
    )]
    Insecure {
        /// What: the directory, a hook, or a directory above.
        path: PathBuf,
    },
    /// There are too many.
    #[error("{} holds more than {MAX_HOOKS} hooks", path.display())]
    TooMany {
        /// The directory.
        path: PathBuf,
    },
}

/// The hooks in a directory, in the order in which they are called before the freeze.
///
/// # Errors
/// [`HookDirectoryError`], also if one hook among them cannot be trusted.
pub fn hooks_in(directory: &Path) -> Result<Vec<Hook>, HookDirectoryError> {
    let directory = trusted(directory)?;
    let failed = |cause| HookDirectoryError::Read {
        path: directory.clone(),
        cause,
    };
    let mut hooks = Vec::new();
    for entry in fs::read_dir(&directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(name) = name.filter(|name| is_name(name)) else {
            continue;
        };
        // A link to nothing is no hook.
        let Ok(metadata) = path.metadata() else {
            continue;
        };
        if !metadata.is_file() || metadata.mode() & 0o111 == 0 {
            continue;
        }
        let quiesces = says_that_it_quiesces(&trusted(&path)?)?;
        hooks.push(Hook {
            name: name.to_owned(),
            path,
            quiesces,
        });
        if hooks.len() > MAX_HOOKS {
            return Err(HookDirectoryError::TooMany { path: directory });
        }
    }
    hooks.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(hooks)
}

/// The true path of something that nobody can change but root and the user of this process.
///
/// # Errors
/// [`HookDirectoryError::Insecure`] names what can be changed: the thing, or a directory above it.
pub(super) fn trusted(path: &Path) -> Result<PathBuf, HookDirectoryError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |cause| HookDirectoryError::Read { path, cause }
    };
    let true_path = path.canonicalize().map_err(failed(path))?;
    let own_user = rustix::process::geteuid().as_raw();
    for part in true_path.ancestors() {
        let metadata = part.symlink_metadata().map_err(failed(part))?;
        if !is_closed(&metadata, own_user, part == true_path) {
            return Err(HookDirectoryError::Insecure { path: part.into() });
        }
    }
    Ok(true_path)
}

/// Whether only root and this user can change it. In a directory above, the sticky bit keeps others
/// from replacing what is not theirs.
fn is_closed(metadata: &Metadata, own_user: u32, is_itself: bool) -> bool {
    const WRITABLE_FOR_OTHERS: u32 = 0o022;
    const STICKY: u32 = 0o1000;
    let mode = metadata.mode();
    let is_owned = metadata.uid() == 0 || metadata.uid() == own_user;
    let is_sticky = !is_itself && mode & STICKY != 0;
    is_owned && (mode & WRITABLE_FOR_OTHERS == 0 || is_sticky)
}

fn is_name(name: &str) -> bool {
    let is_usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    !name.is_empty() && name.chars().all(is_usual)
}

fn says_that_it_quiesces(path: &Path) -> Result<bool, HookDirectoryError> {
    let failed = |cause| HookDirectoryError::Read {
        path: path.into(),
        cause,
    };
    let mut head = Vec::new();
    let file = File::open(path).map_err(failed)?;
    file.take(HEAD_BYTES)
        .read_to_end(&mut head)
        .map_err(failed)?;
    let mut lines = head.split(|byte| *byte == b'\n');
    Ok(lines.any(|line| line.trim_ascii() == QUIESCES.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn write(path: &Path, content: &str, mode: u32) {
        fs::write(path, content).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn hooks_are_executables_with_usual_names_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        write(
            &place("20-b"),
            "#!/bin/sh\n# rehost-grade: application\n",
            0o755,
        );
        write(&place("10-a"), "#!/bin/sh\n", 0o700);
        write(&place("30-off"), "#!/bin/sh\n", 0o644);
        write(&place("10-a.conf"), "", 0o755);
        write(&place("10-a~"), "", 0o755);
        fs::create_dir(place("40-directory")).unwrap();
        std::os::unix::fs::symlink("/no/such/hook", place("50-nothing")).unwrap();
        let found = hooks_in(directory.path()).unwrap();
        let told: Vec<_> = found
            .iter()
            .map(|hook| (hook.name.as_str(), hook.quiesces))
            .collect();
        assert_eq!(told, [("10-a", false), ("20-b", true)]);
    }

    #[test]
    fn what_others_can_change_is_refused_and_named() {
        let directory = tempfile::tempdir().unwrap();
        let hooks = directory.path().join("hooks.d");
        fs::create_dir(&hooks).unwrap();
        let hook = hooks.join("10-a");
        write(&hook, "#!/bin/sh\n", 0o775);
        let refused = || match hooks_in(&hooks).unwrap_err() {
            HookDirectoryError::Insecure { path } => path,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(), hook.canonicalize().unwrap());
        write(&hook, "#!/bin/sh\n", 0o755);
        assert_eq!(hooks_in(&hooks).unwrap().len(), 1);
        fs::set_permissions(&hooks, Permissions::from_mode(0o777)).unwrap();
        assert_eq!(refused(), hooks.canonicalize().unwrap());
        // Nor may somebody put another directory in its place.
        fs::set_permissions(&hooks, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o757)).unwrap();
        assert_eq!(refused(), directory.path().canonicalize().unwrap());
    }

    #[test]
    fn a_link_is_trusted_as_far_as_what_it_leads_to() {
        let directory = tempfile::tempdir().unwrap();
        let (hooks, elsewhere) = (directory.path().join("d"), directory.path().join("e"));
        fs::create_dir(&hooks).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        let program = elsewhere.join("program");
        write(&program, "#!/bin/sh\n", 0o755);
        std::os::unix::fs::symlink(&program, hooks.join("10-a")).unwrap();
        assert_eq!(hooks_in(&hooks).unwrap().len(), 1);
        fs::set_permissions(&elsewhere, Permissions::from_mode(0o777)).unwrap();
        assert!(hooks_in(&hooks).is_err());
    }
}
