//! Frames over TLS over TCP, blocking, usable from two threads at once.
//!
//! One thread reads; any thread may write. The TLS state is shared under a lock that is never held
//! while waiting for bytes to arrive: encrypted bytes are read from the socket first, without the
//! lock, and decrypted then. Writing holds the lock while the socket takes the bytes; that cannot
//! lock up the two ends against each other, because what flows from target to source (a few
//! acknowledgements and one answer at a time) always fits into the socket's buffer.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use rustls::Connection;

use crate::wire::{FrameError, HEADER_BYTES, Header, Kind, Message, Version};

/// What is read from the socket at once, in bytes: a quarter of a chunk.
const SOCKET_READ_BYTES: usize = 256 << 10;

/// How much is encrypted before the socket gets it, in bytes: enough for few calls, and small
/// enough to stay in the processor's cache.
const ENCRYPT_BYTES: usize = 256 << 10;

/// How long the peer's kernel may leave bytes or a question whether it is alive without an answer
/// before the link counts as cut.
const LINK_TIMEOUT: Duration = Duration::from_secs(30);

/// After how long a silence, and how often then, the kernel asks whether the peer is alive.
const ALIVE_QUESTIONS: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

/// How long a peer that was refused may go on sending before it is cut off.
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// Why no frame came or went.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransportError {
    /// The socket failed, timed out or was closed by the peer.
    #[error("exchange bytes with the peer")]
    Socket(#[from] io::Error),
    /// The peer's TLS is not acceptable, or ours is not to it.
    #[error("secure the connection")]
    Tls(#[source] rustls::Error),
    /// The peer sent what is no frame.
    #[error("read a frame")]
    Frame(#[from] FrameError),
    /// A control part that is not what its kind demands.
    #[error("read the control part of a {kind:?} frame")]
    Control {
        /// Kind of the frame.
        kind: Kind,
        /// What JSON says.
        #[source]
        source: serde_json::Error,
    },
    /// A frame that does not belong here.
    #[error("a {0:?} frame does not belong here")]
    Unexpected(Kind),
}

/// The shared part of a stream.
#[derive(Debug)]
struct Shared {
    tls: Mutex<Tls>,
    socket: TcpStream,
}

struct Tls {
    connection: Connection,
    /// Sequence number of the last frame sent.
    sent: u64,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}

/// The writing half; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct FrameWriter {
    shared: Arc<Shared>,
}

/// How fast the bytes of a frame may go.
pub(crate) trait Pace {
    /// How many may go at once.
    fn piece_bytes(&self) -> usize;

    /// Waits until so many more may go.
    fn await_turn(&self, bytes: u64);
}

/// As fast as the socket takes them.
struct Free;

impl Pace for Free {
    fn piece_bytes(&self) -> usize {
        ENCRYPT_BYTES
    }

    fn await_turn(&self, _bytes: u64) {}
}

/// The reading half.
#[derive(Debug)]
pub(crate) struct FrameReader {
    shared: Arc<Shared>,
    encrypted: Box<[u8]>,
    start: usize,
    end: usize,
}

/// Has the kernel watch the link, so that a cut is noticed also where nothing is sent. A stream may
/// then be silent for as long as its peer has to read a disk, or to wait for its turn on a link whose
/// speed is limited.
pub(crate) fn watch_link(socket: &TcpStream) -> io::Result<()> {
    let milliseconds = u32::try_from(LINK_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(socket, milliseconds)?;
    sockopt::set_tcp_keepidle(socket, ALIVE_QUESTIONS.0)?;
    sockopt::set_tcp_keepintvl(socket, ALIVE_QUESTIONS.1)?;
    sockopt::set_socket_keepalive(socket, true)?;
    Ok(())
}

/// Both halves over a connected socket. The handshake takes place with the first bytes.
pub(crate) fn over(connection: Connection, socket: TcpStream) -> (FrameReader, FrameWriter) {
    let mut connection = connection;
    connection.set_buffer_limit(None);
    let shared = Arc::new(Shared {
        tls: Mutex::new(Tls {
            connection,
            sent: 0,
        }),
        socket,
    });
    let reader = FrameReader {
        shared: Arc::clone(&shared),
        encrypted: vec![0; SOCKET_READ_BYTES].into(),
        start: 0,
        end: 0,
    };
    (reader, FrameWriter { shared })
}

impl Shared {
    fn tls(&self) -> MutexGuard<'_, Tls> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send_pending(&self, connection: &mut Connection) -> io::Result<()> {
        while connection.wants_write() {
            if connection.write_tls(&mut &self.socket)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

impl FrameWriter {
    /// Sends a frame and returns its sequence number and its length in bytes.
    pub(crate) fn send<M: Message>(
        &self,
        message: &M,
        payload: &[&[u8]],
    ) -> Result<(u64, u64), TransportError> {
        self.send_message_paced(message, payload, &Free)
    }

    /// As [`Self::send`], piece by piece as `pace` permits.
    pub(crate) fn send_message_paced<M: Message>(
        &self,
        message: &M,
        payload: &[&[u8]],
        pace: &dyn Pace,
    ) -> Result<(u64, u64), TransportError> {
        let control = serde_json::to_vec(message).map_err(|source| TransportError::Control {
            kind: M::KIND,
            source,
        })?;
        self.send_paced(M::KIND, &control, payload, pace)
    }

    /// Sends a frame that consists of its kind and perhaps a payload.
    pub(crate) fn send_raw(
        &self,
        kind: Kind,
        control: &[u8],
        payload: &[&[u8]],
    ) -> Result<(u64, u64), TransportError> {
        self.send_paced(kind, control, payload, &Free)
    }

    /// As [`Self::send_raw`], piece by piece as `pace` permits. Nothing can be read from the stream
    /// meanwhile.
    pub(crate) fn send_paced(
        &self,
        kind: Kind,
        control: &[u8],
        payload: &[&[u8]],
        pace: &dyn Pace,
    ) -> Result<(u64, u64), TransportError> {
        let payload_bytes: usize = payload.iter().map(|part| part.len()).sum();
        let mut tls = self.shared.tls();
        let header = Header {
            version: Version::CURRENT.number(),
            kind,
            // Saturated lengths are over the limit, and `encode` refuses them.
            control_bytes: u32::try_from(control.len()).unwrap_or(u32::MAX),
            payload_bytes: u32::try_from(payload_bytes).unwrap_or(u32::MAX),
            sequence: tls.sent + 1,
        };
        let header_bytes = header.encode()?;
        tls.sent = header.sequence;
        pace.await_turn((HEADER_BYTES + control.len()) as u64);
        let connection = &mut tls.connection;
        connection.writer().write_all(&header_bytes)?;
        connection.writer().write_all(control)?;
        for part in payload {
            let mut rest = *part;
            while !rest.is_empty() {
                // Asked for each piece: another limit may hold by now.
                let (piece, left) = rest.split_at(pace.piece_bytes().clamp(1, rest.len()));
                pace.await_turn(piece.len() as u64);
                connection.writer().write_all(piece)?;
                self.shared.send_pending(connection)?;
                rest = left;
            }
        }
        self.shared.send_pending(connection)?;
        let length = (HEADER_BYTES + control.len() + payload_bytes) as u64;
        Ok((header.sequence, length))
    }

    /// Closes the connection both ways; a thread that reads from it wakes up with an error.
    pub(crate) fn close(&self) {
        // An error means that it is closed already.
        let _ = self.shared.socket.shutdown(Shutdown::Both);
    }

    /// Tells the peer properly that nothing more will come, and closes.
    pub(crate) fn finish(&self) {
        let mut tls = self.shared.tls();
        tls.connection.send_close_notify();
        let _ = self.shared.send_pending(&mut tls.connection);
        drop(tls);
        let _ = self.shared.socket.shutdown(Shutdown::Write);
    }
}

impl FrameReader {
    /// Waits for the next frame header.
    pub(crate) fn header(&mut self) -> Result<Header, TransportError> {
        let mut bytes = [0; HEADER_BYTES];
        self.read_exact(&mut bytes)?;
        Ok(Header::decode(&bytes)?)
    }

    /// Reads the control part that `header` announced.
    pub(crate) fn control<M: Message>(&mut self, header: &Header) -> Result<M, TransportError> {
        let kind = header.kind;
        if kind != M::KIND {
            return Err(TransportError::Unexpected(kind));
        }
        let mut bytes = vec![0; header.control_bytes as usize];
        self.read_exact(&mut bytes)?;
        serde_json::from_slice(&bytes).map_err(|source| TransportError::Control { kind, source })
    }

    /// Reads exactly `buffer.len()` bytes.
    pub(crate) fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), TransportError> {
        let mut filled = 0;
        while filled < buffer.len() {
            filled += self.read_some(&mut buffer[filled..])?;
        }
        Ok(())
    }

    /// Changes how long a read waits; `None` for as long as it takes.
    pub(crate) fn set_patience(&self, patience: Option<Duration>) -> Result<(), TransportError> {
        Ok(self.shared.socket.set_read_timeout(patience)?)
    }

    /// Reads on without looking, until the peer has stopped sending, `limit_bytes` have come or some
    /// seconds have passed. A socket that is closed with unread bytes in it takes back what was just
    /// written to the peer: the reason why it is closed.
    pub(crate) fn discard(&mut self, limit_bytes: u64) {
        let mut socket = &self.shared.socket;
        let deadline = Instant::now() + DISCARD_TIME;
        let mut left_bytes = limit_bytes;
        while let Some(left) = deadline.checked_duration_since(Instant::now())
            && socket
                .set_read_timeout(Some(left.max(Duration::from_millis(1))))
                .is_ok()
            && let Ok(count) = socket.read(&mut self.encrypted)
            && count > 0
            && left_bytes > 0
        {
            left_bytes = left_bytes.saturating_sub(count as u64);
        }
    }

    /// Reads what there is. That nothing can be sent any more does not keep from it: a peer that
    /// hung up may have said why before.
    fn read_some(&mut self, buffer: &mut [u8]) -> Result<usize, TransportError> {
        loop {
            let mut tls = self.shared.tls();
            loop {
                match tls.connection.reader().read(buffer) {
                    Ok(0) => return Err(closed().into()),
                    Ok(count) => return Ok(count),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error.into()),
                }
                let mut waiting = &self.encrypted[self.start..self.end];
                if waiting.is_empty() {
                    break;
                }
                self.start += tls.connection.read_tls(&mut waiting)?;
                let processed = tls.connection.process_new_packets();
                // Handshake answers and alerts go out even when the peer was refused.
                let _ = self.shared.send_pending(&mut tls.connection);
                processed.map_err(TransportError::Tls)?;
            }
            // A client's first bytes go out before anything can come in.
            let _ = self.shared.send_pending(&mut tls.connection);
            drop(tls);
            self.start = 0;
            self.end = (&self.shared.socket).read(&mut self.encrypted)?;
            if self.end == 0 {
                return Err(closed().into());
            }
        }
    }
}

fn closed() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the peer closed the connection",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_link_is_noticed_in_silence() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        watch_link(&socket).unwrap();
        assert!(sockopt::socket_keepalive(&socket).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&socket).unwrap(), ALIVE_QUESTIONS.0);
        assert_eq!(sockopt::tcp_user_timeout(&socket).unwrap(), 30_000);
    }
}
