//! Proofs of agents that sign with an access key: they stream, and only what was signed counts.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod support;

use std::io::Cursor;

use rehost_sms_api::signing::{
    BODY_HASH_HEADER, RequestToSign, announce_body_hash, body_hash, sign,
};
use support::stage::Stage;
use support::{Answer, ControlPlane};

/// Longer than what is read into memory for any other route, and no multiple of a stored part.
fn large() -> Vec<u8> {
    (0..5_000_001_u32)
        .map(|number| number.to_le_bytes()[1])
        .collect()
}

/// A task whose control plane speaks plain HTTP by now.
fn plain_stage() -> (Stage, String) {
    let mut stage = Stage::set();
    let id = stage.create(&stage.task());
    stage.plane.restart_plain();
    (stage, id)
}

fn read_proof(plane: &ControlPlane, task_id: &str) -> Vec<u8> {
    let mut proof = Vec::new();
    plane
        .administrator()
        .get_proof(task_id, &mut proof)
        .unwrap();
    proof
}

/// A request that sends one document, signed for another; announced or not.
struct Put<'a> {
    signed: &'a [u8],
    is_announced: bool,
    secret_key: &'a str,
    sent: &'a [u8],
}

fn put(plane: &ControlPlane, task_id: &str, put: &Put<'_>) -> Answer {
    let path = format!("/rehost/v1/tasks/{task_id}/proof");
    let (host, hash) = (plane.address.to_string(), body_hash(put.signed));
    let request = RequestToSign {
        method: "PUT",
        path: &path,
        query: "",
        body_sha256: hash,
    };
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let now = i64::try_from(now.as_secs()).unwrap();
    let access_key = plane.text("access_key");
    let signed_headers = [("host", host.as_str())];
    let signed = sign(&request, &signed_headers, &access_key, put.secret_key, now);
    let announcement = announce_body_hash(&hash);
    let mut headers = vec![
        ("Authorization", signed.authorization.as_str()),
        ("X-Sdk-Date", &signed.date),
    ];
    if put.is_announced {
        headers.push((BODY_HASH_HEADER, &announcement));
    }
    plane.send("PUT", &path, &headers, put.sent)
}

#[track_caller]
fn assert_turned_away(answer: &Answer) {
    assert_eq!(
        (answer.status, answer.code()),
        (401, "APIGW.0301".to_owned())
    );
    let text = answer.json()["error_msg"].as_str().unwrap().to_owned();
    assert!(text.contains("verify aksk signature fail"), "{text}");
}

#[test]
fn a_long_proof_comes_with_an_access_key() {
    let mut stage = Stage::set();
    let id = stage.create(&stage.task());
    for (plain, proof) in [(false, large()), (true, large()[1..].to_vec())] {
        if plain {
            stage.plane.restart_plain();
        }
        let agent = stage.plane.administrator();
        agent.put_proof(&id, &mut Cursor::new(&proof)).unwrap();
        assert!(read_proof(&stage.plane, &id) == proof, "plain: {plain}");
    }
}

#[test]
fn a_body_that_was_not_announced_replaces_nothing() {
    let (stage, id) = plain_stage();
    let (secret_key, large) = (stage.plane.text("secret_key"), large());
    let whole = Put {
        signed: &large,
        is_announced: true,
        secret_key: &secret_key,
        sent: &large,
    };
    assert_eq!(put(&stage.plane, &id, &whole).status, 200);

    let mut changed = large.clone();
    changed[4_000_000] ^= 1;
    let longer = [large.as_slice(), b"x"].concat();
    // More often than a wrong secret key may be used: these guess at nothing and lock nothing.
    for sent in [&changed, &longer, &large[1..], b"", b"x", b"xy"] {
        let answer = put(&stage.plane, &id, &Put { sent, ..whole });
        assert_turned_away(&answer);
        assert!(read_proof(&stage.plane, &id) == large, "{}", sent.len());
    }
    let forged = Put {
        secret_key: "guess",
        ..whole
    };
    assert_turned_away(&put(&stage.plane, &id, &forged));
    assert!(read_proof(&stage.plane, &id) == large);

    let short = Put {
        signed: b"short",
        sent: b"short",
        ..whole
    };
    assert_eq!(put(&stage.plane, &id, &short).status, 200);
    assert_eq!(read_proof(&stage.plane, &id), b"short");
}

#[test]
fn a_proof_that_is_not_announced_is_taken_as_any_other_body() {
    let (stage, id) = plain_stage();
    let (secret_key, large) = (stage.plane.text("secret_key"), large());
    let short = Put {
        signed: b"short",
        is_announced: false,
        secret_key: &secret_key,
        sent: b"short",
    };
    assert_eq!(put(&stage.plane, &id, &short).status, 200);
    let other = Put {
        sent: b"other",
        ..short
    };
    assert_turned_away(&put(&stage.plane, &id, &other));
    let long = Put {
        signed: &large,
        sent: &large,
        ..short
    };
    let answer = put(&stage.plane, &id, &long);
    assert_eq!((answer.status, answer.code()), (413, "SMS.6014".to_owned()));
    assert_eq!(read_proof(&stage.plane, &id), b"short");
}
