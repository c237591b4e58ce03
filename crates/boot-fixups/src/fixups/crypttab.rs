//! `/etc/crypttab`: nothing is changed. Which key opens a volume is its owner's matter; what the
//! target will ask for at its start has to be known before.

use crate::changes::Work;
use crate::error::FixupError;
use crate::facts::Named;
use crate::formats::fstab;

pub(super) fn run(work: &mut Work<'_>) -> Result<(), FixupError> {
    let Some(text) = work.read("/etc/crypttab")? else {
        return Ok(());
    };
    for line in text.lines() {
        let fields = fstab::fields(line);
        let field = |at: usize| fields.get(at).and_then(|range| line.get(range.clone()));
        let (Some(name), Some(device)) = (field(0), field(1)) else {
            continue;
        };
        let remark = match work.named(device) {
            Named::ByDevice(_) | Named::Missing => format!(
                "/etc/crypttab opens {name} from {device}, which has another name or is not on \
                 the target"
            ),
            Named::Stable(_) | Named::Other => {
                format!("/etc/crypttab opens {name} at start: the target needs its key")
            }
        };
        work.remark(remark);
    }
    Ok(())
}
