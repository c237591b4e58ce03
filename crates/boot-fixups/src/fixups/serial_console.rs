//! A login on the first serial port: where there is no network yet, it is the only way in.
//! What the kernel itself says there is a matter of its parameters.

use crate::changes::{READABLE, Work};
use crate::error::FixupError;

const WANTED: &str = "/etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service";
const MASKED: &str = "/etc/systemd/system/serial-getty@ttyS0.service";
const TEMPLATES: [&str; 2] = [
    "/usr/lib/systemd/system/serial-getty@.service",
    "/lib/systemd/system/serial-getty@.service",
];
/// Terminals on which root may log in, where there is such a list.
const SECURE_TERMINALS: &str = "/etc/securetty";
const INITTAB: &str = "/etc/inittab";
const INITTAB_LINE: &str = "S0:2345:respawn:/sbin/agetty -L 115200 ttyS0 vt102";

pub(super) fn run(work: &mut Work<'_>) -> Result<(), FixupError> {
    if !work.request.serial_console {
        work.remark("not asked for");
        return Ok(());
    }
    let template = TEMPLATES.iter().find(|path| work.root.has_entry(path));
    if let Some(template) = template {
        if work.root.link_target(MASKED).as_deref() == Some("/dev/null") {
            work.remove(MASKED)?;
        }
        work.link(WANTED, template)?;
    } else if let Some(text) = work.read(INITTAB)? {
        let has_line = text
            .lines()
            .any(|line| line.contains("ttyS0") && !line.trim_start().starts_with('#'));
        if !has_line {
            work.write(INITTAB, &with_line(&text, INITTAB_LINE), READABLE)?;
        }
    } else {
        work.remark("this system has neither systemd nor /etc/inittab: no login on ttyS0");
    }
    if let Some(text) = work.read(SECURE_TERMINALS)?
        && !text.lines().any(|line| line.trim() == "ttyS0")
    {
        work.write(SECURE_TERMINALS, &with_line(&text, "ttyS0"), READABLE)?;
    }
    Ok(())
}

fn with_line(text: &str, line: &str) -> String {
    let gap = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{text}{gap}{line}\n")
}
