//! `rehost tasks rehearse`, `boots` and `boot-settings`: starting what the target has received.

use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use rehost_sms_api::client::Client;
use rehost_sms_api::rehost::{Boot, BootProbe, BootPurpose, BootReport};
use serde_json::Value;

use super::INTERRUPTED;
use crate::operator::{Interrupt, LoginOptions, OutputOptions, find_task, time};
use crate::output;

pub(super) const REHEARSE_HELP: &str = "\
Examples:
  rehost tasks rehearse web1
  rehost tasks rehearse web1 --probe tcp:5432 --probe http:80/health
  rehost tasks rehearse web1 --every 30m

The source server is held for a moment, so that the copy is one that could have been cut over. Then a
machine is started from it, on a layer of its own and in a network of its own, while synchronisation
goes on; the copy itself is never written to. When the system has started and every probe has been
answered, the machine is thrown away.

Exit code 0 if it started, 1 if it did not.";

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// Options of `rehearse`.
#[derive(Debug, Args)]
pub(crate) struct Rehearse {
    /// Id, the beginning of an id, name, or name of the source server.
    #[arg(value_name = "TASK")]
    task: String,
    /// Something that has to answer, `tcp:PORT` or `http:PORT/PATH`; for cut-overs, too. Without any
    /// the probes that were given before hold.
    #[arg(long = "probe", value_name = "PROBE")]
    probes: Vec<Probe>,
    /// Rehearses again and again, with so much time from one to the next: `90s`, `30m`, `2h`.
    #[arg(long, value_name = "TIME", value_parser = interval)]
    every: Option<Duration>,
    #[command(flatten)]
    login: LoginOptions,
    #[command(flatten)]
    shown: OutputOptions,
}

/// Options of `boots`.
#[derive(Debug, Args)]
pub(crate) struct Boots {
    /// Id, the beginning of an id, name, or name of the source server.
    #[arg(value_name = "TASK")]
    task: String,
    /// Shows one of them with the differences that its fix-ups made, and what was on its console: its id
    /// or the beginning of it, or `last`.
    #[arg(value_name = "BOOT")]
    boot: Option<String>,
    #[command(flatten)]
    login: LoginOptions,
    #[command(flatten)]
    shown: OutputOptions,
}

/// A probe as it is written on a command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Probe(BootProbe);

impl FromStr for Probe {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no probe: write tcp:PORT or http:PORT/PATH");
        let (kind, rest) = text.split_once(':').ok_or_else(wrong)?;
        let probe = match (kind, rest.split_once('/')) {
            ("tcp", None) => BootProbe::Tcp {
                port: rest.parse().map_err(|_| wrong())?,
            },
            ("http", path) => {
                let (port, path) = path.unwrap_or((rest, ""));
                BootProbe::Http {
                    port: port.parse().map_err(|_| wrong())?,
                    path: format!("/{path}"),
                    status: 200,
                }
            }
            _ => return Err(wrong()),
        };
        match probe {
            BootProbe::Tcp { port: 0 } | BootProbe::Http { port: 0, .. } => Err(wrong()),
            probe => Ok(Self(probe)),
        }
    }
}

/// Reads a time such as `90s`, `30m` or `2h`.
fn interval(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time: write 90s, 30m or 2h");
    let (number, unit_seconds) = match text.char_indices().next_back() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 3600),
        _ => return Err(wrong()),
    };
    let number: u64 = number.unwrap_or_default().parse().map_err(|_| wrong())?;
    match number.checked_mul(unit_seconds) {
        Some(seconds) if (1..=31_536_000).contains(&seconds) => Ok(Duration::from_secs(seconds)),
        _ => Err(wrong()),
    }
}

