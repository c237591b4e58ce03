//! Owner, mode and labels of what is written.
//!
//! SELinux labels are extended attributes that a kernel without SELinux stores as they are told.
//! A file without one is unlabelled for the copied system, and services may not read it; so a new
//! file gets the label of a neighbour, and no relabelling of the whole system is needed.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid, XattrFlags};
use rustix::io::{self, Errno};

const LABEL: &str = "security.selinux";
/// Attributes that describe content or history, not what a file is.
const NOT_COPIED: [&str; 2] = ["security.ima", "security.evm"];
/// The kernel's own limits of names and of a value.
const ATTRIBUTES_BYTES: usize = 64 * 1024;
/// How many neighbours are looked at for a label.
const NEIGHBOURS: usize = 64;
/// Magic numbers of `/proc` and `/sys`.
const KERNELS_OWN: [u64; 2] = [0x9fa0, 0x6265_6572];

/// Whether a file is one of the running kernel, and so not of the copied system.
pub(super) fn is_kernels_own(file: &OwnedFd) -> io::Result<bool> {
    let kind = rustix::fs::fstatfs(file)?.f_type;
    Ok(u64::try_from(kind).is_ok_and(|kind| KERNELS_OWN.contains(&kind)))
}

/// Gives `new` what the file `name` has: owner, mode, and attributes such as labels and ACLs.
pub(super) fn copy_all(directory: &OwnedFd, name: &str, new: &File) -> io::Result<()> {
    let old = open(directory, name)?;
    let status = rustix::fs::fstat(&old)?;
    give_owner(new, status.st_uid, status.st_gid)?;
    give_mode(new, status.st_mode)?;
    let mut names = vec![0; ATTRIBUTES_BYTES];
    let length = match rustix::fs::flistxattr(&old, names.as_mut_slice()) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(error),
    };
    let names = names.get(..length).unwrap_or_default();
    for name in names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let Ok(name) = std::str::from_utf8(name) else {
            continue;
        };
        if !NOT_COPIED.contains(&name) {
            copy_attribute(&old, new, name)?;
        }
    }
    Ok(())
}

/// Gives a new file that will be called `name` its directory's owner, `mode`, and the label of a
/// neighbour.
pub(super) fn give_new(directory: &OwnedFd, name: &str, new: &File, mode: u32) -> io::Result<()> {
    let status = rustix::fs::fstat(directory)?;
    give_owner(new, status.st_uid, status.st_gid)?;
    give_mode(new, mode)?;
    if let Some(label) = neighbours_label(directory, name, FileType::RegularFile) {
        set_label(new, &label);
    }
    Ok(())
}

/// Gives a new directory the label of the directory that it is in.
pub(super) fn label_directory(directory: &OwnedFd, name: &str) {
    if let (Some(label), Ok(new)) = (label_of(directory), open(directory, name)) {
        set_label(&new, &label);
    }
}

/// Gives a new link the label of its neighbours. A link cannot be opened to be labelled, so it is
/// named by way of the opened directory.
pub(super) fn label_link(directory: &OwnedFd, name: &str) {
    if let Some(label) = neighbours_label(directory, name, FileType::RegularFile) {
        let path = format!("/proc/self/fd/{}/{name}", directory.as_raw_fd());
        // Without /proc, or on a file system without labels, it has none: links are followed all
        // the same by most policies.
        let _ = rustix::fs::lsetxattr(path, LABEL, &label, XattrFlags::empty());
    }
}

/// The label of a file with the same ending, else of any file, else of the directory.
fn neighbours_label(directory: &OwnedFd, name: &str, kind: FileType) -> Option<Vec<u8>> {
    let ending = |name: &str| name.rsplit_once('.').map(|(_, ending)| ending.to_owned());
    let wanted = ending(name);
    let mut any = None;
    let listing = rustix::fs::openat(
        directory,
        ".",
        OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .ok()?;
    let entries = Dir::new(listing).ok()?.flatten().take(NEIGHBOURS);
    for entry in entries {
        let Ok(neighbour) = entry.file_name().to_str() else {
            continue;
        };
        if entry.file_type() != kind || neighbour == name || neighbour.ends_with(".rehost-new") {
            continue;
        }
        let Some(label) = open(directory, neighbour).ok().as_ref().and_then(label_of) else {
            continue;
        };
        if ending(neighbour) == wanted {
            return Some(label);
        }
        any.get_or_insert(label);
    }
    any.or_else(|| label_of(directory))
}

fn label_of(file: &OwnedFd) -> Option<Vec<u8>> {
    let mut label = vec![0; 1024];
    let length = rustix::fs::fgetxattr(file, LABEL, label.as_mut_slice()).ok()?;
    label.truncate(length);
    Some(label)
}

/// File systems such as vfat hold no labels; then none is needed.
fn set_label(file: impl AsFd, label: &[u8]) {
    let _ = rustix::fs::fsetxattr(file, LABEL, label, XattrFlags::empty());
}

fn copy_attribute(old: &OwnedFd, new: &File, name: &str) -> io::Result<()> {
    let mut value = vec![0; ATTRIBUTES_BYTES];
    let length = match rustix::fs::fgetxattr(old, name, value.as_mut_slice()) {
        Ok(length) => length,
        Err(Errno::NODATA) => return Ok(()),
        Err(error) => return Err(error),
    };
    let value = value.get(..length).unwrap_or_default();
    match rustix::fs::fsetxattr(new, name, value, XattrFlags::empty()) {
        Err(Errno::OPNOTSUPP) => Ok(()),
        result => result,
    }
}

/// vfat has no owners: giving a file to root there is refused or ignored, and changes nothing.
fn give_owner(file: &File, user: u32, group: u32) -> io::Result<()> {
    let status = rustix::fs::fstat(file)?;
    if (status.st_uid, status.st_gid) == (user, group) {
        return Ok(());
    }
    rustix::fs::fchown(file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))
}

/// vfat knows only whether a file may be written.
fn give_mode(file: &File, mode: u32) -> io::Result<()> {
    match rustix::fs::fchmod(file, Mode::from_raw_mode(mode & 0o7777)) {
        Err(Errno::PERM) => Ok(()),
        result => result,
    }
}

fn open(directory: &OwnedFd, name: &str) -> io::Result<OwnedFd> {
    let status = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = FileType::from_raw_mode(status.st_mode);
    if !matches!(kind, FileType::RegularFile | FileType::Directory) {
        return Err(Errno::INVAL);
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::empty())
}
