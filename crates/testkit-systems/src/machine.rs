//! A machine under QEMU, emulated as a whole: slow, but it runs everywhere. Its process ends with
//! the value.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::block::text;
use crate::layout::Firmware;
use crate::qmp::Qmp;

/// Where a machine finds the loopback address of the host.
pub const HOST_ADDRESS: &str = "10.0.2.2";

const FIRMWARE_CODE: &str = "/usr/share/OVMF/OVMF_CODE_4M.fd";
/// Variables of a firmware that has never started anything.
pub(crate) const FIRMWARE_VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.fd";

/// Forms of image files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFormat {
    /// The disk's content as it is.
    Raw,
    /// QEMU's own.
    Qcow2,
}

/// A disk of a machine, which writes to it.
#[derive(Clone, Debug)]
pub struct Disk {
    /// The image.
    pub path: PathBuf,
    /// What kind of file it is.
    pub format: DiskFormat,
}

/// The card of a machine.
#[derive(Clone, Debug)]
pub struct NetworkCard {
    /// The address that the machine will have; connections are passed on to it.
    pub address: String,
    /// Ports of the host's loopback address, and of the machine, to which they lead.
    pub forwards: Vec<(u16, u16)>,
    /// Whether the machine is kept from reaching anything.
    pub isolated: bool,
}

/// What a machine is made of.
#[derive(Clone, Debug)]
pub struct MachineSpecification {
    /// What people call it.
    pub name: String,
    /// What starts it.
    pub firmware: Firmware,
    /// File of the variables of a UEFI, qcow2.
    pub variables: Option<PathBuf>,
    /// The disks, in order.
    pub disks: Vec<Disk>,
    /// Its network.
    pub network: NetworkCard,
    /// Memory.
    pub memory_mib: u32,
    /// A snapshot in the disks to go on from, instead of booting.
    pub resume: Option<String>,
    /// Where sockets and logs go.
    pub directory: PathBuf,
}

/// A running machine.
#[derive(Debug)]
pub struct Machine {
    name: String,
    child: Child,
    qmp: Qmp,
    directory: PathBuf,
}

impl Machine {
    /// Starts it.
    ///
    /// # Errors
    /// If QEMU does not come up.
    pub fn start(specification: &MachineSpecification) -> Result<Self> {
        let directory = &specification.directory;
        std::fs::create_dir_all(directory)?;
        let errors = directory.join("qemu.log");
        let output = File::create(&errors).context("create QEMU's log")?;
        let mut child = Command::new("qemu-system-x86_64")
            .args(arguments(specification)?)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("start qemu-system-x86_64")?;
        let qmp = match Qmp::connect(&directory.join("qmp")) {
            Ok(qmp) => qmp,
            Err(error) => {
                // It is of no use, whether it runs or not.
                let _ = child.kill().and_then(|()| child.wait().map(|_| ()));
                let said = std::fs::read_to_string(&errors).unwrap_or_default();
                return Err(error.context(format!("QEMU says: {said}")));
            }
        };
        Ok(Self {
            name: specification.name.clone(),
            child,
            qmp,
            directory: directory.clone(),
        })
    }

    /// The socket of its second serial port.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.directory.join("control")
    }

    /// The file that its first serial port, the console, is written to.
    #[must_use]
    pub fn console_log(&self) -> PathBuf {
        self.directory.join("console.log")
    }

    /// Keeps the machine as it is now in its disks, under this name. They must be qcow2.
    ///
    /// # Errors
    /// If QEMU cannot.
    pub fn snapshot(&mut self, name: &str) -> Result<()> {
        self.qmp.monitor(&format!("savevm {name}"))
    }

    /// Writes what its screen shows as a PNG.
    ///
    /// # Errors
    /// If QEMU cannot.
    pub fn screenshot(&mut self, path: &Path) -> Result<()> {
        let arguments = json!({"filename": text(path)?, "format": "png"});
        self.qmp.command("screendump", arguments)?;
        Ok(())
    }

    /// Whether its process is there.
    ///
    /// # Errors
    /// If it has ended; the message holds QEMU's last words.
    pub fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let said = std::fs::read_to_string(self.directory.join("qemu.log"));
            let said = said.unwrap_or_default();
            anyhow::bail!("machine {} has ended with {status}: {said}", self.name);
        }
        Ok(())
    }

    /// Ends it with all it has written in its files. What runs in it learns nothing of that.
    ///
    /// # Errors
    /// If it does not end.
    pub fn quit(mut self) -> Result<()> {
        // The connection may close before the answer.
        let _ = self.qmp.command("quit", json!({}));
        let status = self.child.wait().context("wait for QEMU")?;
        ensure!(status.success(), "QEMU ended with {status}");
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn arguments(machine: &MachineSpecification) -> Result<Vec<String>> {
    let board = match machine.firmware {
        Firmware::Bios => "pc",
        Firmware::Uefi => "q35",
    };
    let file =
        |name: &str| -> Result<String> { Ok(text(&machine.directory.join(name))?.to_owned()) };
    let memory = format!("{}M", machine.memory_mib);
    let mut words: Vec<String> = [
        "-name",
        &machine.name,
        "-machine",
        board,
        "-accel",
        "tcg,thread=multi",
        "-cpu",
        "max,la57=off",
        "-smp",
        "2",
        "-m",
        &memory,
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-vga",
        "std",
        "-rtc",
        "base=utc",
        "-device",
        "virtio-rng-pci,addr=0x4",
    ]
    .map(Into::into)
    .into();
    let mut add = |option: &str, value: String| words.extend([option.into(), value]);
    add("-qmp", format!("unix:{},server=on,wait=off", file("qmp")?));
    add(
        "-chardev",
        format!("file,id=console,path={}", file("console.log")?),
    );
    add("-serial", "chardev:console".into());
    add(
        "-chardev",
        format!(
            "socket,id=control,path={},server=on,wait=off",
            file("control")?
        ),
    );
    add("-serial", "chardev:control".into());

    let card = &machine.network;
    let mut network = "user,id=network".to_owned();
    if card.isolated {
        network += ",restrict=on";
    }
    for (host, guest) in &card.forwards {
        network += &format!(",hostfwd=tcp:127.0.0.1:{host}-{}:{guest}", card.address);
    }
    add("-netdev", network);
    let card = "virtio-net-pci,netdev=network,mac=52:54:00:12:34:56,romfile=,addr=0x3";
    add("-device", card.into());

    for (number, disk) in machine.disks.iter().enumerate() {
        let (path, place) = (text(&disk.path)?, 5 + number);
        let format = match disk.format {
            DiskFormat::Raw => "raw",
            DiskFormat::Qcow2 => "qcow2",
        };
        // Nothing survives a crash of the host here, and nothing has to.
        add(
            "-drive",
            format!(
                "if=none,id=disk{number},file={path},format={format},cache=unsafe,discard=unmap"
            ),
        );
        add(
            "-device",
            format!("virtio-blk-pci,drive=disk{number},serial=disk{number},addr={place:#x}"),
        );
    }
    if machine.firmware == Firmware::Uefi {
        let variables = machine
            .variables
            .as_ref()
            .context("variables of the UEFI")?;
        add(
            "-drive",
            format!("if=pflash,format=raw,readonly=on,file={FIRMWARE_CODE}"),
        );
        add(
            "-drive",
            format!("if=pflash,format=qcow2,file={}", text(variables)?),
        );
    }
    if let Some(snapshot) = &machine.resume {
        add("-loadvm", snapshot.clone());
    }
    Ok(words)
}
