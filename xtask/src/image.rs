//! `cargo xtask image`: builds the helper system, a kernel and an initramfs in which `rehost` is the
//! first program. It makes copies start on other hardware, in a machine of its own.
//!
//! Everything but `rehost` comes out of Debian's packages, of the versions that apt on this machine
//! names; they are unpacked below `target/` and never installed. The same packages and the same
//! `rehost` give the same bytes.

mod archive;
mod hash;
mod libraries;
mod modules;
mod packages;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::Args;
use rehost_helper_system::image::{
    FORMAT_VERSION, INITRAMFS, KERNEL, KERNEL_ARGUMENTS, MANIFEST, Manifest, StoredFile,
};
use rehost_helper_system::modules::every_module;

use self::archive::{Archive, Entry};
use self::modules::Kernel;
use crate::process::{self, cargo, say, target_dir};

/// What the image is made of. The cloud kernel has every driver that machines of QEMU need, boots
/// sooner and is a third as big as the kernel for any hardware.
const PACKAGES: &[&str] = &["linux-image-cloud-amd64", "lvm2", "mdadm", "util-linux"];
/// Programs that are taken from them.
const PROGRAMS: &[&str] = &["sbin/lvm", "sbin/mdadm", "sbin/blkid"];
/// Directories that are there to be mounted on, or written to.
const DIRECTORIES: &[&str] = &[
    "proc", "sys", "run", "tmp", "usr/lib", "usr/bin", "usr/sbin",
];

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask image\n  \
    cargo build --release -p rehost && cargo xtask image --executable target/release/rehost")]
pub(crate) struct Options {
    /// Where vmlinuz, initramfs.img and manifest.json go.
    #[arg(long, value_name = "DIR", default_value_os_t = default_output())]
    output: PathBuf,
    /// A `rehost` to put in, instead of one that is built now.
    #[arg(long, value_name = "FILE")]
    executable: Option<PathBuf>,
}

/// Builds the image where tests look for it, of the executable that they start.
///
/// # Errors
/// As [`run`].
pub(crate) fn make_of_tested() -> Result<()> {
    run(&Options {
        output: default_output(),
        executable: Some(target_dir().join("debug/rehost")),
    })
}

fn default_output() -> PathBuf {
    target_dir().join("helper-system")
}

/// Builds the image.
///
/// # Errors
/// If `rehost` does not compile, a package cannot be had, or something cannot be written.
pub(crate) fn run(options: &Options) -> Result<()> {
    let executable = match &options.executable {
        Some(file) => file.clone(),
        None => {
            process::run(cargo().args(["build", "--locked", "-p", "rehost"]))?;
            target_dir().join("debug/rehost")
        }
    };
    let unpacked = packages::unpack(PACKAGES, &target_dir().join("helper-system-packages"))?;
    let kernel = Kernel::find(&unpacked.root)?;
    std::fs::create_dir_all(&options.output)
        .with_context(|| format!("make {}", options.output.display()))?;

    let stripped = options.output.join("rehost.stripped");
    process::run(
        Command::new("strip")
            .args(["--strip-all", "-o"])
            .args([&stripped, &executable]),
    )?;
    let mut archive = system(&stripped, &unpacked.root)?;
    let absent_modules = kernel.add_modules(&every_module(), &mut archive)?;
    let contents = stored_in(&archive)?;
    let files = vec![
        put(&options.output, KERNEL, |output| {
            output.write_all(&std::fs::read(&kernel.image)?)?;
            Ok(())
        })?,
        put(&options.output, INITRAMFS, |output| archive.write(output))?,
    ];
    std::fs::remove_file(&stripped)?;

    let manifest = Manifest {
        version: FORMAT_VERSION,
        kernel_release: kernel.release,
        kernel_arguments: KERNEL_ARGUMENTS.to_owned(),
        packages: unpacked.packages,
        files,
        contents,
        absent_modules,
    };
    put(&options.output, MANIFEST, |output| {
        serde_json::to_writer_pretty(output, &manifest).context("write it as JSON")
    })?;
    say(&format!(
        "the helper system is in {}",
        options.output.display()
    ));
    Ok(())
}

/// The image without the kernel's modules.
fn system(rehost: &Path, root: &Path) -> Result<Archive> {
    let mut archive = Archive::default();
    let copy = |from: &Path, executable| Entry::Copy {
        from: from.to_owned(),
        executable,
    };
    for name in DIRECTORIES {
        archive.insert(name, Entry::Directory);
    }
    for name in ["bin", "sbin", "lib", "lib64"] {
        archive.insert(name, Entry::Link(format!("usr/{name}")));
    }
    // The kernel gives the first program its standard output by this name, before anything is
    // mounted.
    archive.insert("dev/console", Entry::Device { major: 5, minor: 1 });
    archive.insert("init", Entry::Link("usr/bin/rehost".into()));
    archive.insert("usr/bin/rehost", copy(rehost, true));

    let mut programs = vec![rehost.to_path_buf()];
    for name in PROGRAMS {
        let places = [root.join(name), root.join("usr").join(name)];
        let program = places
            .into_iter()
            .find(|place| place.is_file())
            .with_context(|| format!("no {name} among the packages"))?;
        archive.insert(&format!("usr/{name}"), copy(&program, true));
        programs.push(program);
    }
    for (name, path) in libraries::needed_by(&programs, root)? {
        archive.insert(&format!("{}/{name}", libraries::FOLDER), copy(&path, false));
    }
    archive.insert(
        &format!("usr/{}", libraries::LOADER),
        copy(&libraries::loader(root)?, true),
    );
    Ok(archive)
}

fn stored_in(archive: &Archive) -> Result<Vec<StoredFile>> {
    archive
        .files()
        .map(|(name, entry)| {
            let content = entry.content().with_context(|| format!("read {name}"))?;
            Ok(StoredFile {
                path: name.to_owned(),
                size_bytes: content.len() as u64,
                sha256: hash::of_bytes(&content),
            })
        })
        .collect()
}

/// Writes a file whole or not at all, and says what it is.
fn put(
    folder: &Path,
    name: &str,
    write: impl FnOnce(&mut std::io::BufWriter<std::fs::File>) -> Result<()>,
) -> Result<StoredFile> {
    let partial = folder.join(format!("{name}.partial"));
    let path = folder.join(name);
    let file = std::fs::File::create(&partial)?;
    let mut output = std::io::BufWriter::new(file);
    write(&mut output)
        .and_then(|()| Ok(output.flush()?))
        .and_then(|()| Ok(std::fs::rename(&partial, &path)?))
        .with_context(|| format!("write {}", path.display()))?;
    Ok(StoredFile {
        path: name.to_owned(),
        size_bytes: path.metadata()?.len(),
        sha256: hash::of_file(&path)?,
    })
}
