//! Disks that look like those of `bases/ntfs`.
#![no_main]

rehost_fuzz::disk_target!("ntfs");
