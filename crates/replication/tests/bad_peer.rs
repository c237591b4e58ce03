//! Nothing that a peer sends makes a receiver panic, forget or take memory, and it is told why.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use common::{Certificates, Pair};
use rehost_replication::source::{Control, NoFreeze, Outcome, SourceError, run};
use rehost_replication::wire::{
    Announce, Chunk, ChunkRange, Codec, Failure, HEADER_BYTES, HashSource, HashesRequest, Header,
    Hello, HelloVolume, Hex32, KeepPoint, Kind, Message, ZeroRun,
};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

const MIB: u64 = 1 << 20;

type Tls = StreamOwned<ClientConnection, TcpStream>;

fn connect(pair: &Pair, certificates: &Certificates, name: &str) -> Tls {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let tls = ClientConnection::new(Arc::clone(&certificates.source), name).unwrap();
    StreamOwned::new(tls, TcpStream::connect(pair.address()).unwrap())
}

fn frame(kind: Kind, control: &[u8], payload: &[u8]) -> Vec<u8> {
    let header = Header {
        version: 1,
        kind,
        control_bytes: u32::try_from(control.len()).unwrap(),
        payload_bytes: u32::try_from(payload.len()).unwrap(),
        sequence: 1,
    };
    [&header.encode().unwrap()[..], control, payload].concat()
}

fn message<M: Message>(message: &M, payload: &[u8]) -> Vec<u8> {
    frame(M::KIND, &serde_json::to_vec(message).unwrap(), payload)
}

fn hello() -> Hello {
    Hello {
        versions: vec![1],
        task_id: "task-1".into(),
        session: 1,
        stream: 0,
        volumes: vec![HelloVolume {
            index: 0,
            size_bytes: 8 * MIB,
        }],
        codecs: vec!["zstd".into(), "unheard-of".into()],
    }
}

/// The next frame of the receiver, or nothing if it closed the connection.
fn answer(tls: &mut Tls) -> Option<(Kind, Vec<u8>)> {
    let mut header = [0; HEADER_BYTES];
    match tls.read_exact(&mut header) {
        Ok(()) => {}
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
            ) =>
        {
            return None;
        }
        Err(error) => panic!("{error}"),
    }
    let header = Header::decode(&header).unwrap();
    let mut body = vec![0; (header.control_bytes + header.payload_bytes) as usize];
    tls.read_exact(&mut body).unwrap();
    Some((header.kind, body))
}

/// Sends frames on a stream that was opened properly, and returns the failure's code, or nothing
/// if the receiver just closed.
fn provoke(pair: &Pair, frames: &[Vec<u8>]) -> Option<String> {
    let mut tls = connect(pair, &pair.certificates, &pair.certificates.name);
    tls.write_all(&message(&hello(), &[])).unwrap();
    assert_eq!(answer(&mut tls).unwrap().0, Kind::Welcome);
    for frame in frames {
        // The receiver may hang up before everything is sent.
        let _ = tls.write_all(frame);
    }
    let _ = tls.flush();
    let _ = tls.sock.shutdown(std::net::Shutdown::Write);
    loop {
        match answer(&mut tls) {
            Some((Kind::Failure, body)) => {
                let failure: Failure = serde_json::from_slice(&body).unwrap();
                assert!(!failure.message.is_empty());
                return Some(failure.code);
            }
            Some(_) => {}
            None => return None,
        }
    }
}

fn pair() -> Pair {
    let pair = Pair::new(&[8 * MIB]);
    pair.fill(0, 0..8, 1);
    pair.receive();
    pair
}

/// The receiver still serves an honest source.
fn still_works(pair: &Pair) {
    match pair.migrate().unwrap() {
        Outcome::Finished(finished) => assert!(finished.proof.equal),
        Outcome::Stopped | Outcome::Unchecked(_) => panic!("stopped"),
    }
    assert_eq!(pair.bytes("source-0"), pair.bytes("target-0"));
}

#[test]
fn garbage_and_plain_text_are_turned_away() {
    let pair = pair();
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 70_000],
        &[0x16, 3, 1, 0xff, 0xff],
    ] {
        let mut socket = TcpStream::connect(pair.address()).unwrap();
        let _ = socket.write_all(garbage);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest);
        assert!(rest.len() < 100, "an alert at most, no data");
    }
    still_works(&pair);
}

#[test]
fn who_says_nothing_keeps_nobody_out() {
    let pair = pair();
    let mut strangers = Vec::new();
    let mut silent = Vec::new();
    for _ in 0..300 {
        strangers.push(TcpStream::connect(pair.address()).unwrap());
        let mut tls = connect(&pair, &pair.certificates, &pair.certificates.name);
        // Some are cut off in the handshake already.
        while tls.conn.is_handshaking() && tls.conn.complete_io(&mut tls.sock).is_ok() {}
        silent.push(tls);
    }
    still_works(&pair);
    drop((strangers, silent));
}

