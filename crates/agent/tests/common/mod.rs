//! What the test programs of the freeze have in common: a `main` that is also the guard, and file systems
//! on loop devices.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test program")]
#![allow(
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "every test program uses its part of this"
)]

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use rehost_agent::freeze_guard_main;
use rustix::io::Errno;

/// A test and its name.
pub type Test = (&'static str, fn());

/// Is the guard.
pub fn guard(arguments: &[OsString]) -> ExitCode {
    match freeze_guard_main(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// As much of the usual test program as `cargo test` and `cargo nextest` need.
pub fn run_tests(tests: &[Test], arguments: &[OsString]) -> ExitCode {
    let has = |option: &str| arguments.iter().any(|argument| argument == option);
    if has("--list") {
        for (name, _) in tests.iter().filter(|_| !has("--ignored")) {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    assert!(
        rustix::process::geteuid().is_root(),
        "privileged tests must be run as root"
    );
    let filters: Vec<_> = arguments
        .iter()
        .filter_map(|argument| argument.to_str())
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    for (name, test) in tests {
        if filters.is_empty() || filters.iter().any(|filter| name.contains(filter)) {
            test();
            println!("{name}: ok");
        }
    }
    ExitCode::SUCCESS
}

/// A loop device with ext4 on it or on its only partition, mounted; all undone when dropped.
#[derive(Debug)]
pub struct Mounted {
    /// The loop device.
    pub disk: PathBuf,
    /// Where its file system is mounted.
    pub mount_point: PathBuf,
    partition: bool,
    /// Holds the image and the mount point.
    pub directory: tempfile::TempDir,
}

impl Mounted {
    pub fn new(partition: bool) -> Self {
        Self::of_size(partition, 64 << 20)
    }

    pub fn of_size(partition: bool, size_bytes: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("image");
        File::create(&image).unwrap().set_len(size_bytes).unwrap();
        if partition {
            let mut sector = [0; 512];
            sector[450] = 0x83;
            sector[454..458].copy_from_slice(&2048_u32.to_le_bytes());
            sector[458..462].copy_from_slice(&100_000_u32.to_le_bytes());
            sector[510..].copy_from_slice(&[0x55, 0xAA]);
            let file = File::options().write(true).open(&image).unwrap();
            file.write_all_at(&sector, 0).unwrap();
        }
        let disk = PathBuf::from(run("losetup", &["--find", "--show"], &image).trim());
        let device = if partition {
            run("partx", &["--add"], &disk);
            PathBuf::from(format!("{}p1", disk.display()))
        } else {
            disk.clone()
        };
        run("mkfs.ext4", &["-q"], &device);
        let mount_point = directory.path().join("mount");
        std::fs::create_dir(&mount_point).unwrap();
        run("mount", &[device.to_str().unwrap()], &mount_point);
        Self {
            disk,
            mount_point,
            partition,
            directory,
        }
    }

    pub fn is_frozen(&self) -> bool {
        let root = File::open(&self.mount_point).unwrap();
        match rehost_linux::freeze(&root) {
            Ok(()) => {
                rehost_linux::thaw(&root).unwrap();
                false
            }
            Err(error) => {
                assert_eq!(error.errno(), Errno::BUSY);
                true
            }
        }
    }

    /// Writes a file, which sleeps as long as the file system is frozen. A writer that would sleep
    /// forever could not even be killed, so this thaws in the end, and fails.
    pub fn write_when_thawed(&self) {
        let path = self.mount_point.join("file");
        let (sender, written) = channel();
        let writer = thread::spawn(move || {
            std::fs::write(path, "written").unwrap();
            sender.send(()).unwrap();
        });
        let in_time = written.recv_timeout(Duration::from_secs(60));
        if in_time.is_err() {
            let _ = rehost_linux::thaw(File::open(&self.mount_point).unwrap());
        }
        writer.join().unwrap();
        in_time.unwrap();
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A failed test must not leave a frozen file system behind.
        let _ = File::open(&self.mount_point).map(rehost_linux::thaw);
        run("umount", &[], &self.mount_point);
        if self.partition {
            run("partx", &["--delete"], &self.disk);
        }
        run("losetup", &["--detach"], &self.disk);
    }
}

pub fn run(program: &str, arguments: &[&str], path: &Path) -> String {
    let output = Command::new(program)
        .args(arguments)
        .arg(path)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?} {path:?}: {complaint}"
    );
    String::from_utf8(output.stdout).unwrap()
}
