//! A receiver at work.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use rehost_certificates::{data_path_server_config, server_name};
use rehost_enrolment::{StateDirectory, load_or_enrol};
use rehost_replication::target::{Port, ReceivingTask, VolumeToReceive};
use rehost_sms_api::client::{Client, ClientError};
use rehost_sms_api::rehost::{
    JoinRole, TargetAssignment, TargetDevice, TargetRegistration, TargetTaskReport, TargetTaskState,
};
use rehost_target_providers::{
    Boots, EmbeddedProvider, Ledger, PreparedVolume, TargetProvider, VolumeFormat, VolumeRequest,
};
use rehost_volumes::{GptBackup, open_source};

use crate::ReceiverOptions;
use crate::assignment::{changes, request};
use crate::boot_order::MachineSize;
use crate::boots::{BootKeeper, Received};
use crate::helper;
use crate::log_requests::LogRequests;

/// How long one question for assignments waits for a change, in seconds.
const POLL_SECONDS: u32 = 25;

/// First and longest pause while the control plane cannot be reached. The data port goes on.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// How often a stop is looked for.
const STOP_CHECK: Duration = Duration::from_millis(50);

/// Receives until `stop` is set: joins if it must, opens the data port, follows its assignments.
///
/// # Errors
/// What keeps it from starting: no identity, a port in use, an unusable folder or device. Once it
/// runs, troubles with the control plane are logged and waited out.
pub fn run(options: &ReceiverOptions, stop: &AtomicBool) -> anyhow::Result<()> {
    let state = StateDirectory::open(&options.state_dir)?;
    if let Err(error) = options.logs.open(state.path(), "receiver.log") {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "no log files are kept; going on without");
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "the receiver begins");
    let token = options.join_token.as_deref();
    let identity = load_or_enrol(state.path(), token, JoinRole::Target, &options.name)?;
    let client = identity.client()?;
    let port = Port::bind(&options.listen)?;
    let registration = registration(options, port.local_address()?.port())?;
    let ledger = Arc::new(Ledger::open(&state.path().join("ledger.jsonl"))?);
    let boots = options.boot.as_ref().map(|boot| {
        let helper = helper::open(&boot.helper_system)?;
        // Beside the images: what machines write takes room like these.
        let folder = options.images.as_deref().unwrap_or(state.path());
        let boots = Boots::new(folder.join("boots"), Arc::clone(&ledger), helper);
        let usual = MachineSize {
            cpus: boot.cpus,
            memory_mib: boot.memory_mib,
        };
        Ok::<_, anyhow::Error>(BootKeeper::new(boots, client.clone(), usual, state.path()))
    });
    let boots = boots.transpose()?;
    let provider = EmbeddedProvider::new(options.images.clone(), options.devices.clone(), ledger);
    let accepting = Arc::clone(&port);
    std::thread::Builder::new()
        .name("data-port".into())
        .spawn(move || accepting.run())
        .context("start the data port")?;
    tracing::info!(
        id = identity.id,
        address = registration.data_address,
        port = registration.data_port,
        "receiver ready"
    );
    let mut service = Service {
        client,
        port: Arc::clone(&port),
        provider,
        state_dir: state.path().to_owned(),
        registration,
        served: BTreeMap::new(),
        boots,
        log_requests: LogRequests::new(options.logs.clone()),
    };
    std::thread::Builder::new()
        .name("assignments".into())
        .spawn(move || service.follow())
        .context("follow the assignments")?;
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(STOP_CHECK);
    }
    // The other threads may be waiting for an answer that takes long; nothing is lost if they end
    // with the process. What arrived is committed, and the next start goes on from there.
    port.close();
    Ok(())
}

fn registration(options: &ReceiverOptions, data_port: u16) -> anyhow::Result<TargetRegistration> {
    let devices = options.devices.iter().map(|path| {
        let volume = open_source(path).with_context(|| format!("offer {}", path.display()))?;
        Ok(TargetDevice {
            path: path.display().to_string(),
            size_bytes: volume.size_bytes(),
        })
    });
    Ok(TargetRegistration {
        name: options.name.clone(),
        data_address: options.advertise.clone(),
        data_port,
        makes_images: options.images.is_some(),
        devices: devices.collect::<anyhow::Result<_>>()?,
        boots: options.boot.is_some(),
    })
}

#[derive(Debug)]
struct Service {
    client: Client,
    port: Arc<Port>,
    provider: EmbeddedProvider,
    state_dir: PathBuf,
    registration: TargetRegistration,
    /// Each task that is served, by its id.
    served: BTreeMap<String, Served>,
    /// Starts what was received, if this receiver does.
    boots: Option<BootKeeper>,
    log_requests: LogRequests,
}

