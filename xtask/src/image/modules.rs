//! The kernel's modules that go into the image: those that the helper system loads, and those that
//! they depend on. Each module says in its section `.modinfo` what it depends on, so the list for
//! the loader (`modules.dep`) needs no other tool.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use rehost_helper_system::modules::{DEPENDENCIES_FILE, module_name};

use super::archive::{Archive, Entry};
use crate::process;

/// A kernel among unpacked packages.
#[derive(Debug)]
pub(super) struct Kernel {
    /// Such as `6.1.0-48-cloud-amd64`.
    pub(super) release: String,
    /// The kernel itself.
    pub(super) image: PathBuf,
    /// Its modules' directory.
    folder: PathBuf,
    /// Modules by name, relative to the directory.
    modules: BTreeMap<String, PathBuf>,
    /// Names of what is not a module but part of the kernel.
    built_in: BTreeSet<String>,
}

impl Kernel {
    /// Finds the one kernel below `root`.
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub(super) fn find(root: &Path) -> Result<Self> {
        let folder = ["lib/modules", "usr/lib/modules"]
            .iter()
            .map(|folder| root.join(folder))
            .find(|folder| folder.is_dir())
            .context("none of the packages has kernel modules")?;
        let mut releases = std::fs::read_dir(&folder)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<Vec<_>>>()?;
        let release = releases.pop().context("no kernel among the packages")?;
        ensure!(releases.is_empty(), "more than one kernel: {releases:?}");
        let folder = folder.join(&release);
        let built_in = std::fs::read_to_string(folder.join("modules.builtin"))
            .context("read which modules are part of the kernel")?;
        Ok(Self {
            image: root.join("boot").join(format!("vmlinuz-{release}")),
            modules: modules_below(&folder)?,
            built_in: built_in
                .lines()
                .filter_map(|path| module_name(path).map(Into::into))
                .collect(),
            folder,
            release,
        })
    }

    /// Puts the modules of these names into the archive, with what they depend on, and the list of
    /// who depends on whom. Returns the names that this kernel does not have at all.
    ///
    /// # Errors
    /// If a module cannot be read, or depends on one that is missing.
    pub(super) fn add_modules(&self, names: &[&str], archive: &mut Archive) -> Result<Vec<String>> {
        let folder = format!("usr/lib/modules/{}", self.release);
        let mut absent = Vec::new();
        let mut depends = BTreeMap::new();
        let mut waiting = Vec::new();
        for name in names {
            if self.modules.contains_key(*name) {
                waiting.push((*name).to_owned());
            } else if !self.built_in.contains(*name) {
                absent.push((*name).to_owned());
            }
        }
        while let Some(name) = waiting.pop() {
            if depends.contains_key(&name) || self.built_in.contains(&name) {
                continue;
            }
            let path = self
                .modules
                .get(&name)
                .with_context(|| format!("no module {name}, which others depend on"))?;
            let content = read_module(&self.folder.join(path))?;
            let direct = dependencies(&content)
                .with_context(|| format!("read what {} depends on", path.display()))?;
            waiting.extend(direct.iter().cloned());
            archive.insert(
                &format!("{folder}/{}", uncompressed(path)),
                Entry::Text(content),
            );
            depends.insert(name, direct);
        }
        let mut list = String::new();
        for (name, direct) in &depends {
            let file_of = |name: &String| self.modules.get(name).map(|path| uncompressed(path));
            let needs: Vec<String> = direct.iter().filter_map(file_of).collect();
            list += &format!(
                "{}:{}{}\n",
                file_of(name).unwrap_or_default(),
                if needs.is_empty() { "" } else { " " },
                needs.join(" ")
            );
        }
        archive.insert(
            &format!("{folder}/{DEPENDENCIES_FILE}"),
            Entry::Text(list.into_bytes()),
        );
        Ok(absent)
    }
}

fn modules_below(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let entry = entry?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                waiting.push(path);
            } else if let Some(name) = path.to_str().and_then(module_name) {
                found.insert(name, path.strip_prefix(folder)?.to_path_buf());
            }
        }
    }
    Ok(found)
}

/// Some kernels come with packed modules. They are unpacked here, so that nothing has to unpack
/// them while a machine waits.
fn read_module(path: &Path) -> Result<Vec<u8>> {
    let tool = match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return std::fs::read(path).with_context(|| format!("read {}", path.display())),
    };
    process::output_bytes(
        Command::new(tool)
            .args(["--decompress", "--stdout", "--quiet"])
            .arg(path),
    )
}