/// Rehearses once, or until it is interrupted.
///
/// # Errors
/// If the task is not in a state for it, or its target starts nothing.
pub(super) fn rehearse(options: &Rehearse) -> Result<ExitCode> {
    let client = options.login.client()?;
    let id = find_task(&client, &options.task)?.id.unwrap_or_default();
    let interrupt = Interrupt::listen()?;
    if !options.probes.is_empty() {
        let mut settings = client.boot_settings(&id).context("read boot settings")?;
        settings.probes = options.probes.iter().map(|probe| probe.0.clone()).collect();
        client
            .update_boot_settings(&id, &settings)
            .context("set the probes")?;
    }
    loop {
        let begun = Instant::now();
        let Some(boot) = rehearse_once(&client, &id, &interrupt)? else {
            output::remark("no longer waiting; `rehost tasks boots` will have the result");
            return Ok(ExitCode::from(INTERRUPTED));
        };
        show_boot(&boot, options.shown.json, false)?;
        let Some(every) = options.every else {
            return Ok(if boot.report.bootable {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        };
        if interrupt.during(every.saturating_sub(begun.elapsed())) {
            return Ok(ExitCode::from(INTERRUPTED));
        }
    }
}

/// One rehearsal; nothing if somebody lost patience.
fn rehearse_once(client: &Client, task_id: &str, interrupt: &Interrupt) -> Result<Option<Boot>> {
    let ordered = client
        .create_rehearsal(task_id)
        .with_context(|| format!("rehearse task {task_id}"))?;
    loop {
        match client.show_boot(task_id, &ordered.boot_id) {
            Ok(boot) => return Ok(Some(boot)),
            Err(error) if error.is_temporary() || error.status() == Some(404) => {}
            Err(error) => return Err(error).context("show the rehearsal"),
        }
        let boots = client.list_boots(task_id);
        if let Ok(boots) = boots
            && boots.current_boot_id.as_ref() != Some(&ordered.boot_id)
            && boots
                .boots
                .iter()
                .all(|boot| boot.boot_id != ordered.boot_id)
        {
            let task = client.show_task(task_id).context("show task")?;
            let why = task
                .error_json
                .unwrap_or_else(|| "it was called off".into());
            bail!("the rehearsal did not come about: {why}");
        }
        if interrupt.during(PAUSE) {
            return Ok(None);
        }
    }
}

/// Lists boots, or shows one.
///
/// # Errors
/// If the task or the boot is not found.
pub(super) fn boots(options: &Boots) -> Result<()> {
    let client = options.login.client()?;
    let id = find_task(&client, &options.task)?.id.unwrap_or_default();
    let list = client.list_boots(&id).context("list boots")?;
    if let Some(wanted) = &options.boot {
        let mut found = list
            .boots
            .iter()
            .filter(|boot| wanted == "last" || boot.boot_id.starts_with(wanted.as_str()));
        let first = found
            .next()
            .with_context(|| format!("no boot is called {wanted}"))?;
        ensure!(
            wanted == "last" || found.next().is_none(),
            "several boots begin with {wanted}; give more of the id"
        );
        let boot = client.show_boot(&id, &first.boot_id).context("show boot")?;
        return show_boot(&boot, options.shown.json, true);
    }
    if options.shown.json {
        return output::print_json(&list);
    }
    if let Some(current) = &list.current_boot_id {
        output::remark(&format!("under way, or running: {current}"));
    }
    let head = ["ID", "ENDED", "FOR", "STARTED", "SECONDS", "REASON"];
    let rows = list.boots.iter().map(|boot| {
        let report = &boot.report;
        vec![
            boot.boot_id.clone(),
            time(Some(report.ended_at)),
            purpose(report.purpose).to_owned(),
            if report.bootable { "yes" } else { "NO" }.to_owned(),
            format!("{:.0}", report.boot_seconds),
            report.reason.clone(),
        ]
    });
    let rows: Vec<_> = std::iter::once(head.map(Into::into).into())
        .chain(rows)
        .collect();
    output::print(&output::table(&rows))
}

fn purpose(purpose: BootPurpose) -> &'static str {
    match purpose {
        BootPurpose::Rehearsal => "rehearsal",
        BootPurpose::Cutover => "cut-over",
    }
}

fn show_boot(boot: &Boot, json: bool, whole: bool) -> Result<()> {
    if json {
        return output::print_json(boot);
    }
    output::print(&in_words(&boot.report))?;
    for probe in &boot.report.probes {
        let word = if probe.passed {
            "answered"
        } else {
            "NOT ANSWERED"
        };
        output::print(format!("  {} {word} {}", probe.probe, probe.detail).trim_end())?;
    }
    if whole {
        for text in differences(&boot.report.fixups) {
            output::print(&text)?;
        }
        output::print(&boot.report.console)?;
    }
    Ok(())
}

fn in_words(report: &BootReport) -> String {
    let ended = time(Some(report.ended_at));
    if report.bootable {
        format!("bootable as of {ended}, {:.0} s", report.boot_seconds)
    } else {
        format!("NOT bootable as of {ended}: {}", report.reason)
    }
}

/// Every difference that fix-ups made, each below its fix-up's words.
fn differences(fixups: &Value) -> Vec<String> {
    let fixups = fixups.get("fixups").and_then(Value::as_array);
    let text = |value: &Value, name: &str| {
        let text = value.get(name).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    fixups
        .into_iter()
        .flatten()
        .flat_map(|fixup| {
            let title = format!(
                "{} ({}): {}",
                text(fixup, "name"),
                text(fixup, "state"),
                text(fixup, "summary")
            );
            let changes = fixup.get("changes").and_then(Value::as_array);
            let changes = changes.into_iter().flatten();
            std::iter::once(title).chain(
                changes
                    .map(|change| text(change, "diff"))
                    .collect::<Vec<_>>(),
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_read_as_people_write_them() {
        let tcp = BootProbe::Tcp { port: 5432 };
        assert_eq!("tcp:5432".parse(), Ok(Probe(tcp)));
        let http = |path: &str| BootProbe::Http {
            port: 80,
            path: path.into(),
            status: 200,
        };
        assert_eq!("http:80".parse(), Ok(Probe(http("/"))));
        assert_eq!("http:80/a/b?c".parse(), Ok(Probe(http("/a/b?c"))));
        for wrong in [
            "",
            "tcp",
            "tcp:0",
            "tcp:70000",
            "tcp:80/x",
            "udp:53",
            "http:x/",
        ] {
            assert!(wrong.parse::<Probe>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        assert_eq!(interval("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(interval("30m"), Ok(Duration::from_secs(1800)));
        assert_eq!(interval("2h"), Ok(Duration::from_secs(7200)));
        for wrong in ["", "30", "m", "0s", "-1s", "30d", "99999999999999999999h"] {
            assert!(interval(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn differences_are_shown_below_their_fix_up() {
        let fixups = serde_json::json!({ "fixups": [
            { "name": "fstab", "state": "applied", "summary": "by UUID",
              "changes": [{ "path": "/etc/fstab", "diff": "-a\n+b" }] },
            { "name": "grub", "state": "unchanged", "summary": "", "changes": [] },
        ]});
        assert_eq!(
            differences(&fixups),
            ["fstab (applied): by UUID", "-a\n+b", "grub (unchanged): "]
        );
        assert!(differences(&Value::Null).is_empty());
    }
}
