//! `rehost tasks watch`: follows a task. Bars on a terminal, a line for each change elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rehost_sms_api::bodies::{ShowTaskResponse, SubTask};

use super::INTERRUPTED;
use crate::operator::{Interrupt, LoginOptions, find_task, report_table};
use crate::output;

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// Largest `migrate_speed` there is, in Mbit/s (SMS, UpdateTaskSpeed).
const MAX_RATE_MBIT: f64 = 10_000.0;

/// Options of `watch`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Id, the beginning of an id, name, or name of the source server.
    #[arg(value_name = "TASK")]
    task: String,
    /// How long to watch.
    #[arg(long, value_enum, default_value = "finished")]
    until: Until,
    #[command(flatten)]
    login: LoginOptions,
}

/// Which state is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Until {
    /// The full copy is through, and changes are followed.
    Syncing,
    /// The target is launched and proved equal.
    Finished,
}

/// What a look at a task says about waiting for a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Not there yet.
    Pending,
    /// There, or already beyond.
    Reached,
    /// It failed, and says why.
    Failed(String),
}

impl Outcome {
    /// Judges a task by its state (SMS, ShowTask).
    pub(crate) fn of(task: &ShowTaskResponse, until: Until) -> Self {
        match task.state.as_deref().unwrap_or_default() {
            "MIGRATE_SUCCESS" | "SYNC_SUCCESS" => Self::Reached,
            "SYNCING" if until == Until::Syncing => Self::Reached,
            "MIGRATE_FAIL" | "SYNC_FAIL" => {
                let why = task.error_json.clone().filter(|text| !text.is_empty());
                Self::Failed(why.unwrap_or_else(|| "no reason was given".into()))
            }
            _ => Self::Pending,
        }
    }
}

/// Follows a task.
///
/// # Errors
/// If the task is not found, or is deleted meanwhile, or fails.
pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let client = options.login.client()?;
    let id = find_task(&client, &options.task)?.id.unwrap_or_default();
    let interrupt = Interrupt::listen()?;
    let mut watcher = Watcher::new();
    let mut unanswered = false;
    loop {
        match client.show_task(&id) {
            Ok(task) => {
                unanswered = false;
                watcher.show(&task);
                match Outcome::of(&task, options.until) {
                    Outcome::Pending => {}
                    Outcome::Reached => break,
                    Outcome::Failed(why) => bail!("task {id} failed: {why}"),
                }
            }
            Err(error) if error.is_temporary() => {
                if !unanswered {
                    watcher.remark("the control plane does not answer, trying again");
                }
                unanswered = true;
            }
            Err(error) => return Err(error).context("show task"),
        }
        if interrupt.during(PAUSE) {
            watcher.remark(&format!(
                "no longer watching; the migration goes on. See it with: rehost tasks watch {id}"
            ));
            return Ok(ExitCode::from(INTERRUPTED));
        }
    }
    drop(watcher);
    if options.until == Until::Finished
        && let Ok(report) = client.get_report(&id)
    {
        output::print(&report_table(&report))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows how a task goes on.
#[derive(Debug)]
pub(crate) struct Watcher {
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    /// On a terminal: one bar a subtask.
    Bars {
        all: MultiProgress,
        of: BTreeMap<(u64, String), ProgressBar>,
        waiting: String,
    },
    /// Elsewhere: one line a change.
    Lines { last: String },
}

impl Watcher {
    /// Shows bars if standard error is a terminal, lines if not.
    pub(crate) fn new() -> Self {
        let shown = if std::io::stderr().is_terminal() {
            Shown::Bars {
                all: MultiProgress::new(),
                of: BTreeMap::new(),
                waiting: String::new(),
            }
        } else {
            Shown::Lines {
                last: String::new(),
            }
        };
        Self { shown }
    }

    /// Shows what a look at the task has found.
    pub(crate) fn show(&mut self, task: &ShowTaskResponse) {
        match &mut self.shown {
            Shown::Bars { all, of, waiting } => {
                for subtask in &task.sub_tasks {
                    let name = subtask.name.clone().unwrap_or_default();
                    let bar = of
                        .entry((subtask.id.unwrap_or_default(), name))
                        .or_insert_with(|| all.add(new_bar(subtask)));
                    update(bar, task, subtask);
                }
                let found = waits_for(task).unwrap_or_default();
                if found != waiting.as_str() {
                    found.clone_into(waiting);
                    if !found.is_empty() {
                        all.suspend(|| output::remark(found));
                    }
                }
            }
            Shown::Lines { last } => {
                let line = line(task);
                if line != *last {
                    output::remark(&line);
                    *last = line;
                }
            }
        }
    }

    /// Says something beside the bars.
    pub(crate) fn remark(&self, text: &str) {
        match &self.shown {
            Shown::Bars { all, .. } => all.suspend(|| output::remark(text)),
            Shown::Lines { .. } => output::remark(text),
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Shown::Bars { of, .. } = &self.shown {
            // Leaves each bar where it is, on lines of its own.
            of.values().for_each(ProgressBar::abandon);
        }
    }
}

/// A bar that is not seen before it has its place below the others: by itself it would leave a line
/// on the screen that nobody takes away.
fn new_bar(subtask: &SubTask) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(100), ProgressDrawTarget::hidden());
    let template = "{prefix:23} [{bar:16}] {pos:>3} %  {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(subtask.name.clone().unwrap_or_default());
    bar
}

