//! What `cargo xtask image` makes: the names of the files, and the manifest that says what is in
//! them. Whoever starts a helper system reads the manifest for the kernel's arguments.

use serde::{Deserialize, Serialize};

/// The version of the manifest that this program writes and reads.
pub const FORMAT_VERSION: u32 = 1;
/// The kernel.
pub const KERNEL: &str = "vmlinuz";
/// What the kernel unpacks as its first file system.
pub const INITRAMFS: &str = "initramfs.img";
/// The file that holds a [`Manifest`].
pub const MANIFEST: &str = "manifest.json";
/// What the kernel is to be started with: everything on the serial console, but for its chatter; a
/// panic ends the machine instead of holding it; arrays of disks are started by us, not by it.
pub const KERNEL_ARGUMENTS: &str = "console=ttyS0,115200 quiet panic=-1 raid=noautodetect";

/// What an image is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT_VERSION`].
    pub version: u32,
    /// The kernel's own name for its version.
    pub kernel_release: String,
    /// What the kernel is to be started with.
    pub kernel_arguments: String,
    /// The Debian packages that it came out of.
    pub packages: Vec<PackageVersion>,
    /// The files beside the manifest.
    pub files: Vec<StoredFile>,
    /// The files in the initramfs.
    pub contents: Vec<StoredFile>,
    /// Modules that the helper system would load and this kernel does not have.
    pub absent_modules: Vec<String>,
}

/// A Debian package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageVersion {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The hash of the package's file, in hexadecimal.
    pub sha256: String,
}

/// A file of the image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredFile {
    /// Its name, relative to where it is.
    pub path: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// The hash of its content, in hexadecimal.
    pub sha256: String,
}
