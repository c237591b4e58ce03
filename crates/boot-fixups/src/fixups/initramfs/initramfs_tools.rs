//! initramfs-tools of Debian and Ubuntu.

use crate::changes::{READABLE, Work};
use crate::error::FixupError;
use crate::facts::Named;
use crate::formats::assignments;
use crate::system::kernels::Kernel;

/// Read after all others of its directory, `driver-policy` of Debian's installer among them.
const POLICY: &str = "/etc/initramfs-tools/conf.d/zz-rehost";
const POLICY_TEXT: &str = "\
# Written by rehost: this system may run on other hardware than the one it was built on.
MODULES=most
";
const MODULES: &str = "/etc/initramfs-tools/modules";
const RESUME: &str = "/etc/initramfs-tools/conf.d/resume";
/// Loaded without being asked for. Others are loaded by the devices that need them.
const ALWAYS_LOADED: [&str; 3] = ["virtio_pci", "virtio_blk", "virtio_scsi"];

pub(super) fn configure(work: &mut Work<'_>, kernels: &[Kernel]) -> Result<(), FixupError> {
    super::write_settings(work, POLICY, POLICY_TEXT)?;
    let common = super::common_modules(kernels);
    let wanted = ALWAYS_LOADED.iter().filter(|name| common.contains(name));
    let old = work.read(MODULES)?.unwrap_or_default();
    let mut new = old.clone();
    for name in wanted {
        let is_there = old
            .lines()
            .any(|line| line.split_ascii_whitespace().next() == Some(name));
        if !is_there {
            if !new.is_empty() && !new.ends_with('\n') {
                new.push('\n');
            }
            new.push_str(name);
            new.push('\n');
        }
    }
    work.write(MODULES, &new, READABLE)?;
    resume(work)
}

/// A resume device that is not there costs half a minute at each start.
fn resume(work: &mut Work<'_>) -> Result<(), FixupError> {
    let Some(text) = work.read(RESUME)? else {
        return Ok(());
    };
    let Some(device) = assignments::get(&text, "RESUME") else {
        return Ok(());
    };
    let name = match work.named(&device) {
        Named::Stable(_) | Named::Other => return Ok(()),
        Named::ByDevice(volume) => work
            .facts
            .stable_name(volume)
            .unwrap_or_else(|| "none".to_owned()),
        Named::Missing => "none".to_owned(),
    };
    let new = assignments::set(&text, "RESUME", &name);
    work.write(RESUME, &new, READABLE)
}

pub(super) fn build(work: &mut Work<'_>, kernels: &[Kernel]) -> Result<(), FixupError> {
    let program = work.find_program(&["update-initramfs"]).ok_or_else(|| {
        FixupError::Essential("/usr/sbin/update-initramfs is not there".to_owned())
    })?;
    work.run(&program, &["-u", "-k", "all"])?;
    // `all` are those that the tool knows to have made; others are made now.
    for kernel in kernels {
        let image = format!("/boot/initrd.img-{}", kernel.version);
        if !work.root.is_file(&image) {
            work.run(&program, &["-c", "-k", &kernel.version])?;
        }
    }
    Ok(())
}
