//! The life of a task, told as stories: what leads where, and what is kept on the way.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use rehost_migration::source::{MigrationCycle, SourceState};
use rehost_migration::task::{
    Action, After, AgentEvent, CloneState, Command, CommandResult, Drill, Event, Logs, Mailbox,
    Order, Phase, Snapshots, SourceChange, Task, TaskState, Transition,
};

const START: Event = Event::Operator(Action::Start);
const STOP: Event = Event::Operator(Action::Stop);
const CUTOVER: Event = Event::Operator(Action::Cutover);
const RESTART: Event = Event::Operator(Action::Restart);
const CLONE: Event = Event::Operator(Action::CloneTest { template: true });
const CLEAR: Event = Event::Operator(Action::Clear);
const SYNC_REACHED: Event = Event::Agent(AgentEvent::SyncReached);
const DONE: Event = Event::Agent(AgentEvent::Done);
const FAILED: Event = Event::Agent(AgentEvent::Failed);
const STOPPED: Event = obeyed(Command::Stop);

const fn obeyed(command: Command) -> Event {
    Event::Agent(AgentEvent::Command(command, CommandResult::Success))
}

const fn refused(command: Command) -> Event {
    Event::Agent(AgentEvent::Command(command, CommandResult::Fail))
}

const fn delete(agent_connected: bool, source_state: SourceState) -> Event {
    Event::Operator(Action::Delete {
        agent_connected,
        source_state,
        with_source: false,
    })
}

fn after(task: Task, event: Event) -> Task {
    match task.apply(event).unwrap().task {
        After::Becomes(next) => next,
        After::Same => task,
        After::Gone => panic!("{task:?} is gone"),
    }
}

fn path(task: Task, events: &[Event]) -> Task {
    events.iter().fold(task, |task, event| after(task, *event))
}

fn code(task: Task, event: Event) -> &'static str {
    task.apply(event).unwrap_err().code()
}

fn source(transition: Transition) -> (SourceState, MigrationCycle) {
    let SourceChange { state, cycle } = transition.source.unwrap();
    (state, cycle)
}

fn syncing() -> Task {
    path(Task::new(true), &[START, SYNC_REACHED])
}

fn launched() -> Task {
    path(Task::new(false), &[START, DONE])
}

#[test]
fn a_plain_migration_runs_from_start_to_success() {
    let started = Task::new(false).apply(START).unwrap();
    assert_eq!(
        source(started),
        (SourceState::Initialize, MigrationCycle::Replicating)
    );
    assert_eq!(started.mailbox, Mailbox::Put(Command::Start, None));
    let cutover = Event::Agent(AgentEvent::CutoverRuns);
    for events in [
        &[START, DONE][..],
        &[START, cutover, DONE],
        &[START, SYNC_REACHED, DONE],
    ] {
        let task = path(Task::new(false), events);
        assert_eq!(task.state, TaskState::MigrateSuccess);
        assert!(task.launched);
    }
}

#[test]
fn a_continuous_migration_waits_for_its_cutover() {
    let syncing = path(Task::new(true), &[START, DONE, SYNC_REACHED, DONE]);
    assert_eq!(syncing.state, TaskState::Syncing);
    let transition = syncing.apply(CUTOVER).unwrap();
    assert_eq!(
        source(transition),
        (SourceState::Cutovering, MigrationCycle::Cutovering)
    );
    assert_eq!(transition.mailbox, Mailbox::Put(Command::Start, None));
    // A report of syncing that was on its way does not undo the cut-over.
    let task = path(syncing, &[CUTOVER, SYNC_REACHED]);
    assert_eq!(
        (task.state, task.phase),
        (TaskState::Running, Phase::Cutover)
    );
    assert_eq!(after(task, DONE).state, TaskState::MigrateSuccess);
}

#[test]
fn a_start_goes_on_where_it_was() {
    let running = after(Task::new(true), START);
    let cutting = after(syncing(), CUTOVER);
    for (task, state) in [
        (running, SourceState::Initialize),
        (syncing(), SourceState::Syncing),
        (cutting, SourceState::Cutovering),
    ] {
        for pause in [
            &[STOP, STOPPED][..],
            &[FAILED],
            &[STOP, refused(Command::Stop)],
        ] {
            let resumed = path(task, pause).apply(START).unwrap();
            assert_eq!(source(resumed), (state, task.phase.cycle()));
            assert_eq!(after(path(task, pause), START).phase, task.phase);
        }
    }
}

#[test]
fn a_restart_synchronises_again_and_keeps_the_launched_target() {
    let again = path(launched(), &[RESTART, SYNC_REACHED]);
    assert_eq!((again.state, again.launched), (TaskState::Syncing, true));
    assert_eq!(after(again, FAILED).state, TaskState::SyncFail);
    assert_eq!(path(again, &[FAILED, RESTART]).phase, Phase::Sync);
    assert_eq!(
        path(again, &[CUTOVER, DONE]).state,
        TaskState::MigrateSuccess
    );
    assert_eq!(after(again, DONE).state, TaskState::SyncSuccess);
    // The end of the migration may be told once more, just after the restart.
    assert_eq!(path(launched(), &[RESTART, DONE]).state, TaskState::Running);
    assert_eq!(code(Task::new(false), RESTART), "SMS.7722");
}

