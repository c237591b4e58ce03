//! What people would otherwise run, as they would run it, on loopback and ending durable.

mod ground;

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use rehost_testkit::{LoopDevice, Mount, run_tool};

pub(crate) use self::ground::{Ground, quiet};
use crate::cost::Cost;
use crate::source_disk;

/// A way to copy a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// `nbdcopy` to `nbdkit`: every byte of the image that is no hole.
    Nbdcopy { tls: bool },
    /// `qemu-img convert` to `nbdkit`: the same.
    QemuImg { tls: bool },
    /// `partclone.ext4 | zstd -1 | ssh`: the blocks in use.
    PartcloneZstdSsh,
    /// `dd | zstd -1 | ssh`: every byte.
    DdZstdSsh,
    /// `rsync -aHAX` over ssh from the mounted file system into a new one: files, not a disk.
    RsyncTree,
}

impl Peer {
    /// All of them.
    pub(crate) const ALL: [Self; 7] = [
        Self::Nbdcopy { tls: true },
        Self::QemuImg { tls: true },
        Self::PartcloneZstdSsh,
        Self::DdZstdSsh,
        Self::RsyncTree,
        Self::Nbdcopy { tls: false },
        Self::QemuImg { tls: false },
    ];

    /// Name for people and reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nbdcopy { tls: true } => "nbdcopy to nbdkit, TLS",
            Self::Nbdcopy { tls: false } => "nbdcopy to nbdkit, plain",
            Self::QemuImg { tls: true } => "qemu-img convert to nbdkit, TLS",
            Self::QemuImg { tls: false } => "qemu-img convert to nbdkit, plain",
            Self::PartcloneZstdSsh => "partclone.ext4 | zstd -1 | ssh",
            Self::DdZstdSsh => "dd | zstd -1 | ssh",
            Self::RsyncTree => "rsync -aHAX over ssh, mounted tree",
        }
    }

    /// Whether what it sends is encrypted.
    pub(crate) fn is_encrypted(self) -> bool {
        !matches!(
            self,
            Self::Nbdcopy { tls: false } | Self::QemuImg { tls: false }
        )
    }

    /// What it says of its version.
    pub(crate) fn version(self) -> Result<String> {
        let programs: &[(&str, &str)] = match self {
            Self::Nbdcopy { .. } => &[("nbdcopy", "--version"), ("nbdkit", "--version")],
            Self::QemuImg { .. } => &[("qemu-img", "--version"), ("nbdkit", "--version")],
            Self::PartcloneZstdSsh => &[
                ("partclone.ext4", "--version"),
                ("zstd", "--version"),
                ("ssh", "-V"),
            ],
            Self::DdZstdSsh => &[("zstd", "--version"), ("ssh", "-V")],
            Self::RsyncTree => &[("rsync", "--version"), ("ssh", "-V")],
        };
        let versions = programs.iter().map(|(program, flag)| said(program, flag));
        Ok(versions.collect::<Result<Vec<_>>>()?.join("; "))
    }

    /// Copies `source` to the new file `target`.
    pub(crate) fn copy(self, ground: &Ground, source: &Path, target: &Path) -> Result<Cost> {
        let file = std::fs::File::create(target)?;
        file.set_len(std::fs::metadata(source)?.len())?;
        drop(file);
        let (from, to) = (source.display(), target.display());
        match self {
            Self::Nbdcopy { tls } => {
                let server = ground.nbdkit(target, tls)?;
                let address = format!("127.0.0.1:{}", server.port);
                let mut command = Command::new("nbdcopy");
                command.arg("--flush").arg(source).arg(if tls {
                    let keys = ground.psk_file();
                    format!("nbds://bench@{address}/?tls-psk-file={}", keys.display())
                } else {
                    format!("nbd://{address}/")
                });
                ground.measure(&mut command, server, None)
            }
            Self::QemuImg { tls } => {
                let server = ground.nbdkit(target, tls)?;
                let mut command = Command::new("qemu-img");
                // Without -t it asks for no flush at the end.
                let words = ["convert", "-n", "-W", "-m", "8", "-t", "writeback"];
                command.args(words).arg("--image-opts");
                let mut address = format!("driver=nbd,host=127.0.0.1,port={}", server.port);
                if tls {
                    let folder = ground.folder().display();
                    let credentials =
                        format!("tls-creds-psk,id=tls,dir={folder},username=bench,endpoint=client");
                    command.arg("--object").arg(credentials);
                    address.push_str(",tls-creds=tls");
                }
                command.arg("--target-image-opts");
                command.arg(format!("driver=raw,file.driver=file,file.filename={from}"));
                ground.measure(command.arg(address), server, None)
            }
            Self::PartcloneZstdSsh => {
                let log = ground.file("partclone.log");
                let (send, receive) = (log.display(), log.with_extension("received.log"));
                let send = format!("partclone.ext4 -q -c -s {from} -o - -L {send}");
                let receive = format!(
                    "partclone.restore -q -C -s - -O {to} -L {} && sync {to}",
                    receive.display()
                );
                through_ssh(ground, &send, &receive)
            }
            Self::DdZstdSsh => {
                let send = format!("dd if={from} bs=1M status=none");
                let receive = format!(
                    "dd of={to} bs=1M iflag=fullblock conv=sparse,notrunc,fsync status=none"
                );
                through_ssh(ground, &send, &receive)
            }
            Self::RsyncTree => {
                source_disk::make_file_system(target)?;
                let (from, to) = (Mounted::new(source)?, Mounted::new(target)?);
                let (from, to) = (from.path(), to.path());
                let from = format!("{}/", from.display());
                // Reading must not change the disk that the others copy.
                run_tool("mount", ["-o", "remount,ro", &from])?;
                let done = format!("sync -f {}", to.display());
                rsync(ground, "-aHAX --numeric-ids", &from, to, &done)
            }
        }
    }
}

