//! `cargo xtask test`: every test there is, after installing what they need. Those that run whole
//! servers for minutes are a stage of their own, `cargo xtask test systems`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::bpf;
use crate::debian::{self, Need};
use crate::process::{self, cargo, say, succeeds, target_dir};
use crate::{image, python, qemu, systems};

/// A version known to read `.config/nextest.toml`.
const NEXTEST_VERSION: &str = "0.9.143";

/// What tests hold Rehost against, beside the disk tools.
const TEST_TOOLS: &[Need] = &[
    (
        "fio",
        "writes to a mounted source while it is copied, and verifies afterwards",
    ),
    (
        "qemu-utils",
        "qemu-img is the judge of the qcow2 images that are made",
    ),
    (
        "binutils",
        "strip makes the executable small that goes into the helper system",
    ),
    (
        "bpftool",
        "shows which programs and maps a tracker leaves in the kernel",
    ),
    (
        "btrfs-progs",
        "makes btrfs, and is the judge of copies of what is used of it",
    ),
    (
        "busybox-static",
        "is the only program of the small systems that machines boot in tests",
    ),
    (
        "dosfstools",
        "makes FAT and checks copies of what is used of it",
    ),
    (
        "exfatprogs",
        "makes exFAT and checks copies of what is used of it",
    ),
    (
        "lvm2",
        "makes volume groups, without the kernel's help, and says where volumes lie",
    ),
    (
        "mariadb-server",
        "its hook is tried with a server of its own, which changes must wait for",
    ),
    ("mdadm", "is the judge of the superblocks that tests make"),
    (
        "mount",
        "losetup and mount give the privileged tests real block devices",
    ),
    (
        "mtools",
        "copies files into FAT and out again without mounting it",
    ),
    (
        "ntfs-3g",
        "makes NTFS, writes to it, and reads copies of what is used of it",
    ),
    ("ovmf", "is the UEFI firmware of machines"),
    (
        "partclone",
        "tells what is used of a file system, to compare with what we tell",
    ),
    (
        "postgresql",
        "the control plane runs on it as well as on SQLite; tests start servers of their own",
    ),
    (
        "thin-provisioning-tools",
        "makes the metadata of thin pools, and lists what it maps",
    ),
];

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    cargo xtask test\n  \
    cargo xtask test systems                  servers under QEMU are migrated and booted\n  \
    cargo xtask test systems --json FILE -- lvm\n  \
    cargo xtask test -- main_job              tests with this in their name\n  \
    cargo xtask test -- -E 'package(rehost-volumes)'\n  \
    cargo xtask test -- contract              20,000 requests made from the OpenAPI document, twice\n  \
    REHOST_KILLS=20 REHOST_DISK_MIB=4096 cargo xtask test -- kill_anything\n  \
    REHOST_VICTIM=receiver cargo xtask test -- kill_anything")]
pub(crate) struct Options {
    /// Run these instead of the others.
    #[arg(value_enum)]
    stage: Option<Stage>,
    /// Where `systems` writes what each server showed.
    #[arg(long, value_name = "FILE", requires = "stage")]
    json: Option<PathBuf>,
    /// Given to `cargo nextest run`: a part of a test's name, or any of its options.
    #[arg(last = true)]
    nextest: Vec<String>,
}

/// Tests that are run apart.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Stage {
    /// Debian servers in several disk layouts, migrated while they work.
    Systems,
}

/// Installs, builds once, runs.
///
/// # Errors
/// If something cannot be installed or built, or if a test fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    debian::install(debian::DISK_TOOLS)?;
    debian::install(TEST_TOOLS)?;
    debian::install(bpf::COMPILERS)?;
    qemu::install()?;
    install_nextest()?;
    if let Some(Stage::Systems) = options.stage {
        return systems::test(options.json.as_deref(), &options.nextest);
    }
    let pythons = Pythons {
        sdk: python::with_sdk()?,
        schemathesis: python::with_schemathesis()?,
    };

    // Builds everything first, the executable that whole-system tests start included, which also is
    // the first program of the helper system.
    run_tests(&pythons, &["--no-run".to_owned()])?;
    image::make_of_tested()?;
    run_tests(&pythons, &options.nextest)?;
    if options.nextest.is_empty() {
        process::run(cargo().args(["test", "--locked", "--workspace", "--doc", "--quiet"]))?;
    }
    Ok(())
}

fn install_nextest() -> Result<()> {
    if succeeds(cargo().args(["nextest", "--version"])) {
        return Ok(());
    }
    say("installing cargo-nextest: it gives each test a process, a time limit and a group");
    process::run(
        cargo()
            .args([
                "install",
                "cargo-nextest",
                "--locked",
                "--version",
                NEXTEST_VERSION,
            ])
            .args(["--profile", "dev", "--target-dir"])
            .arg(target_dir().join("tools")),
    )
}

/// Programs that tests start beside Rehost's own.
struct Pythons {
    sdk: PathBuf,
    schemathesis: PathBuf,
}

fn run_tests(pythons: &Pythons, arguments: &[String]) -> Result<()> {
    process::run(
        cargo()
            .args(["nextest", "run", "--locked", "--workspace"])
            .args(arguments)
            .env("REHOST_SDK_PYTHON", &pythons.sdk)
            .env("REHOST_SCHEMATHESIS_PYTHON", &pythons.schemathesis),
    )
}
