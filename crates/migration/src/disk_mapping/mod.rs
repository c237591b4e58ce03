//! Which source disk goes to which target volume, and how that volume is stored.
//!
//! A task may name target disks or leave them out; without any, every registered disk is copied to
//! a raw image. A named target disk is read like this:
//!
//! 1. *Which source disk?* The one named by `relation_name`; else the one that has the target
//!    disk's name; else, if that name is one of a target (`Disk 0`, an image file, an offered
//!    device), the one at the same position.
//! 2. *How is it stored?* `disk_id` says it, or the name if there is no `disk_id`: `*.qcow2` is a
//!    qcow2 image, the path of an offered device is that device, everything else is a raw image.
//!
//! A volume always gets the size of its source disk. A target disk may be asked for larger, which
//! leaves space behind it on a device, but not smaller, except for what rounding takes away.
//!
//! Who names source disks chooses among them. Who names the disks of a target instead, to be filled
//! by position, must name enough of them: no disk is left behind unsaid.

mod types;

pub use types::{
    MappingError, OfferedDevice, PlannedVolume, RequestedDisk, SourceDisk, TargetCapabilities,
    VolumeFormat,
};

use std::collections::HashSet;

use crate::inventory::is_same_size;

/// Maps disks to volumes, in the order in which the task names them, or else in that of the source.
///
/// # Errors
/// [`MappingError`] names the first disk that does not fit.
pub fn plan_volumes(
    source: &[SourceDisk],
    target: &TargetCapabilities,
    requested: &[RequestedDisk],
) -> Result<Vec<PlannedVolume>, MappingError> {
    let mut pairs = Vec::new();
    if requested.is_empty() {
        pairs.extend(source.iter().map(|disk| (disk, VolumeFormat::Raw)));
    }
    if requested.len() < source.len()
        && let Some(wanted) = requested
            .iter()
            .find(|wanted| is_by_position(source, target, wanted))
    {
        return Err(MappingError::TooFewTargets {
            name: wanted.name.clone(),
            needed: source.len(),
        });
    }
    for (position, wanted) in requested.iter().enumerate() {
        let disk = source_of(source, target, wanted, position)?;
        let smaller = (1..disk.size_bytes).contains(&wanted.size_bytes);
        if smaller && !is_same_size(disk.size_bytes, wanted.size_bytes) {
            return Err(too_small(disk, wanted.size_bytes));
        }
        pairs.push((disk, format_of(target, wanted, disk)?));
    }
    if pairs.is_empty() {
        return Err(MappingError::NoDisks);
    }
    let (mut disks, mut devices) = (HashSet::new(), HashSet::new());
    let mut volumes = Vec::with_capacity(pairs.len());
    for (index, (disk, format)) in (0..).zip(pairs) {
        if !disks.insert(&disk.name) {
            return Err(MappingError::DuplicateSource(disk.name.clone()));
        }
        match &format {
            VolumeFormat::Device(path) if !devices.insert(path.clone()) => {
                return Err(MappingError::DuplicateDevice(path.clone()));
            }
            VolumeFormat::Raw | VolumeFormat::Qcow2 if !target.makes_images => {
                return Err(MappingError::NoImages(disk.name.clone()));
            }
            _ => {}
        }
        let (source_disk, size_bytes) = (disk.name.clone(), disk.size_bytes);
        volumes.push(PlannedVolume {
            index,
            source_disk,
            size_bytes,
            format,
        });
    }
    Ok(volumes)
}

fn source_of<'a>(
    source: &'a [SourceDisk],
    target: &TargetCapabilities,
    wanted: &RequestedDisk,
    position: usize,
) -> Result<&'a SourceDisk, MappingError> {
    let named = |name: &str| source.iter().find(|disk| disk.name == name);
    let found = if !wanted.relation_name.is_empty() {
        named(&wanted.relation_name)
    } else if let Some(disk) = named(&wanted.name) {
        Some(disk)
    } else if let Some(number) = wanted.name.strip_prefix("Disk ") {
        number
            .parse::<usize>()
            .ok()
            .and_then(|number| source.get(number))
    } else if is_target_name(target, &wanted.name) {
        source.get(position)
    } else {
        None
    };
    found.ok_or_else(|| MappingError::UnknownDisk(wanted.name.clone()))
}

/// Whether only the position says which source disk is meant.
fn is_by_position(
    source: &[SourceDisk],
    target: &TargetCapabilities,
    wanted: &RequestedDisk,
) -> bool {
    wanted.relation_name.is_empty()
        && !source.iter().any(|disk| disk.name == wanted.name)
        && is_target_name(target, &wanted.name)
}

