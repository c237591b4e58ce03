//! Early user space with the drivers of the new hardware.
//!
//! Distributions build an initramfs for the machine that it is built on. The settings are changed
//! so that it fits any machine, for every later kernel, too; then it is built for each kernel.

use crate::changes::{READABLE, Work};
use crate::contract::FixupName;
use crate::error::FixupError;
use crate::fixups::marks;
use crate::system::InitramfsTool;
use crate::system::kernels::{Kernel, WANTED_DRIVERS};

mod dracut;
mod initramfs_tools;
mod mkinitrd;

pub(super) fn run(work: &mut Work<'_>) -> Result<(), FixupError> {
    let system = work.system;
    let kernels = &system.kernels;
    let tool = system.facts.initramfs_tool;
    require_kernels(work, kernels)?;
    match tool {
        InitramfsTool::InitramfsTools => initramfs_tools::configure(work, kernels)?,
        InitramfsTool::Dracut => dracut::configure(work, kernels)?,
        InitramfsTool::Mkinitrd => mkinitrd::configure(work, kernels)?,
        InitramfsTool::None => return without_tool(work, kernels),
    }
    let is_current = !work.has_changed()
        && !work.earlier_changed
        && marks::says(work, FixupName::Initramfs, &mark(work, kernels))?;
    if is_current {
        return Ok(());
    }
    match tool {
        InitramfsTool::InitramfsTools => initramfs_tools::build(work, kernels)?,
        InitramfsTool::Dracut => dracut::build(work, kernels)?,
        InitramfsTool::Mkinitrd => mkinitrd::build(work, kernels)?,
        InitramfsTool::None => {}
    }
    for kernel in kernels {
        if let Some(image) = &kernel.initramfs
            && !work.root.is_file(image)
        {
            return Err(FixupError::Essential(format!("{image} was not made")));
        }
    }
    let mark = mark(work, kernels);
    marks::leave(work, FixupName::Initramfs, &mark)
}

fn require_kernels(work: &mut Work<'_>, kernels: &[Kernel]) -> Result<(), FixupError> {
    if kernels.is_empty() {
        return Err(FixupError::Essential(
            "no kernel: /boot has no vmlinuz-VERSION with a directory /lib/modules/VERSION"
                .to_owned(),
        ));
    }
    let blind: Vec<&str> = kernels
        .iter()
        .filter(|kernel| !kernel.knows_disks())
        .map(|kernel| kernel.version.as_str())
        .collect();
    if blind.len() == kernels.len() {
        return Err(FixupError::Essential(format!(
            "no kernel has a driver for the target's disks: none is in modules.dep or \
             modules.builtin of /lib/modules/{}",
            blind.join(", /lib/modules/")
        )));
    }
    if !blind.is_empty() {
        work.remark(format!(
            "without a driver for the target's disks, not to be started: {}",
            blind.join(", ")
        ));
    }
    Ok(())
}

/// A kernel with its drivers inside needs none of this.
fn without_tool(work: &mut Work<'_>, kernels: &[Kernel]) -> Result<(), FixupError> {
    let newest = kernels.last();
    let needs_none = newest.is_some_and(|kernel| {
        kernel
            .drivers
            .iter()
            .any(|driver| driver.name == "virtio_blk" && driver.builtin)
    });
    if needs_none {
        work.remark("the kernel has its drivers inside; there is no tool to build an initramfs");
        return Ok(());
    }
    Err(FixupError::Essential(
        "there is no tool to build an initramfs: neither /usr/sbin/update-initramfs, \
         /usr/bin/dracut nor /sbin/mkinitrd"
            .to_owned(),
    ))
}

/// What was built, for whom, and what came of it.
fn mark(work: &Work<'_>, kernels: &[Kernel]) -> String {
    let mut text = format!("drivers {}\n", WANTED_DRIVERS.join(" "));
    for kernel in kernels {
        text.push_str(&format!("kernel {}\n", kernel.version));
        if let Some(image) = image(work, kernel) {
            text.push_str(&marks::state_of(work, &image));
        }
    }
    text
}

/// The initramfs of a kernel, made before or just now.
fn image(work: &Work<'_>, kernel: &Kernel) -> Option<String> {
    kernel.initramfs.clone().or_else(|| {
        let boot = work.root.list("/boot").unwrap_or_default();
        crate::system::kernels::initramfs_image(&kernel.version, &boot)
    })
}

/// Those of the wanted drivers that all kernels with disk drivers have as modules: tools complain
/// about a module that is not there.
fn common_modules(kernels: &[Kernel]) -> Vec<&'static str> {
    WANTED_DRIVERS
        .into_iter()
        .filter(|name| {
            let mut able = kernels.iter().filter(|kernel| kernel.knows_disks());
            able.all(|kernel| kernel.has_module(name))
        })
        .collect()
}

/// Writes a settings file of our own.
fn write_settings(work: &mut Work<'_>, path: &str, text: &str) -> Result<(), FixupError> {
    work.write(path, text, READABLE)
}
