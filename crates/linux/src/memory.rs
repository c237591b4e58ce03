//! Keeping a process in memory.

use rustix::mm::{MlockAllFlags, mlockall, munlockall};

use crate::SystemCallError;

/// Locks everything that this process has mapped and will map into memory. A process that freezes
/// file systems needs this: its own pages may lie on a frozen one, and it could never be read back
/// in to thaw.
///
/// # Errors
/// [`SystemCallError::LockMemory`]; its number is `ENOMEM` or `EPERM` if the limit is too low.
pub fn lock_memory() -> Result<(), SystemCallError> {
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE).map_err(SystemCallError::LockMemory)
}

/// Takes [`lock_memory`] back.
///
/// # Errors
/// [`SystemCallError::LockMemory`]; Linux documents none.
pub fn unlock_memory() -> Result<(), SystemCallError> {
    munlockall().map_err(SystemCallError::LockMemory)
}
