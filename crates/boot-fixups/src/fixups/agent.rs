//! The agent of the source does not run on the copy: it has the identity of the source, and two
//! machines would speak in one name.
//!
//! A mark keeps it from being started, whatever starts it as a unit; who wants to migrate the
//! target one day enrols it anew and removes the mark.

use crate::changes::{READABLE, Work};
use crate::error::FixupError;

const UNIT: &str = "rehost-agent.service";
const UNITS: &str = "/etc/systemd/system";
const MARK: &str = "/etc/rehost/copied";
const STATE_DIRECTORY: &str = "/var/lib/rehost-agent";

const MARK_TEXT: &str = "\
This system is a copy that rehost made. Its agent has the identity of the source and stays off.
Before this system is migrated itself: remove the agent's state directory, enrol it anew, and
remove this file.
";
const DROP_IN: &str = "\
# Written by rehost: the agent belongs to the source that this system was copied from.
[Unit]
ConditionPathExists=!/etc/rehost/copied
";

pub(super) fn run(work: &mut Work<'_>) -> Result<(), FixupError> {
    let is_installed = [
        "/etc/systemd/system",
        "/usr/lib/systemd/system",
        "/lib/systemd/system",
    ]
    .iter()
    .any(|directory| work.root.has_entry(&format!("{directory}/{UNIT}")));
    let has_state = work.root.is_directory(STATE_DIRECTORY);
    if !is_installed && !has_state {
        return Ok(());
    }
    work.write(MARK, MARK_TEXT, READABLE)?;
    if has_state {
        work.write(&format!("{STATE_DIRECTORY}/copied"), MARK_TEXT, READABLE)?;
    }
    if is_installed {
        let drop_in = format!("{UNITS}/{UNIT}.d/90-rehost-copied.conf");
        work.write(&drop_in, DROP_IN, READABLE)?;
        for name in work.root.list(UNITS)? {
            if name.ends_with(".wants") || name.ends_with(".requires") {
                work.remove(&format!("{UNITS}/{name}/{UNIT}"))?;
            }
        }
    }
    Ok(())
}
