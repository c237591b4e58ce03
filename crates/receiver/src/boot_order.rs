//! From what the control plane orders to what a boot on this host is: rules without I/O.

use std::path::Path;

use rehost_boot_fixups::{
    Addressing as FixupAddressing, Firmware as FixupFirmware, FixupName, FixupRequest, TargetDisk,
    TargetNetwork,
};
use rehost_machines::{
    Accelerator, Backing, DiskFormat, Firmware, Forward, NetworkMode, Probe, ProbeKind,
};
use rehost_sms_api::rehost::{
    Addressing, AssignedVolume, BootCard, BootFirmware, BootOrder, BootProbe, BootPurpose,
    ImageFormat,
};
use rehost_target_providers as provider;

/// How long a system may take to start if nobody says otherwise, in seconds.
const BOOT_WAIT_SECONDS: u64 = 600;
/// How long the helper system may take, in seconds: it may have to make initial ramdisks for many
/// kernels, on a host that emulates its processor.
const HELPER_WAIT_SECONDS: u64 = 1800;
/// How long each probe may take, in seconds.
const PROBE_WAIT_SECONDS: u64 = 120;

/// What machines on this host have if nobody says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MachineSize {
    pub(crate) cpus: u32,
    pub(crate) memory_mib: u32,
}

/// A boot as this host carries it out.
///
/// # Errors
/// What makes no sense on this host.
pub(crate) fn boot(
    task_id: &str,
    order: &BootOrder,
    volumes: &[AssignedVolume],
    usual: MachineSize,
) -> Result<provider::BootOrder, String> {
    let settings = &order.settings;
    let networks: Vec<_> = order
        .cards
        .iter()
        .map(|card| target_mac(task_id, &card.source_name))
        .collect();
    let request = FixupRequest {
        firmware: match order.firmware {
            BootFirmware::Bios => FixupFirmware::Bios,
            BootFirmware::Uefi => FixupFirmware::Uefi,
        },
        disks: volumes.iter().map(disk).collect(),
        networks: order
            .cards
            .iter()
            .zip(&networks)
            .filter_map(|(card, mac)| network(card, mac).transpose())
            .collect::<Result<_, _>>()?,
        skip: settings
            .skip_fixups
            .iter()
            .map(|name| fixup(name))
            .collect::<Result<_, _>>()?,
        heartbeat: true,
        serial_console: true,
    };
    let probes: Vec<_> = settings.probes.iter().map(probe).collect();
    let forwards: Vec<_> = probes.iter().map(|probe| forward(probe.port)).collect();
    let networks = networks.into_iter().enumerate().map(|(at, mac)| {
        // The host reaches a port by the first card alone.
        let forwards = if at == 0 {
            forwards.clone()
        } else {
            Vec::new()
        };
        let mode = match order.purpose {
            BootPurpose::Rehearsal => NetworkMode::Isolated { forwards },
            BootPurpose::Cutover => NetworkMode::User { forwards },
        };
        provider::BootNetwork { mac, mode }
    });
    let has_heartbeat = !settings
        .skip_fixups
        .iter()
        .any(|name| name == FixupName::Heartbeat.word());
    Ok(provider::BootOrder {
        task_id: task_id.to_owned(),
        boot_id: order.boot_id.clone(),
        purpose: match order.purpose {
            BootPurpose::Rehearsal => provider::BootPurpose::Rehearsal,
            BootPurpose::Cutover => provider::BootPurpose::Cutover,
        },
        accelerator: Accelerator::Auto,
        cpus: settings.cpus.unwrap_or(usual.cpus),
        memory_mib: settings
            .memory_mib
            .map_or(Ok(usual.memory_mib), u32::try_from)
            .map_err(|_| "so much memory no machine has".to_owned())?,
        firmware: match order.firmware {
            BootFirmware::Bios => Firmware::Bios,
            BootFirmware::Uefi => Firmware::Uefi,
        },
        networks: networks.collect(),
        fixups: serde_json::to_value(&request).map_err(|error| error.to_string())?,
        heartbeat: has_heartbeat,
        probes,
        helper_wait_seconds: HELPER_WAIT_SECONDS,
        boot_wait_seconds: settings.deadline_seconds.unwrap_or(BOOT_WAIT_SECONDS),
        probe_wait_seconds: PROBE_WAIT_SECONDS,
    })
}

/// What a volume of a task is for QEMU, once nobody writes to it any more.
pub(crate) fn backing(volume: &AssignedVolume, path: &Path) -> Backing {
    let format = match volume.format {
        ImageFormat::Qcow2 => DiskFormat::Qcow2,
        ImageFormat::Raw | ImageFormat::Device => DiskFormat::Raw,
    };
    Backing::File {
        path: path.to_owned(),
        format,
    }
}

fn disk(volume: &AssignedVolume) -> TargetDisk {
    TargetDisk {
        index: volume.index,
        serial: format!("rehost-{}", volume.index),
        source_name: volume.name.clone(),
    }
}

fn fixup(name: &str) -> Result<FixupName, String> {
    let found = FixupName::ALL
        .into_iter()
        .find(|known| known.word() == name);
    found.ok_or_else(|| {
        let known: Vec<_> = FixupName::ALL.into_iter().map(FixupName::word).collect();
        format!("there is no fix-up {name}; there are {}", known.join(", "))
    })
}

