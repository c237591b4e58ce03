//! Disks that look like those of `bases/fat`.
#![no_main]

rehost_fuzz::disk_target!("fat");
