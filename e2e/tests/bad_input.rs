//! The promise: nothing that a peer sends may harm. Receiver and control plane get garbage, cut and
//! oversized input and foreign certificates; they refuse, stay up, and go on serving.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rehost_certificates::{data_path_client_config, server_name};
use rehost_e2e::{administrator, open, request, talk, without_certificate};
use rehost_testkit::{LONG, SHORT, Site, patterned_image, until};

const MIB: usize = 1024 * 1024;
const DISK_BYTES: u64 = 16 * 1024 * 1024;

#[test]
fn a_receiver_survives_strangers_and_a_source_that_lies() -> Result<()> {
    let mut site = Site::start()?;
    let (mine, other) = (site.disk("mine.img"), site.disk("other.img"));
    patterned_image(&mine, DISK_BYTES, 6)?;
    patterned_image(&other, DISK_BYTES, 7)?;
    // Two tasks that are served, of which one source is on our side.
    let agents = [
        site.agent("honest", &[&mine])?,
        site.agent("other", &[&other])?,
    ];
    let mut tasks = Vec::new();
    for agent in &agents {
        let task = site.create_task(agent, &["--syncing", "--start"])?;
        site.wait_for_state(&task, "SYNCING", LONG)?;
        tasks.push(task);
    }
    let [honest, foreign] = tasks.as_slice() else {
        anyhow::bail!("two tasks")
    };

    strangers(&site, honest)?;
    let client = administrator(&site.login_file())?;
    let keys = client.show_cert_key(foreign, true)?;
    let passphrase = client
        .show_passphrase(foreign)?
        .passphrase
        .context("passphrase")?;
    let config = data_path_client_config(
        &keys.cert.context("certificate")?,
        &keys.private_key.context("key")?,
        &passphrase,
        &keys.ca.context("CA")?,
    )?;

    // The certificate of one task opens no other: neither by name, nor by trusting its target.
    let mut stranger = open(site.data_port(), &server_name(honest), config.clone())?;
    assert_eq!(
        talk(&mut stranger, b"RHST")?,
        b"",
        "a certificate of another task"
    );

    for (what, bytes) in lies() {
        let mut source = open(site.data_port(), &server_name(foreign), config.clone())?;
        let answer = talk(&mut source, &bytes).with_context(|| what.to_owned())?;
        assert!(
            answer.len() < 64 * 1024,
            "{what}: a short refusal, not {} bytes",
            answer.len()
        );
        assert!(site.receiver.is_running()?, "the receiver survives {what}");
    }

    for task in &tasks {
        site.act(task, "cutover")?;
        site.wait_for_state(task, "MIGRATE_SUCCESS", LONG)?;
        let report = site.report(task)?;
        assert!(
            report
                .volumes
                .iter()
                .all(|volume| volume.equal == Some(true)),
            "{report:?}"
        );
    }
    Ok(())
}

/// Those who have no certificate at all.
fn strangers(site: &Site, task: &str) -> Result<()> {
    for bytes in [
        &b""[..],
        b"GET / HTTP/1.1\r\n\r\n",
        &[0x16, 3, 1, 0xff, 0xff],
        &[0; 4096],
    ] {
        let mut socket = TcpStream::connect(("127.0.0.1", site.data_port()))?;
        socket.set_read_timeout(Some(Duration::from_secs(60)))?;
        let _ = socket.write_all(bytes);
        socket.shutdown(std::net::Shutdown::Write)?;
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        assert!(answer.len() < 64, "an alert at most: {answer:?}");
    }
    for name in [
        server_name(task),
        server_name("unknown"),
        "example.com".into(),
    ] {
        let config = without_certificate(&site.ca_file())?;
        let mut nobody = open(site.data_port(), &name, config)?;
        assert_eq!(
            talk(&mut nobody, b"RHST")?,
            b"",
            "{name} without a certificate"
        );
    }
    Ok(())
}