/// Brings the image `target`, an earlier copy, up to what the image `source` is now.
pub(crate) fn rsync_changes(ground: &Ground, source: &Path, target: &Path) -> Result<Cost> {
    let options = "--inplace --no-whole-file --ignore-times";
    let done = format!("sync {}", target.display());
    rsync(
        ground,
        options,
        &source.display().to_string(),
        target,
        &done,
    )
}

/// What [`rsync_changes`] is called, and its version.
pub(crate) fn rsync_of_changes() -> Result<(String, String, bool)> {
    let name = "rsync --inplace --no-whole-file over ssh".to_owned();
    Ok((name, Peer::RsyncTree.version()?, true))
}

/// `done` makes durable what has arrived; the receiving rsync does not.
fn rsync(ground: &Ground, options: &str, from: &str, to: &Path, done: &str) -> Result<Cost> {
    let server = ground.sshd()?;
    let weighed = ground.file("target.memory");
    let (ssh, weighing) = (ground.ssh(&server), Ground::weighing(&weighed));
    let to = to.display();
    let script = format!(
        "rsync {options} -e '{ssh}' --rsync-path='{weighing} rsync' {from} 127.0.0.1:{to} && \
         {done}"
    );
    let mut command = Command::new("bash");
    ground.measure(command.arg("-c").arg(script), server, Some(&weighed))
}

/// `send | zstd -1 | ssh 'zstd -d | receive'`.
fn through_ssh(ground: &Ground, send: &str, receive: &str) -> Result<Cost> {
    let server = ground.sshd()?;
    let weighed = ground.file("target.memory");
    let (ssh, weighing) = (ground.ssh(&server), Ground::weighing(&weighed));
    // Quoted for the shell there by what quotes for the shell here.
    let script = format!(
        "set -o pipefail; {send} | zstd -1 -q -c | {ssh} 127.0.0.1 \
         '{weighing} bash -o pipefail -c \"zstd -d -q | {receive}\"'"
    );
    let mut command = Command::new("bash");
    ground.measure(command.arg("-c").arg(script), server, Some(&weighed))
}

/// The file system of an image, mounted until it is dropped.
#[derive(Debug)]
struct Mounted {
    // Dropped in this order.
    mount: Mount,
    _device: LoopDevice,
    _folder: tempfile::TempDir,
}

impl Mounted {
    fn new(image: &Path) -> Result<Self> {
        let folder = tempfile::tempdir().context("make a folder to mount on")?;
        let device = LoopDevice::attach(image)?;
        Ok(Self {
            mount: Mount::new(device.path(), folder.path())?,
            _device: device,
            _folder: folder,
        })
    }

    fn path(&self) -> &Path {
        self.mount.path()
    }
}

fn said(program: &str, flag: &str) -> Result<String> {
    let output = Command::new(program).arg(flag).output();
    let output = output.with_context(|| format!("run {program} {flag}"))?;
    // ssh says it on standard error.
    let all = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&all);
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
