//! QEMU's tools read an export, and what lies over it; nobody writes to it.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use proptest::prelude::*;
use rehost_nbd_export::{Export, ExportError};
use rehost_volumes::{HeldVolume, ImageFormat, Volume, create_image};

const MIB: u64 = 1 << 20;

struct Stage {
    directory: tempfile::TempDir,
    volume: Arc<dyn Volume>,
}

impl Stage {
    fn new(size_bytes: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("disk");
        let volume = create_image(&path, ImageFormat::Raw, size_bytes).unwrap();
        let mut bytes = vec![0; 3 << 20];
        blake3::Hasher::new().finalize_xof().fill(&mut bytes);
        volume.write_at(&bytes, MIB + 512).unwrap();
        volume.write_at(&bytes[..100], size_bytes - 100).unwrap();
        Self { directory, volume }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn export(&self) -> Export {
        Export::start(Arc::clone(&self.volume), &self.path("sockets/disk.nbd")).unwrap()
    }
}

fn uri(export: &Export) -> String {
    format!("nbd+unix:///?socket={}", export.socket().display())
}

fn run(program: &str, arguments: &[&str]) -> Output {
    Command::new(program).args(arguments).output().unwrap()
}

fn succeed(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {text} {errors}"
    );
    text
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn qemu_reads_a_disk_of_any_size_and_its_overlays() {
    for size_bytes in [64 * MIB, 40 * MIB + 512, 33 * MIB + 4711] {
        let stage = Stage::new(size_bytes);
        let export = stage.export();
        let uri = uri(&export);
        let info = succeed("qemu-img", &["info", &uri]);
        assert!(info.contains("file format: raw"), "{info}");
        let disk = text(&stage.path("disk"));
        succeed(
            "qemu-img",
            &["compare", "-f", "raw", "-F", "raw", &disk, &uri],
        );
        let copy = stage.path("copy");
        succeed(
            "qemu-img",
            &["convert", "-f", "raw", "-O", "raw", &uri, &text(&copy)],
        );
        let (copy, mut expected) = (std::fs::read(copy).unwrap(), std::fs::read(&disk).unwrap());
        // QEMU counts in sectors.
        expected.resize(expected.len().next_multiple_of(512), 0);
        assert!(copy == expected);

        // An overlay is written to, and what lies below it is not.
        let overlay = text(&stage.path("overlay.qcow2"));
        let make = [
            "create", "-q", "-f", "qcow2", "-F", "raw", "-b", &uri, &overlay,
        ];
        succeed("qemu-img", &make);
        succeed(
            "qemu-img",
            &["compare", "-f", "raw", "-F", "qcow2", &disk, &overlay],
        );
        let write = "write -P 9 1M 10000";
        succeed("qemu-io", &["-f", "qcow2", "-c", write, &overlay]);
        let read = "read -P 9 1M 10000";
        succeed("qemu-io", &["-f", "qcow2", "-c", read, &overlay]);
        succeed(
            "qemu-img",
            &["compare", "-f", "raw", "-F", "raw", &disk, &uri],
        );
        let other = run(
            "qemu-img",
            &["compare", "-f", "raw", "-F", "qcow2", &disk, &overlay],
        );
        assert_eq!(other.status.code(), Some(1), "{other:?}");
    }
}

#[test]
fn an_overlay_stays_what_it_was_while_the_replica_below_goes_on() {
    let stage = Stage::new(8 * MIB);
    let before = std::fs::read(stage.path("disk")).unwrap();
    let replica = HeldVolume::new(Arc::clone(&stage.volume));
    let point = replica.hold(&stage.path("kept")).unwrap();
    let export = Export::start(point, &stage.path("point.nbd")).unwrap();
    let overlay = text(&stage.path("overlay.qcow2"));
    let uri = uri(&export);
    let make = [
        "create", "-q", "-f", "qcow2", "-F", "raw", "-b", &uri, &overlay,
    ];
    succeed("qemu-img", &make);
    let expected = text(&stage.path("expected"));
    std::fs::write(&expected, before).unwrap();
    let compare = ["compare", "-f", "raw", "-F", "qcow2", &expected, &overlay];
    for round in 1..4 {
        replica.write_at(&vec![round; 5 << 20], MIB).unwrap();
        replica.zero(0, MIB).unwrap();
        succeed("qemu-img", &compare);
    }
    replica.let_go();
    let unreadable = run("qemu-img", &compare).status.code();
    assert!(unreadable >= Some(2), "{unreadable:?}");
}

#[test]
fn nobody_writes_and_nobody_else_reads() {
    let stage = Stage::new(8 * MIB);
    let before = std::fs::read(stage.path("disk")).unwrap();
    let export = stage.export();
    let uri = uri(&export);
    let written = run("qemu-io", &["-f", "raw", "-c", "write 0 64k", &uri]);
    assert!(!written.status.success(), "{written:?}");
    // A client that does not heed that it may only read.
    let mut client = connected(&export);
    let mut write = b"\x25\x60\x95\x13\0\0\0\x01COOKIE!!\0\0\0\0\0\0\0\0\0\0\x10\0".to_vec();
    write.extend([9; 4096]);
    client.write_all(&write).unwrap();
    let trim = b"\x25\x60\x95\x13\0\0\0\x04COOKIE!!\0\0\0\0\0\0\0\0\0\0\x10\0";
    client.write_all(trim).unwrap();
    let mut replies = [0; 32];
    client.read_exact(&mut replies).unwrap();
    let refused = b"\x67\x44\x66\x98\0\0\0\x01COOKIE!!";
    assert_eq!(replies, *[&refused[..], refused].concat());
    assert!(std::fs::read(stage.path("disk")).unwrap() == before);

    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(export.socket()), 0o600);
    assert_eq!(mode(&stage.path("sockets")), 0o700);
    // Nor in a folder that others may enter.
    let open = stage.path("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o755)).unwrap();
    let refused = Export::start(Arc::clone(&stage.volume), &open.join("disk.nbd")).unwrap_err();
    assert!(
        matches!(refused, ExportError::OpenFolder { .. }),
        "{refused}"
    );
}

/// A client that is through with the handshake.
fn connected(export: &Export) -> UnixStream {
    let mut client = UnixStream::connect(export.socket()).unwrap();
    client
        .write_all(b"\0\0\0\x03IHAVEOPT\0\0\0\x01\0\0\0\0")
        .unwrap();
    let mut answer = [0; 18 + 10];
    client.read_exact(&mut answer).unwrap();
    client
}

#[test]
fn an_export_that_ends_cuts_its_clients_off_and_leaves_nothing() {
    let stage = Stage::new(8 * MIB);
    let export = stage.export();
    let socket = export.socket().to_owned();
    let mut clients: Vec<_> = (0..3).map(|_| connected(&export)).collect();
    drop(export);
    for client in &mut clients {
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    }
    assert!(!socket.exists());
    // What a process that was killed left is replaced, and nothing else.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    drop(connected(&stage.export()));
    std::fs::write(&socket, "of somebody").unwrap();
    let refused = Export::start(Arc::clone(&stage.volume), &socket).unwrap_err();
    assert!(matches!(refused, ExportError::Listen { .. }), "{refused}");
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "of somebody");
}

