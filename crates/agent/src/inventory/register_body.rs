//! The inventory as SMS wants it: bodies of `POST /v3/sources` and `PUT /v3/sources/{id}/diskinfo`.

use std::fmt::Display;

use rehost_sms_api::bodies::{
    BtrfsFileSystem, BtrfsSubvolumn, LogicalVolumes, NetWork, PhysicalVolume, PostSourceServerBody,
    PutDiskInfoReq, ServerDisk, VolumeGroups,
};

use super::os_version::sms_os_version;
use super::{Btrfs, Disk, Inventory, LogicalContent, LogicalVolume, NetworkCard, VolumeGroup};

/// SMS, RegisterServer: names have 1 to 64 characters.
const MAX_NAME_CHARS: usize = 64;
/// SMS: most text members have at most 255 characters.
const MAX_TEXT_CHARS: usize = 255;

impl Inventory {
    /// Body of `POST /v3/sources` (SMS, RegisterServer). `known_id` is the id of an earlier
    /// registration, which then is renewed rather than repeated; `name` is what people call it.
    #[must_use]
    pub fn register_body(&self, known_id: Option<&str>, name: &str) -> PostSourceServerBody {
        let first = self.network_cards.first();
        let host = &self.host;
        PostSourceServerBody {
            id: known_id.map(Into::into),
            ip: first.and_then(|card| card.ipv4).map(|ip| ip.to_string()),
            ipv6: first.and_then(|card| card.ipv6).map(|ip| ip.to_string()),
            name: Some(sms_name(name)),
            hostname: Some(shortened(&host.hostname, MAX_NAME_CHARS)),
            os_type: Some("LINUX".into()),
            os_version: Some(sms_os_version(&host.os_release, &host.machine)),
            linux_block_check: self.linux_block_check(),
            firmware: Some(host.firmware.sms_name().into()),
            cpu_quantity: Some(host.cpu_count.min(u16::MAX.into())),
            memory: Some(host.memory_bytes),
            disks: Some(self.disks.iter().map(server_disk).collect()),
            btrfs_list: Some(self.btrfs.iter().map(btrfs).collect()),
            networks: Some(self.network_cards.iter().map(network).collect()),
            has_rsync: Some(host.has_rsync),
            has_tc: Some(host.has_tc),
            paravirtualization: Some(false),
            raw_devices: Some(String::new()),
            boot_loader: host.grub.then(|| "GRUB".into()),
            volume_groups: Some(self.sms_volume_groups()),
            agent_version: Some(env!("CARGO_PKG_VERSION").into()),
            kernel_version: Some(shortened(&host.kernel_version, MAX_TEXT_CHARS)),
            start_type: Some("MANUAL".into()),
            platform: Some("other".into()),
            virtualization_type: Some(host.virtualization.clone()),
            ..PostSourceServerBody::default()
        }
    }

    /// Body of `PUT /v3/sources/{source_id}/diskinfo` (SMS, UpdateDiskInfo).
    #[must_use]
    pub fn disk_info_body(&self) -> PutDiskInfoReq {
        PutDiskInfoReq {
            disks: Some(self.disks.iter().map(server_disk).collect()),
            volumegroups: Some(self.sms_volume_groups()),
            btrfs_list: Some(self.btrfs.iter().map(btrfs).collect()),
        }
    }

    fn sms_volume_groups(&self) -> Vec<VolumeGroups> {
        let contents = self.logical_contents.iter();
        self.volume_groups
            .iter()
            .zip(contents)
            .map(|(group, contents)| volume_group(group, contents))
            .collect()
    }

    /// JSON inside a text, as SMS wants it; absent if it would be too long for the member.
    fn linux_block_check(&self) -> Option<String> {
        let host = &self.host;
        let text = serde_json::json!({
            "release_type": host.os_release.id,
            "release_version": host.os_release.version_id,
            "kernel_simplification": host.kernel_version,
            "architecture": host.machine,
        })
        .to_string();
        (text.len() <= MAX_TEXT_CHARS).then_some(text)
    }
}

