//! Which shared libraries programs need: asked of the dynamic loader that they will run with, which
//! looks for them where packages were unpacked and nowhere else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::process;

/// The name by which the kernel finds the loader, which is written in every program.
pub(super) const LOADER: &str = "lib64/ld-linux-x86-64.so.2";
/// Where libraries are in the image.
pub(super) const FOLDER: &str = "usr/lib/x86_64-linux-gnu";
/// Where packages have their libraries, before and after Debian merged `/usr`.
const FOLDERS: [&str; 2] = ["lib/x86_64-linux-gnu", FOLDER];

/// The loader among unpacked packages.
///
/// # Errors
/// If there is none.
pub(super) fn loader(root: &Path) -> Result<PathBuf> {
    let candidates = FOLDERS.map(|folder| root.join(folder).join("ld-linux-x86-64.so.2"));
    let found = candidates.iter().find(|path| path.is_file());
    found
        .cloned()
        .with_context(|| format!("no dynamic loader below {}", root.display()))
}

/// The libraries that `programs` need, by name, and where they are below `root`.
///
/// # Errors
/// If one is in no package, or a program cannot run with the packages' C library.
pub(super) fn needed_by(programs: &[PathBuf], root: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let loader = loader(root)?;
    let folders = FOLDERS.map(|folder| root.join(folder).display().to_string());
    let mut found = BTreeMap::new();
    for program in programs {
        let listing = process::output(
            Command::new(&loader)
                .args(["--inhibit-cache", "--library-path", &folders.join(":")])
                .arg("--list")
                .arg(program),
        )
        .with_context(|| format!("list the libraries of {}", program.display()))?;
        for (name, path) in parse(&listing)? {
            ensure!(
                path.starts_with(root),
                "{} needs {name}, which is in none of the packages",
                program.display()
            );
            found.insert(name.to_owned(), path);
        }
    }
    Ok(found)
}

/// Reads lines such as `libm.so.6 => /x/libm.so.6 (0x00007f..)`. Lines without an arrow are the
/// loader itself and what the kernel provides.
fn parse(listing: &str) -> Result<Vec<(&str, PathBuf)>> {
    let mut found = Vec::new();
    for line in listing.lines() {
        let Some((name, rest)) = line.split_once(" => ") else {
            continue;
        };
        let Some((path, _)) = rest.rsplit_once(" (0x") else {
            bail!("the library {} is {rest}", name.trim());
        };
        found.push((name.trim(), PathBuf::from(path)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_the_loaders_listing() {
        let listing = "\tlinux-vdso.so.1 (0x00007ffd)\n\
            \tlibm.so.6 => /r/lib/x86_64-linux-gnu/libm.so.6 (0x00007f)\n\
            \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let expected = [(
            "libm.so.6",
            PathBuf::from("/r/lib/x86_64-linux-gnu/libm.so.6"),
        )];
        assert_eq!(parse(listing).unwrap(), expected);
    }

    #[test]
    fn a_missing_library_is_named() {
        let error = parse("\tlibx.so.1 => not found\n").unwrap_err();
        assert!(error.to_string().contains("libx.so.1"), "{error}");
    }
}
