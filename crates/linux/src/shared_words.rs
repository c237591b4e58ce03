//! Words of memory that the kernel, or another process, changes while we read them: what a file or
//! a BPF map holds, mapped. Bits that a BPF program sets are read and cleared here without a copy
//! and without losing one that is set at the same time.

use std::fmt;
use std::ops::Deref;
use std::os::fd::AsFd;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::SystemCallError;

/// A shared mapping of 64-bit words. It is used as a slice of [`AtomicU64`].
pub struct SharedWords {
    start: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: the mapping belongs to this value alone until it is dropped, and all access goes through
// atomics, which threads may share.
unsafe impl Send for SharedWords {}
// SAFETY: as for `Send`.
unsafe impl Sync for SharedWords {}

impl SharedWords {
    /// Maps the first `count` words of what `file` refers to: a BPF array that was made to be mapped
    /// (`BPF_F_MMAPABLE`), or a file. A file must not become shorter while it is mapped: to touch
    /// what is gone ends the process.
    ///
    /// # Errors
    /// [`SystemCallError::MapWords`]; its number is `EINVAL` if `count` is 0 or more than a BPF array
    /// has, and `EPERM` or `ENOTSUPP` if the array was not made to be mapped.
    pub fn map(file: impl AsFd, count: usize) -> Result<Self, SystemCallError> {
        let error = |errno| SystemCallError::MapWords { count, errno };
        let length = count
            .checked_mul(size_of::<AtomicU64>())
            .ok_or_else(|| error(rustix::io::Errno::INVAL))?;
        // SAFETY: a new mapping at an address that the kernel chooses takes nothing from anybody.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                file,
                0,
            )
        };
        let start = NonNull::new(start.map_err(error)?.cast());
        let start = start.ok_or_else(|| error(rustix::io::Errno::FAULT))?;
        Ok(Self { start, count })
    }
}

impl Deref for SharedWords {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is `count` words long, aligned to a page, readable and writable, and
        // lives as long as `self`. Any content is a valid AtomicU64, and others change it only as
        // memory shared with atomics may be changed.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

impl fmt::Debug for SharedWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedWords")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl Drop for SharedWords {
    fn drop(&mut self) {
        // SAFETY: this is what `map` mapped, and no reference into it outlives `self`.
        let unmapped = unsafe {
            munmap(
                self.start.as_ptr().cast(),
                self.count * size_of::<AtomicU64>(),
            )
        };
        debug_assert!(unmapped.is_ok(), "what was mapped can be unmapped");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn two_mappings_of_one_file_are_the_same_words() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        let (one, two) = (
            SharedWords::map(&file, 512).unwrap(),
            SharedWords::map(&file, 512).unwrap(),
        );
        assert_eq!(one.len(), 512);
        one[511].fetch_or(0b101, Relaxed);
        two[511].fetch_and(!0b001, Relaxed);
        assert_eq!(one[511].load(Relaxed), 0b100);
    }

    #[test]
    fn nothing_cannot_be_mapped() {
        let file = tempfile::tempfile().unwrap();
        for count in [0, usize::MAX] {
            let refused = SharedWords::map(&file, count).unwrap_err();
            assert_eq!(refused.errno(), rustix::io::Errno::INVAL);
        }
    }
}
