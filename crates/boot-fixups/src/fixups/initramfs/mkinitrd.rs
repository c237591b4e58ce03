//! mkinitrd: SUSE's, which is told by a settings file, and Red Hat's, which is told by options.

use crate::changes::{READABLE, Work};
use crate::error::FixupError;
use crate::formats::assignments;
use crate::system::kernels::Kernel;
use crate::system::os_release::Family;

const SETTINGS: &str = "/etc/sysconfig/kernel";
const KEY: &str = "INITRD_MODULES";

pub(super) fn configure(work: &mut Work<'_>, kernels: &[Kernel]) -> Result<(), FixupError> {
    if work.system.family != Family::Suse {
        return Ok(());
    }
    let text = work.read(SETTINGS)?.unwrap_or_default();
    let old = assignments::get(&text, KEY).unwrap_or_default();
    let mut words: Vec<&str> = old.split_ascii_whitespace().collect();
    for name in super::common_modules(kernels) {
        if !words.contains(&name) {
            words.push(name);
        }
    }
    let new = words.join(" ");
    if words.len() == old.split_ascii_whitespace().count() {
        return Ok(());
    }
    work.write(SETTINGS, &assignments::set(&text, KEY, &new), READABLE)
}

pub(super) fn build(work: &mut Work<'_>, kernels: &[Kernel]) -> Result<(), FixupError> {
    let program = work
        .find_program(&["mkinitrd"])
        .ok_or_else(|| FixupError::Essential("/sbin/mkinitrd is not there".to_owned()))?;
    if work.system.family == Family::Suse {
        return work.run(&program, &[]);
    }
    for kernel in kernels {
        let version = kernel.version.as_str();
        let fallback = format!("/boot/initrd-{version}.img");
        let image = kernel.initramfs.as_deref().unwrap_or(&fallback);
        let with: Vec<String> = super::common_modules(kernels)
            .iter()
            .map(|name| format!("--with={name}"))
            .collect();
        let mut arguments = vec!["-f"];
        arguments.extend(with.iter().map(String::as_str));
        arguments.extend([image, version]);
        work.run(&program, &arguments)?;
    }
    Ok(())
}
