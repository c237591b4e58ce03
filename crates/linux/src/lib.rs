//! System calls that need unsafe code, behind safe functions with typed errors.
//!
//! This is the only crate of the workspace where `unsafe` is allowed, so that a reviewer who
//! wonders about memory safety has one place to read. Everything that rustix offers safely is used
//! from rustix directly, here and elsewhere; what remains are `ioctl` calls, whose argument types
//! the compiler cannot know, signals, memory shared with the kernel, and what a child does before
//! it executes its program. Every unsafe block says why it is sound.
#![expect(
    unsafe_code,
    reason = "ioctl arguments, signals, shared memory and new children are a contract with the kernel that the compiler cannot check"
)]

mod block_device;
mod child;
mod error;
mod freeze;
mod memory;
mod shared_words;
mod signals;

pub use block_device::{
    block_device_size, discard, logical_block_size, reread_partitions, zero_out,
};
pub use child::end_with_this_thread;
pub use error::SystemCallError;
pub use freeze::{freeze, thaw};
pub use memory::{lock_memory, unlock_memory};
pub use shared_words::SharedWords;
pub use signals::ignore_termination;
