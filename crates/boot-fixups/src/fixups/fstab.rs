//! `/etc/fstab`: names that hold on any hardware, and no waiting for what is not there.
//!
//! What the system cannot start without (`/`, `/usr`, `/boot`) gets another name and nothing
//! else. Other mounts whose device is not on the target become `nofail`, swap is commented out:
//! a system that waits for a disk ends in a rescue shell.

use crate::changes::{READABLE, Work};
use crate::error::FixupError;
use crate::facts::Named;
use crate::formats::fstab;

const PATH: &str = "/etc/fstab";
/// Mount points that a system cannot start without.
const ESSENTIAL: [&str; 3] = ["/", "/usr", "/boot"];
/// Put before a line that must not be followed any more.
const OUT: &str = "# rehost: this swap device is not on the target: ";
/// How long systemd looks for a device that may be there after all.
const DEVICE_TIMEOUT: &str = "x-systemd.device-timeout=10s";

pub(super) fn run(work: &mut Work<'_>) -> Result<(), FixupError> {
    let Some(text) = work.read(PATH)? else {
        return Err(FixupError::Essential(format!("{PATH} is not there")));
    };
    if !fstab::entries(&text)
        .iter()
        .any(|entry| entry.mount_point == "/")
    {
        return Err(FixupError::Essential(format!(
            "{PATH} has no line for the root file system"
        )));
    }
    let mut new = String::with_capacity(text.len());
    let mut missing = Vec::new();
    for line in text.split_inclusive('\n') {
        let (body, end) = line
            .strip_suffix('\n')
            .map_or((line, ""), |body| (body, "\n"));
        new.push_str(&fixed_line(work, body, &mut missing));
        new.push_str(end);
    }
    work.write(PATH, &new, READABLE)?;
    match missing.is_empty() {
        true => Ok(()),
        false => Err(FixupError::Essential(missing.join("; "))),
    }
}

/// What becomes of a line. Essential mounts that cannot be named go into `missing`.
fn fixed_line(work: &mut Work<'_>, line: &str, missing: &mut Vec<String>) -> String {
    let Some(entry) = fstab::entry(line) else {
        return line.to_owned();
    };
    let is_swap = entry.file_system == "swap";
    let is_essential = ESSENTIAL.contains(&entry.mount_point.as_str());
    if ["bind", "rbind"].iter().any(|word| entry.has_option(word)) {
        return line.to_owned();
    }
    let (device, mount_point) = (&entry.device, &entry.mount_point);
    let mounted = (!is_swap).then_some(mount_point.as_str());
    match work.facts.named(device, mounted, &work.request.disks) {
        Named::Stable(_) | Named::Other => line.to_owned(),
        Named::ByDevice(volume) => {
            if let Some(name) = work.facts.stable_name(volume) {
                return fstab::with_device(line, &name);
            }
            let text = format!(
                "{PATH} names {device} for {mount_point}, and the volume has no name of its own"
            );
            if is_essential {
                missing.push(text);
            } else {
                work.remark(text);
            }
            line.to_owned()
        }
        Named::Missing if is_essential => {
            missing.push(format!(
                "{PATH} names {device} for {mount_point}, which is not on the target"
            ));
            line.to_owned()
        }
        Named::Missing if is_swap => {
            work.remark(format!("swap on {device} is not on the target"));
            format!("{OUT}{line}")
        }
        Named::Missing => {
            work.remark(format!("{mount_point} on {device} is not on the target"));
            if entry.has_option("noauto") {
                return line.to_owned();
            }
            let has_timeout = entry.options.contains("x-systemd.device-timeout");
            let mut added = Vec::new();
            if !entry.has_option("nofail") {
                added.push("nofail".to_owned());
            }
            if work.system.systemd.is_some() && !has_timeout {
                added.push(DEVICE_TIMEOUT.to_owned());
            }
            if added.is_empty() {
                return line.to_owned();
            }
            fstab::with_options(line, &added)
        }
    }
}
