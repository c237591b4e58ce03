//! A receiver and a control plane that does not always hear it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use rehost_certificates::TaskCertificates;
use rehost_log_files::LogSink;
use rehost_sms_api::client::{ClientConfig, Credentials};
use rehost_sms_api::rehost::{AssignedVolume, CertificateSet, ImageFormat, TargetAssignments};
use secrecy::ExposeSecret;

use super::*;

/// A control plane that answers one call after the other, and which reports it was told.
fn control_plane(answers: Vec<(u16, String)>) -> (String, Receiver<TargetTaskState>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for (status, content) in answers {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = BufReader::new(socket.try_clone().unwrap());
            let mut length = 0;
            loop {
                let mut line = String::new();
                request.read_line(&mut line).unwrap();
                let line = line.trim().to_ascii_lowercase();
                if let Some(value) = line.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.is_empty() {
                    break;
                }
            }
            let mut body = vec![0; length];
            request.read_exact(&mut body).unwrap();
            if let Ok(report) = serde_json::from_slice::<TargetTaskReport>(&body) {
                tell.send(report.state).unwrap();
            }
            let length = content.len();
            let answer = format!(
                "HTTP/1.1 {status} X\r\nConnection: close\r\n\
                 Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{content}"
            );
            socket.write_all(answer.as_bytes()).unwrap();
        }
    });
    (endpoint, told)
}

fn service(endpoint: String, directory: &Path) -> Service {
    let client = Client::new(ClientConfig {
        endpoint,
        ca_pem: None,
        credentials: Credentials::None,
    });
    let ledger = Ledger::open(&directory.join("ledger.jsonl")).unwrap();
    Service {
        client: client.unwrap(),
        port: Port::bind(&"127.0.0.1:0").unwrap(),
        provider: EmbeddedProvider::new(Some(directory.join("images")), vec![], ledger),
        state_dir: directory.join("state"),
        registration: TargetRegistration {
            name: String::new(),
            data_address: String::new(),
            data_port: 0,
            makes_images: true,
            devices: vec![],
            boots: false,
        },
        served: BTreeMap::new(),
        boots: None,
        log_requests: LogRequests::new(LogSink::default()),
    }
}

fn assignment() -> TargetAssignment {
    let set = TaskCertificates::mint("t").unwrap();
    TargetAssignment {
        task_id: "t".into(),
        volumes: vec![AssignedVolume {
            index: 0,
            name: "vda".into(),
            size_bytes: 1 << 20,
            format: ImageFormat::Raw,
            device: None,
        }],
        certificates: CertificateSet {
            certificate: set.target_data_certificate.clone(),
            private_key: set.target_data_private_key.expose_secret().into(),
            ca: set.ca.clone(),
            passphrase: set.passphrase.expose_secret().into(),
        },
        committed: false,
        let_go: false,
        boot: None,
        logs_requested_at: None,
    }
}

#[test]
fn that_a_task_is_ready_is_told_until_it_is_heard() {
    use TargetTaskState::{Preparing, Ready};
    let directory = tempfile::tempdir().unwrap();
    let (endpoint, told) =
        control_plane([200, 503, 200].map(|status| (status, "{}".into())).into());
    let mut service = service(endpoint, directory.path());
    let assigned = [assignment()];
    assert!(service.carry_out(&assigned).is_err());
    for _ in 0..2 {
        // The control plane is asked again, and says the same.
        service.carry_out(&assigned).unwrap();
    }
    let told: Vec<_> = told.try_iter().collect();
    assert_eq!(told, [Preparing, Ready, Ready]);
}

#[test]
fn volumes_of_a_launched_task_are_left_alone_until_something_is_copied_again() {
    use TargetTaskState::{Preparing, Ready};
    let directory = tempfile::tempdir().unwrap();
    let (endpoint, told) = control_plane([200; 4].map(|status| (status, "{}".into())).into());
    let mut service = service(endpoint, directory.path());
    let mut assigned = [assignment()];
    let journal = directory.path().join("state/tasks/t/volume-0.journal");
    service.carry_out(&assigned).unwrap();
    assert!(journal.exists());

    assigned[0].committed = true;
    assigned[0].let_go = true;
    for _ in 0..2 {
        service.carry_out(&assigned).unwrap();
        assert!(service.served.is_empty() && !journal.exists());
    }
    assert!(directory.path().join("images/t/0-vda.raw").exists());

    assigned[0].let_go = false;
    service.carry_out(&assigned).unwrap();
    assert!(service.served.contains_key("t") && journal.exists());
    // What it is told again changes nothing.
    std::fs::write(&journal, "the same").unwrap();
    service.carry_out(&assigned).unwrap();
    assert_eq!(std::fs::read(&journal).unwrap(), b"the same");
    let told: Vec<_> = told.try_iter().collect();
    assert_eq!(told, [Preparing, Ready, Preparing, Ready]);
}

#[test]
fn what_failed_is_tried_again_though_the_list_stays_the_same() {
    use TargetTaskState::{Failed, Preparing, Ready};
    let directory = tempfile::tempdir().unwrap();
    let list = serde_json::to_string(&TargetAssignments {
        generation: 7,
        assignments: vec![assignment()],
    });
    let (list, heard) = ((200, list.unwrap()), (200, "{}".to_owned()));
    let heard = || heard.clone();
    let answers = vec![list.clone(), heard(), heard(), list, heard(), heard()];
    let (endpoint, told) = control_plane(answers);
    let mut service = service(endpoint, directory.path());
    // Where the images should go there is a file; somebody removes it.
    std::fs::write(directory.path().join("images"), "").unwrap();
    assert_eq!(service.step(&mut true, None).unwrap(), Some(7));
    std::fs::remove_file(directory.path().join("images")).unwrap();
    assert_eq!(service.step(&mut true, Some(7)).unwrap(), Some(7));
    let told: Vec<_> = told.try_iter().collect();
    assert_eq!(told, [Preparing, Failed, Preparing, Ready]);
}
