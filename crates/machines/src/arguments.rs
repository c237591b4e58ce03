//! The command line of QEMU for a machine. Pure: every choice was made before.
//!
//! Paths are words of their own, or have their commas doubled; names in which a comma would do harm
//! were refused by [`MachineSpec::check`].

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use serde_json::json;

use crate::spec::{CONSOLE_SOCKET, MONITOR_SOCKET, VARIABLES};
use crate::{DiskSpec, MachineSpec, NetworkMode, NetworkSpec};

/// What was found out about the host.
#[derive(Clone, Debug)]
pub(crate) struct Choices<'a> {
    /// Whether the processor executes the instructions itself.
    pub(crate) kvm: bool,
    /// UEFI firmware; the variables of it are in the work folder.
    pub(crate) uefi: Option<&'a Path>,
    /// For each disk whether it is a block device.
    pub(crate) block_devices: Vec<bool>,
    /// For each network the host's ports of its forwards.
    pub(crate) host_ports: Vec<Vec<u16>>,
}

/// Arguments of QEMU. It is to be started in the work folder of the machine, where its sockets go;
/// the machine waits for `cont` before it begins, so that nothing it says is missed.
pub(crate) fn arguments(spec: &MachineSpec, choices: &Choices<'_>) -> Vec<OsString> {
    let mut list = Arguments::default();
    list.add("-name", format!("guest={}", spec.name));
    list.flag("-no-user-config");
    list.flag("-nodefaults");
    // Without graphics the BIOS speaks on the serial console, too, and so do boot loaders that use
    // it. A screen can be there all the same.
    let mut machine = "q35,graphics=off".to_owned();
    if choices.uefi.is_some() {
        machine.push_str(",pflash0=uefi-code,pflash1=uefi-variables");
    }
    list.add("-machine", machine);
    // Systems that are built for newer processors refuse the oldest one, QEMU's default.
    let (accelerator, processor) = accelerator_words(choices.kvm);
    list.add("-accel", accelerator);
    list.add("-cpu", processor);
    list.add("-smp", spec.cpus.to_string());
    list.add("-m", spec.memory_mib.to_string());
    list.add("-rtc", "base=utc");
    list.add("-display", "none");
    list.add("-vga", if spec.screen { "std" } else { "none" });
    // What escapes from the machine into QEMU can start no programs.
    list.add(
        "-sandbox",
        "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
    );
    list.flag("-S");
    list.add("-qmp", listening(MONITOR_SOCKET));
    list.add(
        "-chardev",
        format!("socket,id=console,{}", path(CONSOLE_SOCKET)),
    );
    list.add("-serial", "chardev:console");
    list.add("-device", "virtio-rng-pci");
    if !spec.restarts {
        list.add("-action", "reboot=shutdown");
    }
    if let Some(code) = choices.uefi {
        let code = code.display().to_string();
        let variables = VARIABLES.to_owned();
        for (node, file, read_only) in [
            ("uefi-code", code, true),
            ("uefi-variables", variables, false),
        ] {
            let file = json!({"driver": "file", "filename": file});
            let block = json!(
                {"driver": "raw", "node-name": node, "read-only": read_only, "file": file}
            );
            list.add("-blockdev", block.to_string());
        }
    }
    for (index, disk) in spec.disks.iter().enumerate() {
        let is_device = choices.block_devices.get(index).is_some_and(|is| *is);
        add_disk(&mut list, index, disk, is_device);
    }
    for (index, network) in spec.networks.iter().enumerate() {
        let ports = choices.host_ports.get(index).map_or(&[][..], Vec::as_slice);
        add_network(&mut list, index, network, ports);
    }
    if !spec.ports.is_empty() {
        list.add("-device", "virtio-serial-pci");
    }
    for (index, port) in spec.ports.iter().enumerate() {
        list.add(
            "-chardev",
            format!("socket,id=port{index},{}", path(&port.socket)),
        );
        let device = format!("virtserialport,chardev=port{index},name={}", port.name);
        list.add("-device", device);
    }
    if let Some(kernel) = &spec.kernel {
        list.add("-kernel", &kernel.kernel);
        if let Some(initramfs) = &kernel.initramfs {
            list.add("-initrd", initramfs);
        }
        list.add("-append", &kernel.command_line);
    }
    list.0
}

/// What executes instructions, and as which processor.
pub(crate) const fn accelerator_words(kvm: bool) -> (&'static str, &'static str) {
    if kvm {
        ("kvm", "host")
    } else {
        ("tcg,thread=multi", "max")
    }
}

#[derive(Debug, Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn add(&mut self, option: &str, value: impl Into<OsString>) {
        self.0.push(option.into());
        self.0.push(value.into());
    }

    fn flag(&mut self, option: &str) {
        self.0.push(option.into());
    }
}

fn path(socket: &str) -> String {
    format!("path={socket},server=on,wait=off")
}

fn listening(socket: &str) -> String {
    format!("unix:{socket},server=on,wait=off")
}

fn add_disk(list: &mut Arguments, index: usize, disk: &DiskSpec, is_device: bool) {
    let on = |yes: bool| if yes { "on" } else { "off" };
    let mut drive = OsString::from(format!(
        "id=disk{index},if=none,format={},read-only={},snapshot={},cache={},discard=unmap,\
         file.driver={},file.filename=",
        disk.format.name(),
        on(disk.read_only),
        on(disk.snapshot && !disk.read_only),
        if disk.durable { "writeback" } else { "unsafe" },
        if is_device { "host_device" } else { "file" },
    ));
    drive.push(with_doubled_commas(&disk.path));
    list.add("-drive", drive);
    let serial = &disk.serial;
    let order = index + 1;
    let device = format!("virtio-blk-pci,drive=disk{index},serial={serial},bootindex={order}");
    list.add("-device", device);
}

