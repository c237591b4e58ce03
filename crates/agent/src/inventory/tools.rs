//! The only place that starts external programs for the inventory.
//!
//! The list of tools is fixed. Each is asked in the C locale, gets no input, may take
//! [`TIME_LIMIT`] and print [`OUTPUT_LIMIT_BYTES`]: a source server in trouble (a hanging multipath
//! device, a damaged volume group) must not take the agent with it.

use std::fmt;
use std::io::{self, Read as _};
use std::os::fd::AsFd as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long a tool may take.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// How much it may print; `lsblk` of a server with a thousand disks stays well below.
const OUTPUT_LIMIT_BYTES: usize = 16 << 20;

/// The external programs that the inventory asks. None of them changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExternalTool {
    /// Block devices and how they are stacked.
    Lsblk,
    /// File system types and UUIDs where `lsblk` does not know them.
    Blkid,
    /// LVM physical volumes.
    Pvs,
    /// LVM volume groups.
    Vgs,
    /// LVM logical volumes.
    Lvs,
    /// Btrfs file systems.
    Btrfs,
}

impl ExternalTool {
    const fn program(self) -> &'static str {
        match self {
            Self::Lsblk => "lsblk",
            Self::Blkid => "blkid",
            Self::Pvs => "pvs",
            Self::Vgs => "vgs",
            Self::Lvs => "lvs",
            Self::Btrfs => "btrfs",
        }
    }
}

/// A tool could not say what it was asked. The command line is in every message, so that a person
/// can try it by hand.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    /// The tool is not installed.
    #[error("`{command_line}`: not installed")]
    Missing {
        /// What was to be run.
        command_line: String,
    },
    /// The tool could not be started or its output not read.
    #[error("`{command_line}` cannot be run")]
    Run {
        /// What was to be run.
        command_line: String,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The tool took too long and was ended.
    #[error("`{command_line}` gave no answer within {} seconds", TIME_LIMIT.as_secs())]
    Silent {
        /// What was run.
        command_line: String,
    },
    /// The tool printed more than anything sensible.
    #[error("`{command_line}` printed more than {OUTPUT_LIMIT_BYTES} bytes")]
    TooLong {
        /// What was run.
        command_line: String,
    },
    /// The tool failed.
    #[error("`{command_line}` failed ({status}): {stderr}")]
    Failed {
        /// What was run.
        command_line: String,
        /// How it ended.
        status: ExitStatus,
        /// The beginning of what it printed as errors.
        stderr: String,
    },
}

/// Runs a tool and returns what it printed.
///
/// # Errors
/// [`ToolError`]; [`ToolError::Missing`] if it is not installed, which callers usually tolerate.
pub(crate) fn run(tool: ExternalTool, arguments: &[&str]) -> Result<String, ToolError> {
    run_program(tool.program(), arguments, TIME_LIMIT)
}

fn run_program(
    program: &str,
    arguments: &[&str],
    time_limit: Duration,
) -> Result<String, ToolError> {
    let command_line = CommandLine(program, arguments).to_string();
    // Agents are started by init systems whose PATH may lack the administrators' directories.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin:/usr/bin:/bin";
    let mut child = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => ToolError::Missing {
                command_line: command_line.clone(),
            },
            _ => ToolError::Run {
                command_line: command_line.clone(),
                cause,
            },
        })?;
    let complaints = child.stderr.take().map(|stderr| {
        thread::spawn(move || {
            let mut text = Vec::new();
            // Only a help for people: what cannot be read is left out.
            let _ = stderr.take(2000).read_to_end(&mut text);
            String::from_utf8_lossy(&text).trim().to_owned()
        })
    });
    let output = match read_output(&mut child, Instant::now() + time_limit) {
        Ok(Some(output)) => output,
        Ok(None) => {
            end(child);
            return Err(ToolError::Silent { command_line });
        }
        Err(cause) if cause.kind() == io::ErrorKind::FileTooLarge => {
            end(child);
            return Err(ToolError::TooLong { command_line });
        }
        Err(cause) => {
            end(child);
            return Err(ToolError::Run {
                command_line,
                cause,
            });
        }
    };
    let status = match child.wait() {
        Ok(status) => status,
        Err(cause) => {
            return Err(ToolError::Run {
                command_line,
                cause,
            });
        }
    };
    if !status.success() {
        let stderr = complaints
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default();
        return Err(ToolError::Failed {
            command_line,
            status,
            stderr,
        });
    }
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// Everything the child prints until it closes its output; `None` if that takes too long.
fn read_output(child: &mut Child, deadline: Instant) -> io::Result<Option<Vec<u8>>> {
    let mut output = Vec::new();
    let mut buffer = [0; 16384];
    let Some(stdout) = child.stdout.as_mut() else {
        return Ok(Some(output));
    };
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut ready = [PollFd::from_borrowed_fd(stdout.as_fd(), PollFlags::IN)];
        match poll(&mut ready, Some(&timeout)) {
            Ok(0) => return Ok(None),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(errno) => return Err(errno.into()),
        }
        let count = stdout.read(&mut buffer)?;
        if count == 0 {
            return Ok(Some(output));
        }
        output.extend_from_slice(&buffer[..count]);
        if output.len() > OUTPUT_LIMIT_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
    }
}

/// Ends a child of which no more is expected. It may be stuck in the kernel and die late, so a
/// thread of its own waits for that.
fn end(mut child: Child) {
    // It may have ended by itself in between.
    let _ = child.kill();
    thread::spawn(move || child.wait());
}

/// A command line as a person would type it.
struct CommandLine<'a>(&'a str, &'a [&'a str]);

impl fmt::Display for CommandLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)?;
        for argument in self.1 {
            if argument.is_empty() || argument.contains(|c: char| c.is_whitespace() || c == '\'') {
                write!(f, " {argument:?}")?;
            } else {
                write!(f, " {argument}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_returned_and_failures_name_the_whole_command_line() {
        let said = run_program("sh", &["-c", "echo said"], TIME_LIMIT).unwrap();
        assert_eq!(said, "said\n");
        let error = run_program("sh", &["-c", "echo no >&2; exit 3"], TIME_LIMIT).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("`sh -c \"echo no >&2; exit 3\"` failed"),
            "{text}"
        );
        assert!(text.ends_with(": no"), "{text}");
        assert!(matches!(
            run_program("rehost-no-such-tool", &[], TIME_LIMIT),
            Err(ToolError::Missing { .. })
        ));
    }

    #[test]
    fn a_tool_that_says_nothing_or_too_much_is_ended() {
        let silent = run_program("sh", &["-c", "exec sleep 1000"], Duration::ZERO);
        assert!(matches!(silent, Err(ToolError::Silent { .. })));
        let endless = run_program("sh", &["-c", "exec yes"], TIME_LIMIT);
        assert!(matches!(endless, Err(ToolError::TooLong { .. })));
    }
}