/// The module's path without the ending that says how it is packed.
fn uncompressed(path: &Path) -> String {
    let text = path.display().to_string();
    match text.split_once(".ko.") {
        Some((stem, _)) => format!("{stem}.ko"),
        None => text,
    }
}

/// Names of the modules that a module depends on, from its `.modinfo`.
fn dependencies(module: &[u8]) -> Result<Vec<String>> {
    let information = section(module, ".modinfo").context("it has no section .modinfo")?;
    let list = information
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(b"depends="))
        .context("it does not say what it depends on")?;
    let list = std::str::from_utf8(list)?;
    Ok(list
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .collect())
}

/// A section of a 64-bit little-endian ELF file.
fn section<'file>(file: &'file [u8], wanted: &str) -> Option<&'file [u8]> {
    let header = |index: u64| {
        let size = number::<2>(file, 0x3a)?;
        let start = number::<8>(file, 0x28)?.checked_add(index.checked_mul(size)?)?;
        file.get(usize::try_from(start).ok()?..)
    };
    let content = |header: &[u8]| {
        let start = usize::try_from(number::<8>(header, 0x18)?).ok()?;
        let size = usize::try_from(number::<8>(header, 0x20)?).ok()?;
        file.get(start..start.checked_add(size)?)
    };
    if file.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let names = content(header(number::<2>(file, 0x3e)?)?)?;
    (0..number::<2>(file, 0x3c)?).find_map(|index| {
        let header = header(index)?;
        let name = names.get(usize::try_from(number::<4>(header, 0)?).ok()?..)?;
        let is_wanted = name.strip_prefix(wanted.as_bytes())?.first() == Some(&0);
        is_wanted.then(|| content(header))?
    })
}

/// A little-endian number of `BYTES` bytes.
fn number<const BYTES: usize>(bytes: &[u8], offset: usize) -> Option<u64> {
    let bytes = bytes.get(offset..offset.checked_add(BYTES)?)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF file with a section of names and `.modinfo`.
    fn module(information: &[u8]) -> Vec<u8> {
        let names = b"\0.modinfo\0";
        let mut file = b"\x7fELF\x02\x01".to_vec();
        file.resize(0x28, 0);
        file.extend(0x40_u64.to_le_bytes()); // where section headers are
        file.resize(0x3a, 0);
        file.extend(0x40_u16.to_le_bytes()); // size of one
        file.extend(2_u16.to_le_bytes()); // how many
        file.extend(0_u16.to_le_bytes()); // which has the names
        let first = 0x40 + 2 * 0x40;
        for (name, start, size) in [
            (0_u32, first, names.len()),
            (1, first + names.len(), information.len()),
        ] {
            let end = file.len() + 0x40;
            file.extend(name.to_le_bytes());
            file.resize(end - 0x40 + 0x18, 0);
            file.extend((start as u64).to_le_bytes());
            file.extend((size as u64).to_le_bytes());
            file.resize(end, 0);
        }
        file.extend(names);
        file.extend(information);
        file
    }

    #[test]
    fn a_module_says_what_it_depends_on() {
        let some = module(b"license=GPL\0depends=libcrc32c,xor-blocks\0name=btrfs\0");
        assert_eq!(dependencies(&some).unwrap(), ["libcrc32c", "xor_blocks"]);
        let none = module(b"depends=\0");
        assert!(dependencies(&none).unwrap().is_empty());
    }

    #[test]
    fn a_file_that_is_no_module_is_refused() {
        assert!(dependencies(b"").is_err());
        assert!(dependencies(&module(b"license=GPL\0")).is_err());
        let whole = module(b"depends=a\0");
        for length in 0..whole.len() - 1 {
            let _ = dependencies(&whole[..length]);
        }
    }

    #[test]
    fn packed_modules_lose_their_ending() {
        assert_eq!(
            uncompressed(Path::new("kernel/fs/xfs.ko.xz")),
            "kernel/fs/xfs.ko"
        );
        assert_eq!(
            uncompressed(Path::new("kernel/fs/xfs.ko")),
            "kernel/fs/xfs.ko"
        );
    }
}