/// How QEMU is told that a comma is part of a value.
fn with_doubled_commas(path: &Path) -> OsString {
    let mut bytes = Vec::new();
    for &byte in path.as_os_str().as_bytes() {
        bytes.push(byte);
        if byte == b',' {
            bytes.push(byte);
        }
    }
    OsString::from_vec(bytes)
}

fn add_network(list: &mut Arguments, index: usize, network: &NetworkSpec, host_ports: &[u16]) {
    let id = format!("net{index}");
    let backend = match &network.mode {
        NetworkMode::Isolated { .. } => format!("user,id={id},restrict=on"),
        NetworkMode::User { .. } => format!("user,id={id}"),
        NetworkMode::Tap { interface } => {
            format!("tap,id={id},ifname={interface},script=no,downscript=no")
        }
        NetworkMode::None => format!("hubport,id={id},hubid={index}"),
    };
    let forwards = network.mode.forwards().iter().zip(host_ports);
    let forwards: String = forwards
        .map(|(forward, host_port)| {
            format!(",hostfwd=tcp:127.0.0.1:{host_port}-:{}", forward.guest_port)
        })
        .collect();
    list.add("-netdev", backend + &forwards);
    // Without its own boot program: the machine boots from its disks or not at all.
    let device = format!("virtio-net-pci,netdev={id},mac={},romfile=", network.mac);
    list.add("-device", device);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::tests::smallest;
    use crate::{DiskFormat, Forward, KernelSpec, PortSpec};

    fn text(spec: &MachineSpec, choices: &Choices<'_>) -> String {
        let words = arguments(spec, choices).into_iter();
        let words: Vec<String> = words.map(|word| word.into_string().unwrap()).collect();
        words.join(" ")
    }

    fn nothing_found() -> Choices<'static> {
        Choices {
            kvm: false,
            uefi: None,
            block_devices: vec![],
            host_ports: vec![],
        }
    }

    #[test]
    fn an_emulated_machine_waits_to_begin_and_starts_no_programs() {
        let text = text(&smallest(), &nothing_found());
        for part in [
            "-name guest=m ",
            "-machine q35,graphics=off ",
            "-accel tcg,thread=multi -cpu max -smp 1 -m 64 ",
            "-vga none",
            "spawn=deny",
            " -S ",
            "-qmp unix:monitor.sock,server=on,wait=off ",
            "-serial chardev:console",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(!text.contains("reboot=shutdown"));
    }

    #[test]
    fn everything_asked_for_is_there() {
        let mut spec = smallest();
        spec.screen = true;
        spec.restarts = false;
        spec.disks = vec![
            DiskSpec {
                path: "/a,b c.raw".into(),
                format: DiskFormat::Raw,
                serial: "rehost-0".into(),
                read_only: false,
                snapshot: true,
                durable: false,
            },
            DiskSpec {
                path: "/dev/vg/x".into(),
                format: DiskFormat::Qcow2,
                serial: "rehost-1".into(),
                read_only: true,
                snapshot: false,
                durable: true,
            },
        ];
        let forwards = vec![Forward {
            guest_port: 22,
            host_port: 0,
        }];
        let network = |mode| NetworkSpec {
            mac: "52:54:00:00:00:01".into(),
            mode,
        };
        spec.networks = vec![
            network(NetworkMode::Isolated { forwards }),
            network(NetworkMode::None),
            network(NetworkMode::Tap {
                interface: "tap0".into(),
            }),
        ];
        spec.ports = vec![PortSpec {
            name: "org.rehost.helper".into(),
            socket: "helper.sock".into(),
        }];
        spec.kernel = Some(KernelSpec {
            kernel: "/boot/vm linuz".into(),
            initramfs: Some("/i".into()),
            command_line: "console=ttyS0 quiet".into(),
        });
        let choices = Choices {
            kvm: true,
            uefi: Some(Path::new("/code.fd")),
            block_devices: vec![false, true],
            host_ports: vec![vec![4022], vec![], vec![]],
        };
        let text = text(&spec, &choices);
        for part in [
            "-accel kvm -cpu host",
            "-vga std",
            "-action reboot=shutdown",
            "pflash0=uefi-code,pflash1=uefi-variables",
            r#""filename":"/code.fd"},"node-name":"uefi-code","read-only":true"#,
            r#""filename":"uefi-variables.fd"},"node-name":"uefi-variables","read-only":false"#,
            "format=raw,read-only=off,snapshot=on,cache=unsafe,discard=unmap,\
             file.driver=file,file.filename=/a,,b c.raw ",
            "virtio-blk-pci,drive=disk0,serial=rehost-0,bootindex=1",
            "format=qcow2,read-only=on,snapshot=off,cache=writeback,discard=unmap,\
             file.driver=host_device,file.filename=/dev/vg/x ",
            "user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:4022-:22 ",
            "virtio-net-pci,netdev=net0,mac=52:54:00:00:00:01,romfile= ",
            "hubport,id=net1,hubid=1 ",
            "tap,id=net2,ifname=tap0,script=no,downscript=no ",
            "virtserialport,chardev=port0,name=org.rehost.helper",
            "-kernel /boot/vm linuz -initrd /i -append console=ttyS0 quiet",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
