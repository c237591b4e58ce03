//! Measures the link to a receiver over the very path that the disks take: the same port, the same
//! certificates, the same frames. Nothing of the task is touched.
//!
//! First the connection is set up a few times, one after the other, which shows how long a message
//! and its answer take and how often none comes. Then probes are sent over as many streams as a
//! migration would have, for a few seconds, and what arrived is counted.

use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Connection};

use super::{Control, Peer, SourceError};
use crate::transport::{self, FrameReader, FrameWriter};
use crate::wire::{Failure, Kind};

/// How often the connection is set up.
const ATTEMPTS: u32 = 10;
/// Who has not answered at all after so many attempts is not going to.
const VAIN_ATTEMPTS: u32 = 3;
/// Time between two attempts, so that they do not all meet the same moment.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(100);
/// How long an attempt may take to connect, and then for each answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// For how long probes are sent.
const SENDING_TIME: Duration = Duration::from_secs(3);
/// How long the answers to what was sent are waited for then: on a slow link much is on its way.
const ANSWER_TIME: Duration = Duration::from_secs(7);
/// Length of a probe in bytes: small enough that a slow link answers some in time.
const PROBE_BYTES: usize = 64 << 10;
/// Probes that may be unanswered on a stream: 2 MiB keep a fast and distant link busy.
const UNANSWERED: u64 = 32;

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct LinkProbe {
    /// The receiver.
    pub peer: Peer,
    /// Presents the task's certificate and trusts the task's CA alone.
    pub tls: Arc<rustls::ClientConfig>,
    /// Streams over which probes are sent at the same time, 1 to 64.
    pub streams: u32,
}

/// What was measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkFigures {
    /// How often the connection was tried.
    pub attempts: u32,
    /// How long TCP took to connect, for each attempt that came through to an answer of the
    /// receiver itself.
    pub connected_in: Vec<Duration>,
    /// What arrived, in bytes per second; absent if nothing did.
    pub bytes_per_second: Option<f64>,
    /// Why attempts failed, for people: the last reason.
    pub trouble: Option<String>,
}

/// Measures; takes some seconds. What is sent keeps to the rate limit of `control`, and a stop that
/// it asks for ends the measurement early.
#[must_use]
pub fn measure(probe: &LinkProbe, control: &Control) -> LinkFigures {
    let mut figures = LinkFigures::default();
    let addresses = match resolve(&probe.peer) {
        Ok(addresses) => addresses,
        Err(error) => {
            figures.attempts = 1;
            figures.trouble = Some(told(SourceError::link(&probe.peer, error)));
            return figures;
        }
    };
    let mut reachable: Option<SocketAddr> = None;
    for _ in 0..ATTEMPTS {
        let vain = reachable.is_none() && figures.attempts >= VAIN_ATTEMPTS;
        if vain || control.should_stop() {
            break;
        }
        figures.attempts += 1;
        let tried = reachable
            .as_ref()
            .map_or(addresses.as_slice(), std::slice::from_ref);
        match attempt(probe, tried) {
            Ok((address, duration)) => {
                reachable = Some(address);
                figures.connected_in.push(duration);
            }
            Err(error) => figures.trouble = Some(told(error)),
        }
        control.pause(ATTEMPT_PAUSE);
    }
    if let Some(address) = reachable.filter(|_| !control.should_stop()) {
        match send(probe, address, control) {
            Ok(rate) => figures.bytes_per_second = rate,
            Err(error) => figures.trouble = Some(told(error)),
        }
    }
    figures
}

/// The name is looked up once: what is measured is the link.
fn resolve(peer: &Peer) -> io::Result<Vec<SocketAddr>> {
    let found: Vec<_> = (peer.address.as_str(), peer.port)
        .to_socket_addrs()?
        .collect();
    if found.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the receiver's name has no address",
        ));
    }
    Ok(found)
}

/// Connects to the first address that takes it, and has one empty probe answered.
fn attempt(
    probe: &LinkProbe,
    addresses: &[SocketAddr],
) -> Result<(SocketAddr, Duration), SourceError> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in addresses {
        let begun = Instant::now();
        match TcpStream::connect_timeout(address, ATTEMPT_TIMEOUT) {
            Ok(socket) => {
                let duration = begun.elapsed();
                let mut stream = ProbeStream::over(probe, socket)?;
                stream.send(&[])?;
                stream.answer()?;
                stream.goodbye();
                return Ok((*address, duration));
            }
            Err(error) => last = error,
        }
    }
    Err(SourceError::link(&probe.peer, last))
}

