//! The promises of a machine, held by real ones: emulated, so that they run everywhere.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result};
use regex_lite::Regex;
use rehost_machines::{
    Accelerator, BootEnd, BootSign, DiskFormat, DiskSpec, Firmware, Forward, KernelSpec, Machine,
    MachineError, MachineSpec, NetworkMode, NetworkSpec, Patience, Probe, ProbeKind,
    ProcessIdentity,
};
use rehost_testkit::{NETWORK_MODULES, SHORT, TestKernel, VIRTIO_MODULES, talking_disk, until};

/// For a system that starts in seconds, on a computer that is busy with something else.
const WAIT_SECONDS: u64 = 120;
/// Makes this test the process that is killed in it; where machines work.
const CHILD: &str = "REHOST_TEST_MACHINES_OF";

fn spec(folder: &Path) -> MachineSpec {
    MachineSpec {
        name: "test".into(),
        accelerator: Accelerator::Tcg,
        cpus: 1,
        memory_mib: 128,
        firmware: Firmware::Bios,
        disks: vec![],
        networks: vec![],
        kernel: None,
        ports: vec![],
        screen: false,
        restarts: false,
        outlives: false,
        work_folder: folder.join("work"),
    }
}

fn disk(path: &Path) -> DiskSpec {
    DiskSpec {
        path: path.into(),
        format: DiskFormat::Raw,
        serial: "rehost-0".into(),
        read_only: false,
        snapshot: false,
        durable: false,
    }
}

/// A machine that says that it is up as soon as its BIOS is through.
fn talking(folder: &Path) -> Result<MachineSpec> {
    let image = folder.join("disk, with a comma.raw");
    talking_disk(&image, "REHOST-HEARTBEAT multi-user tiny\r\n")?;
    let mut spec = spec(folder);
    spec.disks = vec![disk(&image)];
    spec.screen = true;
    Ok(spec)
}

#[test]
fn a_machine_is_heard_seen_and_switched_off() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let machine = Machine::start(&talking(directory.path())?)?;
    let process = machine.process().clone();
    let up = machine.wait_until_up(true, WAIT_SECONDS, &AtomicBool::new(false))?;
    let host_name = "tiny".to_owned();
    assert_eq!(up, BootEnd::Up(BootSign::Heartbeat { host_name }));
    let line = machine.wait_for_line(&Regex::new("multi-.*tiny")?, &Patience::seconds(0))?;
    assert!(line.contains("REHOST-HEARTBEAT"), "{line}");
    let log = std::fs::read_to_string(machine.console().log())?;
    assert!(log.contains("REHOST-HEARTBEAT multi-user tiny"), "{log}");
    assert!(machine.is_running() && machine.status()?.running);

    let picture = directory.path().join("screen.png");
    machine.screenshot(&picture)?;
    assert!(std::fs::read(&picture)?.starts_with(b"\x89PNG\r\n"));
    let refused = machine.screenshot(Path::new("/nowhere/screen.png"));
    assert!(matches!(refused, Err(MachineError::Refused { .. })));

    assert!(process.is_running());
    machine.quit()?;
    assert!(!process.is_running());
    Ok(())
}

#[test]
fn what_keeps_a_machine_from_starting_is_told() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut spec = spec(directory.path());
    spec.disks = vec![disk(Path::new("/nowhere/disk.raw"))];
    let error = Machine::start(&spec).unwrap_err();
    assert!(matches!(error, MachineError::Ended { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("/nowhere/disk.raw"), "{text}");
    assert!(text.contains("No such file"), "{text}");
    Ok(())
}

#[test]
fn writes_to_a_snapshot_are_gone_and_firmware_without_a_system_is_found_out() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let image = directory.path().join("empty.raw");
    std::fs::File::create(&image)?.set_len(4 << 20)?;
    let mut spec = spec(directory.path());
    spec.memory_mib = 256;
    spec.disks = vec![DiskSpec {
        snapshot: true,
        ..disk(&image)
    }];
    for firmware in [Firmware::Bios, Firmware::Uefi] {
        spec.firmware = firmware;
        let machine = Machine::start(&spec)?;
        let end = machine.wait_until_up(true, WAIT_SECONDS, &AtomicBool::new(false))?;
        let BootEnd::Failed(reason) = end else {
            panic!("{end:?}");
        };
        assert!(
            reason.starts_with("the firmware finds nothing to boot"),
            "{firmware:?}: {reason}"
        );
        machine.quit()?;
    }
    assert!(spec.work_folder.join("uefi-variables.fd").exists());
    Ok(())
}

#[test]
fn a_kernel_without_a_root_is_found_out_before_the_deadline() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut spec = spec(directory.path());
    spec.memory_mib = 256;
    spec.kernel = Some(KernelSpec {
        kernel: TestKernel::get()?.image,
        initramfs: None,
        command_line: "console=ttyS0".into(),
    });
    let machine = Machine::start(&spec)?;
    let end = machine.wait_until_up(true, 100_000, &AtomicBool::new(false))?;
    assert_eq!(
        end,
        BootEnd::Failed(
            "the kernel panics: VFS: Unable to mount root fs on unknown-block(0,0)".into()
        )
    );
    Ok(())
}

