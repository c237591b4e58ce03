//! Copies one disk to another over TLS on loopback, both ends in this process, and says how fast.
//!
//! `cargo run -p rehost-replication --example loopback -- SOURCE NEW-TARGET.raw`
//!
//! For work on the data path: it leaves out the control plane, so a profile shows nothing else.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rehost_replication::source::{
    Control, Event, NoFreeze, Observer, Outcome, Peer, ReplicationJob, SourceVolume,
};
use rehost_replication::target::{Port, ReceivingTask, VolumeToReceive};
use rehost_volumes::{ImageFormat, create_image, open_source};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

type Anyhow<T> = Result<T, Box<dyn std::error::Error>>;

const NAME: &str = "loopback.rehost.internal";

#[expect(clippy::print_stdout, reason = "it is what this program is for")]
fn main() -> Anyhow<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, target] = arguments.as_slice() else {
        return Err("give a source and a target that does not exist yet".into());
    };
    let key = rcgen::KeyPair::generate()?;
    let mut parameters = rcgen::CertificateParams::new(vec![NAME.to_owned()])?;
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = parameters.self_signed(&key)?;
    let issuer = rcgen::Issuer::new(parameters, key);
    let issue = || -> Anyhow<_> {
        let key = rcgen::KeyPair::generate()?;
        let parameters = rcgen::CertificateParams::new(vec![NAME.to_owned()])?;
        let certificate = parameters.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok((vec![certificate.der().clone()], key))
    };

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
        }],
    )?;
    let port = Port::bind(&"127.0.0.1:0")?;
    let (certificates, key) = issue()?;
    let tls = rehost_replication::server_config(certificates, key, ca.der().clone())?;
    port.add(NAME, tls, receiving);
    let accepting = Arc::clone(&port);
    std::thread::spawn(move || accepting.run());

    let (certificates, key) = issue()?;
    let job = ReplicationJob {
        task_id: "loopback".into(),
        volumes: vec![SourceVolume {
            index: 0,
            name: source.clone(),
            volume,
        }],
        state_dir: state.path().join("source"),
        peer: Peer {
            address: "127.0.0.1".into(),
            port: port.local_address()?.port(),
            server_name: NAME.into(),
        },
        tls: rehost_replication::client_config(certificates, key, ca.der().clone())?,
        streams: std::env::var("STREAMS")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(4),
        syncing: false,
        sync_interval: Duration::ZERO,
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
