//! Asks a machine that is up whether what it is there for works.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::{MachineError, Patience};

/// How long one try may take.
const TRY_TIME: Duration = Duration::from_secs(10);
/// How long a connection must hold to count. The host's end of a forwarded port accepts everybody
/// and closes again when the machine refuses.
const HOLD_TIME: Duration = Duration::from_secs(2);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(500);
/// More than a status line of HTTP has.
const MAX_ANSWER_BYTES: usize = 4096;

/// A question to a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Port of the machine.
    pub port: u16,
    /// What is expected there.
    pub kind: ProbeKind,
}

/// What is expected at a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeKind {
    /// Somebody who accepts connections.
    Tcp,
    /// A web server.
    Http {
        /// Path to ask for, such as `/healthz`.
        path: String,
        /// Status that it must answer; any below 400 if missing.
        status: Option<u16>,
    },
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// The question.
    pub probe: Probe,
    /// Whether what was expected is there.
    pub passed: bool,
    /// What was found, in one line.
    pub detail: String,
}

impl Probe {
    /// Asks at `address`, which leads to the port of the machine, until the answer is right or
    /// patience ends.
    ///
    /// # Errors
    /// [`MachineError::Stopped`]; a wrong answer is a result.
    pub fn ask(
        &self,
        address: SocketAddr,
        patience: &Patience<'_>,
    ) -> Result<ProbeResult, MachineError> {
        loop {
            let found = match &self.kind {
                ProbeKind::Tcp => holds(address),
                ProbeKind::Http { path, status } => http_status(address, path).and_then(|found| {
                    let is_right = status.map_or(found < 400, |wanted| wanted == found);
                    let detail = format!("answers {found}");
                    if is_right {
                        Ok(detail)
                    } else {
                        Err(io::Error::other(detail))
                    }
                }),
            };
            let detail = match found {
                Ok(detail) => return Ok(self.result(true, detail)),
                Err(error) => error.to_string(),
            };
            match patience.next("a probe") {
                Ok(pause) => std::thread::sleep(pause.min(PAUSE)),
                Err(MachineError::TooLong { .. }) => return Ok(self.result(false, detail)),
                Err(error) => return Err(error),
            }
        }
    }

    /// The result of a question that cannot be asked.
    #[must_use]
    pub fn cannot_be_asked(&self, detail: &str) -> ProbeResult {
        self.result(false, detail.to_owned())
    }

    fn result(&self, passed: bool, detail: String) -> ProbeResult {
        ProbeResult {
            probe: self.clone(),
            passed,
            detail,
        }
    }
}

/// Where a forwarded port is.
pub(crate) const fn on_loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Whether a connection is accepted and held, or something is said on it.
fn holds(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TRY_TIME)?;
    stream.set_read_timeout(Some(HOLD_TIME))?;
    let mut bytes = [0; 128];
    match stream.read(&mut bytes) {
        Ok(0) => Err(refused()),
        Ok(count) => {
            let said = String::from_utf8_lossy(&bytes[..count]);
            let line = said.lines().next().unwrap_or_default();
            Ok(format!("says {line:?}"))
        }
        Err(error) if is_time_out(&error) => Ok("accepts connections".into()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Err(refused()),
        Err(error) => Err(error),
    }
}

fn refused() -> io::Error {
    io::Error::new(
        io::ErrorKind::ConnectionRefused,
        "refuses or closes connections",
    )
}

fn is_time_out(error: &io::Error) -> bool {
    // Linux says the first, other systems the second.
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// The status that a web server answers.
fn http_status(address: SocketAddr, path: &str) -> io::Result<u16> {
    let bad = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let is_plain = path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic());
    if !is_plain {
        return Err(bad("the path of the probe is none"));
    }
    let until = Instant::now() + TRY_TIME;
    let mut stream = TcpStream::connect_timeout(&address, TRY_TIME)?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.set_write_timeout(Some(TRY_TIME))?;
    stream.write_all(request.as_bytes())?;
    let mut heard = Vec::new();
    while !heard.contains(&b'\n') {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let mut bytes = [0; 512];
        let count = stream.read(&mut bytes)?;
        if count == 0 || heard.len() > MAX_ANSWER_BYTES {
            return Err(bad("does not answer as a web server does"));
        }
        heard.extend_from_slice(&bytes[..count]);
    }
    parse_status(&heard).ok_or_else(|| bad("does not answer as a web server does"))
}

fn parse_status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|&byte| byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let status = line.strip_prefix("HTTP/")?.split(' ').nth(1)?;
    let status: u16 = status.trim().parse().ok()?;
    (100..600).contains(&status).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    /// Somebody who greets each caller, reads what they say, and hangs up.
    fn server(greeting: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut bytes = [0; 1024];
                if greeting.starts_with(b"HTTP") {
                    let _ = stream.read(&mut bytes);
                }
                let _ = stream.write_all(greeting);
            }
        });
        address
    }

    fn ask(kind: ProbeKind, address: SocketAddr) -> ProbeResult {
        let probe = Probe { port: 80, kind };
        probe.ask(address, &Patience::seconds(0)).unwrap()
    }

    #[test]
    fn who_accepts_and_holds_is_there() {
        let ssh = ask(ProbeKind::Tcp, server(b"SSH-2.0-OpenSSH_9.2p1\r\n"));
        assert!(ssh.passed);
        assert_eq!(ssh.detail, "says \"SSH-2.0-OpenSSH_9.2p1\"");

        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(ask(ProbeKind::Tcp, silent.local_addr().unwrap()).passed);

        let hangs_up = ask(ProbeKind::Tcp, server(b""));
        assert!(!hangs_up.passed);
        assert_eq!(hangs_up.detail, "refuses or closes connections");

        let nobody = silent.local_addr().unwrap();
        drop(silent);
        assert!(!ask(ProbeKind::Tcp, nobody).passed);
    }

    #[test]
    fn a_web_server_is_asked_for_its_status() {
        let http = |status| ProbeKind::Http {
            path: "/healthz".into(),
            status,
        };
        let good = server(b"HTTP/1.1 204 No Content\r\n\r\n");
        assert!(ask(http(None), good).passed);
        assert!(ask(http(Some(204)), good).passed);
        let other = ask(http(Some(200)), good);
        assert!(!other.passed);
        assert_eq!(other.detail, "answers 204");
        assert!(!ask(http(None), server(b"HTTP/1.1 503 Busy\r\n\r\n")).passed);
        assert!(!ask(http(None), server(b"HTTP/1.1 hello\r\n\r\n")).passed);
        let path = "/ HTTP/1.1\r\nX: y".to_owned();
        assert!(!ask(ProbeKind::Http { path, status: None }, good).passed);
    }

    #[test]
    fn asking_is_called_off() {
        let stop = AtomicBool::new(true);
        let probe = Probe {
            port: 22,
            kind: ProbeKind::Tcp,
        };
        let nobody = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let patience = Patience::seconds(1000).or_stop(&stop);
        let stopped = probe.ask(nobody, &patience).unwrap_err();
        assert!(matches!(stopped, MachineError::Stopped));
    }
}
