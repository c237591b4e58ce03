//! For tests only: servers to migrate. A real Debian 12 with a database, on the disk layouts that
//! people have, running under QEMU without any help of the processor's.
//!
//! Making one takes minutes and is done once: the tree of files, the disks of each layout, and each
//! server as it is shortly after its boot are kept below `target/`, and made anew when the recipe
//! changes. From then on a running server is there within seconds ([`Guest::source`]).
//!
//! The host may have no device mapper and no FAT: the module of the disks tells how it is done without.

mod block;
mod boot_loader;
mod cache;
mod checks;
mod control;
mod debian_tree;
mod disks;
mod guest;
mod layout;
mod machine;
mod qmp;
mod settings;

pub use checks::check_file_system;
pub use guest::{DATABASE_PORT, Guest, MEMORY_MIB, new_variables, source_places};
pub use layout::{FileSystem, Firmware, Layout, Place};
pub use machine::{Disk, DiskFormat, HOST_ADDRESS, Machine, MachineSpecification, NetworkCard};
