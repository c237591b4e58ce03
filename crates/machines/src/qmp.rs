//! The monitor of a machine: QEMU's machine protocol, one JSON object a line, over a Unix socket.
//!
//! A command is answered by the one object that carries its number; what comes in between are
//! events, which nobody here waits for.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Longest answer: far more than any command here has.
const MAX_LINE_BYTES: usize = 1 << 20;
/// How long an answer may take. A machine whose host is busy takes its time for a picture.
const ANSWER_TIME: Duration = Duration::from_secs(60);

/// What came of a command.
#[derive(Debug)]
pub(crate) enum QmpError {
    /// The monitor cannot be spoken with.
    Io(io::Error),
    /// The monitor refuses.
    Refused(String),
}

impl From<io::Error> for QmpError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// An open monitor.
#[derive(Debug)]
pub(crate) struct Qmp {
    stream: UnixStream,
    lines: Lines,
    last_id: u64,
}

impl Qmp {
    /// Greets the monitor behind a connection.
    pub(crate) fn open(stream: UnixStream) -> Result<Self, QmpError> {
        stream.set_write_timeout(Some(ANSWER_TIME))?;
        let mut qmp = Self {
            stream,
            lines: Lines::default(),
            last_id: 0,
        };
        let greeting = qmp.next_object(Instant::now() + ANSWER_TIME)?;
        if greeting.get("QMP").is_none() {
            return Err(invalid("this is no monitor").into());
        }
        qmp.execute("qmp_capabilities", &json!({}))?;
        Ok(qmp)
    }

    /// Gives a command and returns its answer.
    pub(crate) fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value, QmpError> {
        self.last_id += 1;
        let id = self.last_id;
        let mut text = json!({"execute": command, "arguments": arguments, "id": id}).to_string();
        text.push('\n');
        self.stream.write_all(text.as_bytes())?;
        let until = Instant::now() + ANSWER_TIME;
        loop {
            let mut object = self.next_object(until)?;
            if object["id"] != id {
                tracing::trace!(%object, "the monitor of a machine says");
                continue;
            }
            if let Some(error) = object.get("error") {
                let reason = error["desc"].as_str().unwrap_or("for no reason");
                return Err(QmpError::Refused(reason.to_owned()));
            }
            return Ok(object["return"].take());
        }
    }

    fn next_object(&mut self, until: Instant) -> io::Result<Value> {
        loop {
            if let Some(line) = self.lines.next()? {
                return serde_json::from_slice(&line).map_err(io::Error::from);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
            let mut bytes = [0; 4096];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.lines.add(&bytes[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Bytes that arrive in any pieces, cut into lines.
#[derive(Debug, Default)]
struct Lines {
    waiting: Vec<u8>,
}

impl Lines {
    fn add(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// The next whole line, without its end.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let end = self.waiting.iter().position(|&byte| byte == b'\n');
        if end.unwrap_or(self.waiting.len()) > MAX_LINE_BYTES {
            return Err(invalid("the monitor's answer is too long"));
        }
        Ok(end.map(|end| {
            let mut line: Vec<u8> = self.waiting.drain(..=end).collect();
            line.pop();
            line
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader};
    use std::thread;

    /// Speaks for a monitor: says `greeting`, then answers each command by what `answer` makes of
    /// its name and number.
    fn with_monitor(
        greeting: &'static str,
        answer: fn(&str, u64) -> String,
    ) -> (UnixStream, thread::JoinHandle<()>) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let speaking = thread::spawn(move || {
            theirs.write_all(greeting.as_bytes()).unwrap();
            let mut heard = BufReader::new(theirs.try_clone().unwrap());
            loop {
                let mut line = String::new();
                if heard.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                let command: Value = serde_json::from_str(&line).unwrap();
                let name = command["execute"].as_str().unwrap();
                let text = answer(name, command["id"].as_u64().unwrap());
                if theirs.write_all(text.as_bytes()).is_err() {
                    return;
                }
            }
        });
        (ours, speaking)
    }

    #[test]
    fn an_answer_is_found_among_events() {
        let (stream, speaking) = with_monitor("{\"QMP\": {\"version\": {}}}\r\n", |name, id| {
            let event = r#"{"event": "RESUME", "timestamp": {"seconds": 1}}"#;
            match name {
                "refuse" => format!(
                    "{event}\r\n{{\"id\": {id}, \"error\": {{\"desc\": \"not today\"}}}}\r\n"
                ),
                _ => format!("{event}\r\n{{\"id\": {id}, \"return\": {{\"of\": {name:?}}}}}\r\n"),
            }
        });
        let mut qmp = Qmp::open(stream).unwrap();
        let answer = qmp.execute("query-status", &json!({})).unwrap();
        assert_eq!(answer, json!({"of": "query-status"}));
        let refused = qmp.execute("refuse", &json!({}));
        assert!(matches!(refused, Err(QmpError::Refused(reason)) if reason == "not today"));
        drop(qmp);
        speaking.join().unwrap();
    }

    #[test]
    fn what_is_no_monitor_is_refused() {
        for greeting in ["SSH-2.0-OpenSSH\r\n", "{\"a\": 1}\r\n"] {
            let (stream, speaking) = with_monitor(greeting, |_, _| String::new());
            assert!(matches!(Qmp::open(stream), Err(QmpError::Io(_))));
            speaking.join().unwrap();
        }
    }

    #[test]
    fn an_endless_answer_takes_no_endless_memory() {
        let mut lines = Lines::default();
        lines.add(b"a\nbc");
        assert_eq!(lines.next().unwrap(), Some(b"a".to_vec()));
        assert_eq!(lines.next().unwrap(), None);
        lines.add(&vec![b'x'; MAX_LINE_BYTES]);
        assert!(lines.next().is_err());
    }
}
