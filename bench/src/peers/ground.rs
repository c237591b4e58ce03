//! Keys, configuration and servers of the peers, and how their programs are run and measured.

use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use rehost_testkit::{SHORT, until};

use crate::cost::Cost;
use crate::cpu;

/// Keys and configuration of the peers, in a folder that others cannot read.
#[derive(Debug)]
pub(crate) struct Ground {
    folder: PathBuf,
}

/// A server that is ended when it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    process: Child,
    pub(super) port: u16,
}

impl Server {
    /// Waits until its own children are gone, so that their processor time counts as its own.
    fn settle(&self) -> Result<()> {
        let pid = self.process.id();
        let path = format!("/proc/{pid}/task/{pid}/children");
        until("the peer's server has ended its sessions", SHORT, || {
            let children = std::fs::read_to_string(&path)?;
            Ok(children.trim().is_empty().then_some(()))
        })
    }

    /// Most memory that it has had, in bytes.
    pub(super) fn peak_memory_bytes(&self) -> Result<u64> {
        cpu::peak_memory_bytes(self.process.id())
    }
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

    /// A file that nobody else uses.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn psk_file(&self) -> PathBuf {
        self.folder.join("keys.psk")
    }

    fn ssh_client_config(&self) -> PathBuf {
        self.folder.join("ssh_config")
    }

    /// The ssh command that reaches a server of [`Ground::sshd`], without the host.
    pub(super) fn ssh(&self, server: &Server) -> String {
        let config = self.ssh_client_config();
        format!("ssh -F {} -p {}", config.display(), server.port)
    }

    pub(super) fn nbdkit(&self, target: &Path, tls: bool) -> Result<Server> {
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

    pub(super) fn sshd(&self) -> Result<Server> {
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

    /// Words that go before a command, which then leaves its largest memory in `file`.
    pub(super) fn weighing(file: &Path) -> String {
        format!("/usr/bin/time --quiet -f %M -o {}", file.display())
    }

    /// Runs a command of the source's side to its end. `server` is the process that the target's side
    /// keeps running; what runs under [`Ground::weighing`] there leaves its memory in `weighed`.
    pub(super) fn measure(
        &self,
        command: &mut Command,
        server: Server,
        weighed: Option<&Path>,
    ) -> Result<Cost> {
        let weight = self.file("source.memory");
        let mut outer = Command::new("/usr/bin/time");
        outer.args(["--quiet", "-f", "%M", "-o"]).arg(&weight);
        outer.arg(command.get_program()).args(command.get_args());
        let cpu_before = cpu::of_ended_children()?;
        let begun = Instant::now();
        quiet(&mut outer)?;
        let seconds = begun.elapsed().as_secs_f64();
        let cpu_between = cpu::of_ended_children()?;
        let target_memory_bytes = match weighed {
            Some(file) => memory_in(file)?,
            None => server.peak_memory_bytes()?,
        };
        server.settle()?;
        drop(server);
        Ok(Cost {
            seconds,
            source_cpu_seconds: cpu_between - cpu_before,
            target_cpu_seconds: cpu::of_ended_children()? - cpu_between,
            source_memory_bytes: memory_in(&weight)?,
            target_memory_bytes,
            ..Cost::default()
        })
    }
}

/// What `time` has left.
fn memory_in(file: &Path) -> Result<u64> {
    let text = std::fs::read_to_string(file).context("read what time measured")?;
    let kib: u64 = text.trim().parse().context("read what time measured")?;
    Ok(kib * 1024)
}

/// Runs a command to its end; what it printed is shown only if it fails.
///
/// # Errors
/// If it fails.
pub(crate) fn quiet(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("start {command:?}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{command:?} ended with {}: {errors}",
        output.status
    );
    Ok(())
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
