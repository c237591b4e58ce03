//! Feasibility checks of a source server (SMS, `checks`).
//!
//! SMS checks what its own agent needs (rsync, GRUB, tc, a known operating system). Rehost copies
//! blocks, so it needs less; a check that no longer matters is not reported as passed but left out.
//! One ERROR makes the source server unavailable.

use rehost_sms_api::bodies::{EnvironmentCheck, PostSourceServerBody, ServerDisk};
use rehost_sms_api::errors::ErrorCode;

const OK: &str = "OK";
const WARN: &str = "WARN";
const ERROR: &str = "ERROR";

/// Below this a migration would compete with the server itself (SMS: free memory above 256 MB).
const SMALL_MEMORY_BYTES: u64 = 512 * 1024 * 1024;
/// Registrations give bytes although the reference says MB; no server has so little memory in bytes.
const LARGEST_MEGABYTES: u64 = 64 * 1024 * 1024;

/// Checks a registration.
pub(crate) fn run(source: &PostSourceServerBody) -> Vec<EnvironmentCheck> {
    let disks = source.disks.as_deref().unwrap_or_default();
    let windows = source
        .os_type
        .as_deref()
        .is_some_and(|os| os.eq_ignore_ascii_case("WINDOWS"));
    let firmware = source.firmware.as_deref().unwrap_or_default();
    let known_firmware = ["BIOS", "UEFI"]
        .iter()
        .any(|known| firmware.eq_ignore_ascii_case(known));
    let mut checks = vec![
        check(
            "OS_VERSION",
            source.os_version.iter().cloned().collect(),
            None,
        ),
        check(
            "FIRMWARE",
            vec![firmware.to_owned()],
            (!known_firmware).then_some((WARN, "SMS.6505")),
        ),
        check(
            "CPU",
            source
                .cpu_quantity
                .iter()
                .map(ToString::to_string)
                .collect(),
            (source.cpu_quantity == Some(0)).then_some((WARN, "SMS.6506")),
        ),
        check(
            "MEMORY",
            source.memory.iter().map(ToString::to_string).collect(),
            source
                .memory
                .is_some_and(is_small)
                .then_some((WARN, "SMS.6514")),
        ),
        check(
            "DISK_INFO",
            disks.iter().filter_map(|disk| disk.name.clone()).collect(),
            (!disks.iter().any(is_usable)).then_some((ERROR, ErrorCode::NoDisks.code())),
        ),
    ];
    if windows {
        // Disks of a running Windows server cannot be frozen by anything that we have.
        checks.push(check(
            "OS_TYPE",
            vec!["WINDOWS".into()],
            Some((WARN, "SMS.6503")),
        ));
    }
    for (id, check) in (1..).zip(&mut checks) {
        check.id = id;
    }
    checks
}

/// Whether nothing stands against a migration.
pub(crate) fn passed(checks: &[EnvironmentCheck]) -> bool {
    checks.iter().all(|check| check.result != ERROR)
}

/// A disk that can be migrated: it has a name and a size.
pub(crate) fn is_usable(disk: &ServerDisk) -> bool {
    disk.name.as_deref().is_some_and(|name| !name.is_empty())
        && disk.size.is_some_and(|size| size > 0)
}

fn is_small(memory: u64) -> bool {
    let bytes = if memory <= LARGEST_MEGABYTES {
        memory.saturating_mul(1024 * 1024)
    } else {
        memory
    };
    bytes < SMALL_MEMORY_BYTES
}

fn check(
    name: &str,
    params: Vec<String>,
    failed: Option<(&'static str, &'static str)>,
) -> EnvironmentCheck {
    let (result, code) = failed.unzip();
    EnvironmentCheck {
        id: 0,
        params,
        name: name.to_owned(),
        result: result.unwrap_or(OK).to_owned(),
        error_code: code.map(str::to_owned),
        error_or_warn: result.map(str::to_owned),
        error_params: code.map(|_| "[]".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> PostSourceServerBody {
        PostSourceServerBody {
            os_version: Some("DEBIAN_12_64BIT".into()),
            firmware: Some("bios".into()),
            memory: Some(4096),
            disks: Some(vec![ServerDisk {
                name: Some("/dev/vda".into()),
                size: Some(1 << 30),
                ..ServerDisk::default()
            }]),
            ..PostSourceServerBody::default()
        }
    }

    #[test]
    fn a_server_with_a_disk_passes_without_warning() {
        let checks = run(&source());
        assert!(checks.iter().all(|check| check.result == OK), "{checks:?}");
        assert_eq!(
            checks.iter().map(|check| check.id).collect::<Vec<_>>(),
            [1, 2, 3, 4, 5]
        );
    }

    #[test]
    fn a_server_without_a_usable_disk_is_unavailable() {
        for disks in [None, Some(vec![]), Some(vec![ServerDisk::default()])] {
            let checks = run(&PostSourceServerBody { disks, ..source() });
            assert!(!passed(&checks));
            let failed: Vec<_> = checks
                .iter()
                .filter(|check| check.result == ERROR)
                .collect();
            assert_eq!(failed[0].error_code.as_deref(), Some("SMS.6519"));
        }
    }

    #[test]
    fn a_warning_stops_nobody() {
        let odd = PostSourceServerBody {
            firmware: None,
            memory: Some(100 << 20),
            ..source()
        };
        let checks = run(&odd);
        assert!(passed(&checks));
        assert_eq!(
            checks.iter().filter(|check| check.result == WARN).count(),
            2
        );
    }
}
