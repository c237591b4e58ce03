//! Starts what was received, as the assignments ask, and ends what they do not ask for any more.
//!
//! Each boot has a thread of its own, which tells the control plane what came of it. What runs when
//! this process dies is in the ledger: the next one ends what is not ordered, reports what is kept,
//! and begins anew with the rest.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rehost_machines::{Backing, ProbeKind};
use rehost_replication::source::error_chain;
use rehost_replication::target::ReceivingTask;
use rehost_sms_api::client::{Client, ClientError};
use rehost_sms_api::rehost::{
    BootOrder, BootProbeOutcome, BootPurpose, BootReport, TargetAssignment,
};
use rehost_target_providers::{self as provider, BootVolume, Boots};

use crate::boot_order::{MachineSize, backing, boot};

/// How much of a console is sent.
const MAX_CONSOLE_BYTES: u64 = 64 * 1024;
/// Larger pictures are not sent.
const MAX_PICTURE_BYTES: u64 = 512 * 1024;
/// First and longest pause while the control plane cannot be told.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// What the thread of a boot needs of a task that is received.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// Where its points are.
    pub(crate) receiving: Arc<ReceivingTask>,
    /// Where its volumes are, in the order of the assignment.
    pub(crate) paths: Vec<String>,
}

/// Boots of this receiver.
#[derive(Debug)]
pub(crate) struct BootKeeper {
    boots: Arc<Boots>,
    client: Client,
    usual: MachineSize,
    /// Sockets of points.
    sockets: PathBuf,
    /// What was begun in this life, by task.
    begun: BTreeMap<String, Begun>,
}

#[derive(Debug)]
struct Begun {
    boot_id: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl BootKeeper {
    pub(crate) fn new(boots: Boots, client: Client, usual: MachineSize, state_dir: &Path) -> Self {
        Self {
            boots: Arc::new(boots),
            client,
            usual,
            sockets: state_dir.join("points"),
            begun: BTreeMap::new(),
        }
    }

    /// Ends what the assignments do not ask for, before anybody writes to what it lies on. The machine
    /// of a task that ended well and was deleted is its user's.
    pub(crate) fn end_unwanted(&mut self, assigned: &[TargetAssignment], in_ledger: &[String]) {
        let wanted = |task_id: &str| {
            let task = assigned.iter().find(|task| task.task_id == task_id)?;
            Some(task.boot.as_ref().map(|order| order.boot_id.clone()))
        };
        let begun: Vec<_> = self.begun.keys().cloned().collect();
        for task_id in begun {
            let is_wanted = match wanted(&task_id) {
                Some(boot_id) => {
                    boot_id == self.begun.get(&task_id).map(|begun| begun.boot_id.clone())
                }
                None => false,
            };
            if !is_wanted && let Some(begun) = self.begun.remove(&task_id) {
                begun.call_off();
            }
        }
        for task in assigned {
            for boot_id in self.boots.boots_of(&task.task_id) {
                if task
                    .boot
                    .as_ref()
                    .is_none_or(|order| order.boot_id != boot_id)
                {
                    self.release(&task.task_id, &boot_id);
                }
            }
        }
        for task_id in in_ledger.iter().filter(|task_id| wanted(task_id).is_none()) {
            for boot_id in self.boots.boots_of(task_id) {
                self.release(task_id, &boot_id);
            }
        }
    }

    fn release(&self, task_id: &str, boot_id: &str) {
        match self.boots.release_boot(task_id, boot_id) {
            Ok(removed) => tracing::info!(task_id, boot_id, ?removed, "ended a boot"),
            Err(error) => tracing::error!(
                task_id,
                boot_id,
                error = &error as &dyn std::error::Error,
                "could not remove everything of a boot; trying again soon"
            ),
        }
    }

    /// Begins what is asked for.
    pub(crate) fn begin_wanted(
        &mut self,
        assigned: &[TargetAssignment],
        received: impl Fn(&str) -> Option<Received>,
    ) {
        for task in assigned {
            let Some(order) = &task.boot else { continue };
            if self.begun.contains_key(&task.task_id) {
                continue;
            }
            // What a user's target has written since its launch lies in its overlay. Only a machine
            // that runs is reported again; nothing is ever begun anew.
            if task.committed {
                continue;
            }
            let Some(received) = received(&task.task_id) else {
                // Its volumes are not ready yet.
                continue;
            };
            self.begin(task, order, received);
        }
    }

    fn begin(&mut self, task: &TargetAssignment, order: &BootOrder, received: Received) {
        let stop = Arc::new(AtomicBool::new(false));
        let boot = BootThread {
            boots: self.boots.clone(),
            client: self.client.clone(),
            usual: self.usual,
            sockets: self.sockets.clone(),
            task: task.clone(),
            order: order.clone(),
            received,
            stop: stop.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("boot".into())
            .spawn(move || boot.live());
        match thread {
            Ok(thread) => {
                let begun = Begun {
                    boot_id: order.boot_id.clone(),
                    stop,
                    thread: Some(thread),
                };
                self.begun.insert(task.task_id.clone(), begun);
            }
            Err(error) => tracing::error!(%error, "cannot begin a boot; trying again soon"),
        }
    }
}

impl Begun {
    /// Ends it and waits until nothing of it runs.
    fn call_off(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(boot_id = self.boot_id, "a boot ended abnormally");
        }
    }
}

/// A boot, from the order to the report.
struct BootThread {
    boots: Arc<Boots>,
    client: Client,
    usual: MachineSize,
    sockets: PathBuf,
    task: TargetAssignment,
    order: BootOrder,
    received: Received,
    stop: Arc<AtomicBool>,
}

impl BootThread {
    fn live(self) {
        let (task_id, boot_id) = (&self.task.task_id, &self.order.boot_id);
        tracing::info!(task_id, boot_id, purpose = ?self.order.purpose, "starting what was received");
        let begun_at = now_ms();
        let report = match self.boot() {
            Ok(report) => self.told(&report),
            Err(reason) => self.refused(reason, begun_at),
        };
        if self.order.purpose == BootPurpose::Rehearsal {
            self.received.receiving.points().let_go(boot_id);
            if let Err(error) = self.boots.release_boot(task_id, boot_id) {
                tracing::warn!(%error, "a rehearsal left something; it is removed later");
            }
        }
        tracing::info!(
            task_id,
            boot_id,
            bootable = report.bootable,
            reason = report.reason,
            "boot"
        );
        if !self.stop.load(Ordering::Relaxed) {
            self.tell(&report);
        }
    }

