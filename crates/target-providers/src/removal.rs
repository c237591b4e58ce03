//! Removes what the ledger knows of: machines are ended, files and folders deleted.

use std::io;
use std::path::{Path, PathBuf};

use crate::{Ledger, ProviderError, Thing};

/// Refuses ids that would lead to other folders.
pub(crate) fn check_id(id: &str) -> Result<(), ProviderError> {
    let harmless = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if id.is_empty() || !id.chars().all(harmless) {
        return Err(ProviderError::TaskId(id.to_owned()));
    }
    Ok(())
}

/// Removes those things of a task that `which` says, and returns where something was. What cannot
/// be removed stays in the ledger for the next try.
pub(crate) fn remove_things(
    ledger: &Ledger,
    task_id: &str,
    which: impl Fn(&Thing) -> bool,
) -> Result<Vec<PathBuf>, ProviderError> {
    let mut removed = Vec::new();
    // They come in the order in which they can be removed, but inner folders before outer ones.
    let things: Vec<Thing> = ledger.things(task_id).into_iter().filter(which).collect();
    let (mut folders, others): (Vec<Thing>, Vec<Thing>) = things
        .into_iter()
        .partition(|thing| matches!(thing, Thing::Folder(_) | Thing::WorkFolder(_)));
    folders.sort_by(|one, other| other.path().cmp(one.path()));
    for thing in others.into_iter().chain(folders) {
        let path = thing.path().to_owned();
        if remove(&thing)? {
            removed.push(path);
        }
        ledger.removed(task_id, thing)?;
    }
    Ok(removed)
}

/// Removes one thing. Returns whether it was there.
pub(crate) fn remove(thing: &Thing) -> Result<bool, ProviderError> {
    match thing {
        Thing::Process { process, .. } => Ok(process.end()?),
        Thing::Socket(path) | Thing::Overlay(path) | Thing::Image(path) => remove_if_there(path),
        Thing::WorkFolder(path) => remove_with_contents(path),
        Thing::Folder(path) => remove_empty_folder(path),
    }
}

pub(crate) fn file_error(act: &'static str, path: &Path, source: io::Error) -> ProviderError {
    ProviderError::File {
        act,
        path: path.into(),
        source,
    }
}

pub(crate) fn remove_if_there(path: &Path) -> Result<bool, ProviderError> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(file_error("remove", path, error)),
    }
}

/// Links in it are removed, not followed.
fn remove_with_contents(path: &Path) -> Result<bool, ProviderError> {
    match std::fs::remove_dir_all(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(file_error("remove", path, error)),
    }
}

/// A folder into which somebody else put something is left to them.
fn remove_empty_folder(path: &Path) -> Result<bool, ProviderError> {
    match std::fs::remove_dir(path) {
        Ok(()) => Ok(true),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(file_error("remove", path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_go_from_within_and_what_others_put_there_stays() {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(&directory.path().join("ledger.jsonl")).unwrap();
        let base = directory.path().join("images");
        let (task, boots) = (base.join("t"), base.join("t/boots"));
        let work = boots.join("b");
        let outside = directory.path().join("outside");
        std::fs::create_dir_all(work.join("deep")).unwrap();
        std::fs::write(&outside, "precious").unwrap();
        std::os::unix::fs::symlink(directory.path(), work.join("deep/link")).unwrap();
        std::fs::write(boots.join("note"), "of somebody").unwrap();
        let made = [
            Thing::Folder(task.clone()),
            Thing::Folder(boots.clone()),
            Thing::WorkFolder(work.clone()),
            Thing::Overlay(work.join("overlay-0.qcow2")),
        ];
        for thing in made {
            ledger.will_make("t", thing).unwrap();
        }
        let removed = remove_things(&ledger, "t", |_| true).unwrap();
        assert_eq!(removed, [work]);
        assert!(outside.exists() && boots.join("note").exists());
        assert!(ledger.things("t").is_empty());
    }

    #[test]
    fn only_harmless_ids_name_folders() {
        check_id("0198c7d2-0000-7000-8000-00000000000a").unwrap();
        for id in ["", "..", "a/b", "a.b", "ä"] {
            assert!(
                matches!(check_id(id), Err(ProviderError::TaskId(_))),
                "{id}"
            );
        }
    }
}
