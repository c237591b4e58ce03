//! A simulated agent: it registers, has a task made, and then does what its mailbox says, through
//! whichever replica answers. What it was promised, it looks for.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rehost_sms_api::bodies::{
    CommandBody, NetWork, PostSourceServerBody, PostTask, PutCopyStateReq, ServerDisk,
    SourceServerByTask, TargetServerByTask, UpdateTaskSpeedReq,
};
use rehost_sms_api::errors::ErrorCode;
use serde_json::json;

use crate::anywhere::{Anywhere, Count, Counts};
use crate::plan::{Plan, Step};

/// How long a poll waits.
const WAIT_SECONDS: u32 = 20;
/// A task that has not ended by then is stuck.
const DEADLINE: Duration = Duration::from_secs(1500);

/// Something for the operator to do; says when it is done.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) task_id: String,
    pub(crate) operation: &'static str,
    pub(crate) done: Sender<Done>,
}

/// An order that was carried out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) count: Count,
    /// When the operator was told so.
    pub(crate) at: Instant,
}

/// What an agent can tell in the end.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) plan: Plan,
    pub(crate) source_id: String,
    pub(crate) task_id: String,
    pub(crate) counts: Counts,
    /// The longest time that a command took to a poll that was waiting for it.
    pub(crate) slowest: Duration,
}

/// An agent at work.
pub(crate) struct Agent<'a> {
    anywhere: &'a Anywhere<'a>,
    orders: Sender<Order>,
    life: Life,
    /// The order that the operator has not confirmed yet.
    waiting: Option<(Receiver<Done>, &'static str)>,
    /// What each subtask had reached, by the answers so far.
    seen: BTreeMap<String, u32>,
}

impl<'a> Agent<'a> {
    /// Registers a source server and makes its task.
    pub(crate) fn register(
        number: usize,
        anywhere: &'a Anywhere<'a>,
        target_id: &str,
        orders: Sender<Order>,
    ) -> Result<Self> {
        let plan = Plan::of(number);
        let name = format!("agent-{number:04}");
        let source = anywhere.get(|client| client.register_server(&source(&name)))?;
        let source_id = source.id.context("id of the source")?;
        let body = PostTask {
            syncing: Some(plan == Plan::Continuous),
            ..task(&source_id, target_id)
        };
        let told = anywhere.ask(|client| client.create_task(&body))?;
        let mut count = Count {
            doubtful: told.doubtful,
            sure: 0,
        };
        let task_id = match told.answer {
            Ok(created) => {
                count.sure += 1;
                created.id.context("id of the task")?
            }
            // An attempt without an answer was successful.
            Err(error) if error.is(ErrorCode::SourceHasTask) && told.doubtful > 0 => {
                let source = anywhere.get(|client| client.show_server(&source_id))?;
                let task = source.current_task.context("the task of the source")?;
                task.id.context("id of the task")?
            }
            Err(error) => return Err(error).context("make a task"),
        };
        let life = Life {
            plan,
            counts: Counts::from([(("CreateTask", task_id.clone()), count)]),
            source_id,
            task_id,
            slowest: Duration::ZERO,
        };
        Ok(Self {
            anywhere,
            orders,
            life,
            waiting: None,
            seen: BTreeMap::new(),
        })
    }

    /// Lives until its migration is over.
    pub(crate) fn live(mut self) -> Result<Life> {
        let end = Instant::now() + DEADLINE;
        let mut legs = self.life.plan.legs().into_iter();
        let mut steps = Vec::new().into_iter();
        self.order("start")?;
        loop {
            ensure!(Instant::now() < end, "stuck: {:?}", self.life);
            let is_idle = steps.as_slice().is_empty();
            let asked = Instant::now();
            let command = self.poll(is_idle)?;
            match command.as_str() {
                "START" => {
                    ensure!(is_idle, "START came twice: {steps:?} are left");
                    self.confirmed(&["start", "cutover", "restart"], asked)?;
                    self.obeyed("START")?;
                    steps = legs
                        .next()
                        .context("a START that nobody ordered")?
                        .into_iter();
                }
                "STOP" => {
                    self.confirmed(&["stop"], asked)?;
                    self.say("stopped", "replicating")?;
                    self.obeyed("STOP")?;
                    self.order("start")?;
                }
                "TASK_HAS_FINISHED" if is_idle && legs.as_slice().is_empty() => {
                    return self.end();
                }
                "TASK_NOT_STARTED" | "TASK_HAS_STOPPED" | "TASK_HAS_FINISHED" => {}
                other => bail!("{other} is no command that anybody ordered"),
            }
            match steps.next() {
                Some(Step::Say(state, cycle)) => self.say(state, cycle)?,
                Some(Step::Progress(subtask, percent)) => self.progress(subtask, percent)?,
                Some(Step::Order(operation)) => self.order(operation)?,
                None => {}
            }
        }
    }

    /// One who is at work only looks; one who is not waits.
    fn poll(&self, is_idle: bool) -> Result<String> {
        let wait = is_idle.then_some(WAIT_SECONDS);
        let id = &self.life.source_id;
        let shown = self.anywhere.get(|client| client.show_command(id, wait))?;
        shown.command_name.context("name of the command")
    }

    fn order(&mut self, operation: &'static str) -> Result<()> {
        let (done, is_done) = channel();
        self.waiting = Some((is_done, operation));
        let order = Order {
            task_id: self.life.task_id.clone(),
            operation,
            done,
        };
        self.orders.send(order).context("call the operator")
    }

