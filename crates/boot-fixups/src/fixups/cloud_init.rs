//! cloud-init takes a copy for a new machine: it would write network files anew, change the host
//! name, delete host keys, lock passwords and grow the root file system. It stays installed, and
//! is told to leave alone what is configured. Removing the one file undoes this.

use crate::changes::{READABLE, Work};
use crate::error::FixupError;

const PATH: &str = "/etc/cloud/cloud.cfg.d/99-rehost.cfg";
const TEXT: &str = "\
# Written by rehost: this system was copied with all that is configured on it.
network: {config: disabled}
preserve_hostname: true
manage_etc_hosts: false
ssh_deletekeys: false
users: []
locale: false
apt: {preserve_sources_list: true}
growpart: {mode: 'off'}
resize_rootfs: false
";

pub(super) fn run(work: &mut Work<'_>) -> Result<(), FixupError> {
    if !work.root.is_directory("/etc/cloud/cloud.cfg.d")
        && !work.root.is_file("/etc/cloud/cloud.cfg")
    {
        return Ok(());
    }
    work.write(PATH, TEXT, READABLE)
}
