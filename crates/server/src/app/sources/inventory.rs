//! What a source server consists of, as it is kept and proposed for a target.

use rehost_sms_api::bodies::{
    DiskIntargetServer, InitTargetServer, PhysicalVolume, PhysicalVolumes, PostSourceServerBody,
    RecordId, ServerDisk,
};
use rehost_store::SourceRow;

use crate::app::stored::from_json;
use crate::errors::ApiError;

/// The registration of a source server.
pub(crate) fn inventory(row: &SourceRow) -> Result<PostSourceServerBody, ApiError> {
    from_json(&row.inventory, "inventory")
}

/// Numbers disks, partitions, groups and volumes, for clients that name them by these numbers when
/// they choose what to migrate. Numbers follow the order, so the same disks get the same numbers.
pub(super) fn number_records(inventory: &mut PostSourceServerBody) {
    let mut numbers = 1_u64..;
    let mut next = || numbers.next().map(RecordId::Number);
    for disk in inventory.disks.iter_mut().flatten() {
        disk.id = next();
        disk.adjust_size.get_or_insert(0);
        disk.need_migration.get_or_insert(true);
        for volume in &mut disk.physical_volumes {
            volume.id = next();
            volume.adjust_size.get_or_insert(0);
            volume.need_migration.get_or_insert(true);
        }
    }
    for group in inventory.volume_groups.iter_mut().flatten() {
        group.id = next();
        group.adjust_size.get_or_insert(0);
        group.need_migration.get_or_insert(true);
        for volume in &mut group.logical_volumes {
            volume.id = next();
            volume.adjust_size.get_or_insert(0);
            volume.need_migration.get_or_insert(true);
        }
    }
}

/// The target that is recommended: the source's disks as they are (SMS, `init_target_server`).
pub(super) fn proposal(inventory: &PostSourceServerBody) -> InitTargetServer {
    let disks = inventory.disks.as_deref().unwrap_or_default();
    InitTargetServer {
        disks: disks
            .iter()
            .filter(|disk| disk.need_migration != Some(false))
            .map(proposed_disk)
            .collect(),
        volume_groups: inventory.volume_groups.clone().unwrap_or_default(),
    }
}

fn proposed_disk(disk: &ServerDisk) -> DiskIntargetServer {
    DiskIntargetServer {
        name: disk.name.clone().unwrap_or_default(),
        size: disk.size.unwrap_or_default(),
        device_use: disk.device_use.clone(),
        used_size: disk.used_size,
        physical_volumes: disk.physical_volumes.iter().map(proposed_volume).collect(),
        id: disk.id.clone(),
        adjust_size: disk.adjust_size,
        need_migration: disk.need_migration,
    }
}

fn proposed_volume(volume: &PhysicalVolume) -> PhysicalVolumes {
    PhysicalVolumes {
        device_use: volume.device_use.clone(),
        file_system: volume.file_system.clone(),
        index: volume.index,
        mount_point: volume.mount_point.clone(),
        name: volume.name.clone(),
        size: volume.size,
        inode_size: volume.inode_size.map(u64::from),
        used_size: volume.used_size,
        uuid: volume.uuid.clone(),
        id: volume.id.clone(),
        adjust_size: volume.adjust_size,
        need_migration: volume.need_migration,
    }
}
