//! Questions to and orders for block devices: size, sector size, zeroing, discarding.

use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::ioctl::{Getter, NoArg, Opcode, Setter, ioctl, opcode};

use crate::SystemCallError;

// From <linux/fs.h>. The size in BLKGETSIZE64's number is that of `size_t`, what is written is
// always 64 bits wide.
const BLKGETSIZE64: Opcode = opcode::read::<usize>(0x12, 114);
const BLKRRPART: Opcode = opcode::none(0x12, 95);
const BLKDISCARD: Opcode = opcode::none(0x12, 119);
const BLKZEROOUT: Opcode = opcode::none(0x12, 127);

/// The size of a block device in bytes.
///
/// # Errors
/// [`SystemCallError::BlockDeviceSize`]; its number is `ENOTTY` if `device` is no block device.
pub fn block_device_size(device: impl AsFd) -> Result<u64, SystemCallError> {
    // SAFETY: BLKGETSIZE64 writes one 64-bit number to the pointer and reads nothing from it.
    let result = unsafe { ioctl(device, Getter::<BLKGETSIZE64, u64>::new()) };
    result.map_err(SystemCallError::BlockDeviceSize)
}

/// The smallest unit in bytes that a block device reads and writes; direct I/O must be aligned to it.
///
/// # Errors
/// [`SystemCallError::LogicalBlockSize`]; its number is `ENOTTY` if `device` is no block device.
pub fn logical_block_size(device: impl AsFd) -> Result<u32, SystemCallError> {
    rustix::fs::ioctl_blksszget(device).map_err(SystemCallError::LogicalBlockSize)
}

/// Makes a range of a block device read as zeros. The kernel unmaps it where the device guarantees
/// zeros afterwards, and writes zeros otherwise. The device's page cache of the range is dropped.
/// Nothing is promised to be durable before an `fdatasync`.
///
/// `offset` and `length` are bytes and must be multiples of the logical block size. The device must
/// be open for writing.
///
/// # Errors
/// [`SystemCallError::ZeroOut`]; its number is `EINVAL` if the range is not aligned or not within
/// the device.
pub fn zero_out(device: impl AsFd, offset: u64, length: u64) -> Result<(), SystemCallError> {
    // SAFETY: BLKZEROOUT reads two 64-bit numbers, start and length, from the pointer and keeps
    // nothing of it. It changes the medium, not the memory of this process.
    let result = unsafe {
        ioctl(
            device,
            Setter::<BLKZEROOUT, [u64; 2]>::new([offset, length]),
        )
    };
    result.map_err(|errno| SystemCallError::ZeroOut {
        offset,
        length,
        errno,
    })
}

/// Tells a block device that the content of a range is of no interest any more. What the range
/// reads as afterwards is up to the device: use [`zero_out`] where zeros are needed.
///
/// `offset` and `length` are bytes and must be multiples of the logical block size. The device must
/// be open for writing.
///
/// # Errors
/// [`SystemCallError::Discard`]; its number is `EOPNOTSUPP` if the device cannot discard, and
/// `EINVAL` if the range is not aligned or not within the device.
pub fn discard(device: impl AsFd, offset: u64, length: u64) -> Result<(), SystemCallError> {
    // SAFETY: BLKDISCARD reads two 64-bit numbers, start and length, from the pointer and keeps
    // nothing of it. It changes the medium, not the memory of this process.
    let result = unsafe {
        ioctl(
            device,
            Setter::<BLKDISCARD, [u64; 2]>::new([offset, length]),
        )
    };
    result.map_err(|errno| SystemCallError::Discard {
        offset,
        length,
        errno,
    })
}

/// Asks the kernel to read the partition table of a disk again. Returns whether it did: kernels
/// without partition parsers, and devices that cannot have partitions, answer `EINVAL`, which harms
/// nobody who only wanted the kernel's view to be fresh.
///
/// # Errors
/// [`SystemCallError::RereadPartitions`] for any other number, such as `EBUSY` while a partition is
/// in use.
pub fn reread_partitions(disk: impl AsFd) -> Result<bool, SystemCallError> {
    // SAFETY: BLKRRPART takes no argument.
    match unsafe { ioctl(disk, NoArg::<BLKRRPART>::new()) } {
        Ok(()) => Ok(true),
        Err(Errno::INVAL) => Ok(false),
        Err(errno) => Err(SystemCallError::RereadPartitions(errno)),
    }
}
