//! Feasibility checks of a source server: the registration is given to the rules, and what they
//! found is written as SMS does (SMS, `checks`).

use rehost_migration::feasibility::{
    self, Check, LinuxMembers, Registered, Verdict, WindowsMembers,
};
use rehost_migration::inventory::OsFamily;
use rehost_sms_api::bodies::{EnvironmentCheck, PostSourceServerBody};

use super::sources::rules_inventory;
use super::stored::to_json;
use crate::errors::ApiError;

/// Longest parameter of a check (SMS).
const MAX_PARAM_CHARS: usize = 255;

/// Checks a registration, and says whether nothing stands against a migration.
pub(crate) fn run(
    source: &PostSourceServerBody,
) -> Result<(Vec<EnvironmentCheck>, bool), ApiError> {
    let checks = feasibility::run(&registered(source));
    let shown = (1..).zip(&checks).map(|(id, check)| shown(id, check));
    Ok((
        shown.collect::<Result<_, _>>()?,
        feasibility::passed(&checks),
    ))
}

fn registered(source: &PostSourceServerBody) -> Registered {
    Registered {
        family: source.os_type.as_deref().and_then(OsFamily::from_word),
        inventory: rules_inventory(source),
        os_version: source.os_version.clone(),
        firmware: source.firmware.clone(),
        cpu_quantity: source.cpu_quantity,
        memory: source.memory,
        linux: LinuxMembers {
            boot_loader: source.boot_loader.clone(),
            has_rsync: source.has_rsync,
            paravirtualization: source.paravirtualization,
            raw_devices: source.raw_devices.clone(),
            io_read_wait_ms: source.io_read_wait,
            tells_volumes: source.volume_groups.is_some() && source.btrfs_list.is_some(),
        },
        windows: WindowsMembers {
            system_dir: source.system_dir.clone(),
            driver_files_missing: source.driver_files,
            services_abnormal: source.system_services,
            account_rights: source.account_rights,
            oem_system: source.oem_system,
        },
    }
}

fn shown(id: u64, check: &Check) -> Result<EnvironmentCheck, ApiError> {
    let finding = check.finding.as_ref();
    let verdict = check.verdict().as_str().to_owned();
    Ok(EnvironmentCheck {
        id,
        params: shortened(&check.params),
        name: check.name.to_owned(),
        error_code: finding.map(|finding| finding.code.to_owned()),
        error_or_warn: (check.verdict() != Verdict::Ok).then(|| verdict.clone()),
        error_params: finding
            .map(|finding| to_json(&shortened(&finding.params)))
            .transpose()?,
        result: verdict,
    })
}

fn shortened(params: &[String]) -> Vec<String> {
    let short = |param: &String| param.chars().take(MAX_PARAM_CHARS).collect();
    params.iter().map(short).collect()
}

#[cfg(test)]
mod tests {
    use rehost_sms_api::bodies::ServerDisk;

    use super::*;

    #[test]
    fn a_failed_check_is_shown_with_its_code_and_a_passed_one_without() {
        let source = PostSourceServerBody {
            os_type: Some("linux".into()),
            os_version: Some("DEBIAN_12_64BIT".into()),
            firmware: Some("bios".into()),
            disks: Some(vec![ServerDisk {
                name: Some("/dev/vda".into()),
                size: Some(1 << 30),
                ..ServerDisk::default()
            }]),
            ..PostSourceServerBody::default()
        };
        let (checks, passed) = run(&source).unwrap();
        assert!(passed, "{checks:?}");
        let ids: Vec<_> = checks.iter().map(|check| check.id).collect();
        assert_eq!(ids, (1..=13).collect::<Vec<_>>());
        let named = |name: &str| checks.iter().find(|check| check.name == name).unwrap();
        assert_eq!(named("FIRMWARE").error_code, None);
        let rsync = named("RSYNC");
        assert_eq!(rsync.error_or_warn.as_deref(), Some("WARN"));
        assert_eq!(rsync.error_code.as_deref(), Some("SMS.6517"));

        let diskless = PostSourceServerBody {
            disks: None,
            ..source
        };
        let (checks, passed) = run(&diskless).unwrap();
        assert!(!passed);
        let disks = checks.iter().find(|check| check.name == "DISK_INFO");
        assert_eq!(disks.unwrap().error_params.as_deref(), Some("[]"));
    }
}
