//! Disks that look like those of `bases/swap`.
#![no_main]

rehost_fuzz::disk_target!("swap");
