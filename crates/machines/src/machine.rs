//! A machine that runs.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;

use regex_lite::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::accelerator::use_kvm;
use crate::arguments::{Choices, arguments};
use crate::folder::WorkFolder;
use crate::probes::on_loopback;
use crate::process::{Process, Program};
use crate::qmp::{Qmp, QmpError};
use crate::spec::{CONSOLE_LOG, CONSOLE_SOCKET, MONITOR_SOCKET, VARIABLES};
use crate::{
    BootSign, BootWatch, Console, Firmware, MachineError, MachineSpec, NetworkMode, Patience,
    ProcessIdentity, programs,
};

/// How long the emulator may take until its monitor answers.
const START_SECONDS: u64 = 60;
/// How long it may take to end when it is told to.
const QUIT_SECONDS: u64 = 20;

/// A machine whose process is there and waits. Whoever keeps a ledger writes its identity down now.
#[derive(Debug)]
pub struct WaitingMachine {
    spec: MachineSpec,
    folder: WorkFolder,
    process: Process,
    forwards: Vec<(u16, u16)>,
    kvm: bool,
}

/// A machine that runs. It ends when this is dropped, unless its specification says that it
/// outlives its starter.
#[derive(Debug)]
pub struct Machine {
    spec: MachineSpec,
    folder: WorkFolder,
    process: Process,
    forwards: Vec<(u16, u16)>,
    kvm: bool,
    qmp: Mutex<Qmp>,
    console: Console,
}

/// What a machine is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineStatus {
    /// Whether its processors run.
    pub running: bool,
    /// QEMU's word for it, such as `running`, `paused` or `internal-error`.
    pub status: String,
}

/// How waiting for a system ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootEnd {
    /// It is up.
    Up(BootSign),
    /// It is not, and will not be; why, in one line.
    Failed(String),
}

impl WaitingMachine {
    /// Starts the process of a machine, which waits for [`Self::go`].
    ///
    /// # Errors
    /// [`MachineError`]
    pub fn new(spec: &MachineSpec) -> Result<Self, MachineError> {
        spec.check()?;
        let emulator = programs::emulator()?;
        let kvm = use_kvm(spec.accelerator, &emulator)?;
        let mut spec = spec.clone();
        make_paths_absolute(&mut spec)?;
        let folder = WorkFolder::open(&spec.work_folder)?;
        let uefi = match spec.firmware {
            Firmware::Bios => None,
            Firmware::Uefi => {
                let (code, variables) = programs::uefi()?;
                keep_variables(variables, &folder.path().join(VARIABLES))?;
                Some(code)
            }
        };
        let block_devices = spec.disks.iter().map(|disk| is_block_device(&disk.path));
        let block_devices = block_devices.collect();
        let host_ports = spec
            .networks
            .iter()
            .map(|network| host_ports(&network.mode));
        let host_ports = host_ports
            .collect::<io::Result<Vec<_>>>()
            .map_err(|source| MachineError::Process {
                act: "find a free port for",
                machine: spec.name.clone(),
                source,
            })?;
        let guest_ports = spec
            .networks
            .iter()
            .flat_map(|network| network.mode.forwards());
        let forwards = guest_ports
            .zip(host_ports.iter().flatten())
            .map(|(forward, host_port)| (forward.guest_port, *host_port))
            .collect();
        for socket in spec.sockets() {
            remove_if_there(&socket)?;
        }
        let choices = Choices {
            kvm,
            uefi,
            block_devices,
            host_ports,
        };
        let process = Process::wait_to_start(Program {
            machine: &spec.name,
            path: &emulator,
            arguments: arguments(&spec, &choices),
            folder: folder.path(),
            outlives: spec.outlives,
        })?;
        Ok(Self {
            spec,
            folder,
            process,
            forwards,
            kvm,
        })
    }

    /// Which process it is.
    #[must_use]
    pub fn process(&self) -> &ProcessIdentity {
        self.process.identity()
    }

    /// Lets the machine begin. From its first word on, its console is listened to.
    ///
    /// # Errors
    /// [`MachineError`]; then the process is gone.
    pub fn go(mut self) -> Result<Machine, MachineError> {
        let result = self.open();
        let (qmp, console) = match result {
            Ok(opened) => opened,
            Err(error) => {
                // What the process said before it ended is the better error.
                let ended = self.process.wait(&Patience::seconds(1)).ok();
                let error = ended.and_then(|()| self.process.ended()).unwrap_or(error);
                self.process.kill()?;
                return Err(error);
            }
        };
        Ok(Machine {
            spec: self.spec,
            folder: self.folder,
            process: self.process,
            forwards: self.forwards,
            kvm: self.kvm,
            qmp: Mutex::new(qmp),
            console,
        })
    }