#[test]
fn clients_beyond_the_limit_keep_nobody_out_who_is_served() {
    let stage = Stage::new(8 * MIB);
    let export = stage.export();
    let mut first = connected(&export);
    let crowd: Vec<_> = (0..100)
        .map(|_| UnixStream::connect(export.socket()).unwrap())
        .collect();
    let read = b"\x25\x60\x95\x13\0\0\0\0COOKIE!!\0\0\0\0\0\x10\x02\0\0\0\0\x10";
    first.write_all(read).unwrap();
    let mut reply = [0; 16 + 16];
    first.read_exact(&mut reply).unwrap();
    let mut expected = [0; 16];
    stage.volume.read_at(&mut expected, MIB + 512).unwrap();
    assert_eq!(reply[..16], *b"\x67\x44\x66\x98\0\0\0\0COOKIE!!");
    assert_eq!(reply[16..], expected);
    drop(crowd);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_client_sends_the_export_serves_the_next_one(
        garbage in prop::collection::vec(any::<u8>(), 0..400),
        is_agreed in any::<bool>(),
        is_request in any::<bool>(),
    ) {
        let stage = Stage::new(8 * MIB);
        let export = stage.export();
        let mut stranger = if is_agreed {
            connected(&export)
        } else {
            UnixStream::connect(export.socket()).unwrap()
        };
        if is_request {
            let _ = stranger.write_all(b"\x25\x60\x95\x13\0\0\0");
        }
        let _ = stranger.write_all(&garbage);
        let _ = stranger.shutdown(std::net::Shutdown::Write);
        let mut rest = Vec::new();
        let _ = stranger.read_to_end(&mut rest);
        prop_assert!(rest.len() <= 40 << 20);
        drop(connected(&export));
    }
}
