//! What host and helper system say to each other over the virtio-serial port: one JSON object a
//! line, in both directions.
//!
//! The helper says [`Event::Ready`], the host sends one [`Request`], the helper says any number of
//! [`Event::Log`] and then [`Event::Done`] or [`Event::Failed`], and powers off. A host that closes
//! the port has ended the helper, too.

use rehost_boot_fixups::{FixupReport, FixupRequest};
use serde::{Deserialize, Serialize};

/// The name of the port.
pub const PORT_NAME: &str = "org.rehost.helper";
/// The version of the messages.
pub const VERSION: u32 = 1;
/// A longer request is refused.
pub const MAX_REQUEST_BYTES: usize = 1 << 20;
/// Longer log lines are cut.
pub const MAX_LOG_LINE_BYTES: usize = 4096;

/// What the host wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// [`VERSION`].
    pub version: u32,
    /// The disks, and how the system on them is to start.
    pub fixups: FixupRequest,
}

/// What the helper says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// It runs and waits for a request.
    Ready,
    /// For people who look for a reason.
    Log {
        /// What happens.
        line: String,
    },
    /// The disks hold a system that should start, and nothing is in flight to them any more.
    Done {
        /// What was found and done.
        report: FixupReport,
    },
    /// The system on the disks is not expected to start.
    Failed {
        /// Why, naming the file or device.
        reason: String,
        /// What was found and done before, if it came that far.
        report: Option<FixupReport>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_written_as_hosts_expect_them() {
        let line = |event: &Event| serde_json::to_string(event).unwrap();
        assert_eq!(line(&Event::Ready), r#"{"event":"ready"}"#);
        assert_eq!(
            line(&Event::Log { line: "a".into() }),
            r#"{"event":"log","line":"a"}"#
        );
        assert_eq!(
            line(&Event::Failed {
                reason: "/etc/fstab: b".into(),
                report: None
            }),
            r#"{"event":"failed","reason":"/etc/fstab: b","report":null}"#
        );
    }

    #[test]
    fn a_request_is_read_as_hosts_write_it() {
        let text = r#"{"version":1,"fixups":{"firmware":"bios","disks":[
            {"index":0,"serial":"rehost-0","source_name":"/dev/sda"}]}}"#;
        let request: Request = serde_json::from_str(text).unwrap();
        assert_eq!(request.version, VERSION);
        assert_eq!(request.fixups.disks[0].serial, "rehost-0");
    }
}
