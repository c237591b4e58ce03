//! Whether the processor of this host can execute machines itself.
//!
//! That `/dev/kvm` is there and can be opened proves little: in nested and in shared hosts it may
//! refuse the registers of its own processor, or hang as soon as a machine begins. So a machine is
//! started: its boot sector enters the mode in which every 64-bit system runs, and says so. With a
//! processor that works this takes a fraction of a second.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rehost_linux::end_with_this_thread;
use rustix::fs::{MemfdFlags, memfd_create};

use crate::arguments::accelerator_words;
use crate::{Accelerator, MachineError};

/// How long the probe may take. With a processor that works it takes a fifth of a second.
const PROBE_TIME: Duration = Duration::from_secs(5);
/// Firmware reads nothing from a smaller disk.
const DISK_BYTES: u64 = 1 << 20;
/// What the boot sector says once it runs in 64-bit mode.
const SAYS: &[u8] = b"REHOST-64";
/// More than firmware says before it.
const MAX_HEARD_BYTES: usize = 64 * 1024;

/// Whether to use the processor for machines.
///
/// # Errors
/// [`MachineError::NoKvm`] if it was asked for and cannot.
pub(crate) fn use_kvm(asked: Accelerator, emulator: &Path) -> Result<bool, MachineError> {
    match asked {
        Accelerator::Tcg => Ok(false),
        Accelerator::Auto => Ok(kvm_boots_with(emulator)),
        Accelerator::Kvm if kvm_boots_with(emulator) => Ok(true),
        Accelerator::Kvm => Err(MachineError::NoKvm),
    }
}

/// Whether the processor of this host boots a machine. Tried once in the life of this process.
///
/// # Errors
/// [`MachineError::NotInstalled`]
pub fn kvm_boots() -> Result<bool, MachineError> {
    Ok(kvm_boots_with(&crate::programs::emulator()?))
}

fn kvm_boots_with(emulator: &Path) -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let boots = Path::new("/dev/kvm").exists() && boots_a_sector(emulator, true);
        tracing::info!(kvm = boots, "found out what executes machines");
        boots
    })
}

/// Starts a machine from a disk with [`BOOT_CODE`], and waits for what it says.
fn boots_a_sector(emulator: &Path, kvm: bool) -> bool {
    let speak = |said: &mut UnixStream| -> io::Result<bool> {
        let mut heard = Vec::new();
        let until = Instant::now() + PROBE_TIME;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // Setting no time at all is an error, which ends this as well.
            said.set_read_timeout(Some(left))?;
            let mut bytes = [0; 256];
            let count = said.read(&mut bytes)?;
            if count == 0 || heard.len() > MAX_HEARD_BYTES {
                return Ok(false);
            }
            heard.extend_from_slice(&bytes[..count]);
            if heard.windows(SAYS.len()).any(|window| window == SAYS) {
                return Ok(true);
            }
        }
    };
    let try_it = || -> io::Result<bool> {
        let disk = boot_disk()?;
        let (mut said, saying) = UnixStream::pair()?;
        let mut machine = start(emulator, kvm, &disk, saying)?;
        let boots = speak(&mut said);
        machine.kill()?;
        machine.wait()?;
        boots
    };
    try_it().unwrap_or(false)
}

/// The disk, in a file without a name: nothing is left behind, whatever happens.
fn boot_disk() -> io::Result<File> {
    let mut disk = File::from(memfd_create("boot-sector", MemfdFlags::CLOEXEC)?);
    disk.write_all(&boot_sector())?;
    disk.set_len(DISK_BYTES)?;
    Ok(disk)
}

fn start(emulator: &Path, kvm: bool, disk: &File, saying: UnixStream) -> io::Result<Child> {
    let (accelerator, processor) = accelerator_words(kvm);
    let (this, disk) = (std::process::id(), disk.as_raw_fd());
    let mut command = Command::new(emulator);
    command
        .args([
            "-name",
            "guest=rehost-probe",
            "-no-user-config",
            "-nodefaults",
        ])
        .args(["-display", "none", "-machine", "q35", "-m", "16"])
        .args(["-accel", accelerator, "-cpu", processor, "-serial", "stdio"])
        .arg("-drive")
        .arg(format!(
            "id=disk,if=none,format=raw,read-only=on,file=/proc/{this}/fd/{disk}"
        ))
        .args(["-device", "virtio-blk-pci,drive=disk"])
        .stdin(Stdio::null())
        .stdout(OwnedFd::from(saying))
        .stderr(Stdio::null());
    end_with_this_thread(&mut command);
    command.spawn()
}

