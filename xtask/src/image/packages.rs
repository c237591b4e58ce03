//! Debian packages as building material: the newest versions that this machine's apt knows are
//! downloaded and unpacked below `target/`, and never installed.
//!
//! What was unpacked is kept as long as apt names the same versions, so that an image with nothing
//! new but `rehost` is made in seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use rehost_helper_system::image::PackageVersion;

use super::hash;
use crate::debian;
use crate::process::{self, say};

/// Packages of one release, unpacked into one directory.
#[derive(Debug)]
pub(super) struct Unpacked {
    pub(super) root: PathBuf,
    pub(super) packages: Vec<PackageVersion>,
}

/// What apt says of a package's newest version.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Package {
    name: String,
    version: String,
    architecture: String,
    sha256: String,
    /// Names of what it depends on; the first of alternatives.
    depends: Vec<String>,
}

/// Downloads and unpacks `wanted`, and the libraries and kernels that they depend on.
///
/// # Errors
/// If apt does not know a package, or it cannot be downloaded or unpacked.
pub(super) fn unpack(wanted: &[&str], cache: &Path) -> Result<Unpacked> {
    let packages = match resolve(wanted) {
        Ok(packages) => packages,
        Err(_) => {
            debian::update()?;
            resolve(wanted)?
        }
    };
    let mut list = String::new();
    for package in packages.values() {
        list += &format!("{} {} {}\n", package.name, package.version, package.sha256);
    }
    let root = cache.join(format!("root-{}", &hash::of_bytes(list.as_bytes())[..16]));
    if !root.is_dir() {
        // What is left are packages of other versions.
        if cache.is_dir() {
            std::fs::remove_dir_all(cache).with_context(|| format!("empty {}", cache.display()))?;
        }
        std::fs::create_dir_all(cache).with_context(|| format!("make {}", cache.display()))?;
        download_and_unpack(&packages, cache, &root)?;
    }
    let packages = packages.into_values().map(|package| PackageVersion {
        name: package.name,
        version: package.version,
        sha256: package.sha256,
    });
    Ok(Unpacked {
        root,
        packages: packages.collect(),
    })
}

/// The packages wanted, and what of their dependencies is of use in an image.
fn resolve(wanted: &[&str]) -> Result<BTreeMap<String, Package>> {
    let mut found = BTreeMap::new();
    let mut next: BTreeSet<String> = wanted.iter().map(ToString::to_string).collect();
    while !next.is_empty() {
        let text = process::output(
            Command::new("apt-cache")
                .args(["show", "--no-all-versions"])
                .args(&next),
        )?;
        for package in parse(&text) {
            next.remove(&package.name);
            found.insert(package.name.clone(), package);
        }
        if let Some(missing) = next.first() {
            bail!("apt does not know the package {missing}");
        }
        next = found
            .values()
            .flat_map(|package| &package.depends)
            .filter(|name| is_of_use(name) && !found.contains_key(*name))
            .cloned()
            .collect();
    }
    Ok(found)
}

/// Libraries, and the kernel that the package of the newest kernel stands for. Programs and what
/// sets a system up are not: nothing is installed.
fn is_of_use(name: &str) -> bool {
    ["lib", "zlib", "linux-image-"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Reads the stanzas that `apt-cache show` prints.
fn parse(text: &str) -> Vec<Package> {
    let stanza = |text: &str| {
        let field = |wanted: &str| {
            text.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                (name == wanted).then(|| value.to_owned())
            })
        };
        let depends = ["Depends", "Pre-Depends"]
            .iter()
            .filter_map(|name| field(name))
            .flat_map(|list| {
                let names = list.split(',').filter_map(first_alternative);
                names.collect::<Vec<_>>()
            });
        Some(Package {
            name: field("Package")?,
            version: field("Version")?,
            architecture: field("Architecture")?,
            sha256: field("SHA256")?,
            depends: depends.collect(),
        })
    };
    text.split("\n\n").filter_map(stanza).collect()
}

/// The package's name in `name:any (>= 1) | other`.
fn first_alternative(dependency: &str) -> Option<String> {
    let name = dependency.split(['|', '(']).next()?.trim();
    Some(name.split(':').next()?.to_owned())
}

fn download_and_unpack(
    packages: &BTreeMap<String, Package>,
    cache: &Path,
    root: &Path,
) -> Result<()> {
    say(&format!("downloading {} packages", packages.len()));
    process::run(
        Command::new("apt-get")
            .current_dir(cache)
            // Without this, root downloads as a user who may not write here.
            .args(["--quiet", "--option", "APT::Sandbox::User=root", "download"])
            .args(
                packages
                    .values()
                    .map(|package| format!("{}={}", package.name, package.version)),
            ),
    )?;
    let partial = root.with_extension("partial");
    for package in packages.values() {
        let file = format!(
            "{}_{}_{}.deb",
            package.name,
            package.version.replace(':', "%3a"),
            package.architecture
        );
        let file = cache.join(file);
        if hash::of_file(&file)? != package.sha256 {
            bail!("{} is not what apt's list says", file.display());
        }
        process::run(
            Command::new("dpkg-deb")
                .arg("--extract")
                .args([&file, &partial]),
        )?;
        std::fs::remove_file(&file).with_context(|| format!("remove {}", file.display()))?;
    }
    std::fs::rename(&partial, root).with_context(|| format!("make {}", root.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_apt_says_of_a_package_is_understood() {
        let text = "Package: lvm2\nVersion: 2.03.16-2\nArchitecture: amd64\n\
            Pre-Depends: init-system-helpers (>= 1)\n\
            Depends: libaio1 (>= 0.3.93) | libaio1t64, perl:any, lsb-base\n\
            Description: Linux: Logical Volume Manager\n more: text\nSHA256: 608a\n\n\
            Package: unfinished\n";
        let depends = ["libaio1", "perl", "lsb-base", "init-system-helpers"];
        assert_eq!(
            parse(text),
            [Package {
                name: "lvm2".into(),
                version: "2.03.16-2".into(),
                architecture: "amd64".into(),
                sha256: "608a".into(),
                depends: depends.map(String::from).into(),
            }]
        );
    }

    #[test]
    fn of_dependencies_only_libraries_and_kernels_are_taken() {
        assert!(is_of_use("libaio1"));
        assert!(is_of_use("linux-image-6.1.0-48-cloud-amd64"));
        assert!(!is_of_use("initramfs-tools"));
        assert!(!is_of_use("linux-base"));
    }
}