    /// A command has come: it must be the one that was ordered. The operator may not know yet that
    /// the order took effect, and must not repeat it later on.
    fn confirmed(&mut self, operations: &[&str], asked: Instant) -> Result<()> {
        let arrived = Instant::now();
        let (done, operation) = self.waiting.take().context("nobody ordered this")?;
        ensure!(operations.contains(&operation), "{operation} was ordered");
        let done = done.recv().context("hear from the operator")?;
        let took = arrived.saturating_duration_since(asked.max(done.at));
        self.life.slowest = self.life.slowest.max(took);
        let key = ("updateTaskStatus", self.life.task_id.clone());
        let known = self.life.counts.entry(key).or_default();
        known.sure += done.count.sure;
        known.doubtful += done.count.doubtful;
        if operation == "restart" {
            // What follows the copy is done anew.
            self.seen.retain(|name, _| {
                !["SYNC_", "CONFIGURE_", "CHECK_"]
                    .iter()
                    .any(|begin| name.starts_with(begin))
            });
        }
        Ok(())
    }

    fn obeyed(&mut self, command: &str) -> Result<()> {
        let body = CommandBody {
            command_name: Some(command.into()),
            result: Some("success".into()),
            result_detail: Some(json!({ "msg": "" })),
        };
        let id = self.life.source_id.as_str();
        let counts = &mut self.life.counts;
        self.anywhere
            .tell(counts, "processCommandResult", id, |client| {
                client.update_command_result(id, &body)
            })
    }

    fn say(&mut self, state: &str, cycle: &str) -> Result<()> {
        let body = PutCopyStateReq {
            copystate: Some(state.into()),
            migrationcycle: Some(cycle.into()),
        };
        let id = self.life.source_id.as_str();
        let counts = &mut self.life.counts;
        self.anywhere.tell(counts, "updateCopyState", id, |client| {
            client.update_copy_state(id, &body)
        })
    }

    fn progress(&mut self, subtask: &str, percent: u32) -> Result<()> {
        let body = UpdateTaskSpeedReq {
            subtask_name: Some(subtask.into()),
            progress: Some(percent),
            replicatesize: Some(u64::from(percent) << 20),
            totalsize: Some(100 << 20),
            process_trace: Some(String::new()),
            ..UpdateTaskSpeedReq::default()
        };
        let id = &self.life.task_id;
        self.anywhere
            .get(|client| client.update_task_speed(id, &body))?;
        let reached = self.seen.entry(subtask.to_owned()).or_default();
        *reached = percent.max(*reached);
        self.look().map(drop)
    }

    /// What any replica shows must not be behind what any replica has promised or shown.
    fn look(&mut self) -> Result<String> {
        let id = &self.life.task_id;
        let shown = self.anywhere.get(|client| client.show_task(id))?;
        let mut now = BTreeMap::new();
        for subtask in &shown.sub_tasks {
            let name = subtask.name.clone().context("name of a subtask")?;
            let twice = now.insert(name, subtask.progress);
            ensure!(
                twice.is_none(),
                "a subtask is there twice: {:?}",
                shown.sub_tasks
            );
        }
        for (name, reached) in &self.seen {
            let shown = now.get(name).copied();
            ensure!(
                shown >= Some(*reached),
                "{name} of {id} was at {reached} and is at {shown:?}"
            );
        }
        self.seen = now;
        shown.state.context("state of the task")
    }

    fn end(mut self) -> Result<Life> {
        let state = self.look()?;
        ensure!(self.waiting.is_none(), "an order was lost: {:?}", self.life);
        ensure!(
            state == self.life.plan.last_state(),
            "{state}: {:?}",
            self.life
        );
        ensure!(
            self.seen.values().all(|&percent| percent == 100),
            "{:?}",
            self.seen
        );
        Ok(self.life)
    }
}

fn source(name: &str) -> PostSourceServerBody {
    PostSourceServerBody {
        name: Some(name.into()),
        hostname: Some(name.into()),
        ip: Some("192.0.2.10".into()),
        os_type: Some("LINUX".into()),
        os_version: Some("DEBIAN_12_64BIT".into()),
        firmware: Some("BIOS".into()),
        agent_version: Some("25.2.0".into()),
        networks: Some(vec![NetWork {
            name: Some("eth0".into()),
            mac: Some("52:54:00:12:34:56".into()),
            ..NetWork::default()
        }]),
        disks: Some(vec![ServerDisk {
            name: Some("/dev/vda".into()),
            size: Some(1 << 30),
            ..ServerDisk::default()
        }]),
        ..PostSourceServerBody::default()
    }
}

fn task(source_id: &str, target_id: &str) -> PostTask {
    let rehost = || Some("rehost".to_owned());
    PostTask {
        name: Some("move".into()),
        r#type: Some("MIGRATE_BLOCK".into()),
        os_type: Some("LINUX".into()),
        region_name: rehost(),
        region_id: rehost(),
        project_name: rehost(),
        project_id: rehost(),
        source_server: Some(SourceServerByTask {
            id: Some(source_id.into()),
        }),
        target_server: Some(TargetServerByTask {
            vm_id: Some(target_id.into()),
            name: Some("new-home".into()),
            ..TargetServerByTask::default()
        }),
        ..PostTask::default()
    }
}
