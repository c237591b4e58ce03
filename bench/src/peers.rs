//! What people would otherwise run, as they would run it, on loopback and ending durable.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

/// A way to copy a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// `nbdcopy` to `nbdkit`.
    Nbdcopy { tls: bool },
    /// `qemu-img convert` to `nbdkit`.
    QemuImg { tls: bool },
    /// `dd | zstd -1 | ssh`.
    DdZstdSsh,
}

impl Peer {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [
        Self::Nbdcopy { tls: true },
        Self::QemuImg { tls: true },
        Self::DdZstdSsh,
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
            Self::DdZstdSsh => "dd | zstd -1 | ssh",
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
        let versions = match self {
            Self::Nbdcopy { .. } => {
                vec![said("nbdcopy", "--version")?, said("nbdkit", "--version")?]
            }
            Self::QemuImg { .. } => {
                vec![said("qemu-img", "--version")?, said("nbdkit", "--version")?]
            }
            Self::DdZstdSsh => vec![said("zstd", "--version")?, said("ssh", "-V")?],
        };
        Ok(versions.join("; "))
    }

    /// Copies `source` to the new file `target` and returns the seconds that it took.
    pub(crate) fn copy(self, bench: &Ground, source: &Path, target: &Path) -> Result<f64> {
        let file = std::fs::File::create(target)?;
        file.set_len(std::fs::metadata(source)?.len())?;
        drop(file);
        match self {
            Self::Nbdcopy { tls } => {
                let server = bench.nbdkit(target, tls)?;
                let address = format!("127.0.0.1:{}", server.port);
                let mut command = Command::new("nbdcopy");
                command.arg("--flush").arg(source).arg(if tls {
                    let keys = bench.psk_file();
                    format!("nbds://bench@{address}/?tls-psk-file={}", keys.display())
                } else {
                    format!("nbd://{address}/")
                });
                timed(&mut command)
            }
            Self::QemuImg { tls } => {
                let server = bench.nbdkit(target, tls)?;
                let mut command = Command::new("qemu-img");
                command.args(["convert", "-n", "-W", "-m", "8", "--image-opts"]);
                let mut to = format!("driver=nbd,host=127.0.0.1,port={}", server.port);
                if tls {
                    let folder = bench.folder.display();
                    let credentials =
                        format!("tls-creds-psk,id=tls,dir={folder},username=bench,endpoint=client");
                    command.arg("--object").arg(credentials);
                    to.push_str(",tls-creds=tls");
                }
                command.arg("--target-image-opts");
                let from = format!(
                    "driver=raw,file.driver=file,file.filename={}",
                    source.display()
                );
                timed(command.arg(from).arg(to))
            }
            Self::DdZstdSsh => {
                let server = bench.sshd()?;
                let receive = format!(
                    "zstd -d -q | dd of={} bs=1M iflag=fullblock conv=sparse,notrunc,fsync \
                     status=none",
                    target.display()
                );
                let send = format!(
                    "set -o pipefail; dd if={} bs=1M status=none | zstd -1 -q -c | \
                     ssh -F {} -p {} 127.0.0.1 '{receive}'",
                    source.display(),
                    bench.ssh_client_config().display(),
                    server.port,
                );
                timed(Command::new("bash").arg("-c").arg(send))
            }
        }
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

fn timed(command: &mut Command) -> Result<f64> {
    let begun = Instant::now();
    let output = command
        .stdin(Stdio::null())
        .output()
        .context("start the peer")?;
    let seconds = begun.elapsed().as_secs_f64();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {errors}",
        output.status
    );
    Ok(seconds)
}

/// Keys, configuration and servers of the peers.
#[derive(Debug)]
pub(crate) struct Ground {
    folder: PathBuf,
}

/// A server that is ended when it is dropped.
#[derive(Debug)]
struct Server {
    process: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Ground {
    /// Makes keys for TLS and SSH in `folder`.
    pub(crate) fn prepare(folder: &Path) -> Result<Self> {
        let ground = Self {
            folder: folder.into(),
        };
        let quiet = |command: &mut Command| timed(command).map(|_| ());
        quiet(
            Command::new("psktool")
                .args(["-u", "bench", "-p"])
                .arg(ground.psk_file()),
        )?;
        std::fs::set_permissions(ground.psk_file(), std::fs::Permissions::from_mode(0o600))?;
        for key in ["host", "user"] {
            let path = folder.join(key);
            quiet(
                Command::new("ssh-keygen")
                    .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                    .arg(path),
            )?;
        }
        std::fs::copy(folder.join("user.pub"), folder.join("authorized_keys"))?;
        let host_key = std::fs::read_to_string(folder.join("host.pub"))?;
        std::fs::write(folder.join("known_hosts"), format!("bench {host_key}"))?;
        let path = |name: &str| folder.join(name).display().to_string();
        let client = format!(
            "Host *\nIdentityFile {}\nIdentitiesOnly yes\nUserKnownHostsFile {}\n\
             HostKeyAlias bench\nStrictHostKeyChecking yes\nCompression no\nLogLevel ERROR\n",
            path("user"),
            path("known_hosts"),
        );
        std::fs::write(ground.ssh_client_config(), client)?;
        let server = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\n\
             PasswordAuthentication no\nPermitRootLogin prohibit-password\n",
            path("host"),
            path("authorized_keys"),
        );
        std::fs::write(folder.join("sshd_config"), server)?;
        Ok(ground)
    }

    fn psk_file(&self) -> PathBuf {
        self.folder.join("keys.psk")
    }

    fn ssh_client_config(&self) -> PathBuf {
        self.folder.join("ssh_config")
    }

    fn nbdkit(&self, target: &Path, tls: bool) -> Result<Server> {
        let port = free_port()?;
        let mut command = Command::new("nbdkit");
        command.args(["-f", "-i", "127.0.0.1", "-p", &port.to_string()]);
        if tls {
            command.arg("--tls=require");
            command.arg(format!("--tls-psk={}", self.psk_file().display()));
        }
        command.arg("file").arg(target);
        start(&mut command, port)
    }

    fn sshd(&self) -> Result<Server> {
        let port = free_port()?;
        // The daemon insists on this folder, which the package makes at boot only.
        std::fs::create_dir_all("/run/sshd").context("make /run/sshd (this peer needs root)")?;
        let mut command = Command::new("/usr/sbin/sshd");
        command.args([
            "-D",
            "-e",
            "-o",
            "ListenAddress=127.0.0.1",
            "-p",
            &port.to_string(),
            "-f",
        ]);
        start(command.arg(self.folder.join("sshd_config")), port)
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn start(command: &mut Command, port: u16) -> Result<Server> {
    let process = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut process = process
        .spawn()
        .with_context(|| format!("start {command:?}"))?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if process.try_wait()?.is_some() || Instant::now() > deadline {
            let _ = process.kill();
            let mut said = String::new();
            if let Some(mut errors) = process.stderr.take() {
                errors.read_to_string(&mut said)?;
            }
            bail!("{command:?} does not listen: {said}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(Server { process, port })
}