/// A task that is served.
#[derive(Debug)]
struct Served {
    /// TLS server name under which sources ask for it.
    name: String,
    /// Where its volumes are.
    paths: Vec<String>,
    /// What receives it.
    receiving: Arc<ReceivingTask>,
    /// Whether the control plane knows that it is ready.
    told: bool,
}

impl Service {
    /// Follows the assignments for as long as the process lives.
    fn follow(&mut self) {
        let mut known = None;
        let mut registered = false;
        let mut pause = PAUSES.0;
        loop {
            match self.step(&mut registered, known) {
                Ok(generation) => {
                    known = generation;
                    pause = PAUSES.0;
                }
                Err(error) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the control plane does not answer; trying again"
                    );
                    registered = false;
                    known = None;
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(PAUSES.1);
                }
            }
        }
    }

    /// Announces this target if need be, then waits for a change, and not longer than
    /// [`POLL_SECONDS`]: what failed may work by now. Carries out what is assigned and returns the
    /// generation to wait on next.
    fn step(
        &mut self,
        registered: &mut bool,
        known: Option<i64>,
    ) -> Result<Option<i64>, ClientError> {
        if !*registered {
            self.client.register_target(&self.registration)?;
            *registered = true;
        }
        let list = self.client.target_assignments(known, POLL_SECONDS)?;
        self.carry_out(&list.assignments)?;
        Ok(Some(list.generation))
    }

    fn carry_out(&mut self, assigned: &[TargetAssignment]) -> Result<(), ClientError> {
        // First, so that nobody writes to what a machine lies on.
        if let Some(boots) = &mut self.boots {
            boots.end_unwanted(assigned, &self.provider.open_tasks());
        }
        for task in assigned.iter().filter(|task| task.committed) {
            // Also one that is synchronised again already, if this receiver was away meanwhile.
            if task.let_go || !self.provider.is_committed(&task.task_id) {
                self.let_go(task);
            }
        }
        let changes = changes(assigned, self.served.keys(), &self.provider.open_tasks());
        for task_id in changes.release {
            self.release(&task_id);
        }
        for task_id in changes.begin {
            if let Some(task) = assigned.iter().find(|task| task.task_id == task_id) {
                self.begin(task)?;
            }
        }
        let served = &self.served;
        if let Some(boots) = &mut self.boots {
            boots.begin_wanted(assigned, |task_id| {
                served.get(task_id).map(|served| Received {
                    receiving: Arc::clone(&served.receiving),
                    paths: served.paths.clone(),
                })
            });
        }
        self.log_requests.serve(&self.client, assigned);
        self.tell_ready()
    }

    /// Makes the volumes of a task and opens the port for it, or tells the control plane why not.
    fn begin(&mut self, task: &TargetAssignment) -> Result<(), ClientError> {
        let task_id = &task.task_id;
        self.report(task_id, TargetTaskState::Preparing, String::new(), vec![])?;
        if let Err(error) = self.prepare(task) {
            let message = format!("{error:#}");
            tracing::error!(task_id, error = message, "cannot receive the task");
            self.report(task_id, TargetTaskState::Failed, message, vec![])?;
        }
        self.tell_ready()
    }

    /// Tells the control plane of the tasks that are ready. What it did not hear is told again the
    /// next time.
    fn tell_ready(&mut self) -> Result<(), ClientError> {
        let untold = self.served.iter().filter(|(_, served)| !served.told);
        let untold: Vec<_> = untold
            .map(|(task_id, served)| (task_id.clone(), served.paths.clone()))
            .collect();
        for (task_id, paths) in untold {
            self.report(&task_id, TargetTaskState::Ready, String::new(), paths)?;
            if let Some(served) = self.served.get_mut(&task_id) {
                served.told = true;
            }
        }
        Ok(())
    }

    fn report(
        &self,
        task_id: &str,
        state: TargetTaskState,
        message: String,
        paths: Vec<String>,
    ) -> Result<(), ClientError> {
        let report = TargetTaskReport {
            state,
            message,
            paths,
        };
        self.client.report_target_task(task_id, &report)
    }

    fn prepare(&mut self, task: &TargetAssignment) -> anyhow::Result<()> {
        let requests = task
            .volumes
            .iter()
            .map(request)
            .collect::<Result<Vec<_>, _>>();
        let requests = requests.map_err(anyhow::Error::msg)?;
        let prepared = self.provider.prepare(&task.task_id, &requests)?;
        let folder = self.journals(&task.task_id);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("make the folder {}", folder.display()))?;
        let paths: Vec<_> = prepared
            .iter()
            .map(|volume| volume.path.display().to_string())
            .collect();
        // What a journal says of a volume that is not there any more is not true of a new one.
        for volume in prepared.iter().filter(|volume| volume.made_empty) {
            let journal = journal(&folder, volume.index);
            if let Err(error) = std::fs::remove_file(&journal)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                return Err(error).with_context(|| format!("remove {}", journal.display()));
            }
        }
        let volumes = prepared
            .into_iter()
            .map(|volume| to_receive(volume, &folder));
        let receiving = ReceivingTask::start(&task.task_id, volumes.collect())?;
        let set = &task.certificates;
        let tls =
            data_path_server_config(&set.certificate, &set.private_key, &set.passphrase, &set.ca)
                .context("set up TLS for the task")?;
        let name = server_name(&task.task_id);
        self.port.add(&name, Arc::new(tls), Arc::clone(&receiving));
        tracing::info!(task_id = task.task_id, ?paths, "ready to receive");
        let served = Served {
            name,
            paths,
            receiving,
            told: false,
        };
        self.served.insert(task.task_id.clone(), served);
        Ok(())
    }

    /// Lets go of the volumes of a task that ended well: whoever uses them writes to them, and no
    /// journal knows.
    fn let_go(&mut self, task: &TargetAssignment) {
        let task_id = task.task_id.as_str();
        self.stop_serving(task_id);
        // Journals are there until the volumes were let go of: from then on nothing is written here.
        if task.let_go && self.journals(task_id).exists() {
            for volume in task
                .volumes
                .iter()
                .filter_map(|volume| request(volume).ok())
            {
                self.fit_partition_table(task_id, &volume);
            }
        }
        if let Err(error) = self.remove_journals(task_id) {
            // What is not committed is tried again.
            tracing::error!(task_id, %error, "remove the journals of the task");
            return;
        }
        if let Err(error) = self.provider.commit(task_id) {
            tracing::error!(
                task_id,
                error = &error as &dyn std::error::Error,
                "note that the task ended well"
            );
        }
    }

    /// Moves the end of a partition table to the end of a device that is larger than the source disk.
    /// One that cannot be moved keeps nobody from starting the target.
    fn fit_partition_table(&self, task_id: &str, volume: &VolumeRequest) {
        let path = match &volume.format {
            VolumeFormat::Device(path) => path,
            VolumeFormat::Raw | VolumeFormat::Qcow2 => return,
        };
        match self.provider.fit_partition_table(task_id, volume) {
            Ok(GptBackup::Moved) => tracing::info!(
                task_id,
                device = %path.display(),
                "the partition table ends with the device now"
            ),
            Ok(GptBackup::NoTable | GptBackup::AtTheEnd) => {}
            Err(error) => tracing::warn!(
                task_id,
                device = %path.display(),
                error = &error as &dyn std::error::Error,
                "the backup of the partition table is not at the end of the device"
            ),
        }
    }

    fn stop_serving(&mut self, task_id: &str) {
        if let Some(served) = self.served.remove(task_id) {
            self.port.remove(&served.name);
            tracing::info!(task_id, "no longer receiving the task");
        }
    }

    /// Removes the journals of a task, for good.
    fn remove_journals(&self, task_id: &str) -> std::io::Result<()> {
        let folder = self.journals(task_id);
        match std::fs::remove_dir_all(&folder) {
            Ok(()) => match folder.parent() {
                Some(parent) => std::fs::File::open(parent)?.sync_all(),
                None => Ok(()),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Stops serving a task; removes its journals, and its volumes unless it ended well.
    fn release(&mut self, task_id: &str) {
        self.stop_serving(task_id);
        // First, so that no journal outlives what it tells of.
        if let Err(error) = self.remove_journals(task_id) {
            tracing::warn!(task_id, %error, "remove the journals of the task");
        }
        match self.provider.release(task_id) {
            Ok(removed) => tracing::info!(task_id, ?removed, "released the task"),
            Err(error) => tracing::error!(
                task_id,
                error = &error as &dyn std::error::Error,
                "could not remove everything; trying again soon"
            ),
        }
    }

    fn journals(&self, task_id: &str) -> PathBuf {
        self.state_dir.join("tasks").join(task_id)
    }
}

fn journal(folder: &Path, index: u32) -> PathBuf {
    folder.join(format!("volume-{index}.journal"))
}

fn to_receive(volume: PreparedVolume, folder: &Path) -> VolumeToReceive {
    VolumeToReceive {
        index: volume.index,
        medium: volume.volume,
        made_empty: volume.made_empty,
        journal: journal(folder, volume.index),
        kept: folder.join(format!("volume-{}.kept", volume.index)),
    }
}

#[cfg(test)]
mod tests;
