//! What this machine could do at best: the bare reading, writing and encrypting of a copy.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use rehost_certificates::{
    TaskCertificates, data_path_client_config, data_path_server_config, server_name,
};
use rehost_used_blocks::map_disks;
use rehost_volumes::{AlignedBuffer, FileVolume, Volume};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection, Stream};
use secrecy::ExposeSecret as _;
use serde::Serialize;

/// Threads for each kind of work, and connections; as many as an agent has streams.
const LANES: u64 = 4;

/// Read or written at once.
const PIECE_BYTES: usize = 1 << 20;

/// Encrypted at once, and read from a socket at once.
const RECORDS_BYTES: usize = 256 << 10;

/// Seconds of each kind of work alone, for all blocks in use. A copy does all of them at the same
/// time, so none can be faster than the slowest, unless it sends less by compressing.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Limit {
    /// Reading the blocks in use past the page cache.
    pub(super) read_seconds: f64,
    /// Writing as many past the page cache, flushed.
    pub(super) write_seconds: f64,
    /// As many bytes over TLS over loopback, from memory to memory.
    pub(super) tls_seconds: f64,
}

impl Limit {
    /// The slowest of the three.
    pub(super) fn seconds(&self) -> f64 {
        self.read_seconds
            .max(self.write_seconds)
            .max(self.tls_seconds)
    }
}

/// The blocks in use of an image, in pieces.
pub(super) fn used_pieces(image: &Path) -> Result<Vec<Range<u64>>> {
    let disk = FileVolume::open(image, false)?;
    let maps = map_disks(&[&disk]);
    let used = maps.first().context("map the disk")?.used.iter();
    let pieces = used.flat_map(|range| {
        let starts = (range.start..range.end).step_by(PIECE_BYTES);
        starts.map(move |start| start..(start + PIECE_BYTES as u64).min(range.end))
    });
    Ok(pieces.collect())
}

/// Measures with the image `source` and a new file `target`, which it removes.
pub(super) fn measure(source: &Path, target: &Path) -> Result<Limit> {
    let pieces = used_pieces(source)?;
    let disk = FileVolume::open(source, false)?;
    let read_seconds = over(&pieces, |buffer, offset| Ok(disk.read_at(buffer, offset)?))?;
    std::fs::File::create(target)?.set_len(disk.size_bytes())?;
    let medium = FileVolume::open(target, true)?;
    let begun = Instant::now();
    over(&pieces, |buffer, offset| {
        Ok(medium.write_at(buffer, offset)?)
    })?;
    medium.flush()?;
    let write_seconds = begun.elapsed().as_secs_f64();
    drop(medium);
    std::fs::remove_file(target)?;
    let bytes = pieces.iter().map(|piece| piece.end - piece.start).sum();
    Ok(Limit {
        read_seconds,
        write_seconds,
        tls_seconds: over_tls(bytes)?,
    })
}

/// Does something with each piece, shared by all lanes, and returns the seconds.
fn over(pieces: &[Range<u64>], act: impl Fn(&mut [u8], u64) -> Result<()> + Sync) -> Result<f64> {
    let queue = Mutex::new(pieces.iter().cloned());
    let lane = || -> Result<()> {
        let mut buffer = AlignedBuffer::new(PIECE_BYTES);
        // What holds only zeros might be written as a hole.
        blake3::Hasher::new().finalize_xof().fill(&mut buffer);
        loop {
            let piece = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(piece) = piece else { return Ok(()) };
            let length = usize::try_from(piece.end - piece.start)?;
            act(&mut buffer[..length], piece.start)?;
        }
    };
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(lane)).collect();
        lanes.into_iter().try_for_each(|lane| joined(lane.join()))
    })?;
    Ok(begun.elapsed().as_secs_f64())
}

/// Sends bytes over TLS as the data path has it, with both ends here, and returns the seconds.
fn over_tls(bytes: u64) -> Result<f64> {
    let set = TaskCertificates::mint("limit")?;
    let passphrase = set.passphrase.expose_secret();
    let (certificate, key) = (&set.target_data_certificate, &set.target_data_private_key);
    let server = data_path_server_config(certificate, key.expose_secret(), passphrase, &set.ca)?;
    let (certificate, key) = (&set.source_certificate, &set.source_private_key);
    let client = data_path_client_config(certificate, key.expose_secret(), passphrase, &set.ca)?;
    let (server, client) = (Arc::new(server), Arc::new(client));
    let name = ServerName::try_from(server_name("limit"))?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let share = bytes / LANES;
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let mut ends = Vec::new();
        for _ in 0..LANES {
            let sending = TcpStream::connect(address)?;
            let (receiving, _) = listener.accept()?;
            let client = ClientConnection::new(Arc::clone(&client), name.clone())?;
            let server = ServerConnection::new(Arc::clone(&server))?;
            ends.push(scope.spawn(move || send(client, sending, share)));
            ends.push(scope.spawn(move || receive(server, receiving, share)));
        }
        ends.into_iter().try_for_each(|end| joined(end.join()))
    })?;
    Ok(begun.elapsed().as_secs_f64())
}

fn send(mut tls: ClientConnection, mut socket: TcpStream, bytes: u64) -> Result<()> {
    tls.set_buffer_limit(None);
    let data = vec![0x5a; RECORDS_BYTES];
    let mut stream = Stream::new(&mut tls, &mut socket);
    let mut left = bytes;
    while left > 0 {
        let length = usize::try_from(left)?.min(RECORDS_BYTES);
        stream.write_all(&data[..length])?;
        left -= length as u64;
    }
    stream.flush()?;
    // The answer tells that everything was decrypted.
    stream.read_exact(&mut [0])?;
    Ok(())
}

fn receive(mut tls: ServerConnection, socket: TcpStream, bytes: u64) -> Result<()> {
    let mut socket = Buffered {
        reader: BufReader::with_capacity(RECORDS_BYTES, socket.try_clone()?),
        writer: socket,
    };
    let mut stream = Stream::new(&mut tls, &mut socket);
    let mut buffer = vec![0; RECORDS_BYTES];
    let mut left = bytes;
    while left > 0 {
        let length = stream.read(&mut buffer)? as u64;
        anyhow::ensure!(length > 0, "the sender went away");
        left = left.saturating_sub(length);
    }
    stream.write_all(&[0])?;
    Ok(stream.flush()?)
}

/// A socket that is read in large pieces.
struct Buffered {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
}

impl Read for Buffered {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl Write for Buffered {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.writer.flush()
    }
}

fn joined(result: std::thread::Result<Result<()>>) -> Result<()> {
    result.unwrap_or_else(|_| Err(anyhow!("a thread of the measurement panicked")))
}
