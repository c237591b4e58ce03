//! Disks that look like those of `bases/ext`.
#![no_main]

rehost_fuzz::disk_target!("ext");
