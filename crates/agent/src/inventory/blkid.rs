//! What `blkid` knows of a device where `lsblk` does not: without udev, `lsblk` has nobody to ask.

use super::lsblk::BlockDevice;
use super::tools::{ExternalTool, ToolError, run};

/// Fills in file system, UUID and partition table where `blkid` knows them.
pub(crate) fn complete(device: &mut BlockDevice) {
    match run(ExternalTool::Blkid, &["-p", "-o", "export", &device.path]) {
        Ok(text) => apply(&text, device),
        // It fails like this, too, if there is nothing to be known.
        Err(ToolError::Missing { .. } | ToolError::Failed { .. }) => {}
        Err(error) => tracing::warn!(%error, "what is on a device stays unknown"),
    }
}

/// Reads what `blkid -o export` prints: one `KEY=value` a line, unsafe characters behind a backslash.
fn apply(text: &str, device: &mut BlockDevice) {
    for line in text.lines() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let value = value.replace('\\', "");
        match key {
            "TYPE" => device.file_system = value,
            "UUID" => device.uuid = value,
            "PTTYPE" => device.partition_table = value,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_exported_is_read() {
        let mut device = BlockDevice::default();
        apply(
            "DEVNAME=/dev/vda1\nUUID=6C1E-77F2\nTYPE=vfat\nLABEL=a\\ b\n",
            &mut device,
        );
        assert_eq!(
            (device.file_system.as_str(), device.uuid.as_str()),
            ("vfat", "6C1E-77F2")
        );
        apply("PTTYPE=dos\nbroken\n", &mut device);
        assert_eq!(device.partition_table, "dos");
    }
}