/// Sends probes over all streams at once: bytes per second that arrived, or nothing if none did.
fn send(
    probe: &LinkProbe,
    address: SocketAddr,
    control: &Control,
) -> Result<Option<f64>, SourceError> {
    let streams = (0..probe.streams.max(1))
        .map(|_| {
            let socket = TcpStream::connect_timeout(&address, ATTEMPT_TIMEOUT)
                .map_err(|error| SourceError::link(&probe.peer, error))?;
            ProbeStream::over(probe, socket)
        })
        .collect::<Result<Vec<_>, _>>()?;
    let begun = Instant::now();
    let counts: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = streams
            .into_iter()
            .map(|stream| scope.spawn(move || stream.count(begun, control)))
            .collect();
        workers.into_iter().map(|worker| worker.join()).collect()
    });
    let mut arrived = Arrived::default();
    for count in counts {
        let count = count.map_err(|_| SourceError::Worker)?;
        arrived.probes += count.probes;
        arrived.after = arrived.after.max(count.after);
    }
    Ok(arrived.bytes_per_second())
}

/// How many probes have arrived, and how long after the beginning the last answer came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Arrived {
    probes: u32,
    after: Duration,
}

impl Arrived {
    fn bytes_per_second(self) -> Option<f64> {
        let bytes = f64::from(self.probes) * f64::from(u32::try_from(PROBE_BYTES).ok()?);
        (self.probes > 0 && !self.after.is_zero()).then(|| bytes / self.after.as_secs_f64())
    }
}

/// A connection for probes.
struct ProbeStream<'a> {
    peer: &'a Peer,
    reader: FrameReader,
    writer: FrameWriter,
}

impl<'a> ProbeStream<'a> {
    fn over(probe: &'a LinkProbe, socket: TcpStream) -> Result<Self, SourceError> {
        let peer = &probe.peer;
        let prepare = |socket: &TcpStream| {
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(ATTEMPT_TIMEOUT))?;
            socket.set_write_timeout(Some(ATTEMPT_TIMEOUT))
        };
        prepare(&socket).map_err(|error| SourceError::link(peer, error))?;
        let name = ServerName::try_from(peer.server_name.clone())
            .map_err(|error| SourceError::link(peer, error))?;
        let tls = ClientConnection::new(Arc::clone(&probe.tls), name)
            .map_err(|error| SourceError::link(peer, error))?;
        let (reader, writer) = transport::over(Connection::Client(tls), socket);
        Ok(Self {
            peer,
            reader,
            writer,
        })
    }

    fn send(&self, payload: &[u8]) -> Result<(), SourceError> {
        let sent = self.writer.send_raw(Kind::Probe, &[], &[payload]);
        sent.map(drop)
            .map_err(|error| SourceError::link(self.peer, error))
    }

    fn answer(&mut self) -> Result<(), SourceError> {
        let header = self
            .reader
            .header()
            .map_err(|error| SourceError::link(self.peer, error))?;
        match header.kind {
            Kind::Probed if header.control_bytes == 0 && header.payload_bytes == 0 => Ok(()),
            Kind::Failure => {
                let failure: Failure = self
                    .reader
                    .control(&header)
                    .map_err(|error| SourceError::link(self.peer, error))?;
                Err(failure.into())
            }
            _ => Err(SourceError::Protocol("no answer to a probe")),
        }
    }

    fn goodbye(self) {
        // What was to be measured is measured.
        let _ = self.writer.send_raw(Kind::Goodbye, &[], &[]);
        self.writer.finish();
    }

    /// Sends probes for [`SENDING_TIME`] and counts what is answered until [`ANSWER_TIME`] later. A
    /// link that breaks or is too slow to answer everything has shown what it can do.
    fn count(mut self, begun: Instant, control: &Control) -> Arrived {
        let payload = incompressible();
        let mut arrived = Arrived::default();
        let mut unanswered = 0;
        let end = begun + SENDING_TIME + ANSWER_TIME;
        loop {
            let sends = begun.elapsed() < SENDING_TIME && !control.should_stop();
            if sends && unanswered < UNANSWERED {
                control.throttle(payload.len() as u64, || false);
                if self.send(&payload).is_err() {
                    break;
                }
                unanswered += 1;
                continue;
            }
            let left = end.saturating_duration_since(Instant::now());
            if unanswered == 0 || left.is_zero() || control.should_stop() {
                break;
            }
            if self.reader.set_patience(Some(left)).is_err() || self.answer().is_err() {
                break;
            }
            unanswered -= 1;
            arrived.probes += 1;
            arrived.after = begun.elapsed();
        }
        self.goodbye();
        arrived
    }
}

/// Bytes that no compression on the way makes fewer.
fn incompressible() -> Vec<u8> {
    let mut bytes = vec![0; PROBE_BYTES];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

fn told(error: SourceError) -> String {
    super::error_chain(&error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_arrived_over_the_time_it_took() {
        let arrived = |probes, seconds| {
            let after = Duration::from_secs(seconds);
            Arrived { probes, after }.bytes_per_second()
        };
        assert_eq!(arrived(32, 2), Some(f64::from(1 << 20)));
        assert_eq!(arrived(0, 2), None);
        assert_eq!(arrived(1, 0), None);
    }
}
