//! How a boot went.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use rehost_machines::{BootSign, ProbeResult, ProcessIdentity};
use serde::{Deserialize, Serialize};

use super::{BootOrder, BootPurpose};

/// How a boot went.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BootReport {
    /// The boot.
    pub boot_id: String,
    /// Why.
    pub purpose: BootPurpose,
    /// Whether the copy came up, and every probe passed.
    pub bootable: bool,
    /// Why not, in one line.
    pub reason: Option<String>,
    /// From the start of the copy's machine until it was up, in seconds.
    pub boot_seconds: Option<f64>,
    /// What the helper system took, from its start until it had powered off, in seconds.
    pub helper_seconds: Option<f64>,
    /// How the system showed that it is up.
    pub sign: Option<BootSign>,
    /// What the helper system reports; null if it came to nothing.
    pub fixups: serde_json::Value,
    /// What the probes found.
    pub probes: Vec<ProbeResult>,
    /// What the copy said on its serial console. The file may be missing if it was not started.
    pub console_log: PathBuf,
    /// The same of the helper system.
    pub helper_console_log: PathBuf,
    /// A picture of the copy's screen, in PNG.
    pub screenshot: Option<PathBuf>,
    /// The machine of a cut-over that succeeded.
    pub kept: Option<KeptMachine>,
    /// When it began, in milliseconds since 1970.
    pub started_at_ms: i64,
    /// When it ended, in milliseconds since 1970.
    pub ended_at_ms: i64,
}

/// A machine that stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptMachine {
    /// Its process.
    pub process: ProcessIdentity,
    /// Where its monitor listens: QEMU's machine protocol.
    pub monitor_socket: PathBuf,
    /// What it is made of, as JSON that can start it again after its host was switched off.
    pub specification: PathBuf,
    /// The images that it writes to, by number of the volume.
    pub overlays: Vec<PathBuf>,
    /// Ports of the machine, and where they are reached on its host.
    pub forwards: Vec<(u16, SocketAddr)>,
}

impl BootReport {
    /// Of a boot of which nothing is known yet.
    pub(super) fn begun(order: &BootOrder) -> Self {
        let now = now_ms();
        Self {
            boot_id: order.boot_id.clone(),
            purpose: order.purpose,
            bootable: false,
            reason: None,
            boot_seconds: None,
            helper_seconds: None,
            sign: None,
            fixups: serde_json::Value::Null,
            probes: vec![],
            console_log: PathBuf::new(),
            helper_console_log: PathBuf::new(),
            screenshot: None,
            kept: None,
            started_at_ms: now,
            ended_at_ms: now,
        }
    }
}

/// Now, in milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
