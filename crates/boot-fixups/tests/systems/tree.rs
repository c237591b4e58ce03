//! Builds trees of files that look like a copied system, and runs the fix-ups on them.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rehost_boot_fixups::{
    Addressing, CommandOutput, Commands, DiskFact, DiskFacts, Firmware, FixupName, FixupOutcome,
    FixupReport, FixupRequest, FixupState, PartitionStyle, TargetDisk, TargetNetwork, VolumeFact,
    fix,
};
use tempfile::TempDir;

/// The root file system's UUID.
pub(crate) const ROOT: &str = "0b1c2d3e-0000-4000-8000-000000000001";
/// `/boot`'s, where it is of its own.
pub(crate) const BOOT: &str = "0b1c2d3e-0000-4000-8000-000000000002";
/// The swap area's.
pub(crate) const SWAP: &str = "0b1c2d3e-0000-4000-8000-000000000003";
/// The EFI system partition's.
pub(crate) const ESP: &str = "1A2B-3C4D";
/// Hardware address of the card on the source.
pub(crate) const SOURCE_MAC: &str = "00:50:56:aa:bb:01";
/// Hardware address of the card on the target.
pub(crate) const TARGET_MAC: &str = "52:54:00:12:34:56";

/// A tree of files, removed in the end.
pub(crate) struct Tree {
    directory: TempDir,
}

