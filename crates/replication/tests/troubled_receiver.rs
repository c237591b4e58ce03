//! What a source makes of a receiver that refuses, goes away or falls silent.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Pair, Silent};
use rehost_replication::source::{
    Control, Event, FreezeError, Freezer, NoFreeze, Observer, Outcome, ReplicationJob, SourceError,
    run,
};
use rehost_replication::wire::{
    Advice, Committed, Failure, HEADER_BYTES, Header, Kind, PAYLOAD_LIMIT_BYTES, Welcome,
};
use rehost_volumes::{CHUNK_BYTES, zero_chunk_hash};
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

    /// The next frame, which has to be of this kind; returns its sequence number.
    fn frame(&mut self, kind: Kind) -> u64 {
        let header = self.header(kind);
        let mut rest = vec![0; (header.control_bytes + header.payload_bytes) as usize];
        self.tls.read_exact(&mut rest).unwrap();
        header.sequence
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
            codecs: Vec::new(),
        };
        self.send(Kind::Welcome, &serde_json::to_vec(&welcome).unwrap(), &[]);
    }

    fn commit_at_barrier(&mut self) {
        let sequence = self.frame(Kind::Barrier);
        let committed = serde_json::to_vec(&Committed { sequence }).unwrap();
        self.send(Kind::Committed, &committed, &[]);
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

#[test]
fn a_stop_does_not_wait_for_a_receiver_that_fell_silent() {
    let pair = Pair::new(&[8 * MIB]);
    let (listener, address) = listener();
    let job = job_of_one_stream(&pair, address);
    let control = Control::new();
    let result = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&job, &control, &mut NoFreeze, &Silent));
        let mut receiver = Receiver::accept(&listener, &pair);
        receiver.welcome();
        receiver.has_nothing(8);
        receiver.frame(Kind::ZeroRun);
        receiver.frame(Kind::Barrier);
        // The barrier is never answered, and the connection stays open.
        control.request_stop();
        running.join().unwrap()
    });
    assert!(matches!(result, Ok(Outcome::Stopped)));
}

/// What it froze thaws by itself in the middle of the final round.
#[derive(Debug)]
struct Expiring {
    asked: Sender<()>,
}

impl Freezer for Expiring {
    fn freeze(&mut self) -> Result<(), FreezeError> {
        Ok(())
    }

    fn is_held(&self) -> bool {
        self.asked.send(()).unwrap();
        false
    }

    fn thaw(&mut self) -> Result<Option<Duration>, FreezeError> {
        Err(FreezeError {
            act: "hold",
            source: "the time was over".into(),
        })
    }
}

#[test]
fn a_final_round_that_is_in_vain_does_not_wait_for_a_receiver_that_fell_silent() {
    let pair = Pair::new(&[8 * MIB]);
    let (listener, address) = listener();
    let job = job_of_one_stream(&pair, address);
    let (asked, is_asked) = channel();
    let result = std::thread::scope(|scope| {
        let mut freezer = Expiring { asked };
        let (job, control) = (&job, Control::new());
        let running = scope.spawn(move || run(job, &control, &mut freezer, &Silent));
        let mut receiver = Receiver::accept(&listener, &pair);
        receiver.welcome();
        receiver.has_nothing(8);
        receiver.frame(Kind::ZeroRun);
        receiver.commit_at_barrier();
        receiver.frame(Kind::HashesRequest);
        // The question is never answered, and the connection stays open.
        running.join().unwrap()
    });
    drop(is_asked);
    // Not that the link was lost: to freeze the source again at once would help nobody.
    assert!(matches!(result, Err(SourceError::Freeze(_))), "{result:?}");
}

#[test]
fn a_final_round_ends_when_the_source_is_no_longer_held() {
    let pair = Pair::new(&[8 * MIB]);
    let (listener, address) = listener();
    let job = job_of_one_stream(&pair, address);
    let (asked, is_asked) = channel();
    let result = std::thread::scope(|scope| {
        let mut freezer = Expiring { asked };
        let (job, control) = (&job, Control::new());
        let running = scope.spawn(move || run(job, &control, &mut freezer, &Silent));
        let mut receiver = Receiver::accept(&listener, &pair);
        receiver.welcome();
        receiver.has_nothing(8);
        receiver.frame(Kind::ZeroRun);
        receiver.commit_at_barrier();
        receiver.frame(Kind::HashesRequest);
        // The first answer of the freezer has been heeded when it is asked again.
        is_asked.recv().unwrap();
        is_asked.recv().unwrap();
        receiver.send(Kind::Hashes, &[], &[1; 8 * 32]);
        receiver.frame(Kind::Announce);
        receiver.send(Kind::Announced, &[], &[]);
        // Everything differs, and nothing is sent any more.
        receiver.commit_at_barrier();
        running.join().unwrap()
    });
    assert!(matches!(result, Err(SourceError::Freeze(_))), "{result:?}");
}

/// Remembers what became of points.
#[derive(Default)]
struct Points(Mutex<Vec<Event>>);

impl Observer for Points {
    fn event(&self, event: &Event) {
        if matches!(
            event,
            Event::PointKept { .. } | Event::PointFailed { .. } | Event::LinkLost { .. }
        ) {
            self.0.lock().unwrap().push(event.clone());
        }
    }
}

#[test]
fn a_receiver_that_knows_no_points_goes_on_receiving() {
    let pair = Pair::new(&[8 * MIB]);
    let (listener, address) = listener();
    let mut job = job_of_one_stream(&pair, address);
    job.syncing = true;
    let control = Control::new();
    control.request_point("point-1");
    let events = Points::default();
    let result = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&job, &control, &mut NoFreeze, &events));
        let zeros = zero_chunk_hash(CHUNK_BYTES).repeat(8);
        let round = |receiver: &mut Receiver| {
            receiver.frame(Kind::HashesRequest);
            receiver.send(Kind::Hashes, &[], &zeros);
            receiver.commit_at_barrier();
        };
        let mut receiver = Receiver::accept(&listener, &pair);
        receiver.welcome();
        receiver.has_nothing(8);
        receiver.frame(Kind::ZeroRun);
        receiver.commit_at_barrier();
        // A sync round, and the frozen round.
        round(&mut receiver);
        round(&mut receiver);
        receiver.frame(Kind::KeepPoint);
        let failure = Failure {
            code: "bad_frame".into(),
            message: "read a frame: unknown kind of frame: 17".into(),
            advice: Advice::GiveUp,
        };
        receiver.send(Kind::Failure, &serde_json::to_vec(&failure).unwrap(), &[]);
        drop(receiver);
        let mut receiver = Receiver::accept(&listener, &pair);
        receiver.welcome();
        round(&mut receiver);
        control.request_stop();
        drop(receiver);
        running.join().unwrap()
    });
    assert!(matches!(result, Ok(Outcome::Stopped)), "{result:?}");
    let events = events.0.lock().unwrap();
    let Event::PointFailed { point, reason } = &events[0] else {
        panic!("{events:?}")
    };
    assert_eq!(point, "point-1");
    assert!(reason.contains("install the source's release"), "{reason}");
    assert!(matches!(events[1], Event::LinkLost { .. }), "{events:?}");
}
