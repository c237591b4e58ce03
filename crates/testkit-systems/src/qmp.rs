//! The little of QEMU's machine protocol that tests need: one command, one answer.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rehost_testkit::{SHORT, until};
use serde_json::{Value, json};

/// Taking a snapshot of a machine on a busy host is the longest command.
const PATIENCE: Duration = Duration::from_secs(300);

/// A connection to QEMU.
#[derive(Debug)]
pub(crate) struct Qmp {
    stream: BufReader<UnixStream>,
}

impl Qmp {
    /// Connects as soon as QEMU listens.
    ///
    /// # Errors
    /// If QEMU does not answer.
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        let stream = until("QEMU listens", SHORT, || {
            Ok(UnixStream::connect(socket).ok())
        })?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut qmp = Self {
            stream: BufReader::new(stream),
        };
        qmp.read().context("read QEMU's greeting")?;
        qmp.command("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    /// Runs a command.
    ///
    /// # Errors
    /// If QEMU refuses.
    pub(crate) fn command(&mut self, name: &str, arguments: Value) -> Result<Value> {
        let command = json!({"execute": name, "arguments": arguments});
        writeln!(self.stream.get_mut(), "{command}")
            .with_context(|| format!("tell QEMU {name}"))?;
        loop {
            let mut answer = self.read().with_context(|| format!("wait for {name}"))?;
            if let Some(error) = answer.get("error") {
                bail!("QEMU refuses {name}: {error}");
            }
            if answer.get("return").is_some() {
                return Ok(answer["return"].take());
            }
            // Events come in between.
        }
    }

    /// Runs a command of the monitor for people, for what has no other.
    ///
    /// # Errors
    /// If it prints anything: it does so when it fails.
    pub(crate) fn monitor(&mut self, line: &str) -> Result<()> {
        let said = self.command("human-monitor-command", json!({"command-line": line}))?;
        match said.as_str().unwrap_or_default().trim() {
            "" => Ok(()),
            words => bail!("QEMU says to {line}: {words}"),
        }
    }

    fn read(&mut self) -> Result<Value> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            bail!("QEMU has closed the connection");
        }
        serde_json::from_str(&line).context("read what QEMU says")
    }
}
