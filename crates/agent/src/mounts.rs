//! What is mounted: `/proc/self/mountinfo` (proc_pid_mountinfo(5)).

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use crate::device_number::DeviceNumber;

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Number of the mount; tells which of several stacked ones a file belongs to.
    pub id: u64,
    /// Device number of the file system. All mounts of one file system share it. For Btrfs it is
    /// not the number of a block device.
    pub device: DeviceNumber,
    /// The directory of the file system that is mounted; `/` unless it is a bind mount or subvolume.
    pub root: PathBuf,
    /// Where it is mounted.
    pub mount_point: PathBuf,
    /// Type of the file system, such as `ext4`.
    pub file_system: String,
    /// What was mounted, such as `/dev/vda1`.
    pub source: PathBuf,
}

/// The mounts that this process sees, in the order in which they were made.
///
/// # Errors
/// Only if `/proc` is not there.
pub(crate) fn read_mounts() -> io::Result<Vec<Mount>> {
    Ok(parse_mountinfo(&fs::read("/proc/self/mountinfo")?))
}

/// Reads the text of `mountinfo`. Lines that are not understood are skipped.
#[must_use]
pub(crate) fn parse_mountinfo(text: &[u8]) -> Vec<Mount> {
    text.split(|byte| *byte == b'\n')
        .filter_map(parse_line)
        .collect()
}

/// `36 35 98:0 /root /mount/point rw,noatime master:1 - ext3 /dev/root rw`: a varying number of
/// optional fields ends with a lone dash.
fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line
        .split(|byte| *byte == b' ')
        .filter(|field| !field.is_empty());
    let id = text(fields.next()?).parse().ok()?;
    let device = text(fields.nth(1)?).parse().ok()?;
    let root = unescape_octal(fields.next()?);
    let mount_point = unescape_octal(fields.next()?);
    fields.find(|field| *field == b"-")?;
    let file_system = text(fields.next()?);
    let source = unescape_octal(fields.next()?);
    Some(Mount {
        id,
        device,
        root,
        mount_point,
        file_system,
        source,
    })
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field).into_owned()
}

/// Space, tab, newline and backslash are written as `\040` and so on.
fn unescape_octal(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, after)) = rest.split_first() {
        let code = after
            .get(..3)
            .filter(|_| first == b'\\')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    OsString::from_vec(bytes).into()
}

/// Space on a mounted file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// In use, in bytes.
    pub used_bytes: u64,
    /// Number of inodes; 0 where the file system does not count them.
    pub inodes: u64,
}

/// How full the file system mounted at `mount_point` is; `None` if it does not tell.
#[must_use]
pub(crate) fn usage(mount_point: &Path) -> Option<Usage> {
    let status = rustix::fs::statvfs(mount_point).ok()?;
    let used_bytes = status
        .f_blocks
        .saturating_sub(status.f_bfree)
        .saturating_mul(status.f_frsize);
    Some(Usage {
        used_bytes,
        inodes: status.f_files,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_are_read_with_optional_fields_and_odd_names() {
        let mounts = parse_mountinfo(include_bytes!("../fixtures/debian-12/mountinfo"));
        assert_eq!(mounts.len(), 6);
        let root = &mounts[2];
        assert_eq!(root.id, 27);
        assert_eq!(root.device.to_string(), "253:0");
        assert_eq!(root.mount_point, Path::new("/"));
        assert_eq!(root.file_system, "ext4");
        assert_eq!(root.source, Path::new("/dev/mapper/sys-root"));
        assert_eq!(mounts[4].mount_point, Path::new("/srv/with space"));
        assert_eq!(mounts[5].root, Path::new("/@home"));
        assert_eq!(mounts[5].device.to_string(), "0:44");
    }

    #[test]
    fn damaged_lines_are_skipped() {
        assert_eq!(parse_mountinfo(b""), []);
        assert_eq!(
            parse_mountinfo(b"1 2 x / / rw - ext4 a\n36 35 98:0 / /mnt rw ext3\n\\"),
            []
        );
        assert_eq!(unescape_octal(br"a\0"), Path::new(r"a\0"));
    }

    #[test]
    fn the_root_of_this_machine_has_a_usage() {
        assert!(
            read_mounts()
                .unwrap()
                .iter()
                .any(|mount| mount.mount_point == Path::new("/"))
        );
        assert!(usage(Path::new("/")).is_some_and(|usage| usage.used_bytes > 0));
        assert_eq!(usage(Path::new("/no/such/directory")), None);
    }
}
