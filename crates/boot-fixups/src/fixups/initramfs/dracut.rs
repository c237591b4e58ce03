//! dracut of Fedora, its relatives, and SUSE.

use crate::changes::Work;
use crate::error::FixupError;
use crate::system::kernels::Kernel;

/// Read after the distribution's own, which may set `hostonly="yes"`.
const SETTINGS: &str = "/etc/dracut.conf.d/99-rehost.conf";

pub(super) fn configure(work: &mut Work<'_>, kernels: &[Kernel]) -> Result<(), FixupError> {
    let drivers = super::common_modules(kernels).join(" ");
    let text = format!(
        "# Written by rehost: this system may run on other hardware than the one it was built \
         on.\nhostonly=\"no\"\nadd_drivers+=\" {drivers} \"\n"
    );
    super::write_settings(work, SETTINGS, &text)
}

/// Builds for each kernel by itself: `--regenerate-all` fails as a whole for the remains of a
/// removed kernel. Kernels for rescue have an image for any hardware from the beginning.
pub(super) fn build(work: &mut Work<'_>, kernels: &[Kernel]) -> Result<(), FixupError> {
    let program = work
        .find_program(&["dracut"])
        .ok_or_else(|| FixupError::Essential("/usr/bin/dracut is not there".to_owned()))?;
    for kernel in kernels {
        let version = kernel.version.as_str();
        match &kernel.initramfs {
            Some(image) => work.run(&program, &["--force", image, version])?,
            None => work.run(&program, &["--force", "--kver", version])?,
        }
    }
    Ok(())
}
