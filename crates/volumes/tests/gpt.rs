//! A partition table on a larger disk than the one it was copied from: `sfdisk` is the judge.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use rehost_volumes::{
    GptAsCopied, GptBackup, Volume, WindowVolume, compare_volumes, move_gpt_backup, open_source,
    open_target,
};

const MIB: u64 = 1 << 20;
const COPIED: u64 = 32 * MIB;

/// A disk with a GPT of two partitions, cut off or extended to `size_bytes` afterwards.
struct Disk {
    path: PathBuf,
    directory: tempfile::TempDir,
}

impl Disk {
    fn new(label: &str, size_bytes: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk");
        File::create(&path).unwrap().set_len(COPIED).unwrap();
        let script = format!("label: {label}\nsize=8MiB\nsize=8MiB\n");
        let mut sfdisk = Command::new("sfdisk")
            .args(["--quiet", "--no-reread", "--no-tell-kernel"])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = sfdisk.stdin.take().unwrap();
        input.write_all(script.as_bytes()).unwrap();
        drop(input);
        assert!(sfdisk.wait().unwrap().success());
        std::fs::copy(&path, directory.path().join("source")).unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(size_bytes).unwrap();
        Self { path, directory }
    }

    fn medium(&self) -> Arc<dyn Volume> {
        open_target(&self.path).unwrap()
    }

    fn source(&self) -> Arc<dyn Volume> {
        open_source(&self.directory.path().join("source")).unwrap()
    }

    fn move_backup(&self) -> GptBackup {
        move_gpt_backup(&*self.medium(), COPIED).unwrap()
    }
}

/// What `sfdisk --verify` says.
fn verified(path: &Path) -> String {
    let output = Command::new("sfdisk")
        .args(["--verify"])
        .arg(path)
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8(said).unwrap()
}

fn partitions(path: &Path) -> String {
    let output = Command::new("sfdisk")
        .args(["--dump"])
        .arg(path)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().filter(|line| line.contains("start="));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_table_is_fitted_to_a_larger_disk() {
    let disk = Disk::new("gpt", 48 * MIB);
    assert!(verified(&disk.path).contains("not on the end of the device"));
    let before = partitions(&disk.path);
    assert_eq!(disk.move_backup(), GptBackup::Moved);
    let said = verified(&disk.path);
    assert!(said.contains("No errors detected"), "{said}");
    assert!(!said.contains("not on the end"), "{said}");
    assert_eq!(partitions(&disk.path), before);
    assert_eq!(disk.move_backup(), GptBackup::AtTheEnd);

    // The backup is one: what is left without the primary is the same table.
    disk.medium().write_at(&[0; 512], 512).unwrap();
    assert_eq!(partitions(&disk.path), before);
}

#[test]
fn what_was_copied_can_be_shown_after_that() {
    let disk = Disk::new("gpt", 48 * MIB);
    let (source, medium) = (disk.source(), disk.medium());
    assert!(GptAsCopied::new(&medium, COPIED).unwrap().is_none());
    assert_eq!(disk.move_backup(), GptBackup::Moved);
    let differences = |shown: &dyn Volume| {
        let found = compare_volumes(&*source, shown, &|_| {}).unwrap();
        found.iter().map(|one| one.chunk).collect::<Vec<_>>()
    };
    let window = WindowVolume::new(medium.clone(), COPIED).unwrap();
    assert_eq!(differences(&window), [0]);
    let shown = GptAsCopied::new(&medium, COPIED).unwrap().unwrap();
    assert!(differences(&shown).is_empty());
    let mut odd = [0; 700];
    let mut expected = [0; 700];
    shown.read_at(&mut odd, 300).unwrap();
    source.read_at(&mut expected, 300).unwrap();
    assert_eq!(odd, expected);
    assert!(shown.read_at(&mut odd, COPIED - 1).is_err());
    // It shows what is different elsewhere.
    medium.write_at(&[7; 512], 5 * MIB).unwrap();
    assert_eq!(differences(&shown), [5]);
}

#[test]
fn what_is_not_to_be_moved_is_left_as_it_is() {
    let untouched = |label: &str, size_bytes, expected| {
        let disk = Disk::new(label, size_bytes);
        let before = std::fs::read(&disk.path).unwrap();
        assert_eq!(disk.move_backup(), expected, "{label} {size_bytes}");
        assert!(std::fs::read(&disk.path).unwrap() == before);
    };
    untouched("gpt", COPIED, GptBackup::AtTheEnd);
    // The new backup would lie upon the old one.
    untouched("gpt", COPIED + 4096, GptBackup::AtTheEnd);
    untouched("dos", 48 * MIB, GptBackup::NoTable);

    let damaged = Disk::new("gpt", 48 * MIB);
    damaged.medium().write_at(&[0xff], 1024 + 40).unwrap();
    assert_eq!(damaged.move_backup(), GptBackup::NoTable);
    let elsewhere = Disk::new("gpt", 48 * MIB);
    let moved = move_gpt_backup(&*elsewhere.medium(), COPIED - 512).unwrap();
    assert_eq!(moved, GptBackup::NoTable);
}