/// A card of the source, unless it has no hardware address by which it could be told from others.
fn network(card: &BootCard, target_mac: &str) -> Result<Option<TargetNetwork>, String> {
    let Ok(source_mac) = card.source_mac.parse() else {
        return Ok(None);
    };
    let wrong = |what: &str| format!("{}: {what:?} is no address", card.source_name);
    let addressing = match &card.addressing {
        Addressing::Keep => FixupAddressing::Keep,
        Addressing::Dhcp => FixupAddressing::Dhcp,
        Addressing::Static {
            addresses,
            gateway,
            dns,
        } => FixupAddressing::Static {
            addresses: addresses
                .iter()
                .map(|text| text.parse().map_err(|_| wrong(text)))
                .collect::<Result<_, _>>()?,
            gateway: gateway
                .as_deref()
                .map(|text| text.parse().map_err(|_| wrong(text)))
                .transpose()?,
            dns: dns
                .iter()
                .map(|text| text.parse().map_err(|_| wrong(text)))
                .collect::<Result<_, _>>()?,
        },
    };
    Ok(Some(TargetNetwork {
        source_name: card.source_name.clone(),
        source_mac,
        target_mac: target_mac.parse().map_err(|_| wrong(target_mac))?,
        addressing,
    }))
}

fn probe(probe: &BootProbe) -> Probe {
    match probe {
        BootProbe::Tcp { port } => Probe {
            port: *port,
            kind: ProbeKind::Tcp,
        },
        BootProbe::Http { port, path, status } => Probe {
            port: *port,
            kind: ProbeKind::Http {
                path: path.clone(),
                status: Some(*status),
            },
        },
    }
}

fn forward(guest_port: u16) -> Forward {
    Forward {
        guest_port,
        host_port: 0,
    }
}

/// The hardware address of a card of the target: another one than that of the source, which is still
/// there, and the same at every boot of the task, so that a rehearsal tries what the cut-over does.
fn target_mac(task_id: &str, card: &str) -> String {
    // FNV-1a: stable for ever, which the hashes of the standard library do not promise.
    let text = task_id.bytes().chain([0]).chain(card.bytes());
    let hash = text.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let [.., a, b, c] = hash.to_be_bytes();
    format!("52:54:00:{a:02x}:{b:02x}:{c:02x}")
}

#[cfg(test)]
mod tests {
    use rehost_sms_api::rehost::BootSettings;

    use super::*;

    fn order(settings: BootSettings) -> BootOrder {
        let card = |name: &str, mac: &str| BootCard {
            source_name: name.into(),
            source_mac: mac.into(),
            addressing: Addressing::Keep,
        };
        BootOrder {
            boot_id: "b".into(),
            purpose: BootPurpose::Rehearsal,
            firmware: BootFirmware::Uefi,
            host_name: "web".into(),
            cards: vec![card("ens3", "52:54:00:11:22:33"), card("dummy0", "")],
            settings,
        }
    }

    fn volume() -> AssignedVolume {
        AssignedVolume {
            index: 1,
            name: "/dev/sdb".into(),
            size_bytes: 1,
            format: ImageFormat::Raw,
            device: None,
        }
    }

    const USUAL: MachineSize = MachineSize {
        cpus: 2,
        memory_mib: 1024,
    };

    #[test]
    fn an_order_becomes_a_boot_on_this_host() {
        let settings = BootSettings {
            probes: vec![BootProbe::Tcp { port: 5432 }],
            memory_mib: Some(512),
            skip_fixups: vec!["cloud-init".into()],
            ..BootSettings::default()
        };
        let boot = boot("t", &order(settings), &[volume()], USUAL).unwrap();
        assert_eq!((boot.cpus, boot.memory_mib), (2, 512));
        assert_eq!(boot.firmware, Firmware::Uefi);
        let request: FixupRequest = serde_json::from_value(boot.fixups).unwrap();
        assert_eq!(request.disks[0].serial, "rehost-1");
        assert_eq!(request.skip, [FixupName::CloudInit]);
        // A card without an address is there, and nothing is configured for it.
        assert_eq!((boot.networks.len(), request.networks.len()), (2, 1));
        let forwards = boot.networks[0].mode.forwards();
        assert_eq!(forwards[0].guest_port, 5432);
        assert!(matches!(
            boot.networks[0].mode,
            NetworkMode::Isolated { .. }
        ));
        assert_eq!(
            request.networks[0].target_mac.to_string(),
            boot.networks[0].mac
        );
        assert!(boot.heartbeat);
    }

    #[test]
    fn hardware_addresses_are_the_same_at_every_boot_and_differ_between_cards_and_tasks() {
        assert_eq!(target_mac("t", "a"), target_mac("t", "a"));
        assert_ne!(target_mac("t", "a"), target_mac("t", "b"));
        assert_ne!(target_mac("t", "a"), target_mac("u", "a"));
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let with = |settings| boot("t", &order(settings), &[volume()], USUAL).unwrap_err();
        let unknown = with(BootSettings {
            skip_fixups: vec!["magic".into()],
            ..BootSettings::default()
        });
        assert!(
            unknown.contains("magic") && unknown.contains("fstab"),
            "{unknown}"
        );
        let mut order = order(BootSettings::default());
        order.cards[0].addressing = Addressing::Static {
            addresses: vec!["10.0.0.1".into(), "nowhere".into()],
            gateway: None,
            dns: vec![],
        };
        let wrong = boot("t", &order, &[volume()], USUAL).unwrap_err();
        assert!(wrong.contains("ens3"), "{wrong}");
    }
}
