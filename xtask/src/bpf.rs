//! `cargo xtask bpf`: compiles the BPF programs. Their objects are checked in beside their sources,
//! so that nobody needs a compiler for BPF to build Rehost; a test here holds them to what this
//! would make.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::debian::{self, Need};
use crate::process::{self, root, say};

/// What compiles them. The bytes depend on the version: Debian 12's is the one that counts.
pub(crate) const COMPILERS: &[Need] = &[
    ("clang", "compiles the BPF program that tracks changes"),
    (
        "llvm",
        "llvm-strip takes what only debuggers read out of it",
    ),
    ("libbpf-dev", "what BPF programs include"),
];

/// Where the one program is, without its extensions.
fn folder() -> PathBuf {
    root().join("crates/change-tracking/bpf")
}
const SOURCE: &str = "change_tracking.bpf.c";
const OBJECT: &str = "change_tracking.bpf.o";

/// Writes the object beside its source.
///
/// # Errors
/// If the compiler is missing or finds a mistake.
pub(crate) fn run() -> Result<()> {
    debian::install(COMPILERS)?;
    let object = folder().join(OBJECT);
    compile(&object)?;
    say(&format!("wrote {}", object.display()));
    Ok(())
}

/// Compiles into `object`. The source is named as seen from its folder, so that the bytes do not
/// depend on where the checkout is. Types (BTF) stay, which fit the program to a kernel.
fn compile(object: &Path) -> Result<()> {
    process::run(
        Command::new("clang")
            .current_dir(folder())
            // Version 3 has the atomic instructions of Linux 5.12.
            .args(["-target", "bpf", "-mcpu=v3", "-O2", "-g"])
            // The folder is written down nowhere, so that the bytes are the same in every checkout.
            .arg("-fdebug-compilation-dir=.")
            .args(["-Wall", "-Werror", "-c", SOURCE, "-o"])
            .arg(object),
    )?;
    process::run(Command::new("llvm-strip").arg("--strip-debug").arg(object))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_is_what_its_source_says() {
        let directory = tempfile::tempdir().unwrap();
        let rebuilt = directory.path().join(OBJECT);
        compile(&rebuilt).expect("clang, llvm and libbpf-dev of Debian 12 are needed");
        assert!(
            std::fs::read(&rebuilt).unwrap() == std::fs::read(folder().join(OBJECT)).unwrap(),
            "{OBJECT} is not what Debian 12's clang makes of {SOURCE}: run `cargo xtask bpf`"
        );
    }
}
