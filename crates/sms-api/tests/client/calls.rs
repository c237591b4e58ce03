//! Calls over plain HTTP: paths, bodies, credentials, errors, streams.

use std::io::{Cursor, ErrorKind, Read, Seek, SeekFrom};
use std::net::TcpListener;

use rehost_sms_api::bodies::iam::AuthTokensRequest;
use rehost_sms_api::bodies::{ListServersQuery, PostTask, PutCopyStateReq, SourceServerByTask};
use rehost_sms_api::client::{ClientError, Credentials};
use rehost_sms_api::errors::ErrorCode;
use rehost_sms_api::signing::{BODY_HASH_HEADER, announce_body_hash, body_hash};
use secrecy::ExposeSecret as _;

use crate::peer::{Answer, client, ok, start};

fn access_key() -> Credentials {
    Credentials::AccessKey {
        access_key: "AK".into(),
        secret_key: "SK".into(),
        project_id: Some("p1".into()),
    }
}

#[test]
fn signed_requests_verify_as_they_arrive() {
    let (endpoint, peer) = start(vec![ok(r#"{"count":0,"source_servers":[]}"#), ok("{}")]);
    let client = client(&endpoint, access_key());
    let query = ListServersQuery {
        name: Some("a b/中~".into()),
        limit: Some(10),
        ..Default::default()
    };
    assert_eq!(client.list_servers(&query).unwrap().count, Some(0));
    let state = PutCopyStateReq {
        copystate: Some("WAITING".into()),
        ..Default::default()
    };
    client.update_copy_state("s/1", &state).unwrap();

    let received = peer.join().unwrap();
    assert_eq!(received[0].query, "limit=10&name=a%20b%2F%E4%B8%AD~");
    assert_eq!(
        (received[1].method.as_str(), received[1].path.as_str()),
        ("PUT", "/v3/sources/s%2F1/changestate")
    );
    for request in &received {
        assert_eq!(request.header("x-project-id"), Some("p1"));
        let authorization = request.verify("SK").unwrap();
        assert_eq!(authorization.access_key, "AK");
        assert!(
            authorization
                .signed_headers
                .iter()
                .any(|name| name == "host")
        );
    }
}

#[test]
fn a_token_is_sent_and_absent_members_are_left_out() {
    let (endpoint, peer) = start(vec![ok(r#"{"id":"t1"}"#)]);
    let client = client(&endpoint, Credentials::Token("tok".into()));
    let task = PostTask {
        name: Some("n".into()),
        source_server: Some(SourceServerByTask {
            id: Some("s1".into()),
        }),
        syncing: Some(false),
        ..Default::default()
    };
    assert_eq!(client.create_task(&task).unwrap().id.as_deref(), Some("t1"));
    let received = peer.join().unwrap();
    assert_eq!(received[0].header("x-auth-token"), Some("tok"));
    assert_eq!(received[0].header("content-type"), Some("application/json"));
    assert_eq!(
        received[0].json(),
        serde_json::json!({"name": "n", "source_server": {"id": "s1"}, "syncing": false})
    );
}

#[test]
fn a_login_gives_the_token_of_the_header() {
    let (endpoint, peer) = start(vec![
        Answer {
            status: "201 Created",
            headers: "X-Subject-Token: tok\r\n",
            body: r#"{"token":{"expires_at":"2030-01-02T00:00:00.000000Z"}}"#.into(),
        },
        Answer {
            status: "201 Created",
            headers: "",
            body: r#"{"token":{}}"#.into(),
        },
    ]);
    let client = client(&endpoint, Credentials::None);
    let issued = client.create_token(&AuthTokensRequest::default()).unwrap();
    assert_eq!(issued.token.expose_secret(), "tok");
    assert_eq!(issued.body.token.expires_at, "2030-01-02T00:00:00.000000Z");
    let without = client.create_token(&AuthTokensRequest::default());
    assert!(matches!(without, Err(ClientError::Decode { .. })));
    assert_eq!(peer.join().unwrap()[0].path, "/v3/auth/tokens");
}

#[test]
fn refusals_are_read_and_redirects_are_not_followed() {
    let (endpoint, peer) = start(vec![
        Answer {
            status: "404 Not Found",
            headers: "X-Request-Id: r1\r\n",
            body: r#"{"error_code":"SMS.7703","error_msg":"There is no task."}"#.into(),
        },
        Answer {
            status: "302 Found",
            headers: "Location: http://127.0.0.1:1/\r\n",
            body: String::new(),
        },
        ok("not JSON"),
    ]);
    let client = client(&endpoint, Credentials::Token("tok".into()));
    let error = client.show_task("t").unwrap_err();
    assert!(error.is(ErrorCode::TaskUnknown), "{error}");
    assert!(matches!(&error, ClientError::Api { request_id: Some(id), .. } if id == "r1"));
    assert_eq!(client.show_task("t").unwrap_err().status(), Some(302));
    assert!(matches!(
        client.show_task("t"),
        Err(ClientError::Decode { .. })
    ));
    assert_eq!(peer.join().unwrap().len(), 3);
}

#[test]
fn nobody_there_is_a_transport_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client(&endpoint, Credentials::None).health().unwrap_err();
    assert!(
        matches!(error, ClientError::Transport { .. }) && error.is_temporary(),
        "{error}"
    );
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_proof_is_streamed_both_ways() {
    let proof = "0123456789abcdef".repeat(20_000);
    let (endpoint, peer) = start(vec![ok("{}"), ok(&proof)]);
    let client = client(&endpoint, Credentials::Token("tok".into()));
    client.put_proof("t1", &mut Cursor::new(&proof)).unwrap();
    let mut output = Vec::new();
    assert_eq!(
        client.get_proof("t1", &mut output).unwrap(),
        proof.len() as u64
    );
    assert_eq!(output, proof.as_bytes());
    let received = peer.join().unwrap();
    assert_eq!(received[0].body, proof.as_bytes());
    assert_eq!(received[1].path, "/rehost/v1/tasks/t1/proof");
}

#[test]
fn a_stream_is_signed_by_its_hash_and_sent_from_where_it_stood() {
    let proof = "0123456789abcdef".repeat(20_000);
    let (endpoint, peer) = start(vec![ok("{}")]);
    let client = client(&endpoint, access_key());
    let mut input = Cursor::new(&proof);
    input.set_position(5);
    client.put_proof("t1", &mut input).unwrap();

    let received = peer.join().unwrap().remove(0);
    assert_eq!(received.body, &proof.as_bytes()[5..]);
    let hash = announce_body_hash(&body_hash(&received.body));
    assert_eq!(received.header(BODY_HASH_HEADER), Some(hash.as_str()));
    let signed = received.verify("SK").unwrap();
    assert!(signed.signed_headers.contains(&BODY_HASH_HEADER.to_owned()));
}

#[test]
fn what_cannot_be_hashed_is_not_sent() {
    struct Unreadable;
    impl Read for Unreadable {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(ErrorKind::IsADirectory.into())
        }
    }
    impl Seek for Unreadable {
        fn seek(&mut self, _: SeekFrom) -> std::io::Result<u64> {
            Ok(0)
        }
    }
    let client = client("http://127.0.0.1:1", access_key());
    let failed = client.put_proof("t1", &mut Unreadable);
    assert!(matches!(failed, Err(ClientError::Input { .. })));
}

#[test]
fn a_long_poll_says_how_long_it_waits() {
    let (endpoint, peer) = start(vec![ok(
        r#"{"command_name":"START","command_param":{"task_id":"t"}}"#,
    )]);
    let client = client(&endpoint, Credentials::None);
    let command = client.show_command("s1", Some(25)).unwrap();
    assert_eq!(command.command_name.as_deref(), Some("START"));
    assert_eq!(peer.join().unwrap()[0].query, "wait_seconds=25");
}
