//! Clients that connect and then take their time: they say nothing, stop within the TLS handshake,
//! or send the head of a request byte by byte. Whoever is thrown out comes again.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::without_certificate;

/// How many share the connections among them.
const THREADS: usize = 8;
/// Time between two bytes of a client.
const PACE: Duration = Duration::from_secs(1);
/// A server that is not reached or does not answer TLS by then is tried again.
const PATIENCE: Duration = Duration::from_secs(20);
/// Files that the test needs beside its connections.
const OTHER_FILES: u64 = 200;
/// What begins a ClientHello; most of it is never sent.
const CLIENT_HELLO: &[u8] = &[
    0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03,
];
const REQUEST: &[u8] = b"GET /v3/sources HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ";

/// Clients that are at it until this is dropped.
#[derive(Debug)]
pub struct SlowClients {
    connected: Arc<AtomicUsize>,
    stops: Vec<Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl SlowClients {
    /// Lets so many clients connect to a port of the loopback address.
    ///
    /// # Errors
    /// If this process may not have so many connections.
    pub fn start(port: u16, ca_file: &Path, count: usize) -> Result<Self> {
        allow_files(count as u64 + OTHER_FILES)?;
        let config = Arc::new(without_certificate(ca_file)?);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let connected = Arc::new(AtomicUsize::new(0));
        let mut clients = Self {
            connected: Arc::clone(&connected),
            stops: Vec::new(),
            threads: Vec::new(),
        };
        let numbers = Arc::new(Mutex::new(0..count));
        for _ in 0..THREADS {
            let (stop, stopped) = channel();
            let (config, connected) = (Arc::clone(&config), Arc::clone(&connected));
            let numbers = Arc::clone(&numbers);
            clients.stops.push(stop);
            clients.threads.push(std::thread::spawn(move || {
                let next = || numbers.lock().ok()?.next();
                run(address, &config, &connected, &stopped, next);
            }));
        }
        Ok(clients)
    }

    /// How many are connected now, as far as they know.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.connected.load(Ordering::Relaxed)
    }
}

impl Drop for SlowClients {
    fn drop(&mut self) {
        self.stops.clear();
        for thread in self.threads.drain(..) {
            // A thread that has panicked is done, too.
            let _ = thread.join();
        }
    }
}

/// Raises the limit of open files of this process.
fn allow_files(wanted: u64) -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    let raised = Rlimit {
        current: Some(wanted),
        maximum: limit.maximum.map(|maximum| maximum.max(wanted)),
    };
    setrlimit(Resource::Nofile, raised)
        .with_context(|| format!("raise the limit of open files to {wanted} (ulimit -n)"))
}

/// One thread: connects its share, then lets each say a byte at a time.
fn run(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
    connected: &AtomicUsize,
    stopped: &Receiver<()>,
    next: impl Fn() -> Option<usize>,
) {
    let is_over = |pause| !matches!(stopped.recv_timeout(pause), Err(RecvTimeoutError::Timeout));
    let mut clients: Vec<Client> = Vec::new();
    loop {
        // New ones first: all shall be there soon.
        while let Some(number) = next() {
            let mut client = Client::new(number);
            client.go_on(address, config, connected);
            clients.push(client);
            if is_over(Duration::ZERO) {
                return;
            }
        }
        for client in &mut clients {
            client.go_on(address, config, connected);
            if is_over(Duration::ZERO) {
                return;
            }
        }
        if is_over(PACE) {
            return;
        }
    }
}

enum Connection {
    None,
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

struct Client {
    kind: Kind,
    sent: usize,
    connection: Connection,
}

#[derive(Clone, Copy)]
enum Kind {
    Silent,
    WithinHandshake,
    WithinRequest,
}

impl Client {
    fn new(number: usize) -> Self {
        let kinds = [Kind::Silent, Kind::WithinHandshake, Kind::WithinRequest];
        Self {
            kind: kinds[number % kinds.len()],
            sent: 0,
            connection: Connection::None,
        }
    }

    /// Says one more byte, or connects again after it was thrown out.
    fn go_on(&mut self, address: SocketAddr, config: &Arc<ClientConfig>, connected: &AtomicUsize) {
        let is_connected = !matches!(self.connection, Connection::None);
        let done = if is_connected {
            self.say()
        } else {
            self.connect(address, config)
        };
        match (is_connected, done) {
            (false, Ok(())) => {
                connected.fetch_add(1, Ordering::Relaxed);
            }
            (true, Err(_)) => {
                connected.fetch_sub(1, Ordering::Relaxed);
                self.connection = Connection::None;
            }
            _ => {}
        }
    }

    fn connect(&mut self, address: SocketAddr, config: &Arc<ClientConfig>) -> Result<()> {
        let socket = TcpStream::connect_timeout(&address, PATIENCE)?;
        self.sent = 0;
        self.connection = if matches!(self.kind, Kind::WithinRequest) {
            socket.set_read_timeout(Some(PATIENCE))?;
            let name = ServerName::try_from("127.0.0.1")?;
            let session = ClientConnection::new(Arc::clone(config), name)?;
            let mut stream = StreamOwned::new(session, socket);
            stream.write_all(&REQUEST[..1])?;
            Connection::Tls(Box::new(stream))
        } else {
            Connection::Plain(socket)
        };
        Ok(())
    }

    fn say(&mut self) -> Result<()> {
        let text = match self.kind {
            Kind::Silent => &[][..],
            Kind::WithinHandshake => CLIENT_HELLO,
            Kind::WithinRequest => REQUEST,
        };
        self.sent += 1;
        let byte = [text.get(self.sent).copied().unwrap_or(b'x')];
        match &mut self.connection {
            Connection::None => Err(anyhow!("not connected")),
            // Nothing is said; but one who is thrown out notices.
            Connection::Plain(socket) if text.is_empty() => {
                socket.set_nonblocking(true)?;
                match socket.peek(&mut [0]) {
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
                    Err(error) => Err(error.into()),
                    Ok(_) => Err(anyhow!("closed")),
                }
            }
            Connection::Plain(socket) => Ok(socket.write_all(&byte)?),
            Connection::Tls(stream) => Ok(stream.write_all(&byte)?),
        }
    }
}
