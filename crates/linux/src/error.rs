//! The error of a system call: which act failed, and the number the kernel gave.

use rustix::io::Errno;

/// A system call failed. Each variant names what was asked of the kernel; [`SystemCallError::errno`]
/// is there for callers that treat some numbers as an answer rather than as a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SystemCallError {
    /// The size of a block device could not be read (`BLKGETSIZE64`).
    #[error("cannot read the size of the block device")]
    BlockDeviceSize(#[source] Errno),
    /// The sector size of a block device could not be read (`BLKSSZGET`).
    #[error("cannot read the logical block size of the block device")]
    LogicalBlockSize(#[source] Errno),
    /// A range of a block device could not be zeroed (`BLKZEROOUT`).
    #[error("cannot zero {length} bytes at {offset} of the block device")]
    ZeroOut {
        /// Where the range starts, in bytes.
        offset: u64,
        /// How long it is, in bytes.
        length: u64,
        /// What the kernel said.
        #[source]
        errno: Errno,
    },
    /// A range of a block device could not be discarded (`BLKDISCARD`).
    #[error("cannot discard {length} bytes at {offset} of the block device")]
    Discard {
        /// Where the range starts, in bytes.
        offset: u64,
        /// How long it is, in bytes.
        length: u64,
        /// What the kernel said.
        #[source]
        errno: Errno,
    },
    /// The partition table could not be read again (`BLKRRPART`).
    #[error("cannot make the kernel read the partition table again; is a partition in use?")]
    RereadPartitions(#[source] Errno),
    /// A file system could not be frozen (`FIFREEZE`).
    #[error("cannot freeze the file system")]
    Freeze(#[source] Errno),
    /// A file system could not be thawed (`FITHAW`).
    #[error("cannot thaw the file system")]
    Thaw(#[source] Errno),
    /// The memory of this process could not be locked (`mlockall`).
    #[error(
        "cannot lock the memory of this process; raise its limit (ulimit -l) or run it as root"
    )]
    LockMemory(#[source] Errno),
    /// A signal could not be ignored (`signal`).
    #[error("cannot ignore a signal")]
    IgnoreSignal(#[source] Errno),
    /// Words could not be mapped into memory (`mmap`).
    #[error("cannot map {count} words that are shared with the kernel into memory")]
    MapWords {
        /// How many words of 64 bits.
        count: usize,
        /// What the kernel said.
        #[source]
        errno: Errno,
    },
}

impl SystemCallError {
    /// The number that the kernel gave.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::BlockDeviceSize(errno)
            | Self::LogicalBlockSize(errno)
            | Self::RereadPartitions(errno)
            | Self::Freeze(errno)
            | Self::Thaw(errno)
            | Self::LockMemory(errno)
            | Self::IgnoreSignal(errno)
            | Self::ZeroOut { errno, .. }
            | Self::MapWords { errno, .. }
            | Self::Discard { errno, .. } => *errno,
        }
    }
}

impl From<SystemCallError> for std::io::Error {
    fn from(error: SystemCallError) -> Self {
        Self::new(Self::from(error.errno()).kind(), error)
    }
}