#[test]
fn another_task_is_refused_in_the_handshake() {
    let pair = pair();
    let other = Certificates::new("task-1");
    let mut job = pair.job(pair.address(), false);
    job.tls = Arc::clone(&other.source);
    let refused = run(&job, &stopping(), &mut NoFreeze, &common::Silent);
    assert!(
        matches!(refused, Ok(Outcome::Stopped)),
        "a source asked to stop says nothing"
    );

    let mut tls = connect(&pair, &other, &pair.certificates.name);
    let error = tls
        .write_all(&message(&hello(), &[]))
        .and_then(|()| tls.flush());
    let error = error
        .and_then(|()| tls.read(&mut [0]).map(|_| ()))
        .unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");

    // Our own certificate does not open another task's name either.
    let mut tls = connect(
        &pair,
        &pair.certificates,
        &rehost_certificates::server_name("task-2"),
    );
    let _ = tls.write_all(b"x").and_then(|()| tls.flush());
    assert!(tls.read(&mut [0]).is_err());
    still_works(&pair);
}

fn stopping() -> Control {
    let control = Control::new();
    control.request_stop();
    control
}

#[test]
fn damaged_frames_are_refused_with_a_reason() {
    let pair = pair();
    let good = frame(Kind::Barrier, &[], &[]);
    let spoil = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        bytes
    };
    // Magic, version, kind, flags; a control part and a payload over the limit.
    for (at, value) in [(0, b'X'), (4, 2), (5, 99), (6, 1), (11, 0x7f), (15, 0x7f)] {
        let code = provoke(&pair, &[spoil(at, value)]);
        assert_eq!(code.as_deref(), Some("bad_frame"), "byte {at}");
    }
    // A control part that is no JSON, and one that is another JSON.
    for (kind, control) in [(Kind::Chunk, &b"{"[..]), (Kind::ZeroRun, b"[1,2]")] {
        let code = provoke(&pair, &[frame(kind, control, &[])]);
        assert_eq!(code.as_deref(), Some("bad_frame"));
    }
    // A frame that is cut short: the peer goes away in the middle.
    let mut tls = connect(&pair, &pair.certificates, &pair.certificates.name);
    tls.write_all(&message(&hello(), &[])).unwrap();
    tls.write_all(&frame(Kind::Chunk, b"{}", &[0; 1000])[..500])
        .unwrap();
    drop(tls);
    still_works(&pair);
}

#[test]
fn frames_that_make_no_sense_are_refused_with_a_reason() {
    let pair = pair();
    let chunk = |volume: u32, chunk: u64, segments: &[(u32, u32)], payload: &[u8]| {
        let mut content = vec![0; 1 << 20];
        let mut taken = 0;
        for &(start, end) in segments {
            let (start, end) = (start as usize, (end as usize).min(content.len()));
            if start < end && taken + end - start <= payload.len() {
                content[start..end].copy_from_slice(&payload[taken..taken + end - start]);
                taken += end - start;
            }
        }
        let message_ = Chunk {
            volume,
            chunk,
            hash: Hex32(*blake3::hash(&content).as_bytes()),
            segments: segments.to_vec(),
            codec: None,
        };
        message(&message_, payload)
    };
    let damaged = Chunk {
        volume: 0,
        chunk: 1,
        hash: Hex32([7; 32]),
        segments: vec![(0, 10)],
        codec: None,
    };
    let range = |volume, first, count| {
        message(
            &ChunkRange {
                volume,
                first,
                count,
            },
            &[],
        )
    };
    let zeros = |first, count| {
        message(
            &ZeroRun {
                volume: 0,
                first,
                count,
            },
            &[],
        )
    };
    let hashes = |first, count| {
        let from = HashSource::Medium;
        message(
            &HashesRequest {
                volume: 0,
                first,
                count,
                from,
            },
            &[],
        )
    };
    for (name, frame, code) in [
        (
            "unknown volume",
            chunk(7, 0, &[(0, 10)], &[1; 10]),
            "unknown_volume",
        ),
        (
            "beyond the end",
            chunk(0, 8, &[(0, 10)], &[1; 10]),
            "bad_range",
        ),
        (
            "overflow",
            chunk(0, u64::MAX, &[(0, 10)], &[1; 10]),
            "bad_range",
        ),
        (
            "beyond the chunk",
            chunk(0, 0, &[(0, 1 << 21)], &[1; 10]),
            "bad_segments",
        ),
        ("reversed", chunk(0, 0, &[(10, 0)], &[]), "bad_segments"),
        (
            "payload too short",
            chunk(0, 0, &[(0, 10)], &[1; 9]),
            "bad_segments",
        ),
        ("wrong hash", message(&damaged, &[1; 10]), "chunk_damaged"),
        ("too many bits", range(0, 0, u64::MAX), "bad_range"),
        ("range beyond the end", range(0, 7, 2), "bad_range"),
        ("zeros beyond the end", zeros(u64::MAX, 2), "bad_range"),
        ("no zeros", zeros(0, 0), "bad_range"),
        ("hashes beyond the end", hashes(1, 8), "bad_range"),
        (
            "a point with a path for a name",
            message(
                &KeepPoint {
                    point: "../../etc".into(),
                },
                &[],
            ),
            "bad_point",
        ),
        ("a second hello", message(&hello(), &[]), "unexpected_frame"),
        (
            "an answer",
            frame(Kind::Welcome, &[], &[]),
            "unexpected_frame",
        ),
        (
            "announcement beyond the end",
            message(
                &Announce {
                    volume: 0,
                    chunks: vec![8],
                },
                &[],
            ),
            "bad_range",
        ),
    ] {
        assert_eq!(provoke(&pair, &[frame]).as_deref(), Some(code), "{name}");
    }
    still_works(&pair);
}

