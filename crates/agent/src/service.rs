//! An agent from its start to its end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use rehost_enrolment::StateDirectory;

use crate::access;
use crate::backoff::Stop;
use crate::hooks::Hooks;
use crate::inventory::Inventory;
use crate::mailbox::Mailbox;
use crate::options::AgentOptions;
use crate::quiet::QuietTime;
use crate::reports::{Outbox, Reporter};
use crate::state::StateStore;
use crate::task::{Runner, Shared};

/// How often the wish to stop is looked at; a signal handler can set a flag, but wake nobody.
const STOP_INTERVAL: Duration = Duration::from_millis(100);

/// Runs an agent until `stop` becomes true. Joins the control plane first if it has not yet, and
/// goes on with the task at which an earlier process was.
///
/// # Errors
/// If it cannot begin: the state directory cannot be used, a disk that was named cannot be opened,
/// joining fails. Once it has begun, it only ends by `stop`; what goes wrong is tried again or told
/// to the control plane.
pub fn run(options: &AgentOptions, stop: &AtomicBool) -> anyhow::Result<()> {
    let state_dir = StateDirectory::open(&options.state_dir)?;
    if let Err(error) = options.logs.open(state_dir.path(), "agent.log") {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "no log files are kept; going on without");
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "the agent begins");
    let quiet_time = QuietTime::default();
    let store = StateStore::open(state_dir.path(), quiet_time.clone()).context("read the state")?;
    let inventory = Inventory::take(&options.disks).context("take the inventory")?;
    let name = options.name.clone().unwrap_or(inventory.host.hostname);
    let client = access::client(&options.access, state_dir.path(), &name)?;

    let limit = options.hook_time_limit;
    let hooks = Hooks::new(options.hooks.clone(), state_dir.path(), limit);
    hooks.pay_old_debts();
    if let Some(directory) = hooks.directory() {
        let names = hooks.list().context("use the hooks for the freeze")?;
        let names: Vec<_> = names.into_iter().map(|hook| hook.name).collect();
        tracing::info!(directory = %directory.display(), ?names, "hooks around the freeze");
    }
    let shared = Arc::new(Shared {
        client: client.clone(),
        store: Arc::new(store),
        outbox: Arc::new(Outbox::default()),
        quiet_time: quiet_time.clone(),
        logs: options.logs.clone(),
        streams: options.streams,
        copy: options.copy,
        changes: options.changes,
        sync_interval: options.sync_interval,
        hooks,
        compression: options.compression,
        care: options.care,
        disks: Mutex::new(inventory.disks),
    });
    let stopping = Stop::default();
    let runner = Arc::new(Runner::new(shared.clone()));
    runner.resume();
    let reporter = Reporter {
        control_plane: Box::new(client),
        outbox: shared.outbox.clone(),
        store: shared.store.clone(),
        quiet_time,
        stop: stopping.clone(),
    };
    let mailbox = Mailbox {
        shared: shared.clone(),
        runner: runner.clone(),
        disks: options.disks.clone(),
        name,
        stop: stopping.clone(),
    };
    let reporting = thread::spawn(move || reporter.run());
    // It may hang in a long poll when the agent ends; nobody waits for it.
    thread::spawn(move || mailbox.run());

    while !stop.load(Ordering::Relaxed) {
        thread::sleep(STOP_INTERVAL);
    }
    // No word before the task is at rest: the log may lie on a file system that is frozen now.
    stopping.request();
    runner.shut_down();
    tracing::info!("stopped; the next start goes on from here");
    shared.outbox.nudge();
    // What cannot be told in this time is told by the next start.
    let patience = (0..LAST_WORDS_INTERVALS).take_while(|_| !reporting.is_finished());
    patience.for_each(|_| thread::sleep(STOP_INTERVAL));
    Ok(())
}

/// How often to look whether the last reports are told, before the agent ends without.
const LAST_WORDS_INTERVALS: u32 = 30;
