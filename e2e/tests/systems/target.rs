//! The copy: where its disks are, how it is booted, and what must be true of it then.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rehost_testkit::{Site, free_port, run_tool};
use rehost_testkit_systems::{
    DATABASE_PORT, Disk, DiskFormat, Firmware, Guest, Layout, MEMORY_MIB, MachineSpecification,
    NetworkCard, new_variables,
};

use crate::journal::{Arrived, Written};
use crate::report::Entry;

/// For commands that read a whole database in an emulated machine.
const READ_ALL: Duration = Duration::from_secs(300);
/// For a service that recovers a database as it starts.
const RECOVERY: Duration = Duration::from_secs(120);

/// The images of a server's disks, in the order of the disks.
pub(crate) fn images(site: &Site, layout: Layout) -> Result<Vec<PathBuf>> {
    ["vda", "vdb"]
        .iter()
        .take(layout.disk_count())
        .map(|disk| site.image(disk))
        .collect()
}

/// Boots the copy on disks over the images, so that these stay as they are, in a network where it
/// reaches nothing.
pub(crate) fn boot(
    layout: Layout,
    images: &[PathBuf],
    directory: &Path,
    entry: &mut Entry,
) -> Result<Guest> {
    std::fs::create_dir_all(directory)?;
    let text = |path: &Path| -> Result<String> {
        Ok(path.to_str().context("a path in UTF-8")?.to_owned())
    };
    let mut disks = Vec::new();
    for (number, image) in images.iter().enumerate() {
        let path = directory.join(format!("overlay-{number}.qcow2"));
        let fixed = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b"].map(String::from);
        let words = fixed.into_iter().chain([text(image)?, text(&path)?]);
        run_tool("qemu-img", words)?;
        disks.push(Disk {
            path,
            format: DiskFormat::Qcow2,
        });
    }
    let variables = match layout.firmware() {
        Firmware::Bios => None,
        Firmware::Uefi => {
            let path = directory.join("variables.qcow2");
            new_variables(&path)?;
            Some(path)
        }
    };
    let specification = MachineSpecification {
        name: format!("{}-copy", layout.name()),
        firmware: layout.firmware(),
        variables,
        disks,
        network: NetworkCard {
            address: layout.address().into(),
            forwards: vec![(free_port()?, DATABASE_PORT)],
            isolated: true,
        },
        memory_mib: MEMORY_MIB,
        resume: None,
        directory: directory.to_owned(),
    };
    let booted = Guest::boot(&specification);
    // What was said on the way is worth most when it did not boot.
    let console = std::fs::read(directory.join("console.log")).unwrap_or_default();
    entry.keep("console.log", &console)?;
    let mut guest = booted.context("boot the copy")?;
    guest.run("systemctl is-active multi-user.target")?;
    entry.booted = true;
    entry.boot_seconds = Some(guest.boot_seconds());
    Ok(guest)
}

/// The copy takes itself for the server that it is a copy of.
pub(crate) fn check_identity(copy: &mut Guest, layout: Layout) -> Result<()> {
    let name = copy.run("hostname")?;
    ensure!(name == layout.name(), "the copy calls itself {name}");
    let addresses = copy.run("ip -4 -oneline address show")?;
    let wanted = format!(" {}/24 ", layout.address());
    ensure!(addresses.contains(&wanted), "addresses: {addresses}");
    let failed = copy.run("systemctl --failed --plain --no-legend")?;
    ensure!(failed.is_empty(), "units that failed: {failed}");
    let wanted = copy.run("awk '$1 !~ /^#/ && $3 != \"swap\" {print $2}' /etc/fstab")?;
    for mount_point in wanted.lines() {
        copy.run(&format!("mountpoint --quiet {mount_point}"))
            .with_context(|| format!("{mount_point} is mounted"))?;
    }
    Ok(())
}

/// The database starts, its structures are sound, and what had been acknowledged is there.
pub(crate) fn check_database(copy: &mut Guest, written: &Written) -> Result<()> {
    let ready = "timeout 110 bash -c 'until pg_isready --quiet; do sleep 1; done'";
    copy.run_within(ready, RECOVERY)
        .context("PostgreSQL starts")?;
    let query = "select client, count(*), max(sequence) from journal group by client order by 1";
    let rows = copy.run_within(&psql(query), READ_ALL)?;
    written.judge(&Arrived::parse(&rows)?)?;

    // pgbench moves amounts between these tables, each transaction as a whole.
    let sums = "select coalesce(sum(abalance), 0) from pgbench_accounts union all \
                select coalesce(sum(tbalance), 0) from pgbench_tellers union all \
                select coalesce(sum(bbalance), 0) from pgbench_branches union all \
                select coalesce(sum(delta), 0) from pgbench_history";
    let sums = copy.run_within(&psql(sums), READ_ALL)?;
    let mut different: Vec<&str> = sums.lines().collect();
    different.dedup();
    ensure!(different.len() == 1, "sums of pgbench differ: {sums}");
    let history = copy.run_within(&psql("select count(*) from pgbench_history"), READ_ALL)?;
    ensure!(history != "0", "pgbench has done something");

    copy.run_within(
        "cd /; runuser -u postgres -- /usr/lib/postgresql/15/bin/pg_amcheck \
         --all --install-missing --heapallindexed",
        READ_ALL,
    )
    .context("pg_amcheck finds nothing")?;
    Ok(())
}

fn psql(query: &str) -> String {
    format!("cd /; runuser -u postgres -- psql -qtA -d bench -c '{query}'")
}
