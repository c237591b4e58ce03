//! One running `rehost` process: started, stopped politely, killed without warning, and gone when
//! the test is over, however it ends.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::executable;
use crate::wait::until;

/// How much of a log is shown when a test fails.
const TAIL_LINES: usize = 40;

/// A running process.
#[derive(Debug)]
pub struct Role {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Role {
    /// Starts `rehost` with these arguments. Its log is appended to `log`.
    ///
    /// # Errors
    /// If there is no executable or it cannot be started.
    pub fn start<I, S>(name: &str, log: &Path, arguments: I) -> Result<Self>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let open = || OpenOptions::new().create(true).append(true).open(log);
        let output = open().with_context(|| format!("open {}", log.display()))?;
        let errors = open().with_context(|| format!("open {}", log.display()))?;
        let child = Command::new(executable::rehost()?)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        Ok(Self {
            name: name.into(),
            child,
            log: log.into(),
        })
    }

    /// Ends the process as `kill -9` does: it learns nothing of it.
    ///
    /// # Errors
    /// If the process cannot be signalled.
    pub fn kill(&mut self) -> Result<()> {
        self.child
            .kill()
            .with_context(|| format!("kill {}", self.name))?;
        self.child
            .wait()
            .with_context(|| format!("wait for {}", self.name))?;
        Ok(())
    }

    /// Asks the process to end, and waits until it has.
    ///
    /// # Errors
    /// If it is still there at the deadline.
    pub fn stop(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("id of the process")?, Signal::TERM)
            .with_context(|| format!("ask {} to end", self.name))?;
        self.wait(deadline)
    }

    /// Waits until the process ends by itself.
    ///
    /// # Errors
    /// If it is still there at the deadline.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let child = &mut self.child;
        until(&format!("{} has ended", self.name), deadline, || {
            Ok(child.try_wait()?)
        })
    }

    /// Id of the process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process is there.
    ///
    /// # Errors
    /// If that cannot be found out.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Everything it has logged.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn log(&self) -> Result<String> {
        std::fs::read_to_string(&self.log).with_context(|| format!("read {}", self.log.display()))
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.kill();
        if std::thread::panicking() {
            let log = self.log().unwrap_or_default();
            let skip = log.lines().count().saturating_sub(TAIL_LINES);
            let tail: Vec<&str> = log.lines().skip(skip).collect();
            // Shown by the test runner with the failure.
            let _ = writeln!(
                std::io::stderr(),
                "--- {} ---\n{}",
                self.name,
                tail.join("\n")
            );
        }
    }
}

/// A TCP port of the loopback address that nobody uses now.
///
/// # Errors
/// If there is none.
pub fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}
