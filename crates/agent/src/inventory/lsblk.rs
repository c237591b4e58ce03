//! What `lsblk` prints, in the forms of all its versions.
//!
//! Three generations are in use: with JSON and the `PATH` column (util-linux 2.33 and later), with
//! JSON but without it (2.27), and without JSON (2.23, as on CentOS 7), where `--pairs` is the only
//! form that a program can read. Sizes are numbers in the newest and text in the older ones.

use serde::Deserialize;

use super::tools::{ExternalTool, ToolError, run};

const NEW_COLUMNS: &str = "NAME,KNAME,PATH,PKNAME,MAJ:MIN,TYPE,SIZE,FSTYPE,UUID,PTTYPE";
const OLD_COLUMNS: &str = "NAME,KNAME,PKNAME,MAJ:MIN,TYPE,SIZE,FSTYPE,UUID";

/// A block device as `lsblk` knows it. A device below several others (an LV over two disks) occurs
/// once for each of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlockDevice {
    /// Path, such as `/dev/vda1` or `/dev/mapper/data-root`.
    pub path: String,
    /// Name in the kernel, such as `vda1` or `dm-0`.
    pub kernel_name: String,
    /// Kernel name of the device that it is a part of, or stacked on; empty for whole disks.
    pub parent: String,
    /// Device number, `MAJOR:MINOR`.
    pub number: String,
    /// `disk`, `part`, `lvm`, `crypt`, `loop`, `rom`, ...
    pub kind: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Type of the file system, or of what else is in it (`LVM2_member`, `swap`); empty if unknown.
    pub file_system: String,
    /// UUID of the file system; empty if unknown.
    pub uuid: String,
    /// `gpt`, `dos`, or empty if there is no table or this `lsblk` does not tell.
    pub partition_table: String,
}

