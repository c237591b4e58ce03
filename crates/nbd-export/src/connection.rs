//! One client: the handshake, then requests, one after the other.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rehost_volumes::{AlignedBuffer, CHUNK_BYTES, Volume, VolumeError, to_usize};

use crate::handshake::{
    CLIENT_FLAGS_BYTES, ClientFlags, Foreign, GREETING, Handshake, OPTION_HEADER_BYTES,
    OptionHeader, Step,
};
use crate::request::{Answer, Broken, REQUEST_BYTES, Request};

/// How long a client may keep silent during the handshake.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// How many options a client may try.
const MOST_OPTIONS: u32 = 64;

/// Why a connection ended, when not by goodbye.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    #[error("exchange bytes with the client")]
    Socket(#[from] io::Error),
    #[error("agree with the client")]
    Handshake(#[from] Foreign),
    #[error("the client tries one option after the other")]
    Undecided,
    #[error("serve the client")]
    Request(#[from] Broken),
    /// A reply had begun.
    #[error("read the volume")]
    Volume(#[source] VolumeError),
}

/// Serves a client until it says goodbye or hangs up.
pub(crate) fn serve(socket: &UnixStream, volume: &dyn Volume) -> Result<(), ConnectionError> {
    let mut socket = socket;
    socket.set_read_timeout(Some(HANDSHAKE_TIME))?;
    if !agree(&mut socket, volume.size_bytes())? {
        return Ok(());
    }
    // A machine may read nothing for days.
    socket.set_read_timeout(None)?;
    transmit(&mut socket, volume)
}

/// Whether requests follow.
fn agree(socket: &mut (impl Read + Write), size_bytes: u64) -> Result<bool, ConnectionError> {
    socket.write_all(&GREETING)?;
    let flags = ClientFlags::parse(take::<CLIENT_FLAGS_BYTES>(socket)?)?;
    let handshake = Handshake { size_bytes, flags };
    for _ in 0..MOST_OPTIONS {
        let header = OptionHeader::parse(&take::<OPTION_HEADER_BYTES>(socket)?)?;
        let mut data = vec![0; to_usize(u64::from(header.data_bytes))];
        socket.read_exact(&mut data)?;
        match handshake.answer(header, &data)? {
            Step::Reply(bytes) => socket.write_all(&bytes)?,
            Step::Begin(bytes) => {
                socket.write_all(&bytes)?;
                return Ok(true);
            }
            Step::End(bytes) => {
                // Whoever has said that it is over need not wait for the answer.
                let _ = socket.write_all(&bytes);
                return Ok(false);
            }
        }
    }
    Err(ConnectionError::Undecided)
}

fn transmit(socket: &mut (impl Read + Write), volume: &dyn Volume) -> Result<(), ConnectionError> {
    let mut buffer = AlignedBuffer::new(to_usize(CHUNK_BYTES));
    loop {
        let request = match take::<REQUEST_BYTES>(socket) {
            Ok(bytes) => Request::parse(&bytes)?,
            // Hung up.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match request.answer(volume.size_bytes())? {
            Answer::Read { offset, length } => {
                read(
                    socket,
                    volume,
                    &request,
                    offset..offset + u64::from(length),
                    &mut buffer,
                )?;
            }
            Answer::Done => socket.write_all(&request.done())?,
            Answer::Refuse { error, skip_bytes } => {
                skip(socket, skip_bytes, &mut buffer)?;
                socket.write_all(&request.reply(error))?;
            }
            Answer::Goodbye => return Ok(()),
        }
    }
}

/// Replies with bytes of the volume, a chunk at a time: what a client asks for at once need not be in
/// memory at once. A failure can be told only before the first byte; later it ends the connection.
fn read(
    socket: &mut impl Write,
    volume: &dyn Volume,
    request: &Request,
    range: std::ops::Range<u64>,
    buffer: &mut AlignedBuffer,
) -> Result<(), ConnectionError> {
    let mut position = range.start;
    while position < range.end {
        let part = (range.end - position).min(CHUNK_BYTES - position % CHUNK_BYTES);
        let bytes = &mut buffer[..to_usize(part)];
        let is_first = position == range.start;
        match volume.read_at(bytes, position) {
            Ok(()) if is_first => socket.write_all(&request.done())?,
            Ok(()) => {}
            Err(error) if is_first => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "what a client wants to read cannot be read");
                return Ok(socket.write_all(&request.failed())?);
            }
            Err(error) => return Err(ConnectionError::Volume(error)),
        }
        socket.write_all(bytes)?;
        position += part;
    }
    if range.is_empty() {
        socket.write_all(&request.done())?;
    }
    Ok(())
}

/// Reads what a refused request brought along, and throws it away.
fn skip(socket: &mut impl Read, bytes: u32, buffer: &mut AlignedBuffer) -> io::Result<()> {
    let mut left = to_usize(u64::from(bytes));
    while left > 0 {
        let part = left.min(buffer.len());
        socket.read_exact(&mut buffer[..part])?;
        left -= part;
    }
    Ok(())
}

fn take<const LENGTH: usize>(socket: &mut impl Read) -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    socket.read_exact(&mut bytes)?;
    Ok(bytes)
}
