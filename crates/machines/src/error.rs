//! Why a machine cannot be run.

use std::io;
use std::path::PathBuf;

/// A failed act upon a machine. Messages are shown to the operator and say what to do.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// A program is missing on this host.
    #[error("{program} is not installed; install the package {packages}")]
    NotInstalled {
        /// What was looked for.
        program: &'static str,
        /// Where it comes from.
        packages: &'static str,
    },
    /// There is no UEFI firmware on this host.
    #[error(
        "there is no UEFI firmware for machines on this host; install the package ovmf (Debian, \
         Ubuntu) or edk2-ovmf (Red Hat, Fedora)"
    )]
    NoUefi,
    /// The processor was asked for, and cannot.
    #[error(
        "/dev/kvm boots no machine on this host; choose the accelerator `tcg`, or `auto`, which \
         finds out by itself"
    )]
    NoKvm,
    /// The specification makes no sense.
    #[error("the machine {machine:?} cannot be made: {problem}")]
    Specification {
        /// Name of the machine.
        machine: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file or folder that the machine needs cannot be made or read.
    #[error("{act} {}", path.display())]
    File {
        /// What was tried.
        act: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A process cannot be started, found or ended.
    #[error("{act} the process of the machine {machine}")]
    Process {
        /// What was tried.
        act: &'static str,
        /// Name of the machine, or the number of its process.
        machine: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The machine has ended.
    #[error("the machine {machine} ended by itself ({status}){}", said(last_words))]
    Ended {
        /// Name of the machine.
        machine: String,
        /// How its process ended.
        status: String,
        /// The end of what its process wrote to standard error.
        last_words: String,
    },
    /// The monitor cannot be spoken with.
    #[error("speak with the monitor of the machine {machine}")]
    Monitor {
        /// Name of the machine.
        machine: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The monitor refuses a command.
    #[error("the machine {machine} refuses `{command}`: {reason}")]
    Refused {
        /// Name of the machine.
        machine: String,
        /// The command.
        command: String,
        /// What the monitor said.
        reason: String,
    },
    /// Something took too long.
    #[error("{what} took longer than {seconds} s")]
    TooLong {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
    },
    /// Waiting was called off.
    #[error("stopped")]
    Stopped,
    /// An overlay cannot be made.
    #[error("cannot make the overlay {}{}", path.display(), said(last_words))]
    Overlay {
        /// The overlay.
        path: PathBuf,
        /// What `qemu-img` said.
        last_words: String,
    },
}

/// The last line of what a program said, as a part of a sentence.
fn said(text: &str) -> String {
    match text.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!(": {}", line.trim()),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_machine_is_told_in_one_line() {
        let ended = |last_words: &str| {
            let error = MachineError::Ended {
                machine: "target".into(),
                status: "exit status: 1".into(),
                last_words: last_words.into(),
            };
            error.to_string()
        };
        assert_eq!(
            ended("a warning\nqemu: disk.raw: No such file\n\n"),
            "the machine target ended by itself (exit status: 1): qemu: disk.raw: No such file"
        );
        assert_eq!(
            ended(""),
            "the machine target ended by itself (exit status: 1)"
        );
    }
}
