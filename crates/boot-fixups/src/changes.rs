//! What a fix-up works with: files of the copied system that remember how they were, programs
//! whose ends are noted, and remarks for the summary.

use similar::TextDiff;

use crate::commands::Commands;
use crate::contract::{CommandRun, FileChange, FixupName, FixupOutcome, FixupRequest, FixupState};
use crate::error::{FixupError, RootError, with_causes};
use crate::facts::DiskFacts;
use crate::root::{FILE_LIMIT_BYTES, Root, TEXT_LIMIT_BYTES, encode};
use crate::system::System;

mod redaction;

/// Diffs longer than this are cut; their files are in the system.
const DIFF_LIMIT_BYTES: usize = 64 * 1024;
/// As much is kept of what a program prints.
const OUTPUT_LIMIT_BYTES: usize = 4 * 1024;
/// A diff of a hostile file may become coarse, but not slow.
const DIFF_SECONDS: std::time::Duration = std::time::Duration::from_secs(1);
/// Where directories of programs are, in the order in which they are looked for.
const PROGRAM_DIRECTORIES: [&str; 6] = [
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/usr/local/sbin",
    "/usr/local/bin",
];

/// Ordinary mode of a configuration file.
pub(crate) const READABLE: u32 = 0o644;
/// Mode of a configuration file that could hold secrets.
pub(crate) const PRIVATE: u32 = 0o600;

/// One fix-up at work.
pub(crate) struct Work<'a> {
    pub(crate) root: &'a Root,
    pub(crate) facts: &'a DiskFacts,
    pub(crate) request: &'a FixupRequest,
    pub(crate) system: &'a System,
    /// Whether a fix-up before this one has changed anything.
    pub(crate) earlier_changed: bool,
    commands: &'a dyn Commands,
    changes: Vec<FileChange>,
    runs: Vec<CommandRun>,
    remarks: Vec<String>,
}

impl<'a> Work<'a> {
    pub(crate) fn new(
        root: &'a Root,
        facts: &'a DiskFacts,
        request: &'a FixupRequest,
        system: &'a System,
        commands: &'a dyn Commands,
    ) -> Self {
        Self {
            root,
            facts,
            request,
            system,
            earlier_changed: false,
            commands,
            changes: Vec::new(),
            runs: Vec::new(),
            remarks: Vec::new(),
        }
    }

    /// Ends the work.
    pub(crate) fn outcome(self, name: FixupName, result: Result<(), FixupError>) -> FixupOutcome {
        let changed = !self.changes.is_empty() || !self.runs.is_empty();
        let mut remarks = self.remarks;
        let state = match result {
            Err(error) => {
                remarks.insert(0, with_causes(&error));
                FixupState::Failed
            }
            Ok(()) if changed => FixupState::Applied,
            Ok(()) => FixupState::Unchanged,
        };
        if remarks.is_empty() {
            remarks.push("nothing to do".to_owned());
        }
        FixupOutcome {
            name,
            state,
            summary: remarks.join("; "),
            changes: self.changes,
            commands: self.runs,
        }
    }

    /// Whether this fix-up has changed or run anything so far.
    pub(crate) fn has_changed(&self) -> bool {
        !self.changes.is_empty() || !self.runs.is_empty()
    }