fn is_target_name(target: &TargetCapabilities, name: &str) -> bool {
    let extensions = [".qcow2", ".raw", ".img"];
    extensions
        .iter()
        .any(|extension| has_extension(name, extension))
        || target.devices.iter().any(|device| device.path == name)
}

fn has_extension(name: &str, extension: &str) -> bool {
    name.to_ascii_lowercase().ends_with(extension)
}

fn format_of(
    target: &TargetCapabilities,
    wanted: &RequestedDisk,
    disk: &SourceDisk,
) -> Result<VolumeFormat, MappingError> {
    let by_id = !wanted.disk_id.is_empty();
    let text = if by_id { &wanted.disk_id } else { &wanted.name };
    if let Some(device) = target.devices.iter().find(|device| device.path == *text) {
        if device.in_use {
            return Err(MappingError::DeviceInUse(text.clone()));
        }
        if device.size_bytes < disk.size_bytes {
            return Err(too_small(disk, device.size_bytes));
        }
        return Ok(VolumeFormat::Device(text.clone()));
    }
    // A name alone may be that of the source's device, which is a raw image here.
    if text.starts_with("/dev/") && (by_id || *text != disk.name) {
        return Err(MappingError::DeviceNotOffered(text.clone()));
    }
    Ok(if has_extension(text, ".qcow2") {
        VolumeFormat::Qcow2
    } else {
        VolumeFormat::Raw
    })
}

