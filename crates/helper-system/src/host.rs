//! The port to the host: finding it, reading the one request, writing events, and noticing that the
//! host is gone, which ends this machine, because nobody would do so any more.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::Timespec;

use crate::protocol::{Event, MAX_LOG_LINE_BYTES, MAX_REQUEST_BYTES, PORT_NAME, Request, VERSION};
use crate::uevents::Uevents;
use crate::{console, power, sysfs};

const PORTS: &str = "/sys/class/virtio-ports";
/// The port appears as soon as its driver has spoken to the host.
const PORT_LIMIT: Duration = Duration::from_secs(60);
/// A host that has not said what it wants by then has forgotten us.
const REQUEST_LIMIT: Duration = Duration::from_secs(600);
/// Between two looks at a port that nobody holds open: the kernel cannot be asked to wait for that.
const PAUSE: Duration = Duration::from_millis(20);

/// The port to the host. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    port: Arc<Mutex<File>>,
}

impl Host {
    /// Waits for the port, and for a host that holds its other end open.
    ///
    /// # Errors
    /// If there is no such port, or nobody at it.
    pub(crate) fn connect(uevents: &Uevents) -> Result<Self> {
        let device = uevents
            .look_for(PORT_LIMIT, || Ok(find_port(Path::new(PORTS))))?
            .with_context(|| format!("this machine has no port {PORT_NAME}"))?;
        let port = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&device)
            .with_context(|| format!("open {}", device.display()))?;
        wait_for_host(&port)?;
        Ok(Self {
            port: Arc::new(Mutex::new(port)),
        })
    }

    /// Reads the request. From then on a host that closes the port ends this machine.
    ///
    /// # Errors
    /// If the host says nothing in time, or something that makes no sense.
    pub(crate) fn request(&self) -> Result<Request> {
        let mut port = self.lock().try_clone()?;
        let line = read_line(&mut port)?;
        let watched = port;
        std::thread::Builder::new()
            .name("host-watch".into())
            .spawn(move || power_off_without_host(&watched))?;
        parse(&line)
    }

    /// Says something. What cannot be said any more is said on the console.
    pub(crate) fn say(&self, event: &Event) {
        let written = serde_json::to_vec(event)
            .map_err(Into::into)
            .and_then(|mut line| {
                line.push(b'\n');
                // Waits while nobody holds the port open at the other end.
                self.lock().write_all(&line)
            });
        if let Err(error) = written {
            console::line(&format!("cannot tell the host: {error}"));
        }
    }

    /// Says what happens, to the host and on the console.
    pub(crate) fn log(&self, text: &str) {
        let line = cut(text, MAX_LOG_LINE_BYTES);
        console::line(line);
        self.say(&Event::Log { line: line.into() });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, File> {
        self.port.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The device of the port, once the host has told its name.
fn find_port(ports: &Path) -> Option<PathBuf> {
    let names = sysfs::names_in(ports).ok()?;
    names
        .into_iter()
        .find(|name| sysfs::attribute(&ports.join(name), "name").as_deref() == Some(PORT_NAME))
        .map(|name| Path::new("/dev").join(name))
}

fn wait_for_host(port: &File) -> Result<()> {
    let end = Instant::now() + REQUEST_LIMIT;
    while !wait(port, PollFlags::OUT, end)?.contains(PollFlags::OUT) {
        ensure!(Instant::now() < end, "no host opens the port {PORT_NAME}");
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Reads a line of [`MAX_REQUEST_BYTES`] at most.
fn read_line(port: &mut File) -> Result<Vec<u8>> {
    let end = Instant::now() + REQUEST_LIMIT;
    let mut line = Vec::new();
    let mut part = [0; 4096];
    loop {
        ensure!(Instant::now() < end, "the host does not say what it wants");
        let events = wait(port, PollFlags::IN, end)?;
        if !events.contains(PollFlags::IN) {
            bail!("the host has closed the port and has not said what it wants");
        }
        let count = port.read(&mut part).context("read the request")?;
        let part = part.get(..count).unwrap_or_default();
        if let Some(length) = part.iter().position(|byte| *byte == b'\n') {
            line.extend_from_slice(part.get(..length).unwrap_or_default());
            return Ok(line);
        }
        line.extend_from_slice(part);
        ensure!(
            line.len() <= MAX_REQUEST_BYTES,
            "the request is longer than {MAX_REQUEST_BYTES} bytes"
        );
    }
}

fn wait(port: &File, flags: PollFlags, end: Instant) -> Result<PollFlags> {
    let limit = end.saturating_duration_since(Instant::now());
    let limit = Timespec::try_from(limit).context("wait for the host")?;
    let mut ports = [PollFd::new(port, flags)];
    match poll(&mut ports, Some(&limit)) {
        Ok(_) | Err(Errno::INTR) => Ok(ports[0].revents()),
        Err(errno) => bail!("wait for the host: {errno}"),
    }
}

fn parse(line: &[u8]) -> Result<Request> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u32,
    }
    let Versioned { version } = serde_json::from_slice(line).context("understand the request")?;
    ensure!(
        version == VERSION,
        "the request is of version {version}, this helper system understands {VERSION}"
    );
    serde_json::from_slice(line).context("understand the request")
}

fn power_off_without_host(port: &File) {
    loop {
        let mut ports = [PollFd::new(port, PollFlags::empty())];
        match poll(&mut ports, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(errno) => {
                console::line(&format!("cannot watch the host: {errno}"));
                return;
            }
        }
        if ports[0].revents().contains(PollFlags::HUP) {
            console::line("the host has closed the port");
            power::off();
        }
    }
}

/// The beginning of a text, `limit` bytes at most.
fn cut(text: &str, limit: usize) -> &str {
    if text.len() <= limit {
        return text;
    }
    let end = (0..=limit).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_found_by_its_name() {
        let ports = tempfile::tempdir().unwrap();
        assert_eq!(find_port(ports.path()), None);
        for (port, name) in [("vport1p1", "org.qemu.guest_agent.0\n"), ("vport1p2", "")] {
            std::fs::create_dir(ports.path().join(port)).unwrap();
            std::fs::write(ports.path().join(port).join("name"), name).unwrap();
        }
        assert_eq!(find_port(ports.path()), None);
        std::fs::write(ports.path().join("vport1p2/name"), "org.rehost.helper\n").unwrap();
        assert_eq!(find_port(ports.path()), Some("/dev/vport1p2".into()));
    }

    #[test]
    fn a_request_of_another_version_is_refused_by_its_version() {
        let error = parse(br#"{"version":2,"fixups":{"unknown":1}}"#).unwrap_err();
        assert!(error.to_string().contains("version 2"), "{error}");
        assert!(parse(b"hello").is_err());
    }

    #[test]
    fn lines_are_cut_between_characters() {
        assert_eq!(cut("ab", 2), "ab");
        assert_eq!(cut("aäb", 2), "a");
        assert_eq!(cut("äb", 0), "");
    }
}
