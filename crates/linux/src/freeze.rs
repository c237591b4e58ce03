//! Freezing and thawing file systems.
//!
//! A frozen file system has written everything it knows to its device and changes nothing there
//! until it is thawed; whoever writes to it sleeps and cannot be killed. A freeze outlives the
//! process that asked for it: it must be taken back, whatever happens to that process.

use std::os::fd::AsFd;

use rustix::ioctl::{NoArg, Opcode, ioctl, opcode};

use crate::SystemCallError;

// From <linux/fs.h>. The numbers speak of an `int` argument; the kernel reads none.
const FIFREEZE: Opcode = opcode::read_write::<i32>(b'X', 119);
const FITHAW: Opcode = opcode::read_write::<i32>(b'X', 120);

/// Freezes the file system on which `file` (usually its root directory) lies.
///
/// # Errors
/// [`SystemCallError::Freeze`]; its number is `EBUSY` if it is frozen already, `EOPNOTSUPP` if the
/// file system cannot be frozen, `EPERM` without `CAP_SYS_ADMIN`.
pub fn freeze(file: impl AsFd) -> Result<(), SystemCallError> {
    // SAFETY: FIFREEZE ignores its argument.
    unsafe { ioctl(file, NoArg::<FIFREEZE>::new()) }.map_err(SystemCallError::Freeze)
}

/// Thaws the file system on which `file` lies.
///
/// # Errors
/// [`SystemCallError::Thaw`]; its number is `EINVAL` if it is not frozen.
pub fn thaw(file: impl AsFd) -> Result<(), SystemCallError> {
    // SAFETY: FITHAW ignores its argument.
    unsafe { ioctl(file, NoArg::<FITHAW>::new()) }.map_err(SystemCallError::Thaw)
}
