//! Servers as tests meet them: a source that is there within seconds, because it goes on from a
//! snapshot that was taken shortly after its boot, and whatever else boots and has the same shell.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rehost_testkit::run_tool;

use crate::block::text;
use crate::cache::Cache;
use crate::control::Control;
use crate::disks::source_disks;
use crate::layout::{Firmware, Layout, Place};
use crate::machine::{
    Disk, DiskFormat, FIRMWARE_VARIABLES, Machine, MachineSpecification, NetworkCard,
};

/// The longest boot that is still one, on a host that is busy with something else.
const BOOT: Duration = Duration::from_secs(420);
/// For a command that does not wait for anything.
const QUICK: Duration = Duration::from_secs(60);
/// For commands that fill the database.
const SLOW: Duration = Duration::from_secs(300);

const SNAPSHOT: &str = "booted";
const VARIABLES: &str = "variables.qcow2";
/// Memory of a server.
pub const MEMORY_MIB: u32 = 1024;
/// PostgreSQL's port.
pub const DATABASE_PORT: u16 = 5432;

/// What is in the database before a test begins: pgbench's tables and the table of a journal.
const PREPARE_DATABASE: &str = "set -e
cd /
runuser -u postgres -- createdb bench
runuser -u postgres -- pgbench --quiet --initialize --scale=2 bench
runuser -u postgres -- psql -qd bench -c 'create table journal (
    client integer, sequence bigint, note text, primary key (client, sequence))'
sync";

/// A running server with a shell.
#[derive(Debug)]
pub struct Guest {
    control: Control,
    machine: Machine,
    database_port: u16,
    boot_seconds: f64,
}

impl Guest {
    /// A source server of this layout, running since a moment ago, with the files of its machine in
    /// `directory`. Its clock is right. The first call makes it, which takes minutes and needs root.
    ///
    /// # Errors
    /// If it cannot be made or started.
    pub fn source(layout: Layout, directory: &Path) -> Result<Self> {
        let kept = booted(&Cache::of_checkout()?, layout)?;
        std::fs::create_dir_all(directory)?;
        let names = (0..layout.disk_count()).map(disk_name);
        for name in names.chain([VARIABLES.into()]) {
            let from = kept.join(&name);
            if from.exists() {
                let words = ["--sparse=always", text(&from)?, text(directory)?];
                run_tool("cp", words).context("copy the disks of the source")?;
            }
        }
        let specification = specification(layout, directory, Some(SNAPSHOT.into()))?;
        let mut guest = Self::start(&specification)?;
        // It thinks that no time has gone by since the snapshot.
        let now = std::time::UNIX_EPOCH.elapsed().context("read the clock")?;
        guest.run(&format!("date --set=@{:.3}", now.as_secs_f64()))?;
        Ok(guest)
    }

    /// Boots a machine that has the shell of a source, and waits until it has reached the end of its
    /// boot.
    ///
    /// # Errors
    /// If it does not get there; the last of its console is in the message.
    pub fn boot(specification: &MachineSpecification) -> Result<Self> {
        let begin = Instant::now();
        let mut guest = Self::start(specification)?;
        guest
            .wait_for_boot()
            .with_context(|| format!("its console: {}", guest.last_of_console()))?;
        guest.boot_seconds = begin.elapsed().as_secs_f64();
        Ok(guest)
    }

    fn start(specification: &MachineSpecification) -> Result<Self> {
        let machine = Machine::start(specification)?;
        let forwards = &specification.network.forwards;
        let database = forwards.iter().find(|(_, port)| *port == DATABASE_PORT);
        Ok(Self {
            control: Control::connect(&machine.control_socket())?,
            machine,
            database_port: database.map_or(0, |(host, _)| *host),
            boot_seconds: 0.0,
        })
    }

    fn wait_for_boot(&mut self) -> Result<()> {
        // The shell may be there before it listens, and what was sent before is lost.
        let end = Instant::now() + BOOT;
        let attempt = Duration::from_secs(5);
        while self.try_run("true", attempt).is_err() {
            self.machine.check()?;
            ensure!(Instant::now() < end, "no shell on the serial port");
        }
        // "degraded" is a boot with failed units: those are for the test to judge.
        let command = "systemctl is-system-running --wait; true";
        self.try_run(command, BOOT).map(|_| ())
    }

