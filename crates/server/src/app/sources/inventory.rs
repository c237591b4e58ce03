//! What a source server consists of, as it is kept and proposed for a target.

use rehost_migration::inventory as rules;
use rehost_migration::target_proposal::{ProposedDisk, ProposedGroup, propose};
use rehost_sms_api::bodies::{
    DiskIntargetServer, InitTargetServer, LogicalVolumes, PhysicalVolume, PhysicalVolumes,
    PostSourceServerBody, RecordId, ServerDisk, VolumeGroups,
};
use rehost_store::SourceRow;

use crate::app::stored::from_json;
use crate::errors::ApiError;

/// The registration of a source server.
pub(crate) fn inventory(row: &SourceRow) -> Result<PostSourceServerBody, ApiError> {
    from_json(&row.inventory.text(), "inventory")
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

/// People's choices for what is still there: an agent tells its disks again and again, and knows
/// nothing of choices. Disks, groups and what is in them are known by name.
pub(super) fn keep_choices(before: &PostSourceServerBody, after: &mut PostSourceServerBody) {
    for disk in after.disks.iter_mut().flatten() {
        let mut known = before.disks.iter().flatten();
        let Some(known) = known.find(|known| known.name.is_some() && known.name == disk.name)
        else {
            continue;
        };
        (disk.need_migration, disk.adjust_size) = (known.need_migration, known.adjust_size);
        for part in &mut disk.physical_volumes {
            let mut known = known.physical_volumes.iter();
            if let Some(known) = known.find(|known| known.name.is_some() && known.name == part.name)
            {
                (part.need_migration, part.adjust_size) = (known.need_migration, known.adjust_size);
            }
        }
    }
    for group in after.volume_groups.iter_mut().flatten() {
        let mut known = before.volume_groups.iter().flatten();
        let Some(known) = known.find(|known| known.name.is_some() && known.name == group.name)
        else {
            continue;
        };
        (group.need_migration, group.adjust_size) = (known.need_migration, known.adjust_size);
        for volume in &mut group.logical_volumes {
            let mut known = known.logical_volumes.iter();
            if let Some(known) =
                known.find(|known| known.name.is_some() && known.name == volume.name)
            {
                (volume.need_migration, volume.adjust_size) =
                    (known.need_migration, known.adjust_size);
            }
        }
    }
}

/// The inventory as the rules see it.
pub(crate) fn rules_inventory(source: &PostSourceServerBody) -> rules::Inventory {
    let groups = source.volume_groups.as_deref().unwrap_or_default();
    rules::Inventory {
        family: source
            .os_type
            .as_deref()
            .and_then(rules::OsFamily::from_word)
            .unwrap_or_default(),
        disks: source.disks.iter().flatten().map(rules_disk).collect(),
        volume_groups: groups.iter().map(rules_group).collect(),
    }
}

fn rules_disk(disk: &ServerDisk) -> rules::Disk {
    let part = |part: &PhysicalVolume| rules::Volume {
        name: part.name.clone().unwrap_or_default(),
        size_bytes: part.size.unwrap_or_default(),
        used_bytes: part.used_size.unwrap_or_default(),
        file_system: part.file_system.clone().unwrap_or_default(),
        choice: choice(part.need_migration, part.adjust_size),
    };
    rules::Disk {
        name: disk.name.clone().unwrap_or_default(),
        size_bytes: disk.size.unwrap_or_default(),
        used_bytes: disk.used_size.unwrap_or_default(),
        partition_style: disk.partition_style.clone().unwrap_or_default(),
        system: disk.os_disk.unwrap_or_default(),
        partitions: disk.physical_volumes.iter().map(part).collect(),
        choice: choice(disk.need_migration, disk.adjust_size),
    }
}

fn rules_group(group: &VolumeGroups) -> rules::VolumeGroup {
    let volume = |volume: &LogicalVolumes| rules::Volume {
        name: volume.name.clone().unwrap_or_default(),
        size_bytes: volume.size.unwrap_or_default(),
        used_bytes: volume.used_size.unwrap_or_default(),
        file_system: volume.file_system.clone().unwrap_or_default(),
        choice: choice(volume.need_migration, volume.adjust_size),
    };
    let components = group.components.as_deref().unwrap_or_default();
    rules::VolumeGroup {
        name: group.name.clone().unwrap_or_default(),
        size_bytes: group.size.unwrap_or_default(),
        components: components
            .split([';', ',', ' '])
            .filter(|component| !component.is_empty())
            .map(str::to_owned)
            .collect(),
        volumes: group.logical_volumes.iter().map(volume).collect(),
        choice: choice(group.need_migration, group.adjust_size),
    }
}

fn choice(need_migration: Option<bool>, adjust_size: Option<u64>) -> rules::Choice {
    rules::Choice {
        wanted: need_migration != Some(false),
        adjusted_bytes: adjust_size.unwrap_or_default(),
    }
}

/// The target that is recommended (SMS, `init_target_server`).
pub(super) fn proposal(inventory: &PostSourceServerBody) -> InitTargetServer {
    let proposed = propose(&rules_inventory(inventory));
    let disks = inventory.disks.as_deref().unwrap_or_default();
    let groups = inventory.volume_groups.as_deref().unwrap_or_default();
    InitTargetServer {
        disks: proposed
            .disks
            .iter()
            .filter_map(|proposed| Some(proposed_disk(disks.get(proposed.disk)?, proposed)))
            .collect(),
        volume_groups: proposed
            .volume_groups
            .iter()
            .filter_map(|proposed| Some(proposed_group(groups.get(proposed.group)?, proposed)))
            .collect(),
    }
}

fn proposed_disk(disk: &ServerDisk, proposed: &ProposedDisk) -> DiskIntargetServer {
    let parts = proposed.partitions.iter().filter_map(|proposed| {
        let part = disk.physical_volumes.get(proposed.volume)?;
        Some(PhysicalVolumes {
            size: Some(proposed.size_bytes),
            ..proposed_volume(part)
        })
    });
    DiskIntargetServer {
        name: disk.name.clone().unwrap_or_default(),
        size: proposed.size_bytes,
        device_use: disk.device_use.clone(),
        used_size: disk.used_size,
        physical_volumes: parts.collect(),
        id: disk.id.clone(),
        adjust_size: disk.adjust_size,
        need_migration: disk.need_migration,
    }
}

fn proposed_group(group: &VolumeGroups, proposed: &ProposedGroup) -> VolumeGroups {
    let volumes = proposed.volumes.iter().filter_map(|proposed| {
        let volume = group.logical_volumes.get(proposed.volume)?.clone();
        Some(LogicalVolumes {
            size: Some(proposed.size_bytes),
            ..volume
        })
    });
    VolumeGroups {
        size: Some(proposed.size_bytes),
        logical_volumes: volumes.collect(),
        ..group.clone()
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
