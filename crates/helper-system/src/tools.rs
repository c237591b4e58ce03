//! The few programs that the helper system brings along: `blkid`, `mdadm`, `lvm`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::devices::Signature;
use crate::process::{self, Ended};
use crate::sysfs::{self, BlockDevice};

/// No tool has so much to say, or to do.
const MAX_OUTPUT_BYTES: usize = 64 << 10;
const LIMIT: Duration = Duration::from_secs(300);
/// `blkid` found nothing, or several things at once that contradict each other.
const NOTHING: i32 = 2;
const CONTRADICTION: i32 = 8;
/// What `blkid` calls a member of an array, and of a volume group.
pub(crate) const ARRAY_MEMBER: &str = "linux_raid_member";
pub(crate) const VOLUME_GROUP_MEMBER: &str = "LVM2_member";

/// `lvm` without the services that it usually works with: no udev, no monitor, no checks by programs
/// that are not here, and no backups, which nobody would read.
const LVM_CONFIGURATION: &str = "devices{obtain_device_list_from_udev=0 use_devicesfile=0 \
    external_device_info_source=\"none\"} \
    activation{udev_sync=0 udev_rules=0 monitoring=0} \
    global{thin_check_executable=\"\" cache_check_executable=\"\"} \
    backup{backup=0 archive=0}";

/// What is on each of the devices.
///
/// # Errors
/// If `blkid` does not work at all. What it cannot recognise has an empty signature.
pub(crate) fn signatures(paths: &[String]) -> Result<BTreeMap<String, Signature>> {
    let mut found = BTreeMap::new();
    for path in paths {
        // The form for udev is the only one that writes every character unambiguously.
        let ended = run("blkid", &["-p", "-o", "udev", path])?;
        ensure!(
            matches!(ended.exit_code, Some(0 | NOTHING | CONTRADICTION)),
            "blkid {path}: {}",
            ended.output.trim()
        );
        found.insert(path.clone(), parse_signature(&ended.output));
    }
    Ok(found)
}

/// Starts every array of which enough disks are there, and keeps them from bringing each other up
/// to date, which would write whole disks for nothing. Returns what is said about it.
///
/// # Errors
/// If `mdadm` does not work at all.
pub(crate) fn start_arrays() -> Result<String> {
    let ended = run("mdadm", &["--assemble", "--scan", "--run", "--config=none"])?;
    for name in sysfs::names_in(Path::new(sysfs::BLOCK))? {
        let action = Path::new(sysfs::BLOCK).join(name).join("md/sync_action");
        if action.is_file() {
            std::fs::write(&action, "frozen")
                .with_context(|| format!("write {}", action.display()))?;
        }
    }
    Ok(ended.output)
}

/// What the source may have called an array.
///
/// # Errors
/// If `mdadm` does not work at all.
pub(crate) fn array_names(array: &BlockDevice) -> Result<Vec<String>> {
    let path = format!("/dev/{}", array.kernel_name);
    let ended = run("mdadm", &["--detail", "--export", &path])?;
    let mut names = names_of_array(&ended.output);
    names.push(path);
    Ok(names)
}

/// Makes the volumes of all groups usable. Returns what is said about it: a volume that is not
/// complete is missed by whoever needs it.
///
/// # Errors
/// If `lvm` does not work at all.
pub(crate) fn activate_volume_groups() -> Result<String> {
    let ended = lvm(&["vgchange", "--activate", "y"])?;
    Ok(ended.output)
}

/// Ends the use of what [`start_arrays`] and [`activate_volume_groups`] have made. Returns what is
/// said about it.
///
/// # Errors
/// If a tool does not work at all.
pub(crate) fn stop_everything(groups: bool, arrays: bool) -> Result<String> {
    let mut said = String::new();
    if groups {
        said += &lvm(&["vgchange", "--activate", "n"])?.output;
    }
    if arrays {
        said += &run("mdadm", &["--stop", "--scan"])?.output;
    }
    Ok(said)
}

fn lvm(arguments: &[&str]) -> Result<Ended> {
    run(
        "lvm",
        &[arguments, &["--config", LVM_CONFIGURATION]].concat(),
    )
}

fn run(program: &str, arguments: &[&str]) -> Result<Ended> {
    let mut command = Command::new(format!("/usr/sbin/{program}"));
    command.args(arguments).env_clear().env("LC_ALL", "C");
    let ended = process::run(command, LIMIT, MAX_OUTPUT_BYTES)
        .with_context(|| format!("start {program}"))?;
    ensure!(
        !ended.timed_out,
        "{program} did not end within {} s: {}",
        LIMIT.as_secs(),
        ended.output.trim()
    );
    Ok(ended)
}

/// Reads lines such as `ID_FS_TYPE=ext4`.
fn parse_signature(text: &str) -> Signature {
    let fields = text.lines().filter_map(|line| {
        let (name, value) = line.strip_prefix("ID_")?.split_once('=')?;
        Some((name.to_owned(), unescape(value)))
    });
    fields.collect()
}

/// Reads `\x20` as the byte that it stands for.
fn unescape(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value;
    while let Some(position) = rest.find("\\x") {
        let (before, escape) = rest.split_at(position);
        bytes.extend_from_slice(before.as_bytes());
        let code = escape
            .get(2..4)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(code) => {
                bytes.push(code);
                rest = escape.get(4..).unwrap_or_default();
            }
            None => {
                bytes.extend_from_slice(b"\\x");
                rest = escape.get(2..).unwrap_or_default();
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Names in lines such as `MD_NAME=host:0` and `MD_DEVNAME=0`.
fn names_of_array(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in text.lines() {
        let Some(("MD_NAME" | "MD_DEVNAME", value)) = line.split_once('=') else {
            continue;
        };
        let name = value.rsplit(':').next().unwrap_or(value);
        let mut add = |name: String| {
            if !names.contains(&name) {
                names.push(name);
            }
        };
        add(format!("/dev/md/{name}"));
        if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
            add(format!("/dev/md{name}"));
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_read_with_every_character_of_a_label() {
        let signature = parse_signature(
            "ID_FS_LABEL=my_l\"ä\nID_FS_LABEL_ENC=my\\x20l\\x22ä\\xzz\\x\nID_FS_TYPE=ext4\nother\n",
        );
        assert_eq!(signature["FS_LABEL_ENC"], "my l\"ä\\xzz\\x");
        assert_eq!(signature["FS_TYPE"], "ext4");
        assert_eq!(signature.len(), 3);
    }

    #[test]
    fn an_array_is_known_by_the_names_that_its_host_gave_it() {
        let names = names_of_array("MD_LEVEL=raid1\nMD_NAME=web1:0\nMD_DEVNAME=0\n");
        assert_eq!(names, ["/dev/md/0", "/dev/md0"]);
        assert_eq!(names_of_array("MD_NAME=web1:root\n"), ["/dev/md/root"]);
    }
}
