//! A line on the serial console when multi-user mode is reached: whoever watches a rehearsal
//! learns that the copy is up, and by its name which one.

use crate::changes::{READABLE, Work};
use crate::error::FixupError;

const UNIT: &str = "/etc/systemd/system/rehost-heartbeat.service";
const WANTED: &str = "/etc/systemd/system/multi-user.target.wants/rehost-heartbeat.service";
/// The line begins on a line of its own, because a login prompt may stand before it.
const TEXT: &str = "\
# Written by rehost: says on the serial console that this system is up.
[Unit]
Description=Say on the serial console that the system is up
After=multi-user.target

[Service]
Type=oneshot
ExecStart=/bin/sh -c '{ echo; echo \"REHOST-HEARTBEAT multi-user %H\"; } > /dev/ttyS0'

[Install]
WantedBy=multi-user.target
";

pub(super) fn run(work: &mut Work<'_>) -> Result<(), FixupError> {
    if !work.request.heartbeat {
        work.remark("not asked for");
        return Ok(());
    }
    if work.system.systemd.is_none() {
        work.remark("this system has no systemd: watch for its login prompt instead");
        return Ok(());
    }
    work.write(UNIT, TEXT, READABLE)?;
    work.link(WANTED, UNIT)
}