impl Tree {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        fs::create_dir(directory.path().join("root")).unwrap();
        fs::create_dir(directory.path().join("outside")).unwrap();
        Self { directory }
    }

    /// The root directory of the copied system.
    pub(crate) fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    /// A directory that nothing may touch.
    pub(crate) fn outside(&self) -> PathBuf {
        self.directory.path().join("outside")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    pub(crate) fn file(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    pub(crate) fn private_file(&self, path: &str, content: &str) -> &Self {
        self.file(path, content);
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(0o600)).unwrap();
        self
    }

    pub(crate) fn directory(&self, path: &str) -> &Self {
        fs::create_dir_all(self.at(path)).unwrap();
        self
    }

    pub(crate) fn link(&self, path: &str, target: &str) -> &Self {
        let path = self.at(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
        self
    }

    pub(crate) fn remove(&self, path: &str) -> &Self {
        fs::remove_file(self.at(path)).unwrap();
        self
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.at(path).symlink_metadata().is_ok()
    }

    pub(crate) fn mode(&self, path: &str) -> u32 {
        fs::metadata(self.at(path)).unwrap().permissions().mode() & 0o777
    }

    pub(crate) fn link_target(&self, path: &str) -> PathBuf {
        fs::read_link(self.at(path)).unwrap()
    }

    /// A kernel with image and modules.
    pub(crate) fn kernel(&self, version: &str) -> &Self {
        let modules = [
            "kernel/drivers/block/virtio_blk.ko.xz:",
            "kernel/drivers/scsi/virtio_scsi.ko.xz:",
            "kernel/drivers/net/virtio_net.ko.xz: kernel/net/core/failover.ko.xz",
            "kernel/drivers/nvme/host/nvme.ko.xz:",
            "kernel/drivers/ata/ahci.ko.xz:",
            "kernel/drivers/hv/hv_vmbus.ko.xz:",
            "kernel/drivers/scsi/hv_storvsc.ko.xz: kernel/drivers/hv/hv_vmbus.ko.xz",
            "kernel/fs/ext4/ext4.ko.xz:",
        ];
        self.file(&format!("/boot/vmlinuz-{version}"), "kernel")
            .file(
                &format!("/usr/lib/modules/{version}/modules.dep"),
                modules.join("\n") + "\n",
            )
            .file(
                &format!("/usr/lib/modules/{version}/modules.builtin"),
                "kernel/drivers/virtio/virtio_pci.ko\n",
            )
    }

    pub(crate) fn systemd(&self, version: u32) -> &Self {
        self.file("/usr/lib/systemd/systemd", "program")
            .file(
                &format!("/usr/lib/systemd/libsystemd-shared-{version}.so"),
                "library",
            )
            .file(
                "/usr/lib/systemd/system/serial-getty@.service",
                "[Service]\n",
            )
    }

    /// Puts the system right.
    pub(crate) fn fix(&self, facts: &DiskFacts, request: &FixupRequest) -> FixupReport {
        fix(&self.root(), facts, request, &Programs::of(&self.root()))
    }

    /// Puts the system right twice, and holds that the second time changes and runs nothing.
    pub(crate) fn fix_twice(&self, facts: &DiskFacts, request: &FixupRequest) -> FixupReport {
        let first = self.fix(facts, request);
        let second = self.fix(facts, request);
        for (before, fixup) in first.fixups.iter().zip(&second.fixups) {
            let expected = match before.state {
                FixupState::Applied => FixupState::Unchanged,
                same => same,
            };
            assert_eq!(fixup.state, expected, "the second time: {fixup:#?}");
            assert!(fixup.changes.is_empty(), "the second time: {fixup:#?}");
            if expected != FixupState::Failed {
                assert!(fixup.commands.is_empty(), "the second time: {fixup:#?}");
            }
        }
        first
    }
}

/// Programs of the copied system, as far as files show that they ran.
pub(crate) struct Programs {
    root: PathBuf,
    /// Programs that fail, by the end of their paths.
    pub(crate) failing: Vec<&'static str>,
    pub(crate) runs: RefCell<Vec<String>>,
}

impl Programs {
    pub(crate) fn of(root: &Path) -> Self {
        Self {
            root: root.into(),
            failing: Vec::new(),
            runs: RefCell::new(Vec::new()),
        }
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.root.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn has(&self, path: &str) -> bool {
        self.root.join(path.trim_start_matches('/')).exists()
    }
}

impl Commands for Programs {
    fn run(&self, program: &str, arguments: &[&str]) -> CommandOutput {
        let run = format!("{program} {}", arguments.join(" "));
        self.runs.borrow_mut().push(run);
        let name = program.rsplit('/').next().unwrap();
        if self.failing.contains(&name) {
            return CommandOutput {
                exit_code: Some(1),
                output_tail: format!("{name}: no space left on device\n"),
            };
        }
        match (name, arguments) {
            ("update-initramfs", ["-u", "-k", "all"]) => {
                for entry in fs::read_dir(self.root.join("boot")).unwrap() {
                    let name = entry.unwrap().file_name().into_string().unwrap();
                    if name.starts_with("initrd.img-") {
                        self.write(&format!("/boot/{name}"), "built for any hardware");
                    }
                }
            }
            ("update-initramfs", ["-c", "-k", version]) => {
                self.write(&format!("/boot/initrd.img-{version}"), "built anew");
            }
            ("dracut", ["--force", image, _]) if image.starts_with('/') => {
                self.write(image, "built for any hardware");
            }
            ("grub-install" | "grub2-install", ["--target=i386-pc", _]) => {
                let directory = if self.has("/boot/grub2") {
                    "grub2"
                } else {
                    "grub"
                };
                self.write(&format!("/boot/{directory}/i386-pc/core.img"), "core, new");
            }
            ("grub-mkconfig" | "grub2-mkconfig", ["-o", path]) => {
                self.write(
                    path,
                    "menuentry 'x' {\n\tlinux /vmlinuz root=/dev/vda1 ro\n}\n",
                );
            }
            _ => {}
        }
        CommandOutput {
            exit_code: Some(0),
            output_tail: "done\n".into(),
        }
    }
}

/// A request for a disk that was `/dev/sda`, with all that can be asked for.
pub(crate) fn request(firmware: Firmware) -> FixupRequest {
    FixupRequest {
        firmware,
        disks: vec![TargetDisk {
            index: 0,
            serial: "rehost-0".into(),
            source_name: "/dev/sda".into(),
        }],
        networks: vec![TargetNetwork {
            source_name: "ens192".into(),
            source_mac: SOURCE_MAC.parse().unwrap(),
            target_mac: TARGET_MAC.parse().unwrap(),
            addressing: Addressing::Keep,
        }],
        skip: Vec::new(),
        heartbeat: true,
        serial_console: true,
    }
}

/// A disk with the table of its first years, and these volumes on it.
pub(crate) fn mbr(volumes: Vec<VolumeFact>) -> DiskFacts {
    facts(PartitionStyle::Mbr, false, None, volumes)
}

/// A disk with a GPT, whose first partition is the EFI system partition.
pub(crate) fn gpt_with_esp(volumes: Vec<VolumeFact>) -> DiskFacts {
    facts(PartitionStyle::Gpt, false, Some("/dev/vda1"), volumes)
}

pub(crate) fn facts(
    style: PartitionStyle,
    has_bios_boot_partition: bool,
    esp: Option<&str>,
    volumes: Vec<VolumeFact>,
) -> DiskFacts {
    DiskFacts {
        disks: vec![DiskFact {
            index: 0,
            path: "/dev/vda".into(),
            partition_style: Some(style),
            has_bios_boot_partition,
            efi_system_partition: esp.map(Into::into),
        }],
        volumes,
        logical_volumes: Vec::new(),
    }
}

/// A volume on the first disk; without a mount point it is swap.
pub(crate) fn volume(device: &str, mount_point: &str, file_system: &str, uuid: &str) -> VolumeFact {
    VolumeFact {
        mount_point: (!mount_point.is_empty()).then(|| mount_point.into()),
        device: device.into(),
        file_system: file_system.into(),
        uuid: Some(uuid.into()),
        disk_index: Some(0),
        ..VolumeFact::default()
    }
}

pub(crate) fn outcome(report: &FixupReport, name: FixupName) -> &FixupOutcome {
    let found = report.fixups.iter().find(|fixup| fixup.name == name);
    found.unwrap()
}

/// Holds that nothing failed.
pub(crate) fn assert_good(report: &FixupReport) {
    assert_eq!(report.first_failure(), None);
}

/// The report as people read it, with the commands as tests can compare them.
pub(crate) fn shown(report: &FixupReport) -> String {
    let mut text = String::new();
    for fixup in &report.fixups {
        writeln!(
            text,
            "== {}: {:?}: {}",
            fixup.name.word(),
            fixup.state,
            fixup.summary
        )
        .unwrap();
        for change in &fixup.changes {
            // Marks hold times.
            let is_mark = change.path.starts_with("/var/lib/rehost/boot-fixups/");
            let diff = if is_mark {
                format!("(mark {})\n", change.path)
            } else {
                change.diff.clone()
            };
            text.push_str(&diff);
        }
        for run in &fixup.commands {
            writeln!(text, "$ {} -> {:?}", run.command, run.exit_code).unwrap();
        }
    }
    text
}