fn server_disk(disk: &Disk) -> ServerDisk {
    let parts = (0..).zip(&disk.parts).map(|(index, part)| PhysicalVolume {
        device_use: Some(part.device_use().into()),
        file_system: known(&part.file_system),
        index: Some(index),
        mount_point: known(&part.mount_point),
        name: Some(part.name.clone()),
        size: Some(part.size_bytes),
        used_size: Some(part.used_bytes),
        inode_nums: (part.inodes > 0).then_some(part.inodes),
        uuid: known(&part.uuid),
        ..PhysicalVolume::default()
    });
    ServerDisk {
        name: Some(disk.name.clone()),
        partition_style: disk.table.map(|table| table.sms_name().into()),
        device_use: Some(disk.device_use().into()),
        size: Some(disk.size_bytes),
        used_size: Some(disk.used_bytes()),
        physical_volumes: parts.collect(),
        os_disk: Some(disk.system),
        ..ServerDisk::default()
    }
}

fn volume_group(group: &VolumeGroup, contents: &[LogicalContent]) -> VolumeGroups {
    let volume = |(volume, content): (&LogicalVolume, &LogicalContent)| LogicalVolumes {
        name: Some(volume.path.clone()),
        size: Some(volume.size_bytes),
        used_size: Some(content.used_bytes),
        free_size: Some(volume.size_bytes.saturating_sub(content.used_bytes)),
        file_system: known(&content.file_system),
        mount_point: known(&content.mount_point),
        device_use: Some(
            if content.mount_point == "/" {
                "OS"
            } else {
                "NORMAL"
            }
            .into(),
        ),
        ..LogicalVolumes::default()
    };
    VolumeGroups {
        components: Some(shortened(&group.physical_volumes.join(";"), MAX_TEXT_CHARS)),
        free_size: Some(group.free_bytes),
        logical_volumes: group
            .logical_volumes
            .iter()
            .zip(contents)
            .map(volume)
            .collect(),
        name: Some(group.name.clone()),
        size: Some(group.size_bytes),
        ..VolumeGroups::default()
    }
}

fn btrfs(btrfs: &Btrfs) -> BtrfsFileSystem {
    let subvolume = |(name, mount_point): &(String, String)| BtrfsSubvolumn {
        uuid: known(&btrfs.uuid),
        is_snapshot: Some("false".into()),
        subvol_name: Some(name.clone()),
        subvol_mount_path: Some(mount_point.clone()),
        ..BtrfsSubvolumn::default()
    };
    BtrfsFileSystem {
        name: btrfs.devices.first().cloned(),
        label: Some(btrfs.label.clone()),
        uuid: known(&btrfs.uuid),
        device: Some(shortened(&btrfs.devices.join(";"), MAX_TEXT_CHARS)),
        size: Some(btrfs.size_bytes),
        data_profile: known(&btrfs.data_profile),
        system_profile: known(&btrfs.system_profile),
        metadata_profile: known(&btrfs.metadata_profile),
        g_vol_used_size: Some(btrfs.used_bytes),
        subvolumn: btrfs.mounted.iter().map(subvolume).collect(),
        ..BtrfsFileSystem::default()
    }
}

fn network(card: &NetworkCard) -> NetWork {
    let text = |address: Option<&dyn Display>| address.map(ToString::to_string);
    let ipv4 = card.ipv4.as_ref().map(|ip| ip as &dyn Display);
    NetWork {
        name: Some(card.name.clone()),
        ip: text(ipv4),
        ipv6: text(card.ipv6.as_ref().map(|ip| ip as &dyn Display)),
        netmask: ipv4.map(|_| card.netmask().to_string()),
        gateway: text(card.gateway.as_ref().map(|ip| ip as &dyn Display)),
        mtu: Some(card.mtu),
        mac: Some(card.mac.clone()),
        ..NetWork::default()
    }
}

