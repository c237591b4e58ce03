//! A measurement of the link is one of this very path, and leaves the task alone.

#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod common;

use std::net::TcpListener;

use common::{Certificates, Pair};
use rehost_replication::source::{Control, LinkProbe, Outcome, Peer, measure};

fn probe(pair: &Pair) -> LinkProbe {
    LinkProbe {
        peer: Peer {
            address: pair.address().ip().to_string(),
            port: pair.address().port(),
            server_name: pair.certificates.name.clone(),
        },
        tls: pair.certificates.source.clone(),
        streams: 2,
    }
}

#[test]
fn delay_and_rate_are_measured_and_the_task_is_left_alone() {
    let pair = Pair::new(&[8 << 20]);
    pair.fill(0, 0..8, 1);
    pair.receive();
    let figures = measure(&probe(&pair), &Control::new());
    assert_eq!(figures.attempts, 10);
    assert_eq!(figures.connected_in.len(), 10, "{figures:?}");
    assert_eq!(figures.trouble, None);
    assert!(figures.bytes_per_second.unwrap() > 0.0);
    match pair.migrate().unwrap() {
        Outcome::Finished(finished) => assert!(finished.proof.equal && finished.sessions == 1),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_measurement_keeps_to_the_speed_limit() {
    let pair = Pair::new(&[1 << 20]);
    pair.receive();
    let control = Control::new();
    control.set_rate_limit_bytes_per_second(Some(1 << 20));
    let figures = measure(&probe(&pair), &control);
    // The last probe of each stream is paid for after it was sent.
    let most = f64::from(1 << 20) * 1.5;
    assert!(figures.bytes_per_second.unwrap() < most, "{figures:?}");
}

#[test]
fn whoever_does_not_answer_or_refuses_is_told_with_the_reason() {
    let pair = Pair::new(&[1 << 20]);
    pair.receive();
    // The certificate of another task.
    let stranger = LinkProbe {
        tls: Certificates::new("task-2").source,
        ..probe(&pair)
    };
    let nobody = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut nobody = probe(&pair);
        nobody.peer.port = listener.local_addr().unwrap().port();
        nobody
    };
    for probe in [stranger, nobody] {
        let figures = measure(&probe, &Control::new());
        assert_eq!((figures.attempts, figures.connected_in.len()), (3, 0));
        assert_eq!(figures.bytes_per_second, None);
        assert!(figures.trouble.unwrap().contains("reach the receiver at"));
    }
}

#[test]
fn a_measurement_can_be_stopped() {
    let pair = Pair::new(&[1 << 20]);
    pair.receive();
    let control = Control::new();
    control.request_stop();
    let figures = measure(&probe(&pair), &control);
    assert_eq!((figures.attempts, figures.bytes_per_second), (0, None));
}
