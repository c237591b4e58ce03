//! The load generator: raw HTTP/1.1 over connections that are kept, all on one thread, so that it
//! takes as little as possible of the processors that it shares with the server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Longest head of an answer.
const MAX_HEAD: usize = 8 * 1024;

/// Writes the request with this number.
pub(crate) type Render = Arc<dyn Fn(u64, &mut Vec<u8>) + Send + Sync>;

/// What came of a load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// Microseconds of every answer, in no order.
    latencies_us: Vec<u64>,
    seconds: f64,
}

impl Measured {
    /// Answers a second.
    pub(crate) fn requests_per_second(&self) -> f64 {
        // Fewer than 2^53 answers fit into any run.
        #[expect(clippy::cast_precision_loss, reason = "a count of answers")]
        let answers = self.latencies_us.len() as f64;
        answers / self.seconds
    }

    /// The latency within which `percent` of all answers came, in milliseconds.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        let mut sorted = self.latencies_us.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
        let us = sorted.get(at).copied().unwrap_or(0);
        Duration::from_micros(us).as_secs_f64() * 1000.0
    }

    /// Takes in what another slice of time brought.
    pub(crate) fn add(&mut self, other: &Self) {
        self.latencies_us.extend(&other.latencies_us);
        self.seconds += other.seconds;
    }
}

/// Sends requests over so many connections, each the next one as soon as the last is answered.
pub(crate) async fn drive(
    address: SocketAddr,
    connections: u64,
    duration: Duration,
    render: &Render,
) -> Result<Measured> {
    let mut opened = Vec::new();
    for _ in 0..connections {
        opened.push(Connection::open(address, None).await?);
    }
    let (begun, end) = (Instant::now(), Instant::now() + duration);
    let mut drivers = tokio::task::JoinSet::new();
    for (at, mut connection) in (0..).zip(opened) {
        let render = Arc::clone(render);
        drivers.spawn(async move {
            let mut latencies_us = Vec::new();
            let mut request = Vec::new();
            let mut number = at;
            while Instant::now() < end {
                request.clear();
                render(number, &mut request);
                number += connections;
                let sent = Instant::now();
                connection.call(&request).await?;
                latencies_us.push(u64::try_from(sent.elapsed().as_micros())?);
            }
            anyhow::Ok(latencies_us)
        });
    }
    let mut measured = Measured::default();
    while let Some(done) = drivers.join_next().await {
        measured
            .latencies_us
            .extend(done.context("drive a connection")??);
    }
    measured.seconds = begun.elapsed().as_secs_f64();
    Ok(measured)
}

/// One connection that is kept.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects, from this address if one is given.
    ///
    /// # Errors
    /// If nobody listens, or the address has no free port.
    pub(crate) async fn open(address: SocketAddr, from: Option<SocketAddr>) -> Result<Self> {
        let socket = TcpSocket::new_v4().context("make a socket")?;
        if let Some(from) = from {
            socket.set_reuseaddr(true).context("share an address")?;
            socket.bind(from).context("take an address")?;
        }
        let stream = socket.connect(address).await.context("connect")?;
        stream.set_nodelay(true).context("send at once")?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Sends a request and reads its answer, which must be one of success: its body.
    ///
    /// # Errors
    /// If the answer is another one, or none.
    pub(crate) async fn call(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.stream.write_all(request).await.context("send")?;
        self.buffer.clear();
        let (head, length) = loop {
            let read = self.stream.read_buf(&mut self.buffer).await;
            ensure!(read.context("receive")? > 0, "the server hung up");
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break (at + 4, content_length(&self.buffer[..at + 2])?);
            }
            ensure!(
                self.buffer.len() <= MAX_HEAD,
                "the answer has no end of its head"
            );
        };
        while self.buffer.len() < head + length {
            let read = self.stream.read_buf(&mut self.buffer).await;
            ensure!(read.context("receive")? > 0, "the answer broke off");
        }
        if !self.buffer.starts_with(b"HTTP/1.1 20") {
            bail!("refused: {}", String::from_utf8_lossy(&self.buffer));
        }
        Ok(&self.buffer[head..])
    }

    /// Value of a header of the last answer.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let end = find(&self.buffer, b"\r\n\r\n")?;
        let head = std::str::from_utf8(&self.buffer[..end]).ok()?;
        head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    }

    /// Gives back what memory the last answer took: this connection will wait for long.
    pub(crate) fn shrink(&mut self) {
        self.buffer = Vec::new();
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

/// Servers built on hyper write names of headers in lower case.
fn content_length(head: &[u8]) -> Result<usize> {
    const NAME: &[u8] = b"\r\ncontent-length: ";
    let at = find(head, NAME).context("an answer says no length")? + NAME.len();
    let digits = head[at..].iter().take_while(|byte| byte.is_ascii_digit());
    let digits: Vec<u8> = digits.copied().collect();
    std::str::from_utf8(&digits)?
        .parse()
        .context("read a length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_sorted_latencies() {
        let measured = Measured {
            latencies_us: (1..=200).rev().collect(),
            seconds: 2.0,
        };
        assert_eq!(measured.percentile_ms(50), 0.101);
        assert_eq!(measured.percentile_ms(99), 0.199);
        assert_eq!(measured.requests_per_second(), 100.0);
    }

    #[test]
    fn lengths_are_read_from_heads() {
        let head = b"HTTP/1.1 200 OK\r\ncontent-type: x\r\ncontent-length: 42\r\n";
        assert_eq!(content_length(head).unwrap(), 42);
        assert!(content_length(b"HTTP/1.1 200 OK\r\n").is_err());
    }
}
