//! What can go wrong: this machine cannot track, this disk cannot be tracked, or an act failed.

use std::path::PathBuf;

use rehost_linux::SystemCallError;

/// Why this machine cannot track changes with BPF. Another way has to be taken: snapshots, or the
/// comparison of hashes.
#[derive(Debug, thiserror::Error)]
pub enum Unsupported {
    /// The kernel says nothing about its types.
    #[error(
        "this kernel does not describe its types (no readable /sys/kernel/btf/vmlinux): changes cannot be tracked with BPF"
    )]
    NoTypes(#[source] aya::BtfError),
    /// The kernel does not know the file system that keeps what is pinned.
    #[error("this kernel has no bpf file system: marks could not outlive the agent")]
    NoPins,
    /// The kernel refused the program.
    #[error(
        "the kernel refused the program that tracks changes; Linux 5.12 or later and root (CAP_BPF, CAP_PERFMON) are needed"
    )]
    Refused(#[source] LoadError),
}

/// The program could not be brought into the kernel.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bitmaps would be larger than a BPF array can be.
    #[error("a disk of {size_bytes} bytes is too large to be tracked")]
    TooLarge {
        /// Its size.
        size_bytes: u64,
    },
    /// Its maps could not be made, or its accesses not be fitted to this kernel.
    #[error("cannot make the maps of the BPF program")]
    Maps(#[source] aya::EbpfError),
    /// The object lacks a part that its loader relies on.
    #[error("the BPF object has no {0}: rebuild it with `cargo xtask bpf`")]
    Missing(&'static str),
    /// The verifier said no, or the rights are missing.
    #[error("cannot load the BPF program; the kernel's last words: {last_words:?}")]
    Rejected {
        /// The end of what the verifier wrote, which may be megabytes long.
        last_words: String,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// The program does not fit the kernel in another way.
    #[error("cannot load the BPF program")]
    Program(#[source] aya::programs::ProgramError),
    /// It could not be attached to the tracepoint.
    #[error("cannot attach the BPF program to the completion of block requests")]
    Attach(#[source] aya::programs::ProgramError),
    /// A map could not be mapped into memory.
    #[error("cannot map the marks into memory")]
    Map(#[source] SystemCallError),
}

/// Why a disk cannot be tracked.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// Something about the device could not be read.
    #[error("cannot read {}", path.display())]
    Look {
        /// What was read.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The kernel wrote something else than a number.
    #[error("{} holds no number", .0.display())]
    NotANumber(PathBuf),
    /// It is a file or a character device.
    #[error("{} is not a block device", .0.display())]
    NoBlockDevice(PathBuf),
    /// There is no medium in it, or no file behind it.
    #[error("{} is empty", .0.display())]
    Empty(PathBuf),
    /// It is a part of a disk.
    #[error("{} is a partition: track the whole disk", .0.display())]
    Partition(PathBuf),
    /// It passes on what it is asked to do.
    #[error("{} completes no requests of its own: track the disks below it", .0.display())]
    WithoutRequests(PathBuf),
    /// Its zones can be reset, which no mark would show.
    #[error("{} is a zoned disk, whose resets cannot be tracked", .0.display())]
    Zoned(PathBuf),
    /// There would be nothing to hold the marks against.
    #[error("the kernel keeps no statistics of {}: write 1 to its queue/iostats in sysfs", .0.display())]
    WithoutStatistics(PathBuf),
}

/// An act of the tracker failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk cannot be tracked.
    #[error("cannot track this disk")]
    Disk(#[from] DiskError),
    /// The machine cannot track.
    #[error("cannot track changes on this machine")]
    Unsupported(#[from] Unsupported),
    /// The directory for what is pinned could not be made ready.
    #[error("cannot prepare {} to keep marks", path.display())]
    Pins {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A map or the link could not be pinned.
    #[error("cannot pin {}", path.display())]
    Pin {
        /// Where.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: aya::pin::PinError,
    },
    /// What was pinned could not be removed.
    #[error("cannot remove {}; remove it by hand to end the tracking", path.display())]
    Remove {
        /// What.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The statistics of the disk could not be read.
    #[error("cannot read the statistics {}", path.display())]
    Statistics {
        /// Where they are.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The number of this boot could not be read.
    #[error("cannot read /proc/sys/kernel/random/boot_id")]
    BootId(#[source] std::io::Error),
}
