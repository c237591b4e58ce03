//! `rehost tasks create`: binds the disks of a source server to volumes of a target.

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum};
use rehost_sms_api::bodies::{
    CreateTaskResponse, PostTask, ServerDisk, ShowServerResponse, SourceServerByTask, TargetDisks,
    TargetServerByTask,
};
use rehost_sms_api::client::Client;
use rehost_sms_api::rehost::TargetSummary;

use crate::operator::{LoginOptions, OutputOptions, find_source, find_target};
use crate::output;

/// Options of `create`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  rehost tasks create --source web1 --target hall2 --syncing --start
      all disks become sparse raw image files; changes are followed until `rehost tasks cutover`
  rehost tasks create --source web1 --target hall2 --format qcow2
      qcow2 image files; without --syncing, cut-over follows the full copy at once
  rehost tasks create --source web1 --target hall2 --disk /dev/vda=/dev/sdb --disk /dev/vdb=qcow2
      one disk onto a block device that the receiver offers, one into an image file; no others")]
pub(crate) struct Options {
    #[command(flatten)]
    order: TaskOrder,
    #[command(flatten)]
    login: LoginOptions,
    #[command(flatten)]
    shown: OutputOptions,
}

/// What is to be migrated, and how.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TaskOrder {
    /// The source server: name, id, or the beginning of an id.
    #[arg(long)]
    pub(crate) source: String,
    /// The target: name, id, or the beginning of an id.
    #[arg(long)]
    pub(crate) target: String,
    /// Name of the task; made from the names of source and target unless given.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Follow the source's changes after the full copy, until cut-over is asked for.
    #[arg(long)]
    pub(crate) syncing: bool,
    /// Where a source disk goes: `raw`, `qcow2`, or a block device of the target. Given once or
    /// more, only the disks that are named are migrated.
    #[arg(long = "disk", value_name = "SOURCE=TARGET")]
    pub(crate) disks: Vec<String>,
    /// What disks become that are not named one by one.
    #[arg(long, value_enum, default_value = "raw", conflicts_with = "disks")]
    pub(crate) format: Format,
    /// Measure the link to the target before the copy begins; `rehost tasks show` has the result.
    #[arg(long)]
    pub(crate) network_check: bool,
    /// Start at once.
    #[arg(long)]
    pub(crate) start: bool,
}

/// Forms of image files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A sparse raw image.
    #[default]
    Raw,
    /// A qcow2 image.
    Qcow2,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}

/// Creates a task and says its id.
///
/// # Errors
/// If source, target or disks are not found, or if the control plane refuses.
pub(super) fn run(options: &Options) -> Result<()> {
    let answer = create_task(&options.login.client()?, &options.order)?;
    if options.shown.json {
        return output::print_json(&answer);
    }
    output::print(&answer.id.unwrap_or_default())
}

/// Creates a task.
///
/// # Errors
/// As [`run`].
pub(crate) fn create_task(client: &Client, order: &TaskOrder) -> Result<CreateTaskResponse> {
    let found = find_source(client, &order.source)?;
    let source_id = found
        .id
        .context("the control plane shows a source server without id")?;
    let source = client
        .show_server(&source_id)
        .context("show source server")?;
    let target = find_target(client, &order.target)?;
    let disks = map_disks(&source.disks, &order.disks, order.format)?;
    client
        .create_task(&body(client, order, source, target, disks)?)
        .context("create task")
}

fn body(
    client: &Client,
    order: &TaskOrder,
    source: ShowServerResponse,
    target: TargetSummary,
    disks: Vec<TargetDisks>,
) -> Result<PostTask> {
    // SMS wants a region and a project; a control plane of one's own has one of each.
    let projects = client
        .list_projects(None)
        .context("list projects")?
        .projects;
    let project = projects
        .first()
        .context("the control plane shows no project")?;
    let default_name = || {
        let name = format!("{}-to-{}", order.source, target.registration.name);
        let fits = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        name.chars()
            .map(|c| if fits(c) { c } else { '-' })
            .take(64)
            .collect()
    };
    Ok(PostTask {
        name: Some(order.name.clone().unwrap_or_else(default_name)),
        r#type: Some("MIGRATE_BLOCK".into()),
        os_type: source.os_type,
        source_server: Some(SourceServerByTask { id: source.id }),
        target_server: Some(TargetServerByTask {
            name: Some(target.registration.name),
            vm_id: Some(target.id),
            disks,
            ..TargetServerByTask::default()
        }),
        migration_ip: Some(target.registration.data_address),
        region_id: Some(project.name.clone()),
        region_name: Some(project.name.clone()),
        project_id: Some(project.id.clone()),
        project_name: Some(project.name.clone()),
        exist_server: Some(true),
        syncing: Some(order.syncing),
        start_network_check: Some(order.network_check),
        auto_start: Some(order.start),
        ..PostTask::default()
    })
}