#[test]
fn an_isolated_machine_is_reached_and_reaches_nobody() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let kernel = TestKernel::get()?;
    // Somebody on the host whom the machine may reach only if its network leads somewhere.
    let host = TcpListener::bind("127.0.0.1:0")?;
    let host_port = host.local_addr()?.port();
    let script = format!(
        "ifconfig eth0 10.0.2.15 up\nroute add default gw 10.0.2.2\n\
         mkdir -p /www && echo hello > /www/index.html && httpd -h /www\n\
         nc -w 10 10.0.2.2 {host_port} </dev/null && echo REACHED || echo ALONE\n\
         echo REHOST-HEARTBEAT multi-user alone\nsleep 100000\n"
    );
    let modules = [VIRTIO_MODULES, NETWORK_MODULES].concat();
    let initramfs = directory.path().join("initramfs");
    std::fs::write(&initramfs, kernel.initramfs(&modules, &script)?)?;
    let mut spec = spec(directory.path());
    spec.memory_mib = 256;
    spec.kernel = Some(KernelSpec {
        kernel: kernel.image,
        initramfs: Some(initramfs),
        command_line: "console=ttyS0 quiet".into(),
    });
    let forward = |guest_port| Forward {
        guest_port,
        host_port: 0,
    };
    let forwards = vec![forward(80), forward(81)];
    for (mode, word) in [
        (
            NetworkMode::Isolated {
                forwards: forwards.clone(),
            },
            "ALONE",
        ),
        (NetworkMode::User { forwards }, "REACHED"),
    ] {
        spec.networks = vec![NetworkSpec {
            mac: "52:54:00:12:34:56".into(),
            mode,
        }];
        let machine = Machine::start(&spec)?;
        let end = machine.wait_until_up(true, WAIT_SECONDS, &AtomicBool::new(false))?;
        assert!(matches!(end, BootEnd::Up(_)), "{end:?}");
        machine.wait_for_line(&Regex::new(word)?, &Patience::seconds(0))?;
        let ask = |port, kind, seconds| {
            let probe = Probe { port, kind };
            let address = machine.forwarded(port).context("a forwarded port")?;
            anyhow::Ok(probe.ask(address, &Patience::seconds(seconds))?)
        };
        let http = |path: &str| ProbeKind::Http {
            path: path.into(),
            status: None,
        };
        let found = ask(80, http("/"), WAIT_SECONDS)?;
        assert!(found.passed, "{found:?}");
        let missing = ask(80, http("/missing"), 0)?;
        assert_eq!(missing.detail, "answers 404");
        assert!(ask(80, ProbeKind::Tcp, WAIT_SECONDS)?.passed);
        let nobody = ask(81, ProbeKind::Tcp, 0)?;
        assert!(
            !nobody.passed,
            "the host's end accepts everybody: {nobody:?}"
        );
        machine.quit()?;
    }
    Ok(())
}

#[test]
fn a_killed_process_leaves_only_machines_that_are_to_outlive_it() -> Result<()> {
    if let Some(folder) = std::env::var_os(CHILD) {
        return be_killed(Path::new(&folder));
    }
    let directory = tempfile::tempdir()?;
    let (mut child, [lent, kept]) = start_child(directory.path())?;
    let running = lent.is_running() && kept.is_running();
    child.kill()?;
    child.wait()?;
    assert!(running);
    until("the machine has ended with its starter", SHORT, || {
        Ok((!lent.is_running()).then_some(()))
    })?;
    assert!(kept.is_running());
    assert!(kept.end()?);
    assert!(!kept.is_running());
    Ok(())
}

/// Starts two machines, says which processes they are, and waits for its end.
fn be_killed(folder: &Path) -> Result<()> {
    let mut machines = vec![];
    for outlives in [false, true] {
        let folder = folder.join(outlives.to_string());
        std::fs::create_dir(&folder)?;
        let mut spec = talking(&folder)?;
        spec.outlives = outlives;
        let machine = Machine::start(&spec)?;
        let text = serde_json::to_string(machine.process())?;
        writeln!(std::io::stderr(), "machine {text}")?;
        machines.push(machine);
    }
    loop {
        std::thread::park();
    }
}

fn start_child(folder: &Path) -> Result<(Child, [ProcessIdentity; 2])> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--exact", "--nocapture"])
        .arg("a_killed_process_leaves_only_machines_that_are_to_outlive_it")
        .env(CHILD, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let said = BufReader::new(child.stderr.take().context("what it says")?);
    let mut found: Vec<ProcessIdentity> = vec![];
    for line in said.lines() {
        if let Some(text) = line?.strip_prefix("machine ") {
            found.push(serde_json::from_str(text)?);
        }
        if found.len() == 2 {
            break;
        }
    }
    let found = found
        .try_into()
        .map_err(|_| anyhow::anyhow!("two machines"))?;
    Ok((child, found))
}