/// What a source with a valid certificate might send.
fn lies() -> Vec<(&'static str, Vec<u8>)> {
    let header = |version: u8, kind: u8, control: u32, payload: u32| {
        let mut bytes = b"RHST".to_vec();
        bytes.extend([version, kind, 0, 0]);
        bytes.extend(control.to_le_bytes());
        bytes.extend(payload.to_le_bytes());
        bytes.extend([0; 8]);
        bytes
    };
    let with = |mut bytes: Vec<u8>, body: &[u8]| {
        bytes.extend(body);
        bytes
    };
    let hello = |text: &str| {
        with(
            header(1, 1, u32::try_from(text.len()).unwrap_or(u32::MAX), 0),
            text.as_bytes(),
        )
    };
    vec![
        ("garbage", vec![0xa5; 3 * MIB]),
        ("another version", header(99, 1, 0, 0)),
        ("a kind that does not exist", header(1, 200, 0, 0)),
        ("a control part of 4 GiB", header(1, 1, u32::MAX, 0)),
        ("a payload of 4 GiB", header(1, 9, 2, u32::MAX)),
        ("a chunk before hello", with(header(1, 9, 2, 4), b"{}1234")),
        ("hello that is no JSON", hello("{")),
        (
            "hello of another task",
            hello(r#"{"versions":[1],"task_id":"x","session":1,"stream":0,"volumes":[]}"#),
        ),
        ("hello with deep JSON", hello(&"[".repeat(100_000))),
        (
            "hello with wrong disks",
            hello(
                r#"{"versions":[1],"task_id":"x","session":1,"stream":0,
                "volumes":[{"index":4294967295,"size_bytes":18446744073709551615}]}"#,
            ),
        ),
    ]
}

#[test]
fn a_control_plane_answers_nonsense_with_errors_and_goes_on() -> Result<()> {
    let mut site = Site::start()?;
    let port = site.api_port();
    let ca = site.ca_file();
    let ask = |head: &str, body: &[u8]| request(port, &ca, head, body);

    let (status, body) = ask("GET /healthz HTTP/1.1", b"")?;
    assert_eq!((status, body["status"].as_str()), (200, Some("ok")));
    let large = vec![b' '; 10 * MIB];
    for (what, head, body) in [
        ("nobody", "GET /v3/sources HTTP/1.1", &b""[..]),
        (
            "a bad token",
            "GET /v3/sources HTTP/1.1\r\nX-Auth-Token: x",
            b"",
        ),
        (
            "a bad signature",
            "GET /v3/sources HTTP/1.1\r\nAuthorization: SDK-HMAC-SHA256 Access=A",
            b"",
        ),
        (
            "malformed JSON",
            "POST /v3/auth/tokens HTTP/1.1",
            b"{\"auth\":",
        ),
        (
            "deep JSON",
            "POST /v3/auth/tokens HTTP/1.1",
            "[".repeat(200_000).as_bytes(),
        ),
        (
            "text that is not UTF-8",
            "POST /v3/auth/tokens HTTP/1.1",
            &[0xff; 100],
        ),
        (
            "10 MiB for a login",
            "POST /v3/auth/tokens HTTP/1.1",
            &large,
        ),
        (
            "10 MiB for joining",
            "POST /rehost/v1/join HTTP/1.1",
            &large,
        ),
        (
            "a wrong join secret",
            "POST /rehost/v1/join HTTP/1.1",
            br#"{"secret":"x","role":"source","name":"x","certificate_request":"x"}"#,
        ),
        ("an unknown route", "GET /v3/nothing HTTP/1.1", b""),
        ("a wrong method", "PATCH /v3/sources HTTP/1.1", b""),
    ] {
        let (status, answer) = ask(head, body).with_context(|| what.to_owned())?;
        assert!((400..500).contains(&status), "{what}: {status} {answer}");
        let has_code = ["error_code", "error"]
            .iter()
            .any(|name| !answer[name].is_null());
        assert!(
            has_code,
            "{what} is answered in a form that clients read: {answer}"
        );
    }
    for bytes in [&b"\0\0\0\0"[..], b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"] {
        let mut stream = open(port, "127.0.0.1", without_certificate(&ca)?)?;
        talk(&mut stream, bytes)?;
    }
    let mut headers = String::from("GET /healthz HTTP/1.1");
    for number in 0..10_000 {
        headers += &format!("\r\nX-{number}: {}", "y".repeat(100));
    }
    let mut stream = open(port, "127.0.0.1", without_certificate(&ca)?)?;
    let answer = talk(&mut stream, format!("{headers}\r\n\r\n").as_bytes())?;
    assert!(
        !answer.starts_with(b"HTTP/1.1 200"),
        "a megabyte of headers is refused"
    );

    assert!(site.control_plane.is_running()?);
    until("the control plane still works", SHORT, || {
        Ok(site.json(["targets", "list"]).ok().map(|_| ()))
    })
}
