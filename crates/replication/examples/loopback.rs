//! Copies one disk to another over TLS on loopback, both ends in this process, and says how fast.
//!
//! `cargo run -p rehost-replication --example loopback -- SOURCE NEW-TARGET.raw`
//!
//! For work on the data path: it leaves out the control plane, so a profile shows nothing else.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rehost_certificates::{
    TaskCertificates, data_path_client_config, data_path_server_config, server_name,
};
use rehost_replication::source::{
    AllocationMaps, Control, Event, NoFreeze, Observer, Outcome, Peer, ReplicationJob, SourceVolume,
};
use rehost_replication::target::{Port, ReceivingTask, VolumeToReceive};
use rehost_volumes::{ImageFormat, create_image, open_source};
use secrecy::ExposeSecret;

type Anyhow<T> = Result<T, Box<dyn std::error::Error>>;

#[expect(clippy::print_stdout, reason = "it is what this program is for")]
fn main() -> Anyhow<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, target] = arguments.as_slice() else {
        return Err("give a source and a target that does not exist yet".into());
    };
    let set = TaskCertificates::mint("loopback")?;
    let passphrase = set.passphrase.expose_secret();
    let name = server_name("loopback");

    let volume = open_source(Path::new(source))?;
    let state = tempfile::tempdir()?;
    let medium = create_image(Path::new(target), ImageFormat::Raw, volume.size_bytes())?;
    let receiving = ReceivingTask::start(
        "loopback",
        vec![VolumeToReceive {
            index: 0,
            medium,
            made_empty: true,
            journal: state.path().join("journal"),
            kept: state.path().join("kept"),
        }],
    )?;
    let port = Port::bind(&"127.0.0.1:0")?;
    let (certificate, key) = (&set.target_data_certificate, &set.target_data_private_key);
    let tls = data_path_server_config(certificate, key.expose_secret(), passphrase, &set.ca)?;
    port.add(&name, Arc::new(tls), receiving);
    let accepting = Arc::clone(&port);
    std::thread::spawn(move || accepting.run());

    let (certificate, key) = (&set.source_certificate, &set.source_private_key);
    let tls = data_path_client_config(certificate, key.expose_secret(), passphrase, &set.ca)?;
    let job = ReplicationJob {
        task_id: "loopback".into(),
        volumes: vec![SourceVolume {
            index: 0,
            name: source.clone(),
            volume,
            tracker: None,
        }],
        used_blocks: Arc::new(AllocationMaps),
        state_dir: state.path().join("source"),
        peer: Peer {
            address: "127.0.0.1".into(),
            port: port.local_address()?.port(),
            server_name: name,
        },
        tls: Arc::new(tls),
        streams: std::env::var("STREAMS")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(4),
        syncing: false,
        sync_interval: Duration::ZERO,
        audits_marks: true,
        packing: Arc::default(),
    };
    let begun = Instant::now();
    let outcome =
        rehost_replication::source::run(&job, &Control::new(), &mut NoFreeze, &Narrator { begun })?;
    let seconds = begun.elapsed().as_secs_f64();
    if let Outcome::Finished(finished) = outcome {
        println!("{seconds:.2} s  equal: {}", finished.proof.equal);
        println!("{:#?}", finished.volumes);
    }
    Ok(())
}

struct Narrator {
    begun: Instant,
}

impl Observer for Narrator {
    #[expect(clippy::print_stdout, reason = "it is what this program is for")]
    fn event(&self, event: &Event) {
        if !matches!(event, Event::Progress(_)) {
            println!("{:7.2} s  {event:?}", self.begun.elapsed().as_secs_f64());
        }
    }
}
