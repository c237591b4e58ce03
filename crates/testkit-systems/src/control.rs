//! Runs commands inside a machine through its second serial port, where a small program of the
//! server waits for them. A wire of its own: it works without network, and nothing else speaks there.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rehost_testkit::{SHORT, until};

/// How long one look at the wire takes when nothing comes.
const LOOK: Duration = Duration::from_millis(500);

/// The wire.
#[derive(Debug)]
pub(crate) struct Control {
    stream: UnixStream,
    received: Vec<u8>,
    last_number: u64,
}

/// How a command ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    /// Standard output and errors.
    pub(crate) said: String,
}

impl Control {
    /// Connects to QEMU's end of the wire.
    ///
    /// # Errors
    /// If QEMU does not listen.
    pub(crate) fn connect(socket: &Path) -> Result<Self> {
        let stream = until("QEMU offers the serial port", SHORT, || {
            Ok(UnixStream::connect(socket).ok())
        })?;
        stream.set_read_timeout(Some(LOOK))?;
        // Numbers begin where those of an earlier connection, which a machine that goes on from a
        // snapshot may still answer, cannot be.
        let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        Ok(Self {
            stream,
            received: Vec::new(),
            last_number: u64::try_from(now.as_millis()).unwrap_or_default(),
        })
    }

    /// Runs a command and waits for its end. `alive` fails when there is no use in waiting.
    ///
    /// # Errors
    /// If it has not ended at the deadline; then nothing more can be run until it has.
    pub(crate) fn run(
        &mut self,
        command: &str,
        deadline: Duration,
        mut alive: impl FnMut() -> Result<()>,
    ) -> Result<Ended> {
        self.last_number += 1;
        let number = self.last_number.to_string();
        let line = format!("{number} {}\n", STANDARD.encode(command));
        self.stream
            .write_all(line.as_bytes())
            .context("write to the serial port")?;
        let end = Instant::now() + deadline;
        loop {
            while let Some(line) = self.next_line() {
                if let Some(ended) = answer_to(&number, &line)? {
                    return Ok(ended);
                }
            }
            alive()?;
            ensure!(
                Instant::now() < end,
                "not within {} s in the machine: {command}",
                deadline.as_secs()
            );
            self.read()?;
        }
    }

    fn next_line(&mut self) -> Option<String> {
        let end = self.received.iter().position(|&byte| byte == b'\n')?;
        let line: Vec<u8> = self.received.drain(..=end).collect();
        Some(String::from_utf8_lossy(&line).trim().to_owned())
    }

    fn read(&mut self) -> Result<()> {
        let mut part = [0; 4096];
        match self.stream.read(&mut part) {
            Ok(0) => bail!("QEMU has closed the serial port"),
            Ok(count) => self.received.extend(&part[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error).context("read from the serial port"),
        }
        Ok(())
    }
}

/// Nothing if the line is no answer to the command of this number.
fn answer_to(number: &str, line: &str) -> Result<Option<Ended>> {
    let mut words = line.split(' ');
    if words.next() != Some(number) {
        return Ok(None);
    }
    let code = words.next().unwrap_or_default();
    let said = STANDARD
        .decode(words.next().unwrap_or_default())
        .context("read an answer")?;
    Ok(Some(Ended {
        code: code.parse().context("read an exit code")?,
        said: String::from_utf8_lossy(&said).trim_end().to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_known_by_its_number() {
        assert!(answer_to("7", "ready").unwrap().is_none());
        assert!(answer_to("7", "6 0 eA==").unwrap().is_none());
        let ended = answer_to("7", "7 3 aGVsbG8K").unwrap().unwrap();
        assert_eq!((ended.code, ended.said.as_str()), (3, "hello"));
    }
}
