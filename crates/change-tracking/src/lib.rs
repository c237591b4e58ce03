//! Which parts of a disk have changed, without a kernel module and without a reboot: a BPF program
//! on the completion of block requests sets one bit for each grain of 64 KiB.
//!
//! # What is marked, and when
//!
//! A request is marked when the disk has *completed* it. A mark at its issue would not do: it could
//! be taken, and the range be read, before the change arrives. File systems, databases on raw
//! partitions, swap: whatever changes a disk does so by requests, and partitions, LVM and other
//! layers above end in requests of the disk below, with sectors counted from its beginning. What
//! goes past requests (pass-through commands) carries no sector and makes the marks void.
//!
//! # The loan
//!
//! 1. [`Tracker::read_marks`] copies the marks and changes nothing.
//! 2. The caller makes the copy durable, if it is to survive the caller.
//! 3. [`Tracker::clear`] clears exactly the bits of the copy, word by word, each atomically.
//! 4. The caller reads the marked ranges *from the medium* (`O_DIRECT`: the page cache of the device
//!    does not know what a file system writes) and sends them.
//! 5. If anything fails before they are durable at the other end, [`Tracker::give_back`] sets
//!    the bits again. Who was killed gives back what was made durable in step 2.
//!
//! No change is lost, whenever it completes:
//! - Before step 1: its bit is in the copy.
//! - Between 1 and 3: its grain's bit is set. If it is in the copy, it is cleared, but the range is
//!   read in step 4, after the change completed. If it is not in the copy, it stays for the next time.
//! - After 3: its bit is set again, or anew, and stays for the next time. That step 4 has read the
//!   range before or after does no harm.
//!
//! The order of 3 and 4 is what it rests on. A caller who dies between 3 and the end of 4 has a
//! durable copy to give back; a caller who cannot give back says [`Tracker::void`].
//!
//! # Trust
//!
//! Marks are relied on as far as [`Tracker::audit`] supports them: it compares the program's sums
//! with the disk's own statistics, and any gap makes the marks void. Void is sticky and kept beside
//! the marks: until [`Tracker::start_anew`] everything counts as changed. An independent verification
//! never uses marks.
//!
//! # What outlives what
//!
//! Bitmaps, ledger and the link that keeps the program attached are pinned in a bpf file system.
//! The agent may be killed: marking goes on. They end with the machine's boot, with
//! [`Tracker::stop`], or with the file system. Each beginning has a new [`Tracker::tracking`];
//! marks count only for copies that were begun under the same one.

mod audit;
mod disk;
mod error;
mod ledger;
mod marks;
mod pins;
mod program;
mod state;
mod statistics;
mod tracker;
mod words;

pub use audit::Audit;
pub use disk::DiskId;
pub use error::{DiskError, Error, LoadError, Unsupported};
pub use ledger::{Figures, Sectors};
pub use marks::{GrainSet, Marks};
pub use pins::remove_all;
pub use state::{State, VoidReason};
pub use tracker::{Beginning, Support, Tracker};

/// The unit in which changes are marked, in bytes. Bitmaps take 4 MiB of the kernel's memory for
/// each TiB of a disk, 2 MiB for what is written and as much for what is discarded.
pub const GRAIN_BYTES: u64 = 64 * 1024;

/// Where marks are pinned if nothing else is said.
pub const DEFAULT_ROOT: &str = "/sys/fs/bpf/rehost";

/// How many words of 64 bits a bitmap of a disk has.
pub(crate) fn words_for(size_bytes: u64) -> usize {
    usize::try_from(size_bytes.div_ceil(GRAIN_BYTES).div_ceil(64)).unwrap_or(usize::MAX)
}
