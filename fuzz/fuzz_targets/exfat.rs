//! Disks that look like those of `bases/exfat`.
#![no_main]

rehost_fuzz::disk_target!("exfat");
