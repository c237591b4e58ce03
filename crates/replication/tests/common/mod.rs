//! Both ends of a replication in one process, over real TLS on loopback.

#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test program uses its own part of this module"
)]

pub(crate) mod live;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rehost_certificates::{
    TaskCertificates, data_path_client_config, data_path_server_config, server_name,
};
use rehost_replication::source::{
    Control, Event, NoFreeze, Observer, Outcome, Peer, Phase, ReplicationJob, SourceError,
    SourceVolume, WholeDisks,
};
use rehost_replication::target::{Port, ReceivingTask, VolumeToReceive};
use rehost_volumes::{
    CHUNK_BYTES, ImageFormat, Volume, create_image, open_source, open_target, to_usize,
};
use secrecy::ExposeSecret;

/// Certificates of one task.
pub(crate) struct Certificates {
    pub(crate) source: Arc<rustls::ClientConfig>,
    pub(crate) target: Arc<rustls::ServerConfig>,
    pub(crate) name: String,
}

impl Certificates {
    pub(crate) fn new(task_id: &str) -> Self {
        let set = TaskCertificates::mint(task_id).unwrap();
        let passphrase = set.passphrase.expose_secret();
        let key = set.source_private_key.expose_secret();
        let source = data_path_client_config(&set.source_certificate, key, passphrase, &set.ca);
        let (certificate, key) = (
            &set.target_data_certificate,
            set.target_data_private_key.expose_secret(),
        );
        let target = data_path_server_config(certificate, key, passphrase, &set.ca);
        Self {
            source: Arc::new(source.unwrap()),
            target: Arc::new(target.unwrap()),
            name: server_name(task_id),
        }
    }
}

/// A source and a target with one folder for everything.
pub(crate) struct Pair {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) certificates: Certificates,
    pub(crate) port: Arc<Port>,
    pub(crate) sizes: Vec<u64>,
    task: Mutex<Option<Arc<ReceivingTask>>>,
}

