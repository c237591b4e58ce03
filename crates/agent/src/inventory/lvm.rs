//! Volume groups, from LVM's own JSON reports.
//!
//! The report format came with LVM 2.02.158 (2016). Older systems are registered without volume
//! groups; their logical volumes are still known to `lsblk`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::tools::{ExternalTool, ToolError, run};

/// A volume group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VolumeGroup {
    /// Its name.
    pub name: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Not given to any logical volume, in bytes.
    pub free_bytes: u64,
    /// Paths of its physical volumes.
    pub physical_volumes: Vec<String>,
    /// Its logical volumes.
    pub logical_volumes: Vec<LogicalVolume>,
}

/// A logical volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogicalVolume {
    /// Its name within the group.
    pub name: String,
    /// Its path, such as `/dev/data/home`.
    pub path: String,
    /// Size in bytes.
    pub size_bytes: u64,
}

const FORM: [&str; 4] = ["--reportformat", "json", "--units", "b"];

/// All volume groups of this machine; none if LVM is not installed.
///
/// # Errors
/// [`ToolError`] if LVM is installed and cannot answer.
pub(crate) fn list() -> Result<Vec<VolumeGroup>, ToolError> {
    let ask = |tool, columns| {
        let mut arguments = FORM.to_vec();
        arguments.extend(["--nosuffix", "-o", columns]);
        run(tool, &arguments)
    };
    let groups = match ask(ExternalTool::Vgs, "vg_name,vg_size,vg_free") {
        Err(ToolError::Missing { .. }) => return Ok(Vec::new()),
        other => other?,
    };
    let physical = ask(ExternalTool::Pvs, "pv_name,vg_name")?;
    let logical = ask(ExternalTool::Lvs, "lv_name,vg_name,lv_path,lv_size")?;
    Ok(parse(&groups, &physical, &logical))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Report {
    report: Vec<Section>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Section {
    vg: Vec<BTreeMap<String, String>>,
    pv: Vec<BTreeMap<String, String>>,
    lv: Vec<BTreeMap<String, String>>,
}

/// Puts the three reports together. A report that cannot be read counts as empty.
pub(crate) fn parse(groups: &str, physical: &str, logical: &str) -> Vec<VolumeGroup> {
    let sections = |text: &str| {
        serde_json::from_str::<Report>(text)
            .unwrap_or_default()
            .report
            .into_iter()
    };
    let mut found: Vec<VolumeGroup> = sections(groups)
        .flat_map(|section| section.vg)
        .map(|row| VolumeGroup {
            name: cell(&row, "vg_name"),
            size_bytes: bytes(&row, "vg_size"),
            free_bytes: bytes(&row, "vg_free"),
            ..VolumeGroup::default()
        })
        .collect();
    let mut group_of = |row: &BTreeMap<String, String>, add: &dyn Fn(&mut VolumeGroup)| {
        let name = cell(row, "vg_name");
        found
            .iter_mut()
            .filter(|group| group.name == name)
            .for_each(add);
    };
    for row in sections(physical).flat_map(|section| section.pv) {
        group_of(&row, &|group| {
            group.physical_volumes.push(cell(&row, "pv_name"))
        });
    }
    for row in sections(logical).flat_map(|section| section.lv) {
        group_of(&row, &|group| {
            group.logical_volumes.push(LogicalVolume {
                name: cell(&row, "lv_name"),
                path: cell(&row, "lv_path"),
                size_bytes: bytes(&row, "lv_size"),
            });
        });
    }
    found
}

fn cell(row: &BTreeMap<String, String>, column: &str) -> String {
    row.get(column).cloned().unwrap_or_default()
}

/// A size that may carry a `B` although none was asked for.
fn bytes(row: &BTreeMap<String, String>, column: &str) -> u64 {
    cell(row, column).trim_end_matches('B').parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reports_are_put_together() {
        let groups = parse(
            include_str!("../../fixtures/debian-12/vgs.json"),
            include_str!("../../fixtures/debian-12/pvs.json"),
            include_str!("../../fixtures/debian-12/lvs.json"),
        );
        assert_eq!(groups.len(), 1);
        let group = &groups[0];
        assert_eq!(
            (group.name.as_str(), group.size_bytes),
            ("sys", 19_860_029_440)
        );
        assert_eq!(group.free_bytes, 1_606_418_432);
        assert_eq!(group.physical_volumes, ["/dev/vda3"]);
        let volumes: Vec<_> = group
            .logical_volumes
            .iter()
            .map(|lv| lv.path.as_str())
            .collect();
        assert_eq!(volumes, ["/dev/sys/root", "/dev/sys/swap"]);
        assert_eq!(group.logical_volumes[0].size_bytes, 17_179_869_184);
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        assert_eq!(parse("", "{", "[]"), []);
        assert_eq!(parse(r#"{"report":[{}]}"#, "{}", "{}"), []);
    }
}