    fn open(&mut self) -> Result<(Qmp, Console), MachineError> {
        self.process.go()?;
        let machine = self.spec.name.clone();
        let monitor = self.connect(MONITOR_SOCKET)?;
        let mut qmp = Qmp::open(monitor).map_err(|error| told(&machine, "hello", error))?;
        let stream = self.connect(CONSOLE_SOCKET)?;
        let log = self.folder.path().join(CONSOLE_LOG);
        let console = Console::listen(stream, &log).map_err(|source| MachineError::File {
            act: "listen to the console, with the log",
            path: log,
            source,
        })?;
        qmp.execute("cont", &json!({}))
            .map_err(|error| told(&machine, "cont", error))?;
        Ok((qmp, console))
    }

    /// Connects to a socket as soon as the emulator has made it.
    fn connect(&self, socket: &str) -> Result<UnixStream, MachineError> {
        let patience = Patience::seconds(START_SECONDS);
        let what = format!("the start of the machine {}", self.spec.name);
        loop {
            match self.folder.connect(socket) {
                Ok(stream) => return Ok(stream),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                    ) =>
                {
                    if let Some(ended) = self.process.ended() {
                        return Err(ended);
                    }
                    thread::sleep(patience.next(&what)?.div_f32(4.0));
                }
                Err(source) => {
                    return Err(MachineError::Monitor {
                        machine: self.spec.name.clone(),
                        source,
                    });
                }
            }
        }
    }
}

impl Machine {
    /// Starts a machine.
    ///
    /// # Errors
    /// [`MachineError`]
    pub fn start(spec: &MachineSpec) -> Result<Self, MachineError> {
        WaitingMachine::new(spec)?.go()
    }

    /// Which process it is.
    #[must_use]
    pub fn process(&self) -> &ProcessIdentity {
        self.process.identity()
    }

    /// What it is made of.
    #[must_use]
    pub fn spec(&self) -> &MachineSpec {
        &self.spec
    }

    /// Whether the processor executes it, rather than an emulation.
    #[must_use]
    pub const fn uses_kvm(&self) -> bool {
        self.kvm
    }

    /// What it says on its serial console.
    #[must_use]
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// Whether its process runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.process.ended().is_none()
    }

    /// Where on the host a port of the machine is reached, if it is forwarded.
    #[must_use]
    pub fn forwarded(&self, guest_port: u16) -> Option<SocketAddr> {
        let found = self.forwards.iter().find(|(port, _)| *port == guest_port);
        found.map(|(_, host_port)| on_loopback(*host_port))
    }

    /// Connects to one of its ports.
    ///
    /// # Errors
    /// [`MachineError::Monitor`]
    pub fn port(&self, name: &str) -> Result<UnixStream, MachineError> {
        let port = self.spec.ports.iter().find(|port| port.name == name);
        let stream = match port {
            Some(port) => self.folder.connect(&port.socket),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        stream.map_err(|source| MachineError::Monitor {
            machine: self.spec.name.clone(),
            source,
        })
    }

    /// Waits for a line on the console, ended or not, in which `pattern` is found, and returns it.
    ///
    /// # Errors
    /// [`MachineError::TooLong`], [`MachineError::Stopped`], [`MachineError::Ended`]
    pub fn wait_for_line(
        &self,
        pattern: &Regex,
        patience: &Patience<'_>,
    ) -> Result<String, MachineError> {
        let what = format!("`{pattern}` on the console of {}", self.spec.name);
        let found = self.console.watch(&what, patience, |line, _| {
            pattern.is_match(line).then(|| line.to_owned())
        })?;
        found.ok_or_else(|| self.how_it_ended())
    }

    /// Waits until the system inside is up, or shows that it will not be. `seconds` is what it is
    /// given; with `heartbeat` only its heart-beat shows that it is up.
    ///
    /// # Errors
    /// [`MachineError::Stopped`]; that the machine ends, or says nothing, is how waiting ended.
    pub fn wait_until_up(
        &self,
        heartbeat: bool,
        seconds: u64,
        stop: &std::sync::atomic::AtomicBool,
    ) -> Result<BootEnd, MachineError> {
        let mut watch = BootWatch::new(heartbeat);
        let patience = Patience::seconds(seconds).or_stop(stop);
        let what = format!("the start of the system in {}", self.spec.name);
        let found = self.console.watch(&what, &patience, |line, has_ended| {
            watch.read(line, has_ended)
        });
        match found {
            Ok(Some(Ok(sign))) => Ok(BootEnd::Up(sign)),
            Ok(Some(Err(reason))) => Ok(BootEnd::Failed(reason)),
            Ok(None) => Ok(BootEnd::Failed(self.how_it_ended().to_string())),
            Err(MachineError::TooLong { .. }) => {
                let last_line = self.console.last_line();
                let reason = watch.out_of_time(seconds, last_line.as_deref());
                Ok(BootEnd::Failed(reason))
            }
            Err(error) => Err(error),
        }
    }

    /// Writes a picture of the screen to a PNG file.
    ///
    /// # Errors
    /// [`MachineError::Refused`], [`MachineError::Monitor`]
    pub fn screenshot(&self, path: &Path) -> Result<(), MachineError> {
        let path = std::path::absolute(path).map_err(|source| MachineError::File {
            act: "find",
            path: path.into(),
            source,
        })?;
        let arguments = json!({"filename": path.to_string_lossy(), "format": "png"});
        self.command("screendump", &arguments)?;
        Ok(())
    }

    /// What it is doing.
    ///
    /// # Errors
    /// [`MachineError::Monitor`]
    pub fn status(&self) -> Result<MachineStatus, MachineError> {
        let answer = self.command("query-status", &json!({}))?;
        Ok(MachineStatus {
            running: answer["running"].as_bool().unwrap_or(false),
            status: answer["status"].as_str().unwrap_or("unknown").to_owned(),
        })
    }

    /// Waits until it ends by itself, as when the system inside powers it off.
    ///
    /// # Errors
    /// [`MachineError::TooLong`], [`MachineError::Stopped`]
    pub fn wait_for_end(&self, patience: &Patience<'_>) -> Result<(), MachineError> {
        self.process.wait(patience)
    }

    /// Switches it off, as when its power cord is pulled; what the system had flushed is in the
    /// images. Returns when its process is gone.
    ///
    /// # Errors
    /// [`MachineError::Process`], [`MachineError::TooLong`]
    pub fn quit(self) -> Result<(), MachineError> {
        let asked = self.command("quit", &json!({}));
        if asked.is_ok() && self.process.wait(&Patience::seconds(QUIT_SECONDS)).is_ok() {
            return Ok(());
        }
        self.process.kill()
    }

    /// The end of what its process wrote to standard error.
    #[must_use]
    pub fn last_words(&self) -> String {
        self.process.last_words()
    }

    fn command(&self, command: &str, arguments: &Value) -> Result<Value, MachineError> {
        let mut qmp = self.qmp.lock().unwrap_or_else(PoisonError::into_inner);
        qmp.execute(command, arguments)
            .map_err(|error| told(&self.spec.name, command, error))
    }

    /// For when its console is closed: the process is ending, or has.
    fn how_it_ended(&self) -> MachineError {
        match self.process.wait(&Patience::seconds(QUIT_SECONDS)) {
            Ok(()) => self.process.ended().unwrap_or(MachineError::Stopped),
            Err(error) => error,
        }
    }
}

