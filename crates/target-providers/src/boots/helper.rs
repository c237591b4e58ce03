//! Lets the helper system work: speaks with it until it has reported and is gone.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rehost_machines::{BootWatch, Machine, MachineError, Patience};
use serde_json::Value;

use super::BootObserver;
use super::conversation::{Conversation, Said};
use super::made::BootError;
use super::order::HELPER_PORT;

/// How often is looked whether the machine is still there.
const LOOK: Duration = Duration::from_millis(100);
/// How long powering off may take once everything is written.
const POWER_OFF_SECONDS: u64 = 120;

/// What came of it.
#[derive(Debug)]
pub(super) struct Fixed {
    /// What the helper system reports, if it does.
    pub(super) report: Value,
    /// Why the copy cannot be booted, if so.
    pub(super) failure: Option<BootError>,
}

/// Gives the helper system its work and waits until it is done and the machine is off.
pub(super) fn converse(
    machine: &Machine,
    fixups: &Value,
    wait_seconds: u64,
    observer: &dyn BootObserver,
    stop: &AtomicBool,
) -> Fixed {
    let patience = Patience::seconds(wait_seconds).or_stop(stop);
    let mut fixed = Fixed {
        report: Value::Null,
        failure: None,
    };
    match listen(machine, fixups, &patience, observer) {
        Ok(Said::Done { report }) => fixed.report = report,
        Ok(Said::Failed { reason, report }) => {
            fixed.report = report;
            fixed.failure = Some(BootError::Reason(reason));
        }
        Ok(Said::Ready | Said::Log(_)) => {}
        Err(error) => {
            fixed.failure = Some(error);
            return fixed;
        }
    }
    // What it wrote is safe only when it has unmounted everything and is gone.
    let patience = Patience::seconds(POWER_OFF_SECONDS).or_stop(stop);
    if let Err(error) = machine.wait_for_end(&patience) {
        let error = match error {
            MachineError::TooLong { .. } => BootError::Reason(
                "the helper system does not power off after its report; what it changed may not \
                 be on the disks"
                    .into(),
            ),
            error => error.into(),
        };
        fixed.failure.get_or_insert(error);
    }
    fixed
}

/// Speaks until the last word.
fn listen(
    machine: &Machine,
    fixups: &Value,
    patience: &Patience<'_>,
    observer: &dyn BootObserver,
) -> Result<Said, BootError> {
    let failed = |source: io::Error| {
        BootError::Machine(MachineError::Monitor {
            machine: machine.spec().name.clone(),
            source,
        })
    };
    let mut stream = machine.port(HELPER_PORT)?;
    stream.set_read_timeout(Some(LOOK)).map_err(failed)?;
    stream.set_write_timeout(Some(LOOK)).map_err(failed)?;
    let request = Conversation::request(fixups);
    let mut to_say = request.as_slice();
    let mut conversation = Conversation::default();
    let mut bytes = vec![0; 64 * 1024];
    loop {
        patience.next("the work of the helper system")?;
        // The machine takes the request once somebody inside has opened the port.
        say(&mut stream, &mut to_say).map_err(failed)?;
        match stream.read(&mut bytes) {
            Ok(0) => return Err(ended(machine)),
            Ok(count) => {
                let heard = conversation.hear(&bytes[..count]);
                for said in heard.map_err(|nonsense| BootError::Reason(nonsense.to_string()))? {
                    match said {
                        Said::Ready => tracing::debug!("the helper system is ready"),
                        Said::Log(line) => observer.helper_says(&line),
                        last => return Ok(last),
                    }
                }
            }
            Err(error) if is_time_out(&error) => {
                if let Some(reason) = panic_of(machine) {
                    return Err(BootError::Reason(reason));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Err(ended(machine));
            }
            Err(error) => return Err(failed(error)),
        }
    }
}

/// Says as much as can be said now.
fn say(stream: &mut UnixStream, to_say: &mut &[u8]) -> io::Result<()> {
    if to_say.is_empty() {
        return Ok(());
    }
    match stream.write(to_say) {
        Ok(count) => {
            *to_say = &to_say[count..];
            Ok(())
        }
        // That the machine is gone is told better by what is read.
        Err(error) if is_time_out(&error) || error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(error),
    }
}

fn is_time_out(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

/// The error of a machine that ended without a report.
fn ended(machine: &Machine) -> BootError {
    if let Some(reason) = panic_of(machine) {
        return BootError::Reason(reason);
    }
    let mut reason = "the helper system ended before it reported".to_owned();
    if let Some(line) = machine.console().last_line() {
        let line: String = line.chars().take(200).collect();
        reason.push_str(&format!("; the last that it said is `{line}`"));
    }
    let words = machine.last_words();
    if let Some(line) = words.lines().last() {
        reason.push_str(&format!(" ({line})"));
    }
    BootError::Reason(reason)
}

/// Why its kernel gave up, if it has. Whatever else its console shows may come from programs of
/// the copy that it runs.
fn panic_of(machine: &Machine) -> Option<String> {
    let mut watch = BootWatch::new(true);
    let look = |line: &str, has_ended| {
        let reason = watch.read(line, has_ended)?.err()?;
        reason.starts_with("the kernel panics").then_some(reason)
    };
    let seen = machine
        .console()
        .watch("a panic", &Patience::seconds(0), look);
    let reason = seen.ok()??;
    Some(format!("the helper system failed: {reason}"))
}
