//! A copy to boot, a helper system that changes it, and the means to see what is left of a boot.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use rehost_machines::{Accelerator, Backing, DiskFormat, Firmware, KernelSpec};
use rehost_target_providers::{BootOrder, BootPurpose, BootVolume, Boots, HelperSystem, Ledger};
use rehost_testkit::{SENTENCE_AT, SENTENCE_BYTES, TestKernel, VIRTIO_MODULES, talking_disk};
use serde_json::json;
use tempfile::TempDir;

/// What the copy says until it is fixed.
pub(crate) const BROKEN: &str = "grub rescue>";
/// What it says when it is up.
pub(crate) const UP: &str = "REHOST-HEARTBEAT multi-user tiny";

/// What the helper system of these tests does. It is what the real one does, in small: it takes the
/// request from its port, finds the disk, changes what is on it, reports, and powers off.
const HELPER: &str = r#"
for port in /sys/class/virtio-ports/*; do
    [ "$(cat "$port/name")" = org.rehost.helper ] && exec 3<>"/dev/${port##*/}"
done
for disk in /sys/block/vd*; do
    [ "$(cat "$disk/serial")" = rehost-0 ] && name=${disk##*/}
done
echo '{"event":"ready"}' >&3
read -r request <&3
sentence=$(echo "$request" | sed 's/.*"sentence":"\([^"]*\)".*/\1/')
echo '{"event":"log","line":"changing the sentence"}' >&3
found=$(dd if=/dev/$name bs=1 skip=AT count=BYTES 2>/dev/null | tr -d '\0\r\n')
case $sentence in
refuse) echo '{"event":"failed","reason":"the sentence cannot be changed","report":null}' >&3 ;;
die) poweroff -f ;;
*)
    dd if=/dev/zero of=/dev/$name bs=1 seek=AT count=BYTES conv=notrunc 2>/dev/null
    printf '%s\r\n' "$sentence" | dd of=/dev/$name bs=1 seek=AT conv=notrunc 2>/dev/null
    sync
    echo "{\"event\":\"done\",\"report\":{\"serial\":\"rehost-0\",\"found\":\"$found\"}}" >&3
    ;;
esac
poweroff -f
"#;

/// Where boots are tried.
pub(crate) struct Ground {
    folder: PathBuf,
    _directory: Option<TempDir>,
}

impl Ground {
    /// Makes a copy and a helper system.
    pub(crate) fn new() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let ground = Self {
            folder: directory.path().to_owned(),
            _directory: Some(directory),
        };
        talking_disk(&ground.copy(), &format!("{BROKEN}\r\n"))?;
        let script = HELPER
            .replace("AT", &SENTENCE_AT.to_string())
            .replace("BYTES", &SENTENCE_BYTES.to_string());
        let initramfs = TestKernel::get()?.initramfs(VIRTIO_MODULES, &script)?;
        std::fs::write(ground.initramfs(), initramfs)?;
        Ok(ground)
    }

    /// One that another process made.
    pub(crate) fn of_another_process(folder: &Path) -> Self {
        Self {
            folder: folder.into(),
            _directory: None,
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn copy(&self) -> PathBuf {
        self.folder.join("copy.raw")
    }

    fn initramfs(&self) -> PathBuf {
        self.folder.join("initramfs")
    }

    pub(crate) fn boot_folder(&self) -> PathBuf {
        self.folder.join("boots/task/boot")
    }

    pub(crate) fn ledger(&self) -> Result<Ledger> {
        Ok(Ledger::open(&self.folder.join("ledger.jsonl"))?)
    }

    /// As a process has them that has just begun.
    pub(crate) fn boots(&self) -> Result<Boots> {
        let helper = HelperSystem {
            kernel: KernelSpec {
                kernel: TestKernel::get()?.image,
                initramfs: Some(self.initramfs()),
                command_line: "console=ttyS0 panic=-1".into(),
            },
            cpus: 1,
            memory_mib: 256,
        };
        let folder = self.folder.join("boots");
        Ok(Boots::new(folder, Arc::new(self.ledger()?), helper))
    }

    pub(crate) fn order(&self, purpose: BootPurpose, sentence: &str) -> BootOrder {
        BootOrder {
            task_id: "task".into(),
            boot_id: "boot".into(),
            purpose,
            accelerator: Accelerator::Tcg,
            cpus: 1,
            memory_mib: 64,
            firmware: Firmware::Bios,
            networks: vec![],
            fixups: json!({"sentence": sentence}),
            heartbeat: true,
            probes: vec![],
            helper_wait_seconds: 300,
            boot_wait_seconds: 300,
            probe_wait_seconds: 0,
        }
    }

    pub(crate) fn volume(&self) -> BootVolume {
        BootVolume {
            index: 0,
            size_bytes: self.copy().metadata().map_or(0, |data| data.len()),
            backing: Backing::File {
                path: self.copy(),
                format: DiskFormat::Raw,
            },
        }
    }

    /// Overlays that are there.
    pub(crate) fn overlays(&self) -> Result<Vec<PathBuf>> {
        let Ok(entries) = std::fs::read_dir(self.boot_folder()) else {
            return Ok(vec![]);
        };
        let paths = entries.map(|entry| Ok(entry?.path()));
        let paths: Vec<PathBuf> = paths.collect::<Result<_>>()?;
        let is_overlay = |path: &PathBuf| path.extension().is_some_and(|end| end == "qcow2");
        Ok(paths.into_iter().filter(is_overlay).collect())
    }

    /// Processes that work in the folder of these boots: by where they are, not by what any ledger
    /// says.
    pub(crate) fn machines(&self) -> Result<Vec<String>> {
        let boots = self.folder.join("boots");
        let mut found = vec![];
        for entry in std::fs::read_dir("/proc")? {
            let process = entry?.path();
            // Gone meanwhile, or no process.
            let Ok(works_in) = std::fs::read_link(process.join("cwd")) else {
                continue;
            };
            if works_in.starts_with(&boots) {
                found.push(format!("{} in {}", process.display(), works_in.display()));
            }
        }
        Ok(found)
    }

    /// Fails if anything of a boot is left, known to the ledger or not.
    pub(crate) fn assert_nothing_left(&self) -> Result<()> {
        let machines = self.machines()?;
        ensure!(machines.is_empty(), "machines run: {machines:?}");
        let things = self.ledger()?.things("task");
        ensure!(things.is_empty(), "in the ledger: {things:?}");
        let boots = self.folder.join("boots");
        if boots.exists() {
            let mut left = std::fs::read_dir(&boots).context("look for what is left")?;
            ensure!(
                left.next().is_none(),
                "something is left in {}",
                boots.display()
            );
        }
        Ok(())
    }
}