fn told(machine: &str, command: &str, error: QmpError) -> MachineError {
    let machine = machine.to_owned();
    match error {
        QmpError::Io(source) => MachineError::Monitor { machine, source },
        QmpError::Refused(reason) => MachineError::Refused {
            machine,
            command: command.to_owned(),
            reason,
        },
    }
}

/// The process is started in the work folder, from where relative paths lead elsewhere.
fn make_paths_absolute(spec: &mut MachineSpec) -> Result<(), MachineError> {
    let absolute = |path: &mut PathBuf| {
        let found = std::path::absolute(&*path).map_err(|source| MachineError::File {
            act: "find",
            path: path.clone(),
            source,
        })?;
        *path = found;
        Ok(())
    };
    absolute(&mut spec.work_folder)?;
    for disk in &mut spec.disks {
        absolute(&mut disk.path)?;
    }
    if let Some(kernel) = &mut spec.kernel {
        absolute(&mut kernel.kernel)?;
        if let Some(initramfs) = &mut kernel.initramfs {
            absolute(initramfs)?;
        }
    }
    Ok(())
}

/// The firmware's variables, empty the first time, and as the machine left them after that.
fn keep_variables(empty: &Path, path: &Path) -> Result<(), MachineError> {
    if path.exists() {
        return Ok(());
    }
    std::fs::copy(empty, path)
        .map(drop)
        .map_err(|source| MachineError::File {
            act: "copy the firmware's variables to",
            path: path.into(),
            source,
        })
}

fn is_block_device(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|data| data.file_type().is_block_device())
}

/// The host's ports of a network. A free one is found by taking it and giving it back; whoever
/// takes it before the emulator does makes the start fail.
fn host_ports(mode: &NetworkMode) -> io::Result<Vec<u16>> {
    // All are held at once, so that none is found twice.
    let mut held = Vec::new();
    for forward in mode.forwards() {
        held.push(match forward.host_port {
            0 => {
                let listener = TcpListener::bind(on_loopback(0))?;
                (listener.local_addr()?.port(), Some(listener))
            }
            port => (port, None),
        });
    }
    Ok(held.iter().map(|(port, _)| *port).collect())
}

fn remove_if_there(path: &Path) -> Result<(), MachineError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(MachineError::File {
            act: "remove the socket",
            path: path.into(),
            source,
        }),
        _ => Ok(()),
    }
}
