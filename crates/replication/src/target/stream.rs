//! Serves one stream: reads frames, verifies and writes chunks, answers questions.

use std::sync::Arc;

use rehost_volumes::{AlignedBuffer, CHUNK_BYTES, Segment, to_usize};

use super::committer::{Entry, Written, failure_of};
use super::door::Place;
use super::request::{
    ANNOUNCE_LIMIT, PRESENCE_LIMIT, RANGE_LIMIT, STREAM_LIMIT, StreamState, check_segments, refusal,
};
use super::task::{ReceivingTask, StreamGuard};
use super::unpacking::Unpacking;
use super::volume::{ReceiveError, ReceivingVolume};
use crate::IN_FLIGHT_WINDOW_BYTES;
use crate::source::error_chain;
use crate::transport::{FrameReader, FrameWriter, TransportError};
use crate::wire::{
    Advice, Announce, Chunk, ChunkRange, Codec, Failure, HashSource, HashesRequest, Header, Hello,
    KeepPoint, Kind, PointKept, PointRefused, Version, Welcome, ZeroRun, is_point_name,
};

/// How a stream ended, when not by goodbye.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    /// The connection or what came over it.
    #[error("serve the source's stream")]
    Transport(#[from] TransportError),
    /// The source was told why it cannot go on.
    #[error("refused: {}", .0.message)]
    Refused(Failure),
}

impl StreamError {
    /// What the source is told; nothing if the connection itself is gone.
    fn failure(&self) -> Option<Failure> {
        match self {
            Self::Refused(failure) => Some(failure.clone()),
            Self::Transport(
                error @ (TransportError::Frame(_)
                | TransportError::Control { .. }
                | TransportError::Unexpected(_)),
            ) => {
                let cause = std::error::Error::source(error);
                let cause = cause.map_or_else(String::new, |cause| format!(": {cause}"));
                Some(refusal("bad_frame", format!("{error}{cause}")))
            }
            Self::Transport(_) => None,
        }
    }
}

impl From<Failure> for StreamError {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

impl From<ReceiveError> for StreamError {
    fn from(error: ReceiveError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "medium failed");
        Self::Refused(failure_of(&error))
    }
}

/// One stream of one task.
#[derive(Debug)]
pub(crate) struct Stream {
    task: Arc<ReceivingTask>,
    reader: FrameReader,
    writer: FrameWriter,
    state: StreamState,
    number: u32,
    guard: Option<StreamGuard>,
    place: Place,
    chunk: AlignedBuffer,
    unpacking: Unpacking,
}

impl Stream {
    /// A stream over a connection whose peer may belong to the task, with a limit on how long its
    /// first frame is waited for.
    pub(crate) fn new(
        task: Arc<ReceivingTask>,
        reader: FrameReader,
        writer: FrameWriter,
        place: Place,
    ) -> Self {
        Self {
            task,
            reader,
            writer,
            state: StreamState::Opened,
            number: 0,
            guard: None,
            place,
            chunk: AlignedBuffer::new(to_usize(CHUNK_BYTES)),
            unpacking: Unpacking::default(),
        }
    }

    /// Serves until goodbye, an error, or the end of the task's session.
    pub(crate) fn serve(mut self) -> Result<(), StreamError> {
        let result = self.serve_frames();
        if let Some(failure) = result.as_ref().err().and_then(StreamError::failure) {
            // If the message cannot be delivered, the closed connection says enough.
            let _ = self.writer.send(&failure, &[]);
            self.writer.finish();
            self.reader.discard(IN_FLIGHT_WINDOW_BYTES);
        } else {
            self.writer.finish();
        }
        result
    }

    fn serve_frames(&mut self) -> Result<(), StreamError> {
        while self.state != StreamState::Closed {
            let header = self.reader.header()?;
            if self.state == StreamState::Opened {
                self.place.take_seat()?;
                // A source may be silent for long: it reads a disk, or waits until it may send. One
                // that is gone without a word is noticed by the kernel, or ended by its successor.
                self.reader.set_patience(None)?;
            }
            self.state = self.state.after(header.kind)?;
            match header.kind {
                Kind::Hello => self.hello(&header)?,
                Kind::Chunk => self.chunk(&header)?,
                Kind::ZeroRun => self.zero_run(&header)?,
                Kind::PresenceRequest => self.presence(&header)?,
                Kind::HashesRequest => self.hashes(&header)?,
                Kind::Announce => self.announce(&header)?,
                Kind::Barrier => self.barrier(&header)?,
                Kind::KeepPoint => self.keep_point(&header)?,
                Kind::Probe => self.probe(&header)?,
                // Goodbye; all others were refused by the state.
                _ => {}
            }
        }
        Ok(())
    }

