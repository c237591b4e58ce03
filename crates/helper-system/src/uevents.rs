//! Waits for devices: the kernel tells of each that comes on a socket, and after each message we
//! look whether what we wait for is there.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use rustix::time::Timespec;

/// The kernel's messages; those of udev, which we do not have, are in another group.
const KERNEL_MESSAGES: u32 = 1;
/// We look this often even when the kernel says nothing: it drops messages that are not fetched.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The socket on which the kernel tells of devices.
#[derive(Debug)]
pub(crate) struct Uevents(OwnedFd);

impl Uevents {
    /// Listens from now on.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(crate) fn listen() -> Result<Self> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(KOBJECT_UEVENT),
        )
        .context("listen to what the kernel tells of devices")?;
        bind(&socket, &SocketAddrNetlink::new(0, KERNEL_MESSAGES))
            .context("listen to what the kernel tells of devices")?;
        Ok(Self(socket))
    }

    /// Looks until there is something to see. `Ok(None)` if there is nothing within `limit`.
    ///
    /// # Errors
    /// If looking fails.
    pub(crate) fn look_for<T>(
        &self,
        limit: Duration,
        mut look: impl FnMut() -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let end = Instant::now() + limit;
        loop {
            if let Some(found) = look()? {
                return Ok(Some(found));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.wait(left.min(LOOK_AGAIN))?;
        }
    }

    fn wait(&self, limit: Duration) -> Result<()> {
        let limit = Timespec::try_from(limit).context("wait for devices")?;
        let mut sockets = [PollFd::new(&self.0, PollFlags::IN)];
        match poll(&mut sockets, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(errno) => bail!("wait for devices: {errno}"),
        }
        // What the messages say does not matter. An error means that some were lost: we look anyway.
        let mut message = [0; 4096];
        while recv(&self.0, &mut message[..], RecvFlags::empty()).is_ok() {}
        Ok(())
    }
}
