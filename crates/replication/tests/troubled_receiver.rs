//! What a source makes of a receiver that refuses, goes away or falls silent.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use common::{Pair, Silent};
use rehost_replication::source::{Control, NoFreeze, ReplicationJob, run};
use rehost_replication::wire::{
    Advice, Failure, HEADER_BYTES, Header, Kind, PAYLOAD_LIMIT_BYTES, Welcome,
};
use rehost_volumes::CHUNK_BYTES;
use rustls::{ServerConnection, StreamOwned};

const MIB: u64 = 1 << 20;

/// The receiver's end of one stream, as far as a test plays it.
struct Receiver {
    tls: StreamOwned<ServerConnection, TcpStream>,
    sent: u64,
}

impl Receiver {
    fn accept(listener: &TcpListener, pair: &Pair) -> Self {
        let tls = ServerConnection::new(Arc::clone(&pair.certificates.target)).unwrap();
        let tls = StreamOwned::new(tls, listener.accept().unwrap().0);
        Self { tls, sent: 0 }
    }

    /// The header of the next frame, which has to be of this kind.
    fn header(&mut self, kind: Kind) -> Header {
        let mut bytes = [0; HEADER_BYTES];
        self.tls.read_exact(&mut bytes).unwrap();
        let header = Header::decode(&bytes).unwrap();
        assert_eq!(header.kind, kind);
        header
    }

    fn frame(&mut self, kind: Kind) {
        let header = self.header(kind);
        let mut rest = vec![0; (header.control_bytes + header.payload_bytes) as usize];
        self.tls.read_exact(&mut rest).unwrap();
    }

    fn send(&mut self, kind: Kind, control: &[u8], payload: &[u8]) {
        self.sent += 1;
        let header = Header {
            version: 1,
            kind,
            control_bytes: u32::try_from(control.len()).unwrap(),
            payload_bytes: u32::try_from(payload.len()).unwrap(),
            sequence: self.sent,
        };
        let header = header.encode().unwrap();
        self.tls
            .write_all(&[&header, control, payload].concat())
            .unwrap();
        self.tls.flush().unwrap();
    }

    fn welcome(&mut self) {
        self.frame(Kind::Hello);
        let welcome = Welcome {
            version: 1,
            chunk_bytes: CHUNK_BYTES,
        };
        self.send(Kind::Welcome, &serde_json::to_vec(&welcome).unwrap(), &[]);
    }

    /// Answers the question which of so many chunks are here: none.
    fn has_nothing(&mut self, chunks: u32) {
        self.frame(Kind::PresenceRequest);
        assert!(chunks.is_multiple_of(8) && chunks / 8 < PAYLOAD_LIMIT_BYTES);
        self.send(Kind::Presence, &[], &vec![0; (chunks / 8) as usize]);
    }
}

fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn job_of_one_stream(pair: &Pair, address: SocketAddr) -> ReplicationJob {
    let mut job = pair.job(address, false);
    job.streams = 1;
    job
}

#[test]
fn a_reason_is_heard_also_by_a_source_that_can_no_longer_send() {
    let pair = Pair::new(&[80 * MIB]);
    pair.fill(0, 0..80, 1);
    let (listener, address) = listener();
    let job = job_of_one_stream(&pair, address);
    let result = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&job, &Control::new(), &mut NoFreeze, &Silent));
        let mut receiver = Receiver::accept(&listener, &pair);
        receiver.welcome();
        receiver.has_nothing(80);
        receiver.header(Kind::Chunk);
        let failure = Failure {
            code: "target_full".into(),
            message: "no room".into(),
            advice: Advice::Wait,
        };
        receiver.send(Kind::Failure, &serde_json::to_vec(&failure).unwrap(), &[]);
        // Closed with bytes in it that nobody read: what the source sends from now on fails.
        drop(receiver);
        drop(listener);
        running.join().unwrap()
    });
    let error = result.unwrap_err();
    assert!(error.is_wait(), "{error}");
}
