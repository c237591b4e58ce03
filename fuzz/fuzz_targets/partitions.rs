//! Disks that look like those of `bases/partitions`.
#![no_main]

rehost_fuzz::disk_target!("partitions");