fn too_small(disk: &SourceDisk, size_bytes: u64) -> MappingError {
    MappingError::TooSmall {
        source_disk: disk.name.clone(),
        size_bytes,
        needed_bytes: disk.size_bytes,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::inventory::MIB;

    fn source() -> Vec<SourceDisk> {
        [("/dev/vda", 100), ("root.img", 50)]
            .map(|(name, size_mib)| SourceDisk {
                name: name.into(),
                size_bytes: size_mib * MIB,
            })
            .to_vec()
    }

    fn target() -> TargetCapabilities {
        let devices = [
            ("/dev/sdx", 100, false),
            ("/dev/sdy", 60, false),
            ("/dev/sdz", 900, true),
        ];
        let devices = devices.map(|(path, size_mib, in_use)| OfferedDevice {
            path: path.into(),
            size_bytes: size_mib * MIB,
            in_use,
        });
        TargetCapabilities {
            makes_images: true,
            devices: devices.to_vec(),
        }
    }

    fn wanted(name: &str, disk_id: &str) -> RequestedDisk {
        RequestedDisk {
            name: name.into(),
            disk_id: disk_id.into(),
            ..Default::default()
        }
    }

    fn formats(requested: &[RequestedDisk]) -> Result<Vec<(String, VolumeFormat)>, MappingError> {
        let volumes = plan_volumes(&source(), &target(), requested)?;
        Ok(volumes
            .into_iter()
            .map(|volume| (volume.source_disk, volume.format))
            .collect())
    }

    #[test]
    fn without_target_disks_everything_becomes_a_raw_image() {
        let volumes = plan_volumes(&source(), &target(), &[]).unwrap();
        let sizes: Vec<_> = volumes
            .iter()
            .map(|volume| (volume.index, volume.size_bytes / MIB))
            .collect();
        assert_eq!(sizes, [(0, 100), (1, 50)]);
        assert!(
            volumes
                .iter()
                .all(|volume| volume.format == VolumeFormat::Raw)
        );
        assert_eq!(
            plan_volumes(&[], &target(), &[]),
            Err(MappingError::NoDisks)
        );
    }

    #[test]
    fn the_target_disk_decides_how_it_is_stored() {
        let requested = [
            wanted("root.img", "copy.QCOW2"),
            wanted("/dev/vda", "/dev/sdx"),
        ];
        let expected = [
            ("root.img".to_owned(), VolumeFormat::Qcow2),
            (
                "/dev/vda".to_owned(),
                VolumeFormat::Device("/dev/sdx".into()),
            ),
        ];
        assert_eq!(formats(&requested).unwrap(), expected);
        let by_name = formats(&[wanted("/dev/vda", ""), wanted("root.img", "0c2f-evs")]).unwrap();
        assert!(
            by_name
                .iter()
                .all(|(_, format)| *format == VolumeFormat::Raw)
        );
    }

    #[test]
    fn names_of_targets_are_paired_by_position() {
        let named = formats(&[wanted("/dev/sdx", ""), wanted("second.qcow2", "")]).unwrap();
        assert_eq!(
            named[0],
            ("/dev/vda".into(), VolumeFormat::Device("/dev/sdx".into()))
        );
        assert_eq!(named[1], ("root.img".into(), VolumeFormat::Qcow2));
        assert_eq!(formats(&[wanted("Disk 1", "")]).unwrap()[0].0, "root.img");
        let related = RequestedDisk {
            relation_name: "root.img".into(),
            ..wanted("x.qcow2", "")
        };
        assert_eq!(
            formats(&[related]).unwrap()[0],
            ("root.img".into(), VolumeFormat::Qcow2)
        );
    }

    #[test]
    fn who_names_the_disks_of_a_target_names_enough() {
        let one = formats(&[wanted("/dev/sdx", "")]).unwrap_err();
        assert_eq!(one.code(), "SMS.1311");
        for chosen in ["/dev/vda", "Disk 1"] {
            assert_eq!(formats(&[wanted(chosen, "")]).unwrap().len(), 1, "{chosen}");
        }
    }

    #[test]
    fn a_rounded_size_is_the_same_size() {
        let rounded = RequestedDisk {
            size_bytes: 100 * MIB - 5000,
            ..wanted("/dev/vda", "")
        };
        let volumes = plan_volumes(&source(), &target(), &[rounded]).unwrap();
        assert_eq!(volumes[0].size_bytes, 100 * MIB);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        use MappingError as E;
        let small = RequestedDisk {
            size_bytes: 98 * MIB,
            ..wanted("/dev/vda", "")
        };
        let too_small = |size_mib| E::TooSmall {
            source_disk: "/dev/vda".into(),
            size_bytes: size_mib * MIB,
            needed_bytes: 100 * MIB,
        };
        for (requested, error) in [
            (
                vec![wanted("/dev/vdz", "")],
                E::UnknownDisk("/dev/vdz".into()),
            ),
            (vec![wanted("Disk 7", "")], E::UnknownDisk("Disk 7".into())),
            (vec![wanted("", "")], E::UnknownDisk(String::new())),
            (
                vec![wanted("/dev/vda", "/dev/nope")],
                E::DeviceNotOffered("/dev/nope".into()),
            ),
            (
                vec![wanted("/dev/vda", "/dev/sdz")],
                E::DeviceInUse("/dev/sdz".into()),
            ),
            (vec![wanted("/dev/vda", "/dev/sdy")], too_small(60)),
            (vec![small], too_small(98)),
            (
                vec![wanted("/dev/vda", ""); 2],
                E::DuplicateSource("/dev/vda".into()),
            ),
            (
                vec![
                    wanted("/dev/vda", "/dev/sdx"),
                    wanted("root.img", "/dev/sdx"),
                ],
                E::DuplicateDevice("/dev/sdx".into()),
            ),
        ] {
            assert_eq!(formats(&requested), Err(error));
        }
        let no_images = TargetCapabilities {
            makes_images: false,
            ..target()
        };
        let refused = plan_volumes(&source(), &no_images, &[]).unwrap_err();
        assert_eq!(
            (refused.code(), refused),
            ("SMS.6033", E::NoImages("/dev/vda".into()))
        );
    }

    proptest! {
        #[test]
        fn a_plan_uses_every_source_and_device_once(
            requests in proptest::collection::vec(
                (prop::sample::select(vec!["/dev/vda", "root.img", "x.qcow2", "Disk 0", "/dev/sdx", "?"]),
                 prop::sample::select(vec!["", "a.qcow2", "/dev/sdx", "/dev/sdy", "id"]),
                 0..200 * MIB), 0..4)
        ) {
            let requested: Vec<_> = requests
                .into_iter()
                .map(|(name, id, size_bytes)| RequestedDisk { size_bytes, ..wanted(name, id) })
                .collect();
            if let Ok(volumes) = plan_volumes(&source(), &target(), &requested) {
                let disks: HashSet<_> = volumes.iter().map(|volume| &volume.source_disk).collect();
                prop_assert_eq!(disks.len(), volumes.len());
                for (position, volume) in volumes.iter().enumerate() {
                    prop_assert_eq!(volume.index as usize, position);
                    if let VolumeFormat::Device(path) = &volume.format {
                        let device = target().devices.into_iter().find(|device| device.path == *path).unwrap();
                        prop_assert!(device.size_bytes >= volume.size_bytes && !device.in_use);
                    }
                }
            }
        }
    }
}
