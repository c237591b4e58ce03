//! Disks that look like those of `bases/md`.
#![no_main]

rehost_fuzz::disk_target!("md");