/// Decides which disks go where.
fn map_disks(disks: &[ServerDisk], wishes: &[String], format: Format) -> Result<Vec<TargetDisks>> {
    let mut wanted = Vec::new();
    for wish in wishes {
        let (name, place) = wish
            .rsplit_once('=')
            .with_context(|| format!("--disk {wish}: write it as SOURCE=TARGET"))?;
        ensure!(
            matches!(place, "raw" | "qcow2") || place.starts_with('/'),
            "--disk {wish}: a target is raw, qcow2 or a path such as /dev/vdb"
        );
        wanted.push((name, place));
    }
    if wanted.is_empty() {
        let names = disks.iter().filter_map(|disk| disk.name.as_deref());
        wanted = names.map(|name| (name, format.name())).collect();
    }
    if wanted.is_empty() {
        bail!("the source server has no disks");
    }
    wanted
        .into_iter()
        .map(|(name, place)| target_disk(disks, name, place))
        .collect()
}

fn target_disk(disks: &[ServerDisk], name: &str, place: &str) -> Result<TargetDisks> {
    let is_wanted = |disk: &&ServerDisk| {
        let known = disk.name.as_deref().unwrap_or_default();
        known == name || known.rsplit('/').next() == Some(name)
    };
    let Some(disk) = disks.iter().find(is_wanted) else {
        let names: Vec<_> = disks
            .iter()
            .filter_map(|disk| disk.name.as_deref())
            .collect();
        bail!(
            "the source server has no disk {name}; it has {}",
            names.join(", ")
        );
    };
    let file = disk
        .name
        .as_deref()
        .unwrap_or_default()
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let is_device = place.starts_with('/');
    Ok(TargetDisks {
        name: disk.name.clone(),
        // How a volume is stored is told by the end of its name.
        disk_id: Some(if is_device {
            place.into()
        } else {
            format!("{file}.{place}")
        }),
        device_use: disk.device_use.clone(),
        size: disk.size,
        used_size: disk.used_size,
        ..TargetDisks::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disks() -> Vec<ServerDisk> {
        ["/dev/vda", "/dev/vdb"]
            .map(|name| ServerDisk {
                name: Some(name.into()),
                ..ServerDisk::default()
            })
            .into()
    }

    fn mapped(wishes: &[&str]) -> Result<Vec<(String, String)>> {
        let wishes: Vec<String> = wishes.iter().map(|&wish| wish.into()).collect();
        let disks = map_disks(&disks(), &wishes, Format::Qcow2)?;
        Ok(disks
            .into_iter()
            .map(|disk| {
                (
                    disk.name.unwrap_or_default(),
                    disk.disk_id.unwrap_or_default(),
                )
            })
            .collect())
    }

    #[test]
    fn without_wishes_all_disks_go_into_images() {
        let expected = [("/dev/vda", "vda.qcow2"), ("/dev/vdb", "vdb.qcow2")]
            .map(|(a, b)| (a.into(), b.into()));
        assert_eq!(mapped(&[]).unwrap(), expected);
    }

    #[test]
    fn with_wishes_only_the_disks_that_are_named_go() {
        let expected = [("/dev/vdb".into(), "/dev/sdb".into())];
        assert_eq!(mapped(&["vdb=/dev/sdb"]).unwrap(), expected);
        assert_eq!(mapped(&["/dev/vda=raw"]).unwrap()[0].1, "vda.raw");
    }

    #[test]
    fn wishes_that_cannot_be_met_are_refused() {
        assert!(
            mapped(&["vda"])
                .unwrap_err()
                .to_string()
                .contains("SOURCE=TARGET")
        );
        assert!(
            mapped(&["vda=vmdk"])
                .unwrap_err()
                .to_string()
                .contains("qcow2")
        );
        assert!(
            mapped(&["vdc=raw"])
                .unwrap_err()
                .to_string()
                .contains("/dev/vda, /dev/vdb")
        );
    }
}
