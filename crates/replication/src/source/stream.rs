//! One stream to the receiver, as the source uses it.
//!
//! A stream is used by one thread. It never reads ahead: acknowledgements wait in the socket until
//! the window is full or an answer is needed, which keeps a worker a plain sequence of steps.

use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rehost_volumes::{CHUNK_BYTES, to_usize};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, Connection};

use super::control::Control;
use super::packing::{Packer, Packing};
use super::window::Window;
use super::{Peer, ReplicationJob, SourceError};
use crate::IN_FLIGHT_WINDOW_BYTES;
use crate::transport::{self, FrameReader, FrameWriter, Pace, TransportError};
use crate::wire::{
    Chunk, ChunkRange, Codec, Committed, Failure, Header, Hello, HelloVolume, KeepPoint, Kind,
    Message, PAYLOAD_LIMIT_BYTES, PointKept, PointRefused, Version, Welcome,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the receiver may take to open a stream: it may have to commit what an earlier session
/// sent.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the receiver may take for an answer: for each stream it may have to read a hundred chunks
/// from the same slow disk. That the link is cut shows much earlier.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(900);

/// A stream of the session at hand.
#[derive(Debug)]
pub(super) struct SourceStream {
    peer: String,
    reader: FrameReader,
    writer: FrameWriter,
    window: Window,
    packing: Arc<Packing>,
    /// What the receiver unpacks.
    codecs: Vec<Codec>,
}

/// As fast as the rate limit permits.
struct Limited<'a, F> {
    control: &'a Control,
    is_in_vain: F,
}

impl<F: Fn() -> bool> Pace for Limited<'_, F> {
    fn piece_bytes(&self) -> usize {
        self.control.piece_bytes()
    }

    fn await_turn(&self, bytes: u64) {
        self.control.throttle(bytes, &self.is_in_vain);
    }
}

/// A chunk that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct SentChunk {
    /// Sequence number of its frame.
    pub(super) sequence: u64,
    /// Length of the frame in bytes.
    pub(super) length: u64,
    /// For how long the socket and the rate limit held it up.
    pub(super) held_up: Duration,
}

impl SourceStream {
    /// Connects, proves who both are, and opens stream `number` of `session`.
    pub(super) fn open(
        job: &ReplicationJob,
        session: u64,
        number: u32,
    ) -> Result<Self, SourceError> {
        let peer = job.peer.to_string();
        let socket = connect(&job.peer).map_err(|error| SourceError::link(&peer, error))?;
        let name = ServerName::try_from(job.peer.server_name.clone())
            .map_err(|error| SourceError::link(&peer, error))?;
        let tls = ClientConnection::new(Arc::clone(&job.tls), name)
            .map_err(|error| SourceError::link(&peer, error))?;
        let (reader, writer) = transport::over(Connection::Client(tls), socket);
        let mut stream = Self {
            peer,
            reader,
            writer,
            window: Window::new(IN_FLIGHT_WINDOW_BYTES / u64::from(job.streams.max(1))),
            packing: Arc::clone(&job.packing),
            codecs: Vec::new(),
        };
        stream.greet(job, session, number)?;
        Ok(stream)
    }

    fn greet(
        &mut self,
        job: &ReplicationJob,
        session: u64,
        number: u32,
    ) -> Result<(), SourceError> {
        let volumes = job.volumes.iter().map(|volume| HelloVolume {
            index: volume.index,
            size_bytes: volume.volume.size_bytes(),
        });
        let hello = Hello {
            versions: vec![Version::CURRENT.number()],
            task_id: job.task_id.clone(),
            session,
            stream: number,
            volumes: volumes.collect(),
            codecs: job.packing.offered(),
        };
        self.write(&hello, &[])?;
        let header = self.next_answer()?;
        if header.kind != Kind::Welcome {
            return Err(SourceError::Protocol("no welcome after a hello"));
        }
        let welcome: Welcome = self.control(&header)?;
        if welcome.chunk_bytes != CHUNK_BYTES || welcome.version != Version::CURRENT.number() {
            return Err(SourceError::Protocol("another version or size of chunks"));
        }
        self.codecs = Codec::known(&welcome.codecs);
        let patient = self.reader.set_patience(Some(ANSWER_TIMEOUT));
        patient.map_err(|error| self.broken(error))
    }

