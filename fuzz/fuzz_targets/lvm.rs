//! Disks that look like those of `bases/lvm`.
#![no_main]

rehost_fuzz::disk_target!("lvm");