fn update(bar: &ProgressBar, task: &ShowTaskResponse, subtask: &SubTask) {
    if bar.is_finished() {
        return;
    }
    bar.set_position(subtask.progress.into());
    if subtask.end_date.is_some() || subtask.progress >= 100 {
        bar.abandon_with_message("done");
    } else {
        bar.set_message(message(task, subtask));
    }
}

/// What a running subtask is about. Only in the full copy are rate and time left what people wait
/// for; a sync round is said by its number and by what it reads and sends, in the agent's words.
fn message(task: &ShowTaskResponse, subtask: &SubTask) -> String {
    let trace = subtask.process_trace.as_deref().unwrap_or_default();
    if trace.is_empty() && subtask.progress >= 100 {
        String::new()
    } else if trace.is_empty() || subtask.name.as_deref() == Some("MIGRATE_LINUX_BLOCK") {
        pace(task)
    } else {
        with_sizes(trace)
    }
}

/// What holds the task up between two subtasks, such as a target that cannot be used.
fn waits_for(task: &ShowTaskResponse) -> Option<&str> {
    let mut begun = task.sub_tasks.iter().rev();
    let last = begun.find(|subtask| subtask.start_date.is_some())?;
    let is_between = last.progress >= 100 && task.state.as_deref() == Some("RUNNING");
    last.process_trace.as_deref().filter(|_| is_between)
}

/// Byte counts in a text of the agent, `7 bytes` and `5 of 7 bytes`, as people say them.
fn with_sizes(text: &str) -> String {
    let words: Vec<&str> = text.split(' ').collect();
    let mut said = Vec::with_capacity(words.len());
    let mut rest = words.as_slice();
    while let Some((&word, after)) = rest.split_first() {
        rest = after;
        match (word.parse(), after) {
            (Ok(count), ["bytes", after @ ..]) => {
                said.push(output::size(count));
                rest = after;
            }
            (Ok(count), ["of", total, "bytes", ..]) if total.parse::<u64>().is_ok() => {
                said.push(output::size(count));
            }
            _ => said.push(word.to_owned()),
        }
    }
    said.join(" ")
}

/// Rate and time left, as far as the agent says them. It says no more than the API can carry.
fn pace(task: &ShowTaskResponse) -> String {
    let rate = task.migrate_speed.filter(|&rate| rate > 0.0).map(|rate| {
        let more = if rate < MAX_RATE_MBIT { "" } else { " or more" };
        format!("{rate:.0} Mbit/s{more}")
    });
    let left = task
        .remain_seconds
        .filter(|&seconds| seconds > 0)
        .map(|seconds| {
            format!(
                "{:02}:{:02}:{:02} left",
                seconds / 3600,
                seconds / 60 % 60,
                seconds % 60
            )
        });
    rate.into_iter().chain(left).collect::<Vec<_>>().join(", ")
}