    /// Sends what will be acknowledged once it is durable. Waits while the window is full. Returns
    /// the sequence number of the frame and its length in bytes.
    pub(super) fn send<M: Message>(
        &mut self,
        message: &M,
        payload: &[&[u8]],
    ) -> Result<(u64, u64), SourceError> {
        let payload_bytes: u64 = payload.iter().map(|part| part.len() as u64).sum();
        while !self.window.has_room(payload_bytes) {
            self.await_acknowledgement()?;
        }
        let (sequence, length) = self.write(message, payload)?;
        self.window.sent(sequence, payload_bytes);
        Ok((sequence, length))
    }

    /// Sends a chunk as fast as the rate limit permits. Waits while the window is full; what counts in
    /// it is the content, since that is what the target has to make durable.
    pub(super) fn send_chunk(
        &mut self,
        message: &Chunk,
        payload: &[&[u8]],
        content_bytes: u64,
        control: &Control,
        is_in_vain: impl Fn() -> bool,
    ) -> Result<SentChunk, SourceError> {
        while !self.window.has_room(content_bytes) {
            self.await_acknowledgement()?;
        }
        let begun = Instant::now();
        let pace = Limited {
            control,
            is_in_vain,
        };
        let written = self.writer.send_message_paced(message, payload, &pace);
        let (sequence, length) = written.map_err(|error| self.explain(error))?;
        self.window.sent(sequence, content_bytes);
        Ok(SentChunk {
            sequence,
            length,
            held_up: begun.elapsed(),
        })
    }

    /// Packs for this stream, as both ends agreed.
    pub(super) fn packer(&self) -> Packer {
        Packer::new(Arc::clone(&self.packing), self.codecs.clone())
    }

    /// Learns from what was sent how to pack.
    pub(super) fn packing(&self) -> &Packing {
        &self.packing
    }

    /// Up to which sequence number everything is durable on the target.
    pub(super) fn acknowledged(&self) -> u64 {
        self.window.reached()
    }

    /// Asks and waits for an answer of `expected_bytes`.
    pub(super) fn ask<M: Message>(
        &mut self,
        question: &M,
        answer: Kind,
        expected_bytes: u64,
    ) -> Result<Vec<u8>, SourceError> {
        self.write(question, &[])?;
        let header = self.next_answer()?;
        if header.kind != answer || u64::from(header.payload_bytes) != expected_bytes {
            return Err(SourceError::Protocol("an answer to another question"));
        }
        // Bounded by the frame limit, which `header` has passed.
        debug_assert!(header.payload_bytes <= PAYLOAD_LIMIT_BYTES);
        let mut payload = vec![0; header.payload_bytes as usize];
        let read = self.reader.read_exact(&mut payload);
        read.map_err(|error| self.broken(error))?;
        Ok(payload)
    }

    /// Asks which of the chunks of a volume the receiver has: a bit per chunk, lowest first.
    pub(super) fn presence(&mut self, volume: u32, chunks: u64) -> Result<Vec<u8>, SourceError> {
        let limit = u64::from(PAYLOAD_LIMIT_BYTES) * 8;
        let mut bits = Vec::new();
        for first in (0..chunks).step_by(to_usize(limit)) {
            let count = (chunks - first).min(limit);
            let range = ChunkRange {
                volume,
                first,
                count,
            };
            bits.extend(self.ask(&range, Kind::Presence, count.div_ceil(8))?);
        }
        Ok(bits)
    }

    /// Waits until everything sent so far is durable on the target.
    pub(super) fn barrier(&mut self) -> Result<(), SourceError> {
        let written = self.writer.send_raw(Kind::Barrier, &[], &[]);
        let (sequence, _) = written.map_err(|error| self.explain(error))?;
        self.window.sent(sequence, 0);
        while !self.window.is_empty() {
            self.await_acknowledgement()?;
        }
        Ok(())
    }