#[test]
fn the_older_sync_has_a_command_of_its_own() {
    let transition = launched().apply(Event::Operator(Action::Sync)).unwrap();
    assert_eq!(transition.mailbox, Mailbox::Put(Command::Sync, None));
    let again = after(launched(), Event::Operator(Action::Sync));
    assert_eq!(
        after(again, obeyed(Command::Sync)).state,
        TaskState::Syncing
    );
    assert_eq!(
        after(again, refused(Command::Sync)).state,
        TaskState::SyncFail
    );
}

#[test]
fn a_failed_synchronisation_is_rolled_back() {
    let rollback = Event::Operator(Action::SyncFailedRollback);
    let failed = path(launched(), &[RESTART, SYNC_REACHED, FAILED]);
    let transition = failed.apply(rollback).unwrap();
    let order = Some(Order::SyncFailedRollback);
    assert_eq!(transition.mailbox, Mailbox::Put(Command::Start, order));
    for (event, state) in [
        (DONE, TaskState::SyncFRollbackSuccess),
        (FAILED, TaskState::SyncFail),
        (refused(Command::Start), TaskState::SyncFail),
    ] {
        assert_eq!(path(failed, &[rollback, event]).state, state);
    }
    assert_eq!(code(launched(), rollback), "SMS.7718");
}

#[test]
fn a_final_round_that_ends_during_a_stop_counts() {
    let stopping = path(Task::new(false), &[START, STOP]);
    assert_eq!(stopping.apply(DONE).unwrap().mailbox, Mailbox::Clear);
    assert_eq!(
        path(stopping, &[DONE, STOPPED]).state,
        TaskState::MigrateSuccess
    );
}

#[test]
fn a_consistency_check_is_skipped_in_its_middle() {
    let skip = |check_percent| Event::Operator(Action::Skip { check_percent });
    let cutting = path(syncing(), &[CUTOVER]);
    for percent in [None, Some(0), Some(4), Some(96), Some(100)] {
        assert_eq!(code(cutting, skip(percent)), "SMS.9001", "{percent:?}");
    }
    for percent in [5, 95] {
        let skipping = cutting.apply(skip(Some(percent))).unwrap();
        assert_eq!(source(skipping).0, SourceState::Skipping);
        assert_eq!(skipping.mailbox, Mailbox::Put(Command::Skip, None));
        let task = after(cutting, skip(Some(percent)));
        for result in [obeyed(Command::Skip), refused(Command::Skip)] {
            let back = task.apply(result).unwrap();
            assert_eq!(back.task, After::Becomes(cutting));
            assert_eq!(source(back).0, SourceState::Cutovering);
        }
        assert_eq!(after(task, DONE).state, TaskState::MigrateSuccess);
    }
    let back = path(syncing(), &[skip(Some(50)), obeyed(Command::Skip)]);
    assert_eq!(back.state, TaskState::Syncing);
}

#[test]
fn a_drill_runs_before_the_start() {
    let drill = Event::Operator(Action::MigrationTest);
    assert_eq!(code(Task::new(false), drill), "SMS.9001");
    let planned = Task::new(false).with_drill(true);
    assert_eq!(planned.source().state, SourceState::PremigReady);
    let running = after(planned, drill);
    assert_eq!(running.source().state, SourceState::Premiging);
    assert_eq!(code(running, START), "SMS.7713");
    assert_eq!(code(running, drill), "SMS.9001");
    let done = after(running, obeyed(Command::Premigrate));
    assert_eq!(done.aside.drill, Drill::Done);
    assert_eq!(done.source().state, SourceState::Premiged);
    let failed = after(running, Event::Agent(AgentEvent::DrillFailed));
    assert_eq!(failed.source().state, SourceState::PremigFailed);
    let once_more = after(failed, drill);
    assert_eq!(once_more.source().state, SourceState::Premiging);
    assert_eq!(after(done, START).state, TaskState::Running);
}

