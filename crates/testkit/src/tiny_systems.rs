//! The smallest systems that machines can boot: a boot sector that says one sentence, and Debian's
//! kernel with busybox as the only program. They start in seconds even where machines are emulated.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use rustix::fs::{FlockOperation, flock};

use crate::disks::run_tool;

/// Smaller disks are no disks to firmware.
const DISK_BYTES: u64 = 2 << 20;
/// Where the sentence is in the first sector.
pub const SENTENCE_AT: u64 = 64;
/// How long it may be.
pub const SENTENCE_BYTES: usize = 400;
/// A package that depends on the kernel of the day.
const KERNEL_PACKAGE: &str = "linux-image-cloud-amd64";
/// Where Debian's busybox-static is.
const BUSYBOX: &str = "/bin/busybox";

/// Code that firmware loads at 0x7c00: writes the sentence, up to a zero byte, to the first serial
/// port, and halts.
#[rustfmt::skip]
const BOOT_CODE: &[u8] = &[
    0xfa,             // cli
    0x31, 0xc0,       // xor ax, ax
    0x8e, 0xd8,       // mov ds, ax
    0xbe, 0x40, 0x7c, // mov si, 0x7c40: the sentence
    0xac,             // next: lodsb
    0x84, 0xc0,       // test al, al
    0x74, 0x10,       // jz done
    0x50,             // push ax
    0xba, 0xfd, 0x03, // mov dx, 0x3fd
    0xec,             // wait: in al, dx
    0xa8, 0x20,       // test al, 0x20
    0x74, 0xfb,       // jz wait
    0x58,             // pop ax
    0xba, 0xf8, 0x03, // mov dx, 0x3f8
    0xee,             // out dx, al
    0xeb, 0xeb,       // jmp next
    0xf4,             // done: hlt
    0xeb, 0xfd,       // jmp done
];

/// Makes a disk that boots under a BIOS, says `sentence` on the serial console, and halts.
///
/// # Errors
/// If the sentence is too long or the file cannot be written.
pub fn talking_disk(path: &Path, sentence: &str) -> Result<()> {
    ensure!(sentence.len() < SENTENCE_BYTES, "the sentence is too long");
    let mut sector = [0; 512];
    sector[..BOOT_CODE.len()].copy_from_slice(BOOT_CODE);
    sector[64..][..sentence.len()].copy_from_slice(sentence.as_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    file.set_len(DISK_BYTES)?;
    file.write_all_at(&sector, 0)
        .context("write the boot sector")
}

/// Debian's kernel for machines, unpacked and not installed.
#[derive(Clone, Debug)]
pub struct TestKernel {
    /// The kernel.
    pub image: PathBuf,
    /// The folder with its modules.
    modules: PathBuf,
}

impl TestKernel {
    /// Fetches it from Debian the first time, and keeps it in the target directory.
    ///
    /// # Errors
    /// If it cannot be fetched or unpacked.
    pub fn get() -> Result<Self> {
        let test = std::env::current_exe().context("find this test")?;
        let target = test
            .ancestors()
            .nth(3)
            .context("find the target directory")?;
        let folder = target.join("test-kernel");
        std::fs::create_dir_all(&folder)?;
        // Tests are processes of their own and may come at the same time.
        let lock = File::create(folder.join("lock"))?;
        flock(&lock, FlockOperation::LockExclusive).context("wait for other tests")?;
        let unpacked = folder.join("unpacked");
        if !unpacked.exists() {
            let aside = folder.join("aside");
            if aside.exists() {
                std::fs::remove_dir_all(&aside)?;
            }
            fetch_kernel(&folder, &aside)?;
            std::fs::rename(&aside, &unpacked)?;
        }
        let only = |folder: PathBuf, start: &str| -> Result<PathBuf> {
            let found = std::fs::read_dir(&folder)?.filter_map(|entry| {
                let path = entry.ok()?.path();
                let name = path.file_name()?.to_str()?;
                name.starts_with(start).then_some(path)
            });
            let found: Vec<PathBuf> = found.collect();
            ensure!(found.len() == 1, "{found:?} in {}", folder.display());
            found.into_iter().next().context("find the kernel")
        };
        Ok(Self {
            image: only(unpacked.join("boot"), "vmlinuz-")?,
            modules: only(unpacked.join("lib/modules"), "")?,
        })
    }

    /// The first file system of a system whose only program is busybox. It loads `modules`, each a
    /// path below the kernel's folder without `.ko`, has `/dev`, `/proc` and `/sys`, and then does
    /// what `script` says.
    ///
    /// # Errors
    /// If busybox or a module is missing.
    pub fn initramfs(&self, modules: &[&str], script: &str) -> Result<Vec<u8>> {
        let mut archive = Archive::default();
        for folder in ["bin", "dev", "proc", "sys", "modules", "tmp"] {
            archive.add(folder, 0o040_755, &[]);
        }
        let busybox = std::fs::read(BUSYBOX)
            .with_context(|| format!("read {BUSYBOX}: install the package busybox-static"))?;
        archive.add("bin/busybox", 0o100_755, &busybox);
        let mut init = String::from(
            "#!/bin/busybox sh\nexport PATH=/bin\n/bin/busybox --install -s /bin\n\
             mount -t devtmpfs dev /dev\nmount -t proc proc /proc\nmount -t sysfs sys /sys\n",
        );
        for module in modules {
            let path = self.modules.join("kernel").join(format!("{module}.ko"));
            let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
            let name = path.file_name().and_then(OsStr::to_str).context("name")?;
            archive.add(&format!("modules/{name}"), 0o100_644, &bytes);
            init.push_str(&format!("insmod /modules/{name}\n"));
        }
        init.push_str(script);
        archive.add("init", 0o100_755, init.as_bytes());
        Ok(archive.finish())
    }
}

/// What a machine's virtio disks and serial ports need.
pub const VIRTIO_MODULES: &[&str] = &[
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci",
    "drivers/block/virtio_blk",
    "drivers/char/virtio_console",
];

/// What a machine's virtio network interfaces need beside [`VIRTIO_MODULES`].
pub const NETWORK_MODULES: &[&str] = &[
    "net/core/failover",
    "drivers/net/net_failover",
    "drivers/net/virtio_net",
];

fn fetch_kernel(folder: &Path, unpacked: &Path) -> Result<()> {
    let depends = run_tool("apt-cache", ["depends", KERNEL_PACKAGE])?;
    let package = depends
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: "))
        .with_context(|| format!("apt knows no {KERNEL_PACKAGE}: run `apt-get update`"))?;
    let script = r#"cd "$0" && rm -f *.deb && apt-get -q download "$1" && dpkg-deb -x *.deb "$2" && rm *.deb"#;
    let arguments = [OsStr::new("-c"), OsStr::new(script), folder.as_os_str()];
    let arguments = arguments
        .into_iter()
        .chain([OsStr::new(package), unpacked.as_os_str()]);
    run_tool("sh", arguments).map(drop)
}

/// An archive in the form that the kernel unpacks: cpio, "new ASCII".
#[derive(Debug, Default)]
struct Archive {
    bytes: Vec<u8>,
    files: u32,
}

impl Archive {
    fn add(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.files += 1;
        let links = 1;
        let fields = [
            self.files,
            mode,
            0,
            0,
            links,
            0,
            u32::try_from(content.len()).unwrap_or(u32::MAX),
            0,
            0,
            0,
            0,
            u32::try_from(name.len() + 1).unwrap_or(u32::MAX),
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(content);
        self.align();
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, &[]);
        self.bytes
    }
}