    /// Adds a remark to the summary.
    pub(crate) fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }

    /// The text of a file; none if nothing is there.
    pub(crate) fn read(&self, path: &str) -> Result<Option<String>, RootError> {
        self.root.read_text(path)
    }

    /// Makes `text` the content of the file at `path`. A new file gets `mode`.
    pub(crate) fn write(&mut self, path: &str, text: &str, mode: u32) -> Result<(), FixupError> {
        let old = self.root.read(path, TEXT_LIMIT_BYTES)?;
        let new = encode(text, old.as_deref().unwrap_or_default());
        if old.as_ref() == Some(&new) {
            return Ok(());
        }
        self.root.write(path, &new, mode)?;
        let old_text = old.map(crate::root::decode);
        self.changes.push(FileChange {
            path: path.into(),
            diff: diff(path, old_text.as_deref(), Some(text)),
        });
        Ok(())
    }

    /// Passes the text of the file at `path` through `edit`, if there is such a file.
    pub(crate) fn edit(
        &mut self,
        path: &str,
        edit: impl FnOnce(&str) -> String,
    ) -> Result<(), FixupError> {
        match self.root.read_text(path)? {
            Some(old) => self.write(path, &edit(&old), READABLE),
            None => Ok(()),
        }
    }

    /// Puts a copy of one file of the system at another path.
    pub(crate) fn copy(&mut self, from: &str, to: &str) -> Result<(), FixupError> {
        let missing = || FixupError::Essential(format!("{from} is not there"));
        let wanted = self
            .root
            .read(from, FILE_LIMIT_BYTES)?
            .ok_or_else(missing)?;
        if self.root.read(to, FILE_LIMIT_BYTES)?.as_ref() == Some(&wanted) {
            return Ok(());
        }
        self.root.write(to, &wanted, READABLE)?;
        let diff = format!("--- {from}\n+++ {to}\ncopy of {} bytes\n", wanted.len());
        self.changes.push(FileChange {
            path: to.into(),
            diff,
        });
        Ok(())
    }

    /// Makes a link to `target` at `path`, unless it is there.
    pub(crate) fn link(&mut self, path: &str, target: &str) -> Result<(), FixupError> {
        if self.root.link_target(path).as_deref() == Some(target) {
            return Ok(());
        }
        self.root.link(path, target)?;
        let new = format!("link to {target}\n");
        self.changes.push(FileChange {
            path: path.into(),
            diff: diff(path, None, Some(&new)),
        });
        Ok(())
    }

    /// Removes the file or link at `path`, if there is one.
    pub(crate) fn remove(&mut self, path: &str) -> Result<(), FixupError> {
        if !self.root.has_entry(path) {
            return Ok(());
        }
        let old = match self.root.link_target(path) {
            Some(target) => format!("link to {target}\n"),
            None => self.root.read_text(path)?.unwrap_or_default(),
        };
        self.root.remove(path)?;
        self.changes.push(FileChange {
            path: path.into(),
            diff: diff(path, Some(&old), None),
        });
        Ok(())
    }

    /// Where the system has a program, looked for by any of `names`.
    pub(crate) fn find_program(&self, names: &[&str]) -> Option<String> {
        find_program(self.root, names)
    }

    /// Runs a program of the system that has to succeed.
    pub(crate) fn run(&mut self, program: &str, arguments: &[&str]) -> Result<(), FixupError> {
        let output = self.commands.run(program, arguments);
        let mut command = program.to_owned();
        for argument in arguments {
            command.push(' ');
            command.push_str(argument);
        }
        let output_tail = redaction::hide_secrets(last(&output.output_tail, OUTPUT_LIMIT_BYTES));
        self.runs.push(CommandRun {
            command: command.clone(),
            exit_code: output.exit_code,
            output_tail: output_tail.clone(),
        });
        if output.exit_code == Some(0) {
            return Ok(());
        }
        let how = output.exit_code.map_or_else(
            || "no exit code".to_owned(),
            |code| format!("exit code {code}"),
        );
        Err(FixupError::Command {
            command,
            how,
            output_tail,
        })
    }
}

/// Where a system has a program, looked for by any of `names`.
pub(crate) fn find_program(root: &Root, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| {
        PROGRAM_DIRECTORIES
            .iter()
            .map(|directory| format!("{directory}/{name}"))
            .find(|path| root.is_file(path))
    })
}

/// A unified diff in which secrets are hidden. None stands for a file that is not there.
fn diff(path: &str, old: Option<&str>, new: Option<&str>) -> String {
    let hidden = |text: Option<&str>| redaction::hide_secrets(text.unwrap_or_default());
    let (hidden_old, hidden_new) = (hidden(old), hidden(new));
    let name = |side: &str, text: Option<&str>| match text {
        Some(_) => format!("{side}{path}"),
        None => "/dev/null".to_owned(),
    };
    let mut config = TextDiff::configure();
    config.timeout(DIFF_SECONDS);
    let text = config
        .diff_lines(hidden_old.as_str(), hidden_new.as_str())
        .unified_diff()
        .header(&name("a", old), &name("b", new))
        .to_string();
    if text.len() <= DIFF_LIMIT_BYTES {
        return text;
    }
    let mut cut = text;
    cut.truncate(last_boundary(&cut, DIFF_LIMIT_BYTES));
    cut.push_str("\n(cut)\n");
    cut
}

fn last_boundary(text: &str, at_most: usize) -> usize {
    (0..=at_most.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

fn last(text: &str, at_most: usize) -> &str {
    let from = text.len().saturating_sub(at_most);
    let from = (from..=text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len());
    text.get(from..).unwrap_or_default()
}
