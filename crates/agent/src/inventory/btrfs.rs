//! Btrfs file systems, from `btrfs filesystem show` and `df`.

use std::path::Path;

use super::tools::{ExternalTool, ToolError, run};
use crate::mounts::Mount;

/// A Btrfs file system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Btrfs {
    /// Its label; empty if it has none.
    pub label: String,
    /// Its UUID.
    pub uuid: String,
    /// Its devices.
    pub devices: Vec<String>,
    /// Sum of the devices' sizes in bytes.
    pub size_bytes: u64,
    /// In use, in bytes.
    pub used_bytes: u64,
    /// RAID profile of the data; empty if it is not mounted.
    pub data_profile: String,
    /// RAID profile of the metadata; empty if it is not mounted.
    pub metadata_profile: String,
    /// RAID profile of the system chunks; empty if it is not mounted.
    pub system_profile: String,
    /// Subvolumes that are mounted: name and where.
    pub mounted: Vec<(String, String)>,
}

/// All Btrfs file systems of this machine; none if its tools are not installed.
///
/// # Errors
/// [`ToolError`] if the tools are installed and cannot answer.
pub(crate) fn list(mounts: &[Mount]) -> Result<Vec<Btrfs>, ToolError> {
    let text = match run(ExternalTool::Btrfs, &["filesystem", "show", "--raw"]) {
        Err(ToolError::Missing { .. }) => return Ok(Vec::new()),
        other => other?,
    };
    let mut found = parse_show(&text);
    for btrfs in &mut found {
        let of_this = mounts
            .iter()
            .filter(|mount| mount.file_system == "btrfs" && is_member(btrfs, &mount.source));
        let mut mount_points = Vec::new();
        for mount in of_this {
            let mount_point = mount.mount_point.to_string_lossy().into_owned();
            let name = mount
                .root
                .to_string_lossy()
                .trim_start_matches('/')
                .to_owned();
            mount_points.push((name, mount_point));
        }
        if let Some((_, mount_point)) = mount_points.first() {
            match run(ExternalTool::Btrfs, &["filesystem", "df", mount_point]) {
                Ok(text) => parse_df(&text, btrfs),
                Err(error) => tracing::warn!(%error, "the profiles of a Btrfs stay unknown"),
            }
        }
        btrfs.mounted = mount_points;
    }
    Ok(found)
}

fn is_member(btrfs: &Btrfs, device: &Path) -> bool {
    btrfs
        .devices
        .iter()
        .any(|member| Path::new(member) == device)
}

/// Reads what `btrfs filesystem show --raw` prints.
pub(crate) fn parse_show(text: &str) -> Vec<Btrfs> {
    let mut found: Vec<Btrfs> = Vec::new();
    for line in text.lines() {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("Label:") {
            let (label, uuid) = rest.split_once("uuid:").unwrap_or((rest, ""));
            let label = label.trim();
            let label = if label == "none" {
                ""
            } else {
                label.trim_matches('\'')
            };
            found.push(Btrfs {
                label: label.into(),
                uuid: uuid.trim().into(),
                ..Btrfs::default()
            });
        }
        let Some(current) = found.last_mut() else {
            continue;
        };
        if let Some((_, used)) = line.split_once("FS bytes used ") {
            current.used_bytes = used.trim().parse().unwrap_or(0);
        } else if line.starts_with("devid") {
            let fields: Vec<_> = line.split_whitespace().collect();
            if let [_, _, "size", size, "used", _, "path", path, ..] = fields[..] {
                current.devices.push(path.into());
                current.size_bytes += size.parse().unwrap_or(0);
            }
        }
    }
    found
}

/// Reads the profiles from `btrfs filesystem df`: `Data, single: total=..., used=...`.
fn parse_df(text: &str, btrfs: &mut Btrfs) {
    for line in text.lines() {
        let Some((head, _)) = line.split_once(':') else {
            continue;
        };
        let Some((kind, profile)) = head.split_once(", ") else {
            continue;
        };
        match kind {
            "Data" => btrfs.data_profile = profile.into(),
            "Metadata" => btrfs.metadata_profile = profile.into(),
            "System" => btrfs.system_profile = profile.into(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_and_profiles_are_read() {
        let mut found = parse_show(include_str!("../../fixtures/btrfs/show"));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].label, "data");
        assert_eq!(found[0].devices, ["/dev/vdb", "/dev/vdc"]);
        assert_eq!(found[0].size_bytes, 2_147_483_648);
        assert_eq!(found[0].used_bytes, 147_456);
        assert_eq!(found[1].label, "");
        assert_eq!(found[1].uuid, "0a1b2c3d-0000-4000-8000-00000000beef");
        parse_df(include_str!("../../fixtures/btrfs/df"), &mut found[0]);
        assert_eq!(found[0].data_profile, "RAID0");
        assert_eq!(found[0].metadata_profile, "RAID1");
        assert_eq!(found[0].system_profile, "RAID1");
        assert_eq!(parse_show("\tdevid 1 size\n"), []);
    }
}