/// The text is not what `lsblk` prints.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LsblkError {
    /// `lsblk` could not be asked, in none of its forms.
    #[error("cannot list the block devices")]
    Run(#[source] ToolError),
    /// It printed something else than JSON.
    #[error("cannot read the JSON of lsblk")]
    Json(#[source] serde_json::Error),
}

/// All block devices of this machine.
///
/// # Errors
/// [`LsblkError`] if no form of `lsblk` works.
pub(crate) fn list() -> Result<Vec<BlockDevice>, LsblkError> {
    let ask = |form: &str, columns: &str| {
        run(ExternalTool::Lsblk, &[form, "--bytes", "--output", columns])
    };
    for columns in [NEW_COLUMNS, OLD_COLUMNS] {
        match ask("--json", columns) {
            Ok(text) => return parse_json(&text),
            Err(missing @ ToolError::Missing { .. }) => return Err(LsblkError::Run(missing)),
            // An old version says that it does not know the option or the column.
            Err(error) => tracing::debug!(%error, "lsblk is an older one"),
        }
    }
    Ok(parse_pairs(
        &ask("--pairs", OLD_COLUMNS).map_err(LsblkError::Run)?,
    ))
}

#[derive(Deserialize)]
struct Listing {
    blockdevices: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    kname: Option<String>,
    path: Option<String>,
    pkname: Option<String>,
    #[serde(rename = "maj:min")]
    number: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    size: Option<Size>,
    fstype: Option<String>,
    uuid: Option<String>,
    pttype: Option<String>,
    #[serde(default)]
    children: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Size {
    Number(u64),
    Text(String),
}

/// Reads what `lsblk --json --bytes` prints.
///
/// # Errors
/// [`LsblkError::Json`].
pub(crate) fn parse_json(text: &str) -> Result<Vec<BlockDevice>, LsblkError> {
    let listing: Listing = serde_json::from_str(text).map_err(LsblkError::Json)?;
    let mut devices = Vec::new();
    for row in listing.blockdevices {
        flatten(row, "", &mut devices);
    }
    Ok(devices)
}

/// Appends a row and what is below it. Depth is bounded: the JSON parser refuses deep nesting.
fn flatten(row: Row, parent: &str, devices: &mut Vec<BlockDevice>) {
    let kind = row.kind.unwrap_or_default();
    let kernel_name = row.kname.unwrap_or_else(|| row.name.clone());
    devices.push(BlockDevice {
        path: row.path.unwrap_or_else(|| path_of(&row.name, &kind)),
        parent: row.pkname.unwrap_or_else(|| parent.to_owned()),
        number: row.number.unwrap_or_default().trim().to_owned(),
        kind,
        size_bytes: match row.size {
            Some(Size::Number(size)) => size,
            Some(Size::Text(size)) => size.trim().parse().unwrap_or(0),
            None => 0,
        },
        file_system: row.fstype.unwrap_or_default(),
        uuid: row.uuid.unwrap_or_default(),
        partition_table: row.pttype.unwrap_or_default(),
        kernel_name: kernel_name.clone(),
    });
    for child in row.children {
        flatten(child, &kernel_name, devices);
    }
}

/// Reads what `lsblk --pairs --bytes` prints: `NAME="vda" SIZE="1" ...`, one device a line.
pub(crate) fn parse_pairs(text: &str) -> Vec<BlockDevice> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(parse_pairs_line)
        .collect()
}

fn parse_pairs_line(line: &str) -> BlockDevice {
    let mut device = BlockDevice::default();
    let mut name = String::new();
    let mut rest = line;
    while let Some((key, after)) = rest.split_once("=\"") {
        let Some((value, after)) = after.split_once('"') else {
            break;
        };
        let value = unescape_hex(value);
        match key.trim() {
            "NAME" => name = value,
            "KNAME" => device.kernel_name = value,
            "PKNAME" => device.parent = value,
            "MAJ:MIN" | "MAJ_MIN" => value.trim().clone_into(&mut device.number),
            "TYPE" => device.kind = value,
            "SIZE" => device.size_bytes = value.trim().parse().unwrap_or(0),
            "FSTYPE" => device.file_system = value,
            "UUID" => device.uuid = value,
            _ => {}
        }
        rest = after;
    }
    device.path = path_of(&name, &device.kind);
    device
}

/// The path of a device whose `lsblk` does not tell it. Device-mapper devices are named by their
/// mapping.
fn path_of(name: &str, kind: &str) -> String {
    let mapped = matches!(kind, "lvm" | "crypt" | "dm" | "mpath");
    if mapped {
        format!("/dev/mapper/{name}")
    } else {
        format!("/dev/{}", name.replace('!', "/"))
    }
}

/// `lsblk` writes bytes that it finds unsafe as `\x2d`.
fn unescape_hex(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = after
            .strip_prefix(b"x")
            .and_then(|digits| digits.get(..2))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match code {
            Some(code) if first == b'\\' => {
                bytes.push(code);
                rest = &after[3..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_form_is_read() {
        let devices = parse_json(include_str!("../../fixtures/debian-12/lsblk.json")).unwrap();
        let paths: Vec<_> = devices.iter().map(|device| device.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "/dev/sr0",
                "/dev/vda",
                "/dev/vda1",
                "/dev/vda2",
                "/dev/vda3",
                "/dev/mapper/sys-root",
                "/dev/mapper/sys-swap"
            ]
        );
        let root = &devices[5];
        assert_eq!(root.parent, "vda3");
        assert_eq!(root.kernel_name, "dm-0");
        assert_eq!(root.size_bytes, 17_179_869_184);
        assert_eq!(root.file_system, "ext4");
        assert_eq!(devices[1].partition_table, "gpt");
    }

    #[test]
    fn a_listing_without_paths_and_with_sizes_as_text_is_read() {
        let text = r#"{"blockdevices":[{"name":"sda","kname":"sda","pkname":null,"maj:min":"  8:0",
            "type":"disk","size":"1073741824","fstype":null,"uuid":null,"children":[
            {"name":"data-home","kname":"dm-3","maj:min":"253:3","type":"lvm","size":"4096",
             "fstype":"xfs","uuid":"u"}]}]}"#;
        let devices = parse_json(text).unwrap();
        assert_eq!(devices[0].path, "/dev/sda");
        assert_eq!(devices[0].number, "8:0");
        assert_eq!(devices[0].size_bytes, 1 << 30);
        assert_eq!(devices[1].path, "/dev/mapper/data-home");
        assert_eq!(devices[1].parent, "sda");
    }

    #[test]
    fn pairs_of_the_oldest_form_are_read() {
        let devices = parse_pairs(include_str!("../../fixtures/centos-7/lsblk.pairs"));
        assert_eq!(devices.len(), 5);
        assert_eq!(devices[1].path, "/dev/sda1");
        assert_eq!(devices[1].file_system, "xfs");
        assert_eq!(devices[3].path, "/dev/mapper/centos-root");
        assert_eq!(devices[3].parent, "sda2");
        assert_eq!(devices[0].size_bytes, 42_949_672_960);
    }

    #[test]
    fn damaged_text_is_refused_and_escapes_are_undone() {
        assert!(parse_json("{").is_err());
        assert_eq!(unescape_hex(r"a\x2db\x"), r"a-b\x");
        assert_eq!(
            parse_pairs("NAME=\"vd"),
            [BlockDevice {
                path: "/dev/".into(),
                ..Default::default()
            }]
        );
    }
}
