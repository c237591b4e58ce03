//! Disks that look like those of `bases/xfs`.
#![no_main]

rehost_fuzz::disk_target!("xfs");
