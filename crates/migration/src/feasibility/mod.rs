//! Feasibility checks of a source server (SMS, `checks`): what stands against its migration.
//!
//! SMS checks what its own agent needs: rsync, GRUB, a kernel on its list. Rehost copies blocks and
//! leaves them as they are, so most of that prevents nothing here. What is told apart is this:
//!
//! - **ERROR**: no migration can come of it. There is no disk to copy, there are more than fit a
//!   target, the target would start from the wrong disk, the agent may not read. The source server
//!   is `unavailable` then.
//! - **WARN**: it can be migrated, but look at it: the target may not start, or people expect
//!   something that a copy of blocks does not do. A member that SMS demands and that is absent
//!   fails its check, too, as a warning.
//!
//! The table `feasibility.md` shows every condition.

mod disks;
mod linux;
mod windows;

use crate::inventory::{Inventory, MIB, OsFamily};

/// Below this a migration would compete with the server itself (SMS: free memory above 256 MB).
const SMALL_MEMORY_BYTES: u64 = 512 * MIB;
/// Registrations give bytes although the reference says MB; no server has so little memory in bytes.
const LARGEST_MEGABYTES: u64 = 64 * 1024 * 1024;
/// Names in the parameters of a check; a server with more of them has other worries.
const MAX_NAMES: usize = 10;

/// What a source server says of itself when it registers. Absent members are `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registered {
    /// Family of the operating system; `None` if SMS has no such family.
    pub family: Option<OsFamily>,
    /// Disks and what is on them.
    pub inventory: Inventory,
    /// `os_version`
    pub os_version: Option<String>,
    /// `firmware`
    pub firmware: Option<String>,
    /// `cpu_quantity`
    pub cpu_quantity: Option<u32>,
    /// `memory`, as it came: bytes or MB.
    pub memory: Option<u64>,
    /// What only Linux servers say.
    pub linux: LinuxMembers,
    /// What only Windows servers say.
    pub windows: WindowsMembers,
}

/// Members of a Linux server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinuxMembers {
    /// `boot_loader`
    pub boot_loader: Option<String>,
    /// `has_rsync`
    pub has_rsync: Option<bool>,
    /// `paravirtualization`
    pub paravirtualization: Option<bool>,
    /// `raw_devices`
    pub raw_devices: Option<String>,
    /// `io_read_wait`: read latency of the disks, in milliseconds.
    pub io_read_wait_ms: Option<f64>,
    /// Whether `volume_groups` and `btrfs_list` were given, even if empty.
    pub tells_volumes: bool,
}

/// Members of a Windows server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WindowsMembers {
    /// `system_dir`
    pub system_dir: Option<String>,
    /// `driver_files`: whether some are missing.
    pub driver_files_missing: Option<bool>,
    /// `system_services`: whether one of them is in an abnormal state.
    pub services_abnormal: Option<bool>,
    /// `account_rights`: whether the agent has enough of them.
    pub account_rights: Option<bool>,
    /// `oem_system`
    pub oem_system: Option<bool>,
}

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Nothing was found.
    Ok,
    /// Something to look at.
    Warn,
    /// No migration can come of it.
    Error,
}

impl Verdict {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
        }
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it prevents a migration.
    pub verdict: Verdict,
    /// SMS code, such as `SMS.6519`.
    pub code: &'static str,
    /// What it was found in, such as names of disks.
    pub params: Vec<String>,
}

/// A check and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// SMS's name of it, such as `DISK_INFO`.
    pub name: &'static str,
    /// What was looked at.
    pub params: Vec<String>,
    /// The gravest thing that was found, if anything.
    pub finding: Option<Finding>,
}

impl Check {
    /// How it ended.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.finding
            .as_ref()
            .map_or(Verdict::Ok, |finding| finding.verdict)
    }
}

/// Checks a registration; the checks are those that SMS has for the operating system, in its order.
#[must_use]
pub fn run(source: &Registered) -> Vec<Check> {
    match source.family {
        Some(OsFamily::Linux) => linux::run(source),
        Some(OsFamily::Windows) => windows::run(source),
        None => {
            let unknown = error("SMS.6601", Vec::new());
            vec![check("OS_VERSION", said(&source.os_version), [unknown])]
        }
    }
}

/// Whether nothing stands against a migration: otherwise the source server is `unavailable`.
#[must_use]
pub fn passed(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.verdict() != Verdict::Error)
}

/// A check with what was found: the gravest counts, and of equally grave ones the first.
fn check(
    name: &'static str,
    params: Vec<String>,
    found: impl IntoIterator<Item = Option<Finding>>,
) -> Check {
    let mut finding: Option<Finding> = None;
    for next in found.into_iter().flatten() {
        if finding
            .as_ref()
            .is_none_or(|known| known.verdict < next.verdict)
        {
            finding = Some(next);
        }
    }
    Check {
        name,
        params,
        finding,
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "checks take what they found as options"
)]
fn error(code: &'static str, params: Vec<String>) -> Option<Finding> {
    Some(Finding {
        verdict: Verdict::Error,
        code,
        params,
    })
}

/// A warning, if there is something to warn of.
fn warning(found: bool, code: &'static str) -> Option<Finding> {
    found.then(|| Finding {
        verdict: Verdict::Warn,
        code,
        params: Vec::new(),
    })
}

/// A warning about things, if there are any.
fn warning_of(things: Vec<String>, code: &'static str) -> Option<Finding> {
    (!things.is_empty()).then_some(Finding {
        verdict: Verdict::Warn,
        code,
        params: things,
    })
}

fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    names
        .into_iter()
        .take(MAX_NAMES)
        .map(str::to_owned)
        .collect()
}

/// A member as a parameter; none if it is absent or empty.
fn said(member: &Option<String>) -> Vec<String> {
    let given = member.iter().filter(|text| !text.is_empty());
    given.cloned().collect()
}

fn number(member: Option<impl ToString>) -> Vec<String> {
    member.iter().map(ToString::to_string).collect()
}

fn firmware(source: &Registered) -> Check {
    let known = source.firmware.as_deref().is_some_and(|firmware| {
        ["BIOS", "UEFI"]
            .iter()
            .any(|known| firmware.eq_ignore_ascii_case(known))
    });
    check(
        "FIRMWARE",
        said(&source.firmware),
        [warning(!known, "SMS.6505")],
    )
}

fn cpu(source: &Registered) -> Check {
    check(
        "CPU",
        number(source.cpu_quantity),
        [warning(source.cpu_quantity == Some(0), "SMS.6506")],
    )
}

fn memory(source: &Registered) -> Check {
    let small = source
        .memory
        .is_some_and(|memory| memory_bytes(memory) < SMALL_MEMORY_BYTES);
    check(
        "MEMORY",
        number(source.memory),
        [warning(small, "SMS.6514")],
    )
}

fn memory_bytes(memory: u64) -> u64 {
    if memory <= LARGEST_MEGABYTES {
        memory.saturating_mul(MIB)
    } else {
        memory
    }
}
