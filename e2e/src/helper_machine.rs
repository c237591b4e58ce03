//! A machine that runs the helper system, as a host would start it, and the host's end of the port.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rehost_helper_system::image::{INITRAMFS, KERNEL, MANIFEST, Manifest};
use rehost_helper_system::protocol::{Event, PORT_NAME, Request};
use rehost_testkit::{rehost, until};
use tempfile::TempDir;

/// Names a directory with a helper system to be tested, as it is.
const OVERRIDE: &str = "REHOST_HELPER_SYSTEM";
/// A machine without hardware acceleration, on a computer that is busy with something else.
const LIMIT: Duration = Duration::from_secs(600);

/// A running machine. It is ended with the value.
#[derive(Debug)]
pub struct HelperMachine {
    machine: Child,
    events: BufReader<UnixStream>,
    console: PathBuf,
    _folder: TempDir,
}

impl HelperMachine {
    /// Starts the helper system with raw images as its disks, in their order.
    ///
    /// # Errors
    /// If there is no helper system, it is older than `rehost`, or QEMU does not start.
    pub fn start(disks: &[&Path]) -> Result<Self> {
        let image = helper_system()?;
        let manifest = std::fs::read(image.join(MANIFEST))?;
        let manifest: Manifest = serde_json::from_slice(&manifest)?;
        let folder = tempfile::tempdir()?;
        let socket = folder.path().join("port");
        let console = folder.path().join("console");

        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-machine", "q35", "-accel", "tcg,thread=multi"])
            .args(["-cpu", "max", "-smp", "2", "-m", "512", "-nodefaults"])
            .args([
                "-display",
                "none",
                "-no-reboot",
                "-device",
                "virtio-serial-pci",
            ])
            .arg("-kernel")
            .arg(image.join(KERNEL))
            .arg("-initrd")
            .arg(image.join(INITRAMFS))
            .args(["-append", &manifest.kernel_arguments])
            .args(["-serial", &format!("file:{}", console.display())])
            .args(["-chardev", &chardev(&socket)])
            .args([
                "-device",
                &format!("virtserialport,chardev=port,name={PORT_NAME}"),
            ]);
        for (index, disk) in disks.iter().enumerate() {
            let drive = format!("if=none,id=disk{index},format=raw,file={}", disk.display());
            let device = format!("virtio-blk-pci,drive=disk{index},serial=rehost-{index}");
            command.args(["-drive", &drive, "-device", &device]);
        }
        let machine = command
            .stdin(Stdio::null())
            .spawn()
            .context("start QEMU; is qemu-system-x86 installed?")?;
        let connected = until("QEMU opens the port", LIMIT, || {
            Ok(UnixStream::connect(&socket).ok())
        })?;
        connected.set_read_timeout(Some(LIMIT))?;
        Ok(Self {
            machine,
            events: BufReader::new(connected),
            console,
            _folder: folder,
        })
    }

    /// The next event that is not for the log.
    ///
    /// # Errors
    /// If the machine says nothing, or something else.
    pub fn event(&mut self) -> Result<Event> {
        loop {
            let mut line = String::new();
            self.events
                .read_line(&mut line)
                .with_context(|| format!("hear of the helper; its console: {}", self.console()))?;
            let event = serde_json::from_str(&line)
                .with_context(|| format!("understand `{line}`; the console: {}", self.console()))?;
            if !matches!(event, Event::Log { .. }) {
                return Ok(event);
            }
        }
    }

    /// Says what is wanted.
    ///
    /// # Errors
    /// If the machine does not listen.
    pub fn ask(&mut self, request: &Request) -> Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.events.get_mut().write_all(&line)?;
        Ok(())
    }

    /// Closes the port.
    ///
    /// # Errors
    /// If it was closed before.
    pub fn hang_up(&mut self) -> Result<()> {
        Ok(self.events.get_ref().shutdown(std::net::Shutdown::Both)?)
    }

    /// Waits until the machine has switched itself off.
    ///
    /// # Errors
    /// If it does not, or QEMU has failed.
    pub fn wait_for_end(&mut self) -> Result<()> {
        let status = until("the machine powers off", LIMIT, || {
            Ok(self.machine.try_wait()?)
        })?;
        ensure!(status.success(), "QEMU ended with {status}");
        Ok(())
    }

    fn console(&self) -> String {
        let bytes = std::fs::read(&self.console).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for HelperMachine {
    fn drop(&mut self) {
        // It has ended already if the test has passed.
        let _ = self.machine.kill();
        let _ = self.machine.wait();
    }
}

fn chardev(socket: &Path) -> String {
    format!(
        "socket,id=port,server=on,wait=off,path={}",
        socket.display()
    )
}

/// The directory of the helper system that was made of the executable that is tested.
fn helper_system() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(OVERRIDE) {
        return Ok(path.into());
    }
    let executable = rehost()?;
    // The executable is `target/debug/rehost`.
    let image = executable
        .ancestors()
        .nth(2)
        .context("find the target directory")?
        .join("helper-system");
    let changed = |path: &Path| path.metadata()?.modified();
    let made = changed(&image.join(MANIFEST))
        .with_context(|| format!("find {}: run `cargo xtask image`", image.display()))?;
    ensure!(
        changed(&executable)? <= made,
        "{} is older than rehost: run `cargo xtask image`",
        image.display()
    );
    Ok(image)
}
