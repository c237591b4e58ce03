//! `rehost demo`: a whole migration on one machine, without root. A source with two disks is made
//! of real files, copied while it changes, cut over, and proved equal; then everything but the
//! result is put away.

mod data_disk;
mod migration;
mod programs;
mod random;
mod roles;
mod system_disk;
mod tree;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use rehost_sms_api::rehost::MigrationReport;

use crate::operator::{Interrupt, report_table};
use crate::output;
use data_disk::DataDisk;
use roles::{Places, Roles};
use system_disk::SystemDisk;

/// What a demo needs beside the disks themselves.
const ROOM_BYTES: u64 = 256 * 1024 * 1024;

/// Options of `rehost demo`.
#[derive(Debug, Args)]
#[command(after_help = "\
What it does:
  1. makes a source of two disks in files: GPT with a root file system on ext4 and swap, filled from
     a real tree; and xfs with real files and a database file
  2. starts control plane, receiver and agent as three processes on loopback, over TLS
  3. copies both disks, one into a raw image and one into a qcow2 image, while the source changes
  4. cuts over, compares the hash trees of both ends, and compares the disks once more by itself
  5. leaves report.json, the proof and the logs in the result folder, and nothing else

The exit code is 0 only if every volume is equal. Disks go into the temporary directory: set TMPDIR
if it is small.")]
pub(crate) struct Options {
    /// Where the report, the proof and the logs go.
    #[arg(long, value_name = "DIR", default_value = "demo-result")]
    result: PathBuf,
    /// Files for the first disk: the Rust toolchain unless given, or a part of /usr.
    #[arg(long, value_name = "DIR")]
    tree: Option<PathBuf>,
    /// Keep the disks and the state of the roles, and say where they are.
    #[arg(long)]
    keep: bool,
}

/// The source's disks.
#[derive(Debug)]
struct Source {
    system: SystemDisk,
    data: DataDisk,
}

/// Shows a migration.
///
/// # Errors
/// If something is missing, fails or is interrupted; and if the disks are not equal in the end.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    programs::check_tools()?;
    let interrupt = Interrupt::listen()?;
    std::fs::create_dir_all(&options.result)
        .with_context(|| format!("create {}", options.result.display()))?;
    let mut work = tempfile::Builder::new()
        .prefix("rehost-demo-")
        .tempdir()
        .context("create a temporary directory")?;
    work.disable_cleanup(options.keep);

    let result = show(options, work.path(), &interrupt);
    if options.keep {
        output::remark(&format!("kept: {}", work.path().display()));
    } else {
        let path = work.path().to_path_buf();
        work.close()
            .with_context(|| format!("remove {}", path.display()))?;
    }
    if interrupt.during(std::time::Duration::ZERO) {
        bail!("interrupted; everything was put away");
    }
    let report = result?;
    let is_equal = !report.volumes.is_empty()
        && report
            .volumes
            .iter()
            .all(|volume| volume.equal == Some(true));
    ensure!(is_equal, "the copy is not equal to the source");
    Ok(ExitCode::SUCCESS)
}

fn show(options: &Options, work: &Path, interrupt: &Interrupt) -> Result<MigrationReport> {
    let source = make_source(options, work)?;
    output::remark("starting control plane, receiver and agent");
    let disks = [source.system.path(), source.data.path()];
    let places = Places {
        work,
        logs: &options.result,
        disks: &disks,
    };
    let mut roles = Roles::start(&places, interrupt)?;

    let report = migration::run(&mut roles, &source, work, interrupt)?;
    let (task_id, client) = (&report.task_id, &roles.client);
    let path = options.result.join("report.json");
    let text = serde_json::to_string_pretty(&report).context("write the report as JSON")?;
    std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    let path = options.result.join("proof.json");
    let mut proof =
        std::fs::File::create(&path).with_context(|| format!("create {}", path.display()))?;
    client
        .get_proof(task_id, &mut proof)
        .context("fetch the proof")?;
    output::print(&report_table(&report))?;

    for disk in disks {
        let name = disk
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        compare(disk, &roles.image_of(name)?)?;
    }
    output::print(&format!(
        "\nreport, proof and logs are in {}",
        options.result.display()
    ))?;
    Ok(report)
}