    /// Boots.
    ///
    /// # Errors
    /// Why it cannot even be tried.
    fn boot(&self) -> Result<provider::BootReport, String> {
        let task = &self.task;
        let order = boot(&task.task_id, &self.order, &task.volumes, self.usual)?;
        let volumes = match self.order.purpose {
            BootPurpose::Rehearsal => self.volumes_of_point()?,
            BootPurpose::Cutover => self.volumes_as_they_are(),
        };
        Ok(self.boots.run(&order, &volumes, &(), &self.stop))
    }

    fn volumes_of_point(&self) -> Result<Vec<BootVolume>, String> {
        let receiving = &self.received.receiving;
        let point = &self.order.boot_id;
        // Paths of sockets are short, and ids are random enough from their beginning on.
        let short: String = point.chars().take(12).collect();
        let exported = receiving
            .points()
            .export(point, &self.sockets.join(short))
            .map_err(|error| error_chain(&error))?;
        let volumes = exported.into_iter().map(|volume| BootVolume {
            index: volume.index,
            size_bytes: volume.size_bytes,
            backing: Backing::Nbd {
                url: format!("nbd+unix:///?socket={}", volume.socket.display()),
            },
        });
        Ok(volumes.collect())
    }

    fn volumes_as_they_are(&self) -> Vec<BootVolume> {
        let volumes = self.task.volumes.iter().zip(&self.received.paths);
        let volumes = volumes.map(|(volume, path)| BootVolume {
            index: volume.index,
            size_bytes: volume.size_bytes,
            backing: backing(volume, Path::new(path)),
        });
        volumes.collect()
    }

    fn told(&self, report: &provider::BootReport) -> BootReport {
        let probes = report.probes.iter().map(|result| BootProbeOutcome {
            probe: match &result.probe.kind {
                ProbeKind::Tcp => format!("tcp {}", result.probe.port),
                ProbeKind::Http { path, .. } => format!("http {}{path}", result.probe.port),
            },
            passed: result.passed,
            detail: shortened(&result.detail, 2048),
        });
        let console = match end_of(&report.console_log, MAX_CONSOLE_BYTES) {
            text if text.is_empty() => end_of(&report.helper_console_log, MAX_CONSOLE_BYTES),
            text => text,
        };
        BootReport {
            purpose: self.order.purpose,
            bootable: report.bootable,
            reason: shortened(report.reason.as_deref().unwrap_or_default(), 4096),
            boot_seconds: report.boot_seconds.unwrap_or_default(),
            fixup_seconds: report.helper_seconds.unwrap_or_default(),
            started_at: report.started_at_ms,
            ended_at: report.ended_at_ms,
            fixups: report.fixups.clone(),
            probes: probes.collect(),
            console,
            screenshot_png: report
                .screenshot
                .as_deref()
                .map(picture)
                .unwrap_or_default(),
        }
    }

    fn refused(&self, reason: String, begun_at: i64) -> BootReport {
        BootReport {
            purpose: self.order.purpose,
            bootable: false,
            reason: shortened(&reason, 4096),
            boot_seconds: 0.0,
            fixup_seconds: 0.0,
            started_at: begun_at,
            ended_at: now_ms(),
            fixups: serde_json::Value::Null,
            probes: Vec::new(),
            console: String::new(),
            screenshot_png: String::new(),
        }
    }

    /// Tells the control plane, until it has heard or the boot is called off.
    fn tell(&self, report: &BootReport) {
        let mut pause = PAUSES.0;
        while !self.stop.load(Ordering::Relaxed) {
            let told = self
                .client
                .report_boot(&self.task.task_id, &self.order.boot_id, report);
            match told {
                Ok(()) => return,
                Err(error) if error.is_temporary() => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the control plane cannot be told what came of a boot; trying again"
                    );
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(PAUSES.1);
                }
                Err(error) => {
                    log_refusal(&error);
                    return;
                }
            }
        }
    }
}

fn log_refusal(error: &ClientError) {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "the control plane does not take what came of a boot"
    );
}

/// The end of a text file, from the beginning of a line on if it is cut; empty if it cannot be read.
fn end_of(path: &Path, most_bytes: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(most_bytes)))?;
        let mut bytes = Vec::new();
        file.take(most_bytes).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    // No control characters but line ends: whoever shows it to people must not be taken over by it.
    let text = String::from_utf8_lossy(&bytes);
    text.chars()
        .filter(|letter| !letter.is_control() || *letter == '\n')
        .collect()
}

fn picture(path: &Path) -> String {
    let is_small = path
        .metadata()
        .is_ok_and(|metadata| metadata.len() <= MAX_PICTURE_BYTES);
    let bytes = is_small.then(|| std::fs::read(path).ok()).flatten();
    bytes
        .map(|bytes| STANDARD.encode(bytes))
        .unwrap_or_default()
}

fn shortened(text: &str, most_chars: usize) -> String {
    text.chars().take(most_chars).collect()
}

/// Milliseconds since 1970.
fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}
