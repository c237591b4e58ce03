//! Runs programs of the copied system, with its root directory as theirs. The helper starts itself
//! for that: the new process goes in and becomes the program.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use rehost_boot_fixups::{CommandOutput, Commands};

use crate::{INIT, console, process};

/// Making an initramfs takes minutes on a machine without hardware acceleration.
const LIMIT: Duration = Duration::from_secs(1800);
const KEPT_OUTPUT_BYTES: usize = 16 << 10;
/// What programs see. Nothing asks questions, because nobody would answer.
const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    ("HOME", "/root"),
    ("LC_ALL", "C"),
    ("TERM", "dumb"),
    ("DEBIAN_FRONTEND", "noninteractive"),
];
/// What shells give when a program cannot be started.
const NOT_STARTED: u8 = 127;

/// The programs of the system below a directory.
pub(crate) struct Entered<'a> {
    pub(crate) root: PathBuf,
    pub(crate) log: &'a dyn Fn(&str),
}

impl Commands for Entered<'_> {
    fn run(&self, program: &str, arguments: &[&str]) -> CommandOutput {
        (self.log)(&format!("running {program} {}", arguments.join(" ")));
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0(INIT)
            .arg(&self.root)
            .arg(program)
            .args(arguments)
            .env_clear()
            .envs(ENVIRONMENT.iter().copied());
        match process::run(command, LIMIT, KEPT_OUTPUT_BYTES) {
            Ok(ended) if ended.timed_out => CommandOutput {
                exit_code: None,
                output_tail: format!(
                    "{}\nended because it ran for {} s",
                    ended.output,
                    LIMIT.as_secs()
                ),
            },
            Ok(ended) => CommandOutput {
                exit_code: ended.exit_code,
                output_tail: ended.output,
            },
            Err(error) => CommandOutput {
                exit_code: None,
                output_tail: format!("not started: {error}"),
            },
        }
    }
}

/// Becomes a program: the arguments are a root directory, the program in it, and its arguments.
/// Comes back only if that fails.
pub(crate) fn become_program(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let (Some(root), Some(program)) = (arguments.next(), arguments.next()) else {
        console::line("this is the first program of a machine, and no command");
        return ExitCode::from(2);
    };
    let error = match rustix::process::chroot(PathBuf::from(root))
        .and_then(|()| rustix::process::chdir("/"))
    {
        Ok(()) => Command::new(&program).args(arguments).exec(),
        Err(errno) => errno.into(),
    };
    console::line(&format!("{}: {error}", program.display()));
    ExitCode::from(NOT_STARTED)
}