    fn last_of_console(&self) -> String {
        const LINES: usize = 40;
        let bytes = std::fs::read(self.machine.console_log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let skip = text.lines().count().saturating_sub(LINES);
        text.lines().skip(skip).collect::<Vec<_>>().join("\n")
    }

    /// Runs a command as root, with bash, and gives what it printed.
    ///
    /// # Errors
    /// If it fails or does not end soon.
    pub fn run(&mut self, command: &str) -> Result<String> {
        self.run_within(command, QUICK)
    }

    /// As [`Guest::run`], with this much time.
    ///
    /// # Errors
    /// If it fails or has not ended by then.
    pub fn run_within(&mut self, command: &str, deadline: Duration) -> Result<String> {
        let (code, said) = self.try_run(command, deadline)?;
        ensure!(code == 0, "in the machine, {command} gave {code}: {said}");
        Ok(said)
    }

    /// As [`Guest::run_within`], for commands that may fail: gives the exit code, too.
    ///
    /// # Errors
    /// If it has not ended at the deadline.
    pub fn try_run(&mut self, command: &str, deadline: Duration) -> Result<(i32, String)> {
        let machine = &mut self.machine;
        let ended = self.control.run(command, deadline, || machine.check())?;
        Ok((ended.code, ended.said))
    }

    /// Hands a file to the server, through its network.
    ///
    /// # Errors
    /// If it does not arrive.
    pub fn put(&mut self, from: &Path, to: &str, mode: &str) -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").context("open a port")?;
        let port = listener.local_addr()?.port();
        let mut file =
            std::fs::File::open(from).with_context(|| format!("open {}", from.display()))?;
        let size_bytes = file.metadata()?.len();
        let sender = std::thread::spawn(move || -> Result<()> {
            let (mut stream, _) = listener.accept()?;
            std::io::copy(&mut file, &mut stream)?;
            Ok(())
        });
        let address = crate::HOST_ADDRESS;
        let command = format!(
            "set -e; umask 077; cat < /dev/tcp/{address}/{port} > '{to}'; chmod {mode} '{to}'; \
             stat -c %s '{to}'"
        );
        let said = self.run_within(&command, SLOW)?;
        sender
            .join()
            .map_err(|_| anyhow::anyhow!("the sender panicked"))?
            .context("send a file")?;
        ensure!(said == size_bytes.to_string(), "{to} has {said} bytes");
        Ok(())
    }

    /// Port of the host's loopback address that leads to its database.
    #[must_use]
    pub fn database_port(&self) -> u16 {
        self.database_port
    }

    /// How long the boot took.
    #[must_use]
    pub fn boot_seconds(&self) -> f64 {
        self.boot_seconds
    }

    /// The machine it runs on.
    pub fn machine(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// Ends its machine, as a power cut would, but with all writes in the files of its disks.
    ///
    /// # Errors
    /// If the machine does not end.
    pub fn power_off(self) -> Result<()> {
        self.machine.quit()
    }
}

/// Where the file systems of a layout lie. The first call makes the disks.
///
/// # Errors
/// If they cannot be made.
pub fn source_places(layout: Layout) -> Result<Vec<Place>> {
    Ok(source_disks(&Cache::of_checkout()?, layout)?.places)
}

fn disk_name(number: usize) -> String {
    format!("disk-{number}.qcow2")
}

/// The folder with the disks of a server that has booted, and the snapshot in them.
fn booted(cache: &Cache, layout: Layout) -> Result<PathBuf> {
    let disks = source_disks(cache, layout)?;
    let name = format!("{}-booted", layout.name());
    let ingredients = [
        disks.recipe.as_str(),
        include_str!("guest.rs"),
        include_str!("machine.rs"),
        include_str!("control.rs"),
    ];
    cache.entry(&name, &ingredients, |directory| {
        for (number, image) in disks.images.iter().enumerate() {
            let to = directory.join(disk_name(number));
            let words = ["convert", "-f", "raw", "-O", "qcow2"];
            run_tool(
                "qemu-img",
                words.into_iter().chain([text(image)?, text(&to)?]),
            )?;
        }
        if layout.firmware() == Firmware::Uefi {
            new_variables(&directory.join(VARIABLES))?;
        }
        let mut guest = Guest::boot(&specification(layout, directory, None)?)?;
        guest.run_within(PREPARE_DATABASE, SLOW)?;
        guest.machine.snapshot(SNAPSHOT)?;
        guest.power_off()
    })
}

/// Makes the variables of a UEFI that has never started anything.
///
/// # Errors
/// If that fails.
pub fn new_variables(path: &Path) -> Result<()> {
    let words = ["convert", "-f", "raw", "-O", "qcow2", FIRMWARE_VARIABLES];
    run_tool("qemu-img", words.into_iter().chain([text(path)?]))?;
    Ok(())
}

fn specification(
    layout: Layout,
    directory: &Path,
    resume: Option<String>,
) -> Result<MachineSpecification> {
    let disks = (0..layout.disk_count()).map(|number| Disk {
        path: directory.join(disk_name(number)),
        format: DiskFormat::Qcow2,
    });
    let variables = (layout.firmware() == Firmware::Uefi).then(|| directory.join(VARIABLES));
    Ok(MachineSpecification {
        name: layout.name().into(),
        firmware: layout.firmware(),
        variables,
        disks: disks.collect(),
        network: NetworkCard {
            address: layout.address().into(),
            forwards: vec![(rehost_testkit::free_port()?, DATABASE_PORT)],
            isolated: false,
        },
        memory_mib: MEMORY_MIB,
        resume,
        directory: directory.to_owned(),
    })
}
