//! Configuration formats, pure: text in, text out. What is not changed keeps its spaces, comments
//! and order, so that a diff shows nothing but the change.

pub(crate) mod assignments;
pub(crate) mod fstab;
pub(crate) mod grub_commands;
pub(crate) mod interfaces;
pub(crate) mod kernel_options;
pub(crate) mod netplan;
pub(crate) mod sections;