fn make_source(options: &Options, work: &Path) -> Result<Source> {
    let tree = tree::choose(options.tree.as_deref())?;
    check_room(work, &tree)?;
    output::remark(&format!(
        "making a source of two disks: ext4 from {} ({}) with swap, and xfs",
        tree.path.display(),
        output::size(tree.size_bytes),
    ));
    let folder = work.join("source");
    std::fs::create_dir(&folder).context("create a folder for disks")?;
    let system = SystemDisk::make(&folder, &tree)?;
    let data = DataDisk::make(&folder)?;
    Ok(Source { system, data })
}

/// Finds out before anything is made whether source and target fit.
fn check_room(work: &Path, tree: &tree::Tree) -> Result<()> {
    let statistics = rustix::fs::statvfs(work).context("look for free space")?;
    let free_bytes = statistics.f_bavail * statistics.f_frsize;
    let needed_bytes = 2 * (tree.size_bytes + data_disk::SIZE_BYTES) + ROOM_BYTES;
    ensure!(
        free_bytes >= needed_bytes,
        "{} has {} free and {} are needed: set TMPDIR to another directory",
        work.display(),
        output::size(free_bytes),
        output::size(needed_bytes),
    );
    Ok(())
}

/// Compares source and target once more, by a command that knows nothing of the migration.
fn compare(source: &Path, target: &Path) -> Result<()> {
    let said = Command::new(std::env::current_exe().context("find this executable")?)
        .args(["verify", "--used-only"])
        .args([source, target])
        .output()
        .context("start rehost verify")?;
    let names = format!("{} and {}", source.display(), target.display());
    ensure!(
        said.status.success(),
        "rehost verify finds {names} different: {}{}",
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr),
    );
    // Both are in a temporary directory that means nothing to the reader.
    let names = [source, target].map(|path| {
        let name = path.file_name().unwrap_or(path.as_os_str());
        name.to_string_lossy()
    });
    output::print(&format!(
        "rehost verify --used-only: {} are equal",
        names.join(" and ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small tree, so that the test is quick; the disks are the real ones.
    fn source(work: &Path) -> Source {
        let tree = work.join("tree");
        std::fs::create_dir(&tree).unwrap();
        std::fs::write(tree.join("file"), vec![7; 100_000]).unwrap();
        let tree = tree::choose(Some(&tree)).unwrap();
        Source {
            system: SystemDisk::make(work, &tree).unwrap(),
            data: DataDisk::make(work).unwrap(),
        }
    }

    #[test]
    fn the_source_changes_and_its_file_systems_stay_consistent() {
        let work = tempfile::tempdir().unwrap();
        let source = source(work.path());
        let before = [source.system.path(), source.data.path()].map(|p| std::fs::read(p).unwrap());
        for number in 1..=2 {
            assert!(source.system.add_file(work.path(), number).unwrap() > 0);
            assert!(source.data.rewrite_pages(8).unwrap() > 0);
        }
        let after = [source.system.path(), source.data.path()].map(|p| std::fs::read(p).unwrap());
        assert!(
            before[0] != after[0] && before[1] != after[1],
            "both disks have changed"
        );

        let root = format!("{}?offset=1048576", source.system.path().display());
        programs::output("e2fsck", ["-f", "-n", &root]).unwrap();
        programs::output(
            "xfs_repair",
            ["-n".as_ref(), "-f".as_ref(), source.data.path().as_os_str()],
        )
        .unwrap();
        let table = programs::output(
            "sfdisk",
            ["--json".as_ref(), source.system.path().as_os_str()],
        )
        .unwrap();
        assert!(table.contains("gpt") && table.contains("swap"), "{table}");
    }
}
