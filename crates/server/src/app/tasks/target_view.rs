//! The target server of a shown task (SMS, ShowTask: `target_server`).
//!
//! Three have a say, and the later one has the last word: the plan with the inventory of the source,
//! what the client asked for, and what an agent wrote back (SMS, UpdateTask). What a client asked for
//! is read back as it was given: clients such as Terraform take any difference for a change.

use rehost_sms_api::bodies::{
    PhysicalVolume, PhysicalVolumes, ServerDisk, TargetDisk, TargetDisks, TargetPhysicalVolumes,
    TaskTargetServer,
};
use rehost_store::{SourceRow, TargetRow};

use super::record::{Task, Volume};
use crate::app::{sources, targets};
use crate::errors::ApiError;

/// The target, with a disk for each volume of the plan.
pub(super) fn target_server(
    task: &Task,
    source: &SourceRow,
    target: Option<&TargetRow>,
) -> Result<TaskTargetServer, ApiError> {
    let inventory = sources::inventory(source)?;
    let offered = target.map(targets::registration).transpose()?;
    let created = task.body.created.target_server.clone().unwrap_or_default();
    let written = task.body.target.clone().unwrap_or_default();
    let paths = task.target_report.as_ref().map(|report| &report.paths[..]);
    let disks = task.plan.iter().enumerate().map(|(at, volume)| {
        let mut disks = inventory.disks.iter().flatten();
        let on_source = disks.find(|disk| disk.name.as_ref() == Some(&volume.source_disk));
        let path = paths.and_then(|paths| paths.get(at));
        let planned = planned(volume, on_source, path);
        let wanted = match created.disks.get(at) {
            Some(disk) => over(asked_for(disk), planned),
            None => planned,
        };
        match written.disks.get(at) {
            Some(disk) => over(disk.clone(), wanted),
            None => wanted,
        }
    });
    let groups = [written.volume_groups, created.volume_groups];
    Ok(TaskTargetServer {
        id: written.id.or_else(|| task.row.target_id.clone()),
        vm_id: written.vm_id.or_else(|| task.row.target_id.clone()),
        name: (written.name.or(created.name))
            .or_else(|| offered.as_ref().map(|offered| offered.name.clone())),
        ip: (written.ip).or_else(|| offered.map(|offered| offered.data_address)),
        os_type: written.os_type.or(inventory.os_type),
        os_version: written.os_version.or(inventory.os_version),
        system_dir: written.system_dir,
        disks: disks.collect(),
        volume_groups: (groups.into_iter().find(|groups| !groups.is_empty())).unwrap_or_default(),
        btrfs_list: written
            .btrfs_list
            .into_iter()
            .filter_map(|file_system| file_system.name)
            .collect(),
        image_disk_id: written.image_disk_id,
        cutovered_snapshot_ids: written.cutovered_snapshot_ids,
    })
}

/// A disk as it follows from the plan; where it is is known once the target has made it.
fn planned(volume: &Volume, source: Option<&ServerDisk>, path: Option<&String>) -> TargetDisk {
    TargetDisk {
        disk_id: path.cloned().or_else(|| volume.device.clone()),
        name: Some(volume.source_disk.clone()),
        size: Some(volume.size_bytes),
        disk_index: Some(volume.index.to_string()),
        relation_name: Some(volume.source_disk.clone()),
        device_use: source.and_then(|disk| disk.device_use.clone()),
        used_size: source.and_then(|disk| disk.used_size),
        os_disk: source.and_then(|disk| disk.os_disk),
        partition_style: source.and_then(|disk| disk.partition_style.clone()),
        physical_volumes: source
            .map(|disk| disk.physical_volumes.iter().map(on_source).collect())
            .unwrap_or_default(),
        ..TargetDisk::default()
    }
}

fn on_source(part: &PhysicalVolume) -> TargetPhysicalVolumes {
    TargetPhysicalVolumes {
        device_use: part.device_use.clone(),
        file_system: part.file_system.clone(),
        index: part.index,
        mount_point: part.mount_point.clone(),
        name: part.name.clone(),
        size: part.size,
        used_size: part.used_size,
        uuid: part.uuid.clone(),
        ..TargetPhysicalVolumes::default()
    }
}

/// A disk as the client asked for it.
fn asked_for(disk: &TargetDisks) -> TargetDisk {
    let part = |part: &PhysicalVolumes| TargetPhysicalVolumes {
        id: part.id.clone(),
        device_use: part.device_use.clone(),
        file_system: part.file_system.clone(),
        index: part.index,
        mount_point: part.mount_point.clone(),
        name: part.name.clone(),
        size: part.size,
        used_size: part.used_size,
        uuid: part.uuid.clone(),
        ..TargetPhysicalVolumes::default()
    };
    TargetDisk {
        device_use: disk.device_use.clone(),
        disk_id: disk.disk_id.clone(),
        name: disk.name.clone(),
        physical_volumes: disk.physical_volumes.iter().map(part).collect(),
        size: disk.size,
        used_size: disk.used_size,
        ..TargetDisk::default()
    }
}

/// What `later` says, and for the rest what was said `before`.
fn over(later: TargetDisk, before: TargetDisk) -> TargetDisk {
    TargetDisk {
        id: later.id.or(before.id),
        device_use: later.device_use.or(before.device_use),
        disk_id: later.disk_id.or(before.disk_id),
        name: later.name.or(before.name),
        physical_volumes: if later.physical_volumes.is_empty() {
            before.physical_volumes
        } else {
            later.physical_volumes
        },
        size: later.size.or(before.size),
        used_size: later.used_size.or(before.used_size),
        disk_index: later.disk_index.or(before.disk_index),
        os_disk: later.os_disk.or(before.os_disk),
        partition_style: later.partition_style.or(before.partition_style),
        relation_name: later.relation_name.or(before.relation_name),
    }
}