#[test]
fn packed_chunks_that_are_not_what_they_say_are_refused_with_a_reason() {
    let pair = pair();
    let packed = |codec, segments: &[(u32, u32)], payload: &[u8]| {
        let chunk = Chunk {
            volume: 0,
            chunk: 0,
            hash: Hex32(*blake3::hash(&[0; 1 << 20]).as_bytes()),
            segments: segments.to_vec(),
            codec: Some(codec),
        };
        message(&chunk, payload)
    };
    // 4 KiB of which nothing is left but zeros, and a megabyte of them.
    let zeros = |length| zstd::bulk::compress(&vec![0; length], 1).unwrap();
    let (fitting, bomb) = (zeros(4096), zeros(1 << 20));
    let short = [(0, 4096)];
    for (name, frame, code) in [
        (
            "not agreed on",
            packed(Codec::Lz4, &short, &[1; 9]),
            "bad_packing",
        ),
        (
            "no frame",
            packed(Codec::Zstd, &short, &[0xff; 99]),
            "bad_packing",
        ),
        ("nothing", packed(Codec::Zstd, &short, &[]), "bad_packing"),
        (
            "too much in it",
            packed(Codec::Zstd, &short, &bomb),
            "bad_packing",
        ),
        (
            "too little in it",
            packed(Codec::Zstd, &[(0, 8192), (16384, 20480)], &fitting),
            "bad_packing",
        ),
        (
            "cut short",
            packed(Codec::Zstd, &short, &fitting[..9]),
            "bad_packing",
        ),
        (
            "longer than its content",
            packed(Codec::Zstd, &[(0, 9)], &fitting),
            "bad_segments",
        ),
        ("no content", packed(Codec::Zstd, &[], &[]), "bad_segments"),
    ] {
        assert_eq!(provoke(&pair, &[frame]).as_deref(), Some(code), "{name}");
    }
    assert_eq!(
        provoke(&pair, &[packed(Codec::Zstd, &short, &fitting)]),
        None
    );
    still_works(&pair);
}

#[test]
fn a_hello_that_does_not_fit_is_refused_with_a_reason() {
    let pair = pair();
    let sized = |size_bytes| {
        vec![HelloVolume {
            index: 0,
            size_bytes,
        }]
    };
    for (hello, code) in [
        (
            Hello {
                versions: vec![9],
                ..hello()
            },
            "version",
        ),
        (
            Hello {
                task_id: "task-2".into(),
                ..hello()
            },
            "unknown_task",
        ),
        (
            Hello {
                stream: 64,
                ..hello()
            },
            "too_many_streams",
        ),
        (
            Hello {
                volumes: sized(9 * MIB),
                ..hello()
            },
            "target_too_small",
        ),
        (
            Hello {
                volumes: sized(7 * MIB),
                ..hello()
            },
            "size_changed",
        ),
    ] {
        let mut tls = connect(&pair, &pair.certificates, &pair.certificates.name);
        tls.write_all(&message(&hello, &[])).unwrap();
        tls.sock.shutdown(std::net::Shutdown::Write).unwrap();
        let (kind, body) = answer(&mut tls).unwrap();
        assert_eq!(kind, Kind::Failure);
        let failure: Failure = serde_json::from_slice(&body).unwrap();
        assert_eq!(failure.code, code);
    }
    still_works(&pair);
}

#[test]
fn a_released_task_refuses_sources_for_good_reason() {
    let pair = pair();
    pair.stop_receiving();
    let job = pair.job(pair.address(), false);
    let control = Control::new();
    let result = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(&job, &control, &mut NoFreeze, &LinkLost(&control)));
        running.join().unwrap()
    });
    assert!(matches!(
        result,
        Ok(Outcome::Stopped) | Err(SourceError::Link { .. })
    ));
    pair.receive();
    still_works(&pair);
}

/// Asks to stop as soon as the link was lost once.
struct LinkLost<'a>(&'a Control);

impl rehost_replication::source::Observer for LinkLost<'_> {
    fn event(&self, event: &rehost_replication::source::Event) {
        if matches!(event, rehost_replication::source::Event::LinkLost { .. }) {
            self.0.request_stop();
        }
    }
}