    /// Has the target hold its volumes as they are now. Everything sent must be durable, on all streams.
    /// The inner error is the target's reason why it does not; the stream goes on.
    pub(super) fn keep_point(&mut self, point: &str) -> Result<Result<(), String>, SourceError> {
        let asked = KeepPoint {
            point: point.to_owned(),
        };
        self.write(&asked, &[])?;
        let header = self.next_answer()?;
        let (named, answer) = match header.kind {
            Kind::PointKept => {
                let kept: PointKept = self.control(&header)?;
                (kept.point, Ok(()))
            }
            Kind::PointRefused => {
                let refused: PointRefused = self.control(&header)?;
                (refused.point, Err(refused.reason))
            }
            _ => return Err(SourceError::Protocol("no word on a point")),
        };
        if named != point {
            return Err(SourceError::Protocol("a word on another point"));
        }
        Ok(answer)
    }

    /// By which somebody else can close the stream.
    pub(super) fn writer(&self) -> FrameWriter {
        self.writer.clone()
    }

    /// Ends the stream properly.
    pub(super) fn goodbye(self) {
        // The work is done; a peer that is gone already needs no goodbye.
        let _ = self.writer.send_raw(Kind::Goodbye, &[], &[]);
        self.writer.finish();
    }

    fn await_acknowledgement(&mut self) -> Result<(), SourceError> {
        let header = self.read_header()?;
        if header.kind == Kind::Committed {
            return self.committed(&header);
        }
        Err(SourceError::Protocol(
            "something else than an acknowledgement",
        ))
    }

    fn committed(&mut self, header: &Header) -> Result<(), SourceError> {
        let committed: Committed = self.control(header)?;
        self.window.acknowledged(committed.sequence);
        Ok(())
    }

    /// Header of the next frame that is no acknowledgement; those are taken on the way.
    fn next_answer(&mut self) -> Result<Header, SourceError> {
        loop {
            let header = self.read_header()?;
            if header.kind != Kind::Committed {
                return Ok(header);
            }
            self.committed(&header)?;
        }
    }

    /// Header of the next frame; a failure that the receiver reports becomes an error.
    fn read_header(&mut self) -> Result<Header, SourceError> {
        let header = self.reader.header().map_err(|error| self.broken(error))?;
        if header.kind == Kind::Failure {
            let failure: Failure = self.control(&header)?;
            return Err(failure.into());
        }
        Ok(header)
    }

    fn control<M: Message>(&mut self, header: &Header) -> Result<M, SourceError> {
        let read = self.reader.control(header);
        read.map_err(|error| self.broken(error))
    }

    fn write<M: Message>(
        &mut self,
        message: &M,
        payload: &[&[u8]],
    ) -> Result<(u64, u64), SourceError> {
        let written = self.writer.send(message, payload);
        written.map_err(|error| self.explain(error))
    }

    /// A write failed. The receiver may have said why before it closed.
    fn explain(&mut self, error: TransportError) -> SourceError {
        loop {
            match self.read_header() {
                Ok(header) if header.kind == Kind::Committed => {
                    if self.committed(&header).is_err() {
                        return self.broken(error);
                    }
                }
                Err(refused @ SourceError::Refused { .. }) => return refused,
                _ => return self.broken(error),
            }
        }
    }

    fn broken(&self, error: TransportError) -> SourceError {
        SourceError::link(&self.peer, error)
    }
}

fn connect(peer: &Peer) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::new(
        std::io::ErrorKind::NotFound,
        "the receiver's name has no address",
    );
    for address in (peer.address.as_str(), peer.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(socket) => {
                socket.set_nodelay(true)?;
                socket.set_read_timeout(Some(WELCOME_TIMEOUT))?;
                socket.set_write_timeout(Some(ANSWER_TIMEOUT))?;
                transport::watch_link(&socket)?;
                return Ok(socket);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}