    fn hello(&mut self, header: &Header) -> Result<(), StreamError> {
        let hello: Hello = self.reader.control(header)?;
        let version = Version::CURRENT.number();
        if !hello.versions.contains(&version) {
            return Err(refusal(
                "version",
                format!(
                    "this receiver speaks protocol version {version}, the source speaks {:?}; \
                     install the same release on both",
                    hello.versions
                ),
            )
            .into());
        }
        if hello.task_id != self.task.task_id() {
            return Err(refusal("unknown_task", "not the task of this certificate".into()).into());
        }
        if hello.stream >= STREAM_LIMIT {
            let message = format!("a session may have {STREAM_LIMIT} streams");
            return Err(refusal("too_many_streams", message).into());
        }
        for volume in &hello.volumes {
            let found = self.volume(volume.index)?;
            let size_bytes = self.task.volumes[found].size_bytes();
            if size_bytes < volume.size_bytes {
                return Err(refusal(
                    "target_too_small",
                    format!(
                        "volume {} has {size_bytes} bytes on the target, the source disk has {}; \
                         give the task a larger target disk",
                        volume.index, volume.size_bytes
                    ),
                )
                .into());
            }
            if size_bytes > volume.size_bytes {
                return Err(refusal(
                    "size_changed",
                    format!(
                        "volume {} was made for {size_bytes} bytes, the source disk now has {}; \
                         delete the task and make a new one",
                        volume.index, volume.size_bytes
                    ),
                )
                .into());
            }
        }
        self.number = hello.stream;
        self.guard = self.task.enter(hello.session, hello.stream, &self.writer);
        if self.guard.is_none() {
            return Err(refusal("task_closed", "the target was released".into()).into());
        }
        let codecs = Codec::known(&hello.codecs);
        let welcome = Welcome {
            version,
            chunk_bytes: CHUNK_BYTES,
            codecs: codecs.iter().map(|codec| codec.word().into()).collect(),
        };
        self.unpacking.agree(codecs);
        self.writer.send(&welcome, &[])?;
        Ok(())
    }

    fn chunk(&mut self, header: &Header) -> Result<(), StreamError> {
        let message: Chunk = self.reader.control(header)?;
        let position = self.volume(message.volume)?;
        let volume = Arc::clone(&self.task.volumes[position]);
        check_range(&volume, message.chunk, 1, 1)?;
        let length = volume.chunk_length(message.chunk);
        let payload_bytes = header.payload_bytes;
        let is_packed = message.codec.is_some();
        let (segments, content_bytes) =
            check_segments(&message.segments, length, payload_bytes, is_packed)?;
        let content = &mut self.chunk[..length];
        zero_between(content, &segments);
        match message.codec {
            Some(codec) => self.unpacking.receive(
                codec,
                &mut self.reader,
                payload_bytes as usize,
                content,
                &segments,
            )?,
            None => {
                for segment in &segments {
                    self.reader.read_exact(&mut content[segment.clone()])?;
                }
            }
        }
        let hash = *blake3::hash(content).as_bytes();
        if hash != message.hash.0 {
            return Err(Failure {
                code: "chunk_damaged".into(),
                message: format!(
                    "chunk {} of volume {} does not have the hash it was sent with",
                    message.chunk, message.volume
                ),
                advice: Advice::Retry,
            }
            .into());
        }
        volume.write_chunk(message.chunk, content, &segments)?;
        let chunk = message.chunk;
        // What the medium has to take, not what came over the wire.
        let bytes = content_bytes as u64;
        self.commit(
            header,
            position,
            Written::Chunk { chunk, hash },
            bytes,
            false,
        )
    }

    fn zero_run(&mut self, header: &Header) -> Result<(), StreamError> {
        let ZeroRun {
            volume: index,
            first,
            count,
        } = self.reader.control(header)?;
        let position = self.volume(index)?;
        let volume = Arc::clone(&self.task.volumes[position]);
        check_range(&volume, first, count, RANGE_LIMIT)?;
        volume.write_zeros(first, count)?;
        self.commit(header, position, Written::Zeros { first, count }, 0, false)
    }

    fn barrier(&mut self, header: &Header) -> Result<(), StreamError> {
        self.commit(header, 0, Written::Nothing, 0, true)
    }