#[test]
fn a_clone_is_made_while_it_synchronises() {
    let test = Event::Operator(Action::Test);
    assert_eq!(Task::new(true).clone_state(), CloneState::NotReady);
    assert_eq!(syncing().clone_state(), CloneState::Ready);
    assert_eq!(code(syncing(), test), "SMS.8017");
    let cloning = syncing().apply(CLONE).unwrap();
    assert_eq!(
        source(cloning),
        (SourceState::Cloning, MigrationCycle::Syncing)
    );
    let order = Some(Order::CloneTest);
    assert_eq!(cloning.mailbox, Mailbox::Put(Command::Start, order));
    let task = after(syncing(), CLONE);
    assert_eq!(code(task, CUTOVER), "SMS.7721");
    // The agent has not taken the order yet, so this report is older.
    assert_eq!(after(task, SYNC_REACHED), task);
    let taken = after(task, obeyed(Command::Start));
    assert_eq!(taken.clone_state(), CloneState::Creating);
    let made = after(taken, SYNC_REACHED);
    assert_eq!(made.clone_state(), CloneState::Finished);
    let tested = path(made, &[test]).apply(obeyed(Command::Start)).unwrap();
    assert_eq!(
        source(tested),
        (SourceState::Syncing, MigrationCycle::Tested)
    );
    let refusal = task.apply(refused(Command::Start)).unwrap();
    assert_eq!(source(refusal).0, SourceState::Syncing);
    assert_eq!(
        after(task, refused(Command::Start)).clone_state(),
        CloneState::Error
    );
    assert_eq!(
        path(taken, &[STOP]).clone_state(),
        CloneState::Error,
        "a stop breaks it off"
    );
}

#[test]
fn what_was_cleared_is_never_synchronised_again() {
    let clearing = after(launched(), CLEAR);
    assert_eq!(clearing.source().state, SourceState::Clearing);
    for result in [obeyed(Command::Delete), Event::Agent(AgentEvent::Cleared)] {
        let cleared = after(clearing, result);
        assert_eq!(cleared.source().state, SourceState::Cleared);
        assert_eq!(code(cleared, RESTART), "SMS.7722");
        assert_eq!(code(cleared, Event::Operator(Action::Sync)), "SMS.7715");
        assert_eq!(cleared.apply(CLEAR), Ok(Transition::NOTHING));
    }
    let failed = after(clearing, refused(Command::Delete));
    assert_eq!(failed.aside.snapshots, Snapshots::ClearFailed);
    assert_eq!(after(failed, RESTART).state, TaskState::Running);
}

#[test]
fn logs_are_collected_one_at_a_time_and_never_before_a_start() {
    let collect = |mailbox_empty| Event::Operator(Action::CollectLog { mailbox_empty });
    assert_eq!(code(Task::new(false), collect(true)), "SMS.7717");
    assert_eq!(code(launched(), collect(false)), "SMS.7716");
    let under_way = after(launched(), collect(true));
    assert_eq!(code(under_way, collect(true)), "SMS.7716");
    let sent = after(under_way, obeyed(Command::UploadLog));
    assert_eq!(sent.aside.logs, Logs::Uploaded);
    // A command that replaces the order for logs makes them fail, so that they can be asked for anew.
    let replaced = after(under_way, RESTART);
    assert_eq!(replaced.aside.logs, Logs::UploadFail);
    assert!(replaced.apply(collect(true)).is_ok());
}

#[test]
fn a_task_is_not_deleted_under_a_working_agent() {
    let ready = Task::new(false);
    let gone = ready.apply(delete(true, SourceState::Waiting)).unwrap();
    assert_eq!(gone.task, After::Gone);
    assert_eq!(
        code(ready, delete(true, SourceState::Replicate)),
        "SMS.7719"
    );
    // Even if somebody has set the source server to something harmless.
    let running = after(ready, START);
    assert_eq!(
        code(running, delete(true, SourceState::Waiting)),
        "SMS.7719"
    );
    let gone = running
        .apply(delete(false, SourceState::Replicate))
        .unwrap();
    assert_eq!(
        (gone.task, gone.source),
        (After::Gone, Some(SourceChange::WAITS))
    );
    assert_eq!(gone.mailbox, Mailbox::Clear);
    let unavailable = ready.apply(delete(true, SourceState::Unavailable)).unwrap();
    assert_eq!(unavailable.source, None);
}

#[test]
fn an_agent_that_holds_something_removes_it_before_the_task_is_gone() {
    let finished = launched();
    let asked = finished.apply(delete(true, SourceState::Finished)).unwrap();
    assert_eq!(
        source(asked),
        (SourceState::Deleting, MigrationCycle::Cutovered)
    );
    assert_eq!(asked.mailbox, Mailbox::Put(Command::Delete, None));
    let deleting = after(finished, delete(true, SourceState::Finished));
    let done = deleting.apply(obeyed(Command::Delete)).unwrap();
    assert_eq!(
        (done.task, done.source),
        (After::Gone, Some(SourceChange::WAITS))
    );
    assert_eq!(after(deleting, refused(Command::Delete)), finished);
    assert_eq!(
        code(deleting, delete(true, SourceState::Deleting)),
        "SMS.7719"
    );
    for (agent_connected, with_source) in [(false, false), (false, true), (true, true)] {
        let event = Event::Operator(Action::Delete {
            agent_connected,
            source_state: SourceState::Deleting,
            with_source,
        });
        assert_eq!(deleting.apply(event).unwrap().task, After::Gone);
    }
}
