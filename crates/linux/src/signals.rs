//! Signals that a process must outlive.

use crate::SystemCallError;
use rustix::io::Errno;

/// Makes this process ignore the signals by which people and service managers end programs: hang-up,
/// interrupt, termination. For a process that undoes something when its parent goes away, and that
/// must not be ended before its parent is.
///
/// # Errors
/// [`SystemCallError::IgnoreSignal`]; Linux documents none for these signals.
pub fn ignore_termination() -> Result<(), SystemCallError> {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
        // SAFETY: SIG_IGN runs no code of ours in a signal handler, and these signals can be ignored.
        if unsafe { libc::signal(signal, libc::SIG_IGN) } == libc::SIG_ERR {
            let errno = Errno::from_io_error(&std::io::Error::last_os_error());
            return Err(SystemCallError::IgnoreSignal(errno.unwrap_or(Errno::INVAL)));
        }
    }
    Ok(())
}