fn line(task: &ShowTaskResponse) -> String {
    let state = task.state.as_deref().unwrap_or_default();
    let Some(subtask) = task
        .sub_tasks
        .iter()
        .rfind(|subtask| subtask.start_date.is_some())
    else {
        return state.to_owned();
    };
    let name = subtask.name.as_deref().unwrap_or_default();
    let message = message(task, subtask);
    let line = format!("{state}: {name} {} %, {message}", subtask.progress);
    line.trim_end_matches(", ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(state: &str) -> ShowTaskResponse {
        ShowTaskResponse {
            state: Some(state.into()),
            ..ShowTaskResponse::default()
        }
    }

    #[test]
    fn what_is_waited_for_decides_when_to_stop() {
        assert_eq!(
            Outcome::of(&task("RUNNING"), Until::Finished),
            Outcome::Pending
        );
        assert_eq!(
            Outcome::of(&task("ABORT"), Until::Finished),
            Outcome::Pending
        );
        assert_eq!(
            Outcome::of(&task("SYNCING"), Until::Finished),
            Outcome::Pending
        );
        assert_eq!(
            Outcome::of(&task("SYNCING"), Until::Syncing),
            Outcome::Reached
        );
        assert_eq!(
            Outcome::of(&task("MIGRATE_SUCCESS"), Until::Syncing),
            Outcome::Reached
        );
        assert_eq!(
            Outcome::of(&task("SYNC_SUCCESS"), Until::Finished),
            Outcome::Reached
        );
        let failed = ShowTaskResponse {
            error_json: Some("full".into()),
            ..task("MIGRATE_FAIL")
        };
        assert_eq!(
            Outcome::of(&failed, Until::Syncing),
            Outcome::Failed("full".into())
        );
    }

    #[test]
    fn a_line_says_subtask_progress_rate_and_time_left() {
        let subtask = SubTask {
            name: Some("MIGRATE_LINUX_BLOCK".into()),
            progress: 40,
            start_date: Some(1),
            ..SubTask::default()
        };
        let mut shown = task("RUNNING");
        assert_eq!(line(&shown), "RUNNING");
        shown.sub_tasks = vec![subtask, SubTask::default()];
        assert_eq!(line(&shown), "RUNNING: MIGRATE_LINUX_BLOCK 40 %");
        shown.migrate_speed = Some(812.4);
        shown.remain_seconds = Some(3_725);
        let expected = "RUNNING: MIGRATE_LINUX_BLOCK 40 %, 812 Mbit/s, 01:02:05 left";
        assert_eq!(line(&shown), expected);
        shown.migrate_speed = Some(MAX_RATE_MBIT);
        assert!(line(&shown).contains("10000 Mbit/s or more"));
    }

    #[test]
    fn a_sync_round_is_said_by_its_number_and_by_what_it_sends() {
        let subtask = SubTask {
            name: Some("SYNC_LINUX_BLOCK".into()),
            process_trace: Some("round 3: 1024 of 2048 bytes read, 77 bytes sent".into()),
            ..SubTask::default()
        };
        let shown = ShowTaskResponse {
            migrate_speed: Some(MAX_RATE_MBIT),
            ..task("SYNCING")
        };
        let expected = "round 3: 1.0 KiB of 2.0 KiB read, 77 B sent";
        assert_eq!(message(&shown, &subtask), expected);
    }

    #[test]
    fn what_holds_a_task_up_between_subtasks_is_said() {
        let done = SubTask {
            progress: 100,
            start_date: Some(1),
            process_trace: Some("waiting for the target".into()),
            ..SubTask::default()
        };
        let begun = SubTask {
            progress: 5,
            ..done.clone()
        };
        let mut shown = task("RUNNING");
        assert_eq!(waits_for(&shown), None);
        shown.sub_tasks = vec![done, SubTask::default()];
        assert_eq!(waits_for(&shown), Some("waiting for the target"));
        shown.sub_tasks.push(begun);
        assert_eq!(waits_for(&shown), None);
    }

    #[test]
    fn words_that_are_no_byte_counts_stay() {
        for text in ["", "5 of them", "bytes", "3 of 4", "-1 bytes", "a  b"] {
            assert_eq!(with_sizes(text), text);
        }
    }
}