fn known(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn shortened(text: &str, max_chars: usize) -> String {
    text.chars().take(max_chars).collect()
}

/// SMS, RegisterServer: a name consists of `A-Z a-z 0-9 _ . -`.
fn sms_name(name: &str) -> String {
    let permitted = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let name: String = name
        .chars()
        .take(MAX_NAME_CHARS)
        .map(|character| if permitted(character) { character } else { '-' })
        .collect();
    if name.is_empty() {
        "source".into()
    } else {
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Firmware, Host, OsRelease, Part, TableKind};

    fn inventory() -> Inventory {
        let part = Part {
            name: "/dev/vda1".into(),
            size_bytes: 1000,
            used_bytes: 400,
            file_system: "ext4".into(),
            mount_point: "/".into(),
            ..Part::default()
        };
        let disk = Disk {
            name: "/dev/vda".into(),
            size_bytes: 2000,
            table: Some(TableKind::Gpt),
            system: true,
            parts: vec![part],
            ..Disk::default()
        };
        let card = NetworkCard {
            name: "eth0".into(),
            mac: "52:54:00:12:34:56".into(),
            mtu: 1500,
            ipv4: Some([192, 0, 2, 2].into()),
            prefix_length: 24,
            gateway: Some([192, 0, 2, 1].into()),
            ..NetworkCard::default()
        };
        let volume = LogicalVolume {
            name: "home".into(),
            path: "/dev/sys/home".into(),
            size_bytes: 100,
        };
        let group = VolumeGroup {
            name: "sys".into(),
            physical_volumes: vec!["/dev/vdb".into(), "/dev/vdc".into()],
            logical_volumes: vec![volume],
            ..VolumeGroup::default()
        };
        let content = LogicalContent {
            used_bytes: 40,
            ..LogicalContent::default()
        };
        Inventory {
            host: Host {
                hostname: "web-1".into(),
                os_release: OsRelease {
                    id: "debian".into(),
                    version_id: "12".into(),
                    ..OsRelease::default()
                },
                machine: "x86_64".into(),
                firmware: Firmware::Uefi,
                grub: true,
                cpu_count: 2,
                memory_bytes: 4 << 30,
                ..Host::default()
            },
            disks: vec![disk],
            volume_groups: vec![group],
            logical_contents: vec![vec![content]],
            network_cards: vec![card],
            ..Inventory::default()
        }
    }

    #[test]
    fn the_body_has_what_the_feasibility_checks_look_at() {
        let body = serde_json::to_value(inventory().register_body(Some("id-1"), "web 1")).unwrap();
        for (member, value) in [
            ("id", "id-1"),
            ("ip", "192.0.2.2"),
            ("name", "web-1"),
            ("os_type", "LINUX"),
            ("os_version", "DEBIAN_12_0_64BIT"),
            ("firmware", "UEFI"),
            ("boot_loader", "GRUB"),
        ] {
            assert_eq!(body[member], value, "{member}");
        }
        assert_eq!(body["memory"], 4_u64 << 30);
        assert_eq!(body["btrfs_list"], serde_json::json!([]));
        assert_eq!(body["networks"][0]["netmask"], "255.255.255.0");
        let disk = &body["disks"][0];
        assert_eq!(
            (&disk["partition_style"], &disk["os_disk"]),
            (&"GPT".into(), &true.into())
        );
        assert_eq!(
            (&disk["size"], &disk["used_size"]),
            (&2000.into(), &400.into())
        );
        let part = &disk["physical_volumes"][0];
        assert_eq!(
            (&part["device_use"], &part["mount_point"]),
            (&"OS".into(), &"/".into())
        );
        assert_eq!(part["index"], 0);
    }

    #[test]
    fn volume_groups_are_spelled_differently_in_the_refresh() {
        let body = serde_json::to_value(inventory().disk_info_body()).unwrap();
        let group = &body["volumegroups"][0];
        assert_eq!(group["components"], "/dev/vdb;/dev/vdc");
        assert_eq!(group["logical_volumes"][0]["free_size"], 60);
        assert!(body.get("volume_groups").is_none());
    }

    #[test]
    fn names_are_made_acceptable() {
        assert_eq!(sms_name("büro server"), "b-ro-server");
        assert_eq!(sms_name(""), "source");
        assert_eq!(sms_name(&"x".repeat(100)).len(), 64);
    }
}
