//! The target that is recommended for a source server (SMS, `init_target_server`).
//!
//! It mirrors the source: the disks that are to be migrated, in their order, with the partitions
//! that are, each as large as people wanted it. A volume group is proposed as long as one of its
//! components is on a disk that is migrated. A copy of blocks takes a disk whole, so a disk is never
//! proposed smaller than what stays on it.

use crate::inventory::{Disk, Inventory, VolumeGroup};

/// What is proposed of a disk: which one of the inventory, how large, and which of its partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposedDisk {
    /// Position among the disks of the inventory.
    pub disk: usize,
    /// Size on the target in bytes.
    pub size_bytes: u64,
    /// Partitions that are migrated.
    pub partitions: Vec<ProposedVolume>,
}

/// What is proposed of a volume group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposedGroup {
    /// Position among the volume groups of the inventory.
    pub group: usize,
    /// Size on the target in bytes.
    pub size_bytes: u64,
    /// Logical volumes that are migrated.
    pub volumes: Vec<ProposedVolume>,
}

/// What is proposed of a partition or a logical volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProposedVolume {
    /// Position among those of its disk or its group.
    pub volume: usize,
    /// Size on the target in bytes.
    pub size_bytes: u64,
}

/// The whole proposal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// Disks, in the order of the inventory.
    pub disks: Vec<ProposedDisk>,
    /// Volume groups, in the order of the inventory.
    pub volume_groups: Vec<ProposedGroup>,
}

/// Proposes a target.
#[must_use]
pub fn propose(inventory: &Inventory) -> Proposal {
    let disks = inventory.disks.iter().enumerate();
    let groups = inventory.volume_groups.iter().enumerate();
    Proposal {
        disks: disks
            .filter(|(_, disk)| disk.choice.wanted)
            .map(|(at, disk)| proposed_disk(at, disk))
            .collect(),
        volume_groups: groups
            .filter(|(_, group)| group.choice.wanted && keeps_a_component(inventory, group))
            .map(|(at, group)| proposed_group(at, group))
            .collect(),
    }
}

fn proposed_disk(disk_at: usize, disk: &Disk) -> ProposedDisk {
    let partitions: Vec<_> = wanted(&disk.partitions).collect();
    let needed = partitions
        .iter()
        .fold(0_u64, |sum, part| sum.saturating_add(part.size_bytes));
    ProposedDisk {
        disk: disk_at,
        size_bytes: disk.choice.size_bytes(disk.size_bytes).max(needed),
        partitions,
    }
}

fn proposed_group(group_at: usize, group: &VolumeGroup) -> ProposedGroup {
    let volumes: Vec<_> = wanted(&group.volumes).collect();
    let needed = volumes
        .iter()
        .fold(0_u64, |sum, volume| sum.saturating_add(volume.size_bytes));
    ProposedGroup {
        group: group_at,
        size_bytes: group.choice.size_bytes(group.size_bytes).max(needed),
        volumes,
    }
}

fn wanted(volumes: &[crate::inventory::Volume]) -> impl Iterator<Item = ProposedVolume> {
    let volumes = volumes.iter().enumerate();
    volumes
        .filter(|(_, volume)| volume.choice.wanted)
        .map(|(volume_at, volume)| ProposedVolume {
            volume: volume_at,
            size_bytes: volume.choice.size_bytes(volume.size_bytes),
        })
}

/// Whether a component is on a disk that is migrated. Components that are on no known disk, such as
/// those of an array, are taken to be.
pub(crate) fn keeps_a_component(inventory: &Inventory, group: &VolumeGroup) -> bool {
    let left_out =
        |component: &String| disk_of(inventory, component).is_some_and(|disk| !disk.choice.wanted);
    group.components.is_empty() || !group.components.iter().all(left_out)
}

/// The disk that holds a device: the device itself, or one of its partitions.
pub(crate) fn disk_of<'a>(inventory: &'a Inventory, device: &str) -> Option<&'a Disk> {
    inventory
        .disks
        .iter()
        .find(|disk| disk.name == device || disk.partitions.iter().any(|part| part.name == device))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Choice, GIB, Volume};

    fn volume(name: &str, size_bytes: u64) -> Volume {
        Volume {
            name: name.into(),
            size_bytes,
            ..Volume::default()
        }
    }

    fn inventory() -> Inventory {
        let disk = |name: &str, parts: Vec<Volume>| Disk {
            name: name.into(),
            size_bytes: 10 * GIB,
            partitions: parts,
            ..Disk::default()
        };
        Inventory {
            disks: vec![
                disk(
                    "/dev/vda",
                    vec![volume("/dev/vda1", GIB), volume("/dev/vda2", 8 * GIB)],
                ),
                disk("/dev/vdb", vec![]),
            ],
            volume_groups: vec![VolumeGroup {
                name: "data".into(),
                size_bytes: 10 * GIB,
                components: vec!["/dev/vdb".into()],
                volumes: vec![volume("lv0", 4 * GIB), volume("lv1", 4 * GIB)],
                ..VolumeGroup::default()
            }],
            ..Inventory::default()
        }
    }

    #[test]
    fn the_source_is_mirrored() {
        let proposal = propose(&inventory());
        let sizes: Vec<_> = proposal.disks.iter().map(|disk| disk.size_bytes).collect();
        assert_eq!(sizes, [10 * GIB, 10 * GIB]);
        assert_eq!(proposal.disks[0].partitions.len(), 2);
        assert_eq!(proposal.volume_groups[0].volumes.len(), 2);
    }

    #[test]
    fn what_is_left_out_is_not_proposed() {
        let out = Choice {
            wanted: false,
            ..Choice::default()
        };
        let mut source = inventory();
        source.disks[0].partitions[0].choice = out;
        source.disks[1].choice = out;
        let proposal = propose(&source);
        assert_eq!(proposal.disks.len(), 1);
        let kept = ProposedVolume {
            volume: 1,
            size_bytes: 8 * GIB,
        };
        assert_eq!(proposal.disks[0].partitions, [kept]);
        assert_eq!(proposal.volume_groups, [], "it was on the second disk");
        source.volume_groups[0].components = vec!["/dev/md0".into()];
        assert_eq!(propose(&source).volume_groups.len(), 1);
        source.volume_groups[0].choice = out;
        assert_eq!(propose(&source).volume_groups, []);
    }

    #[test]
    fn adjusted_sizes_are_proposed_and_hold_what_is_on_them() {
        let adjusted = |gib: u64| Choice {
            wanted: true,
            adjusted_bytes: gib * GIB,
        };
        let mut source = inventory();
        source.disks[0].choice = adjusted(20);
        source.disks[0].partitions[1].choice = adjusted(25);
        source.disks[1].choice = adjusted(15);
        let proposal = propose(&source);
        assert_eq!(proposal.disks[0].size_bytes, 26 * GIB);
        assert_eq!(proposal.disks[1].size_bytes, 15 * GIB);
    }
}