impl Pair {
    pub(crate) fn new(sizes: &[u64]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (index, size_bytes) in sizes.iter().enumerate() {
            let path = directory.path().join(format!("source-{index}"));
            create_image(&path, ImageFormat::Raw, *size_bytes).unwrap();
        }
        let port = Port::bind(&"127.0.0.1:0").unwrap();
        let running = Arc::clone(&port);
        std::thread::spawn(move || running.run());
        Self {
            directory,
            certificates: Certificates::new("task-1"),
            port,
            sizes: sizes.to_vec(),
            task: Mutex::default(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Fills chunks of a source with bytes that depend on `seed`.
    pub(crate) fn fill(&self, index: usize, chunks: impl IntoIterator<Item = u64>, seed: u64) {
        let volume = open_target(&self.path(&format!("source-{index}"))).unwrap();
        let mut bytes = vec![0; to_usize(CHUNK_BYTES)];
        for chunk in chunks {
            let mut hasher = blake3::Hasher::new();
            hasher
                .update(&seed.to_le_bytes())
                .update(&chunk.to_le_bytes());
            // A hole in the middle of the chunk.
            hasher.finalize_xof().fill(&mut bytes[..400_000]);
            let start = chunk * CHUNK_BYTES;
            let end = (start + CHUNK_BYTES).min(volume.size_bytes());
            volume
                .write_at(&bytes[..to_usize(end - start)], start)
                .unwrap();
        }
    }

    /// Begins to receive, with whatever an earlier receiver left.
    pub(crate) fn receive(&self) -> Arc<ReceivingTask> {
        let volumes = self.sizes.iter().enumerate().map(|(index, size_bytes)| {
            let path = self.path(&format!("target-{index}"));
            let format = if index % 2 == 0 {
                ImageFormat::Raw
            } else {
                ImageFormat::Qcow2
            };
            let medium = if path.exists() {
                open_target(&path).unwrap()
            } else {
                create_image(&path, format, *size_bytes).unwrap()
            };
            VolumeToReceive {
                index: u32::try_from(index).unwrap(),
                medium,
                made_empty: true,
                journal: self.path(&format!("journal-{index}")),
                kept: self.path(&format!("kept-{index}")),
            }
        });
        let task = ReceivingTask::start("task-1", volumes.collect()).unwrap();
        let (name, tls) = (&self.certificates.name, &self.certificates.target);
        self.port.add(name, Arc::clone(tls), Arc::clone(&task));
        *self.task.lock().unwrap() = Some(Arc::clone(&task));
        task
    }

    /// Begins to receive into a medium of which nobody knows what it holds.
    pub(crate) fn receive_into(&self, medium: Arc<dyn Volume>) {
        let volume = VolumeToReceive {
            index: 0,
            medium,
            made_empty: false,
            journal: self.path("journal-0"),
            kept: self.path("kept-0"),
        };
        let task = ReceivingTask::start("task-1", vec![volume]).unwrap();
        let tls = Arc::clone(&self.certificates.target);
        self.port.add(&self.certificates.name, tls, task);
    }

    /// The task that is being received.
    pub(crate) fn task(&self) -> Arc<ReceivingTask> {
        self.task.lock().unwrap().clone().unwrap()
    }

    /// What the receiver holds of the first volume at this point; nothing if it holds another point.
    pub(crate) fn held(&self, point: &str) -> Option<Vec<u8>> {
        let task = self.task();
        let held = task.points().held()?;
        if held.point != point {
            return None;
        }
        let (_, volume) = task.points().volumes(point).unwrap().remove(0);
        let mut bytes = vec![0; to_usize(volume.size_bytes())];
        volume.read_at(&mut bytes, 0).unwrap();
        Some(bytes)
    }

    /// Stops receiving, as a receiver that is shut down.
    pub(crate) fn stop_receiving(&self) {
        self.port.remove(&self.certificates.name);
    }

    pub(crate) fn job(&self, address: SocketAddr, syncing: bool) -> ReplicationJob {
        let volumes = (0..self.sizes.len()).map(|index| SourceVolume {
            index: u32::try_from(index).unwrap(),
            name: format!("disk-{index}"),
            volume: open_source(&self.path(&format!("source-{index}"))).unwrap(),
            tracker: None,
        });
        ReplicationJob {
            task_id: "task-1".into(),
            volumes: volumes.collect(),
            used_blocks: Arc::new(WholeDisks),
            state_dir: self.path("state"),
            peer: Peer {
                address: address.ip().to_string(),
                port: address.port(),
                server_name: self.certificates.name.clone(),
            },
            tls: Arc::clone(&self.certificates.source),
            streams: 2,
            syncing,
            sync_interval: Duration::from_millis(10),
            audits_marks: true,
            packing: Arc::default(),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.port.local_address().unwrap()
    }

    /// Runs without continuous synchronisation, straight to the receiver.
    pub(crate) fn migrate(&self) -> Result<Outcome, SourceError> {
        let job = self.job(self.address(), false);
        rehost_replication::source::run(&job, &Control::new(), &mut NoFreeze, &Silent)
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        read_all(&self.path(name))
    }
}

pub(crate) fn read_all(path: &Path) -> Vec<u8> {
    let volume = open_source(path).unwrap();
    let mut bytes = vec![0; to_usize(volume.size_bytes())];
    volume.read_at(&mut bytes, 0).unwrap();
    bytes
}

pub(crate) struct Silent;

impl Observer for Silent {
    fn event(&self, _event: &Event) {}
}

/// Remembers the phases and calls `on_sync` after each sync round.
pub(crate) struct Watching<F: Fn(u32) + Send + Sync> {
    pub(crate) phases: Mutex<Vec<Phase>>,
    pub(crate) on_sync: F,
}

impl<F: Fn(u32) + Send + Sync> Observer for Watching<F> {
    fn event(&self, event: &Event) {
        match event {
            Event::PhaseBegan(phase) => self.phases.lock().unwrap().push(*phase),
            Event::RoundDone { round, .. } if *round > 1 => (self.on_sync)(*round),
            _ => {}
        }
    }
}

/// A link that breaks each time `budget` bytes have passed towards the target, until it is spent
/// `cuts` times.
pub(crate) fn breaking_link(to: SocketAddr, budgets: Vec<i64>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let budgets = Arc::new(Mutex::new(budgets.into_iter()));
    let left = Arc::new(AtomicI64::new(0));
    let open: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
    left.store(
        budgets.lock().unwrap().next().unwrap_or(i64::MAX),
        Ordering::SeqCst,
    );
    std::thread::spawn(move || {
        for inward in listener.incoming() {
            let inward = inward.unwrap();
            let outward = TcpStream::connect(to).unwrap();
            open.lock()
                .unwrap()
                .extend([inward.try_clone().unwrap(), outward.try_clone().unwrap()]);
            let (back_in, back_out) = (outward.try_clone().unwrap(), inward.try_clone().unwrap());
            std::thread::spawn(move || pump(back_in, back_out, |_| true));
            let (left, budgets, open) =
                (Arc::clone(&left), Arc::clone(&budgets), Arc::clone(&open));
            std::thread::spawn(move || {
                pump(inward, outward, |count| {
                    if left.fetch_sub(count, Ordering::SeqCst) > count {
                        return true;
                    }
                    let next = budgets.lock().unwrap().next().unwrap_or(i64::MAX);
                    left.store(next, Ordering::SeqCst);
                    for socket in open.lock().unwrap().drain(..) {
                        let _ = socket.shutdown(std::net::Shutdown::Both);
                    }
                    false
                });
            });
        }
    });
    address
}

fn pump(mut from: TcpStream, mut to: TcpStream, mut may_pass: impl FnMut(i64) -> bool) {
    use std::io::{Read, Write};
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || !may_pass(i64::try_from(count).unwrap()) {
            break;
        }
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(std::net::Shutdown::Both);
    let _ = to.shutdown(std::net::Shutdown::Both);
}