    fn commit(
        &self,
        header: &Header,
        volume: usize,
        written: Written,
        bytes: u64,
        urgent: bool,
    ) -> Result<(), StreamError> {
        let queued = self.task.committer.push(Entry {
            volume,
            written,
            bytes,
            stream: self.number,
            sequence: header.sequence,
            urgent,
        });
        if queued {
            return Ok(());
        }
        Err(Failure {
            code: "session_over".into(),
            message: "this session can no longer store anything".into(),
            advice: Advice::Retry,
        }
        .into())
    }

    fn presence(&mut self, header: &Header) -> Result<(), StreamError> {
        let range: ChunkRange = self.reader.control(header)?;
        let volume = &self.task.volumes[self.volume(range.volume)?];
        check_range(volume, range.first, range.count, PRESENCE_LIMIT)?;
        let bits = volume
            .journal()
            .presence(range.first, range.count)
            .map_err(ReceiveError::from)?;
        self.writer.send_raw(Kind::Presence, &[], &[&bits])?;
        Ok(())
    }

    fn hashes(&mut self, header: &Header) -> Result<(), StreamError> {
        let request: HashesRequest = self.reader.control(header)?;
        let volume = Arc::clone(&self.task.volumes[self.volume(request.volume)?]);
        check_range(&volume, request.first, request.count, RANGE_LIMIT)?;
        let hashes = match request.from {
            HashSource::Journal => volume
                .journal()
                .slots(request.first, request.count)
                .map_err(ReceiveError::from)?,
            HashSource::Medium => {
                volume.hash_medium(request.first, request.count, &mut self.chunk)?
            }
        };
        self.writer.send_raw(Kind::Hashes, &[], &[&hashes])?;
        Ok(())
    }

    fn announce(&mut self, header: &Header) -> Result<(), StreamError> {
        let Announce {
            volume: index,
            chunks,
        } = self.reader.control(header)?;
        let volume = &self.task.volumes[self.volume(index)?];
        if chunks.len() > ANNOUNCE_LIMIT {
            let message = format!("{} chunks announced at once", chunks.len());
            return Err(refusal("bad_range", message).into());
        }
        for chunk in &chunks {
            check_range(volume, *chunk, 1, 1)?;
        }
        volume.forget(&chunks)?;
        self.writer.send_raw(Kind::Announced, &[], &[])?;
        Ok(())
    }

    /// Holds all volumes. The source has waited until everything that it sent is committed, on all
    /// streams, and sends nothing until it has the answer.
    fn keep_point(&mut self, header: &Header) -> Result<(), StreamError> {
        let KeepPoint { point } = self.reader.control(header)?;
        if !is_point_name(&point) {
            let message = "a point whose name is too long or not plain".into();
            return Err(refusal("bad_point", message).into());
        }
        match self.task.points().hold(&point) {
            Ok(()) => self.writer.send(&PointKept { point }, &[])?,
            Err(error) => {
                let reason = error_chain(&error);
                tracing::warn!(point, reason, "the volumes cannot be held");
                self.writer.send(&PointRefused { point, reason }, &[])?
            }
        };
        Ok(())
    }

    /// Takes a probe and throws it away. Its length is within that of a chunk, as every payload's is.
    fn probe(&mut self, header: &Header) -> Result<(), StreamError> {
        let length = header.payload_bytes as usize;
        self.reader.read_exact(&mut self.chunk[..length])?;
        self.writer.send_raw(Kind::Probed, &[], &[])?;
        Ok(())
    }

    /// Position of the volume with this index.
    fn volume(&self, index: u32) -> Result<usize, Failure> {
        self.task
            .volumes
            .iter()
            .position(|volume| volume.index() == index)
            .ok_or_else(|| {
                refusal(
                    "unknown_volume",
                    format!("the task has no volume {index} on this target"),
                )
            })
    }
}

/// Fills what lies before, between and behind segments with zeros.
fn zero_between(content: &mut [u8], segments: &[Segment]) {
    let mut end = 0;
    for segment in segments {
        content[end..segment.start].fill(0);
        end = segment.end;
    }
    content[end..].fill(0);
}

fn check_range(
    volume: &ReceivingVolume,
    first: u64,
    count: u64,
    limit: u64,
) -> Result<(), Failure> {
    if count > 0 && count <= limit && volume.has_chunks(first, count) {
        return Ok(());
    }
    Err(refusal(
        "bad_range",
        format!("{count} chunks from chunk {first} are not within the volume or too many"),
    ))
}
