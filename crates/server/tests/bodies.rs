//! What becomes of requests that are not as they should be.

mod support;

use rehost_server::Revision;
use support::ControlPlane;

/// A network check with everything in it.
const NETWORK: &str = r#"{"domain_connectivity":true,"destination_connectivity":true,
    "network_delay":1,"network_jitter":0,"migration_speed":1,"loss_percentage":0,"cpu_usage":1,
    "mem_usage":1,"evaluation_result":"SUCCESS"}"#;

#[test]
fn bodies_are_refused_in_words_and_never_end_the_service() {
    let plane = ControlPlane::start_plain(Revision::default());
    let token = plane.token();
    let post = |content_type: &str, body: &[u8]| {
        let mut headers = vec![("X-Auth-Token", token.as_str())];
        if !content_type.is_empty() {
            headers.push(("Content-Type", content_type));
        }
        let answer = plane.send("POST", "/v3/sources", &headers, body);
        assert!(answer.header("x-request-id").is_some());
        (answer.status, answer.code())
    };
    let json = "application/json";
    let refused = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(post(json, b""), refused(400, "SMS.6012"));
    assert_eq!(post(json, b"   "), refused(400, "SMS.6012"));
    assert_eq!(post(json, b"{"), refused(400, "SMS.6010"));
    assert_eq!(post(json, b"\xff\xfe"), refused(400, "SMS.6010"));
    assert_eq!(post(json, b"{} {}"), refused(400, "SMS.6010"));
    assert_eq!(post(json, b"\"text\""), refused(400, "SMS.6011"));
    assert_eq!(
        post(json, b"[\"id\", \"192.0.2.1\"]"),
        refused(400, "SMS.6011")
    );
    let with = |member: &str| {
        let rest = r#""os_type":"LINUX","os_version":"x","networks":[{"name":"eth0"}],"agent_version":"1""#;
        format!("{{{member},{rest}}}").into_bytes()
    };
    assert_eq!(post(json, &with(r#""name":7"#)), refused(400, "SMS.6011"));
    assert_eq!(
        post(json, &with(r#""name":"a","disks":[{"size":-1}]"#)),
        refused(400, "SMS.9001")
    );
    assert_eq!(post("text/xml", b"{}"), refused(400, "SMS.6016"));
    for tolerated in [
        "",
        json,
        "Application/JSON",
        "application/json;charset=utf-8",
    ] {
        assert_eq!(
            post(tolerated, b"{}"),
            refused(400, "SMS.6013"),
            "{tolerated:?}"
        );
    }
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    assert_eq!(post(json, &deep).0, 400);
    let deep = [b"{\"networks\":".repeat(100_000), vec![b'}'; 100_000]].concat();
    assert_eq!(post(json, &deep).0, 400);
    // The larger one does not fit into the buffers in between: it is refused while it is sent.
    for size in [2 * 1024 * 1024 + 1, 20 * 1024 * 1024] {
        assert_eq!(post(json, &vec![b' '; size]), refused(413, "SMS.6014"));
    }
    let stranger = plane.send("POST", "/v3/sources", &[], &vec![b' '; 20 * 1024 * 1024]);
    assert_eq!(stranger.status, 401, "before its body is read");
    assert_eq!(
        plane.send("GET", "/healthz", &[], b"").json()["status"],
        "ok"
    );
}

#[test]
fn a_chunked_body_is_counted_too() {
    let plane = ControlPlane::start_plain(Revision::default());
    let token = plane.token();
    let headers = [
        ("X-Auth-Token", token.as_str()),
        ("Transfer-Encoding", "chunked"),
    ];
    let chunk = [b"100000\r\n".as_slice(), &[b' '; 0x10_0000], b"\r\n"].concat();
    let body = [chunk.repeat(3), b"0\r\n\r\n".to_vec()].concat();
    let answer = plane.send("POST", "/v3/sources", &headers, &body);
    assert_eq!((answer.status, answer.code()), (413, "SMS.6014".to_owned()));
}

#[test]
fn unknown_ids_and_routes_are_404() {
    let plane = ControlPlane::start_plain(Revision::default());
    let token = plane.token();
    let send = |method: &str, path: &str, body: &str| {
        let headers = [("X-Auth-Token", token.as_str())];
        let answer = plane.send(method, path, &headers, body.as_bytes());
        assert!(answer.header("x-request-id").is_some());
        (answer.status, answer.code())
    };
    for (method, path, body, code) in [
        ("GET", "/v3/sources/nope", "", "SMS.7602"),
        ("PUT", "/v3/sources/nope", "{}", "SMS.7602"),
        ("DELETE", "/v3/sources/nope", "", "SMS.7602"),
        (
            "POST",
            "/v3/sources/delete",
            r#"{"ids":["nope"]}"#,
            "SMS.7602",
        ),
        ("PUT", "/v3/sources/nope/changestate", "{}", "SMS.7602"),
        (
            "PUT",
            "/v3/sources/nope/diskinfo",
            r#"{"disks":[]}"#,
            "SMS.7602",
        ),
        ("GET", "/v3/sources/nope/command", "", "SMS.7602"),
        ("GET", "/v3/tasks/nope", "", "SMS.7703"),
        ("PUT", "/v3/tasks/nope", "{}", "SMS.7703"),
        ("DELETE", "/v3/tasks/nope", "", "SMS.7703"),
        (
            "POST",
            "/v3/tasks/delete",
            r#"{"ids":["nope"]}"#,
            "SMS.7703",
        ),
        (
            "POST",
            "/v3/tasks/nope/action",
            r#"{"operation":"start"}"#,
            "SMS.7703",
        ),
        ("GET", "/v3/tasks/nope/certkey", "", "SMS.7703"),
        ("GET", "/v3/tasks/nope/passphrase", "", "SMS.7703"),
        ("GET", "/v3/tasks/nope/speed-limit", "", "SMS.7703"),
        ("POST", "/v3/tasks/nope/speed-limit", "", "SMS.7703"),
        (
            "GET",
            "/v3/tasks/nope/configuration-setting",
            "",
            "SMS.7703",
        ),
        ("GET", "/v3/tasks/nope/consistency-result", "", "SMS.7703"),
        (
            "POST",
            "/v3/nope/update-network-check-info",
            NETWORK,
            "SMS.7703",
        ),
        ("GET", "/rehost/v1/tasks/nope/assignment", "", "SMS.7703"),
        ("GET", "/rehost/v1/tasks/nope/proof", "", "SMS.7703"),
        ("PUT", "/rehost/v1/tasks/nope/proof", "x", "SMS.7703"),
        ("GET", "/rehost/v1/tasks/nope/report", "", "SMS.7703"),
        ("GET", "/rehost/v1/sources/nope/copy-plan", "", "SMS.7602"),
        ("DELETE", "/rehost/v1/targets/nope", "", "REHOST.2001"),
        ("GET", "/rehost/v1/nope", "", "REHOST.4001"),
        ("POST", "/rehost/v1/targets", "", "REHOST.4001"),
        ("POST", "/rehost/v1/tasks/nope/proof", "", "REHOST.4001"),
        ("GET", "/v3/nope/nope", "", "APIGW.0101"),
        ("PATCH", "/v3/sources", "", "APIGW.0101"),
        ("GET", "/v2", "", "APIGW.0101"),
    ] {
        assert_eq!(
            send(method, path, body),
            (404, code.to_owned()),
            "{method} {path}"
        );
    }
    assert_eq!(send("GET", "/v3/sources/%ff", ""), (400, "SMS.9001".into()));
    assert_eq!(
        send("GET", "/v3/sources?limit=many", ""),
        (400, "SMS.6404".into())
    );
    assert_eq!(
        send("GET", "/v3/sources?limit=201", ""),
        (400, "SMS.6404".into())
    );
}

#[test]
fn versions_are_for_everybody() {
    let plane = ControlPlane::start_plain(Revision::default());
    let list = plane.send("GET", "/", &[], b"").json();
    assert_eq!(list["versions"][0]["id"], "v3");
    assert_eq!(list["versions"][0]["status"], "SUPPORTED");
    let one = plane.send("GET", "/v3", &[], b"").json();
    assert_eq!(one["id"], "v3");
    assert_eq!(
        one["version"]["id"], "v3.0",
        "for clients that look for IAM"
    );
}

#[test]
fn joining_needs_tls() {
    let plane = ControlPlane::start_plain(Revision::default());
    let token = plane.token();
    let body = br#"{"role":"source"}"#;
    let headers = [("X-Auth-Token", token.as_str())];
    let answer = plane.send("POST", "/rehost/v1/join-tokens", &headers, body);
    assert_eq!((answer.status, answer.code()), (400, "SMS.9001".to_owned()));
    assert!(answer.text().contains("TLS"));
}
