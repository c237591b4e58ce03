//! Disks that look like those of `bases/btrfs`.
#![no_main]

rehost_fuzz::disk_target!("btrfs");