/// A first sector with the code in it, and the mark by which firmware knows that it can be booted.
fn boot_sector() -> [u8; 512] {
    let mut sector = [0; 512];
    sector[..BOOT_CODE.len()].copy_from_slice(BOOT_CODE);
    sector[BOOT_CODE.len()..][..SAYS.len()].copy_from_slice(SAYS);
    sector[GDT_AT..][..GDT.len()].copy_from_slice(GDT);
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

/// Code that firmware loads at 0x7c00: it maps the first 2 MiB of memory as they are, enters 64-bit
/// mode, writes the text behind it to the first serial port, and halts.
#[rustfmt::skip]
const BOOT_CODE: &[u8] = &[
    0xfa,                               // cli
    0x31, 0xc0,                         // xor ax, ax
    0x8e, 0xd8,                         // mov ds, ax
    0x8e, 0xc0,                         // mov es, ax
    0x8e, 0xd0,                         // mov ss, ax
    0xbc, 0x00, 0x7c,                   // mov sp, 0x7c00
    0xfc,                               // cld
    // Three levels of page tables at 0x1000, empty but for the first entry of each.
    0xbf, 0x00, 0x10,                   // mov di, 0x1000
    0xb9, 0x00, 0x18,                   // mov cx, 0x1800
    0xf3, 0xab,                         // rep stosw
    0xc7, 0x06, 0x00, 0x10, 0x03, 0x20, // mov word [0x1000], 0x2003
    0xc7, 0x06, 0x00, 0x20, 0x03, 0x30, // mov word [0x2000], 0x3003
    0xc7, 0x06, 0x00, 0x30, 0x83, 0x00, // mov word [0x3000], 0x0083
    0x66, 0xb8, 0x00, 0x10, 0x00, 0x00, // mov eax, 0x1000
    0x0f, 0x22, 0xd8,                   // mov cr3, eax
    0x66, 0xb8, 0x20, 0x00, 0x00, 0x00, // mov eax, 0x20: physical address extension
    0x0f, 0x22, 0xe0,                   // mov cr4, eax
    0x66, 0xb9, 0x80, 0x00, 0x00, 0xc0, // mov ecx, 0xc0000080
    0x0f, 0x32,                         // rdmsr
    0x0d, 0x00, 0x01,                   // or ax, 0x100: long mode
    0x0f, 0x30,                         // wrmsr
    0x0f, 0x01, 0x16, 0xa0, 0x7c,       // lgdt [0x7ca0]
    0x66, 0xb8, 0x01, 0x00, 0x00, 0x80, // mov eax, 0x80000001: paging and protection
    0x0f, 0x22, 0xc0,                   // mov cr0, eax
    0x66, 0xea, 0x5c, 0x7c, 0x00, 0x00, 0x08, 0x00, // jmp 8:0x7c5c, the next line
    0xbe, 0x7d, 0x7c, 0x00, 0x00,       // mov esi, 0x7c7d: the text
    0xac,                               // next: lodsb
    0x84, 0xc0,                         // test al, al
    0x74, 0x14,                         // jz done
    0x88, 0xc3,                         // mov bl, al
    0x66, 0xba, 0xfd, 0x03,             // mov dx, 0x3fd
    0xec,                               // wait: in al, dx
    0xa8, 0x20,                         // test al, 0x20
    0x74, 0xfb,                         // jz wait
    0x88, 0xd8,                         // mov al, bl
    0x66, 0xba, 0xf8, 0x03,             // mov dx, 0x3f8
    0xee,                               // out dx, al
    0xeb, 0xe7,                         // jmp next
    0xf4,                               // done: hlt
    0xeb, 0xfd,                         // jmp done
];

/// Where the segment descriptors are in the sector: an empty one, one for 64-bit code, and then
/// their length less one and their address.
const GDT_AT: usize = 0x90;
#[rustfmt::skip]
const GDT: &[u8] = &[
    0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0x9a, 0x20, 0,
    0x0f, 0x00, 0x90, 0x7c, 0, 0,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_sector_says_that_it_runs_where_machines_run() {
        let emulator = crate::programs::emulator().unwrap();
        assert!(boots_a_sector(&emulator, false), "an emulated processor");
    }

    #[test]
    fn what_cannot_be_started_boots_nothing() {
        assert!(!boots_a_sector(Path::new("/bin/false"), false));
        assert!(!boots_a_sector(Path::new("/nowhere"), false));
    }

    #[test]
    fn the_processor_is_used_where_a_machine_boots_with_it() {
        let emulator = crate::programs::emulator().unwrap();
        let boots = boots_a_sector(&emulator, true);
        assert_eq!(use_kvm(Accelerator::Auto, &emulator).unwrap(), boots);
        assert_eq!(use_kvm(Accelerator::Kvm, &emulator).is_ok(), boots);
        assert!(!use_kvm(Accelerator::Tcg, &emulator).unwrap());
    }
}
