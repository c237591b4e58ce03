//! Clients that connect and then take their time: they say nothing, stop within the TLS handshake,
//! or send the head of a request byte by byte. Whoever is thrown out comes again.

use std::io::{ErrorKind, Write as _};
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
use rustls::{ClientConfig, ClientConnection};

use crate::without_certificate;

/// How many share the connections among them.
const THREADS: usize = 8;
/// Time between two bytes of a client.
const PACE: Duration = Duration::from_secs(1);
/// On loopback one is let in at once, or has to come again.
const PATIENCE: Duration = Duration::from_millis(200);
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
    arrived: Arc<AtomicUsize>,
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
        let arrived = Arc::new(AtomicUsize::new(0));
        let mut clients = Self {
            arrived: Arc::clone(&arrived),
            stops: Vec::new(),
            threads: Vec::new(),
        };
        let numbers = Arc::new(Mutex::new(0..count));
        for _ in 0..THREADS {
            let (stop, stopped) = channel();
            let (config, arrived) = (Arc::clone(&config), Arc::clone(&arrived));
            let numbers = Arc::clone(&numbers);
            clients.stops.push(stop);
            clients.threads.push(std::thread::spawn(move || {
                let next = || numbers.lock().ok()?.next();
                run(address, &config, &arrived, &stopped, next);
            }));
        }
        Ok(clients)
    }

    /// How many have been let in at least once.
    #[must_use]
    pub fn arrived(&self) -> usize {
        self.arrived.load(Ordering::Relaxed)
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
    arrived: &AtomicUsize,
    stopped: &Receiver<()>,
    next: impl Fn() -> Option<usize>,
) {
    let is_over = |pause| !matches!(stopped.recv_timeout(pause), Err(RecvTimeoutError::Timeout));
    let mut clients: Vec<Client> = Vec::new();
    loop {
        // New ones first: all shall be there soon.
        while let Some(number) = next() {
            let mut client = Client::new(number);
            client.go_on(address, config, arrived);
            clients.push(client);
            if is_over(Duration::ZERO) {
                return;
            }
        }
        for client in &mut clients {
            client.go_on(address, config, arrived);
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
    Tls(Box<ClientConnection>, TcpStream),
}

struct Client {
    kind: Kind,
    has_arrived: bool,
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
            has_arrived: false,
            sent: 0,
            connection: Connection::None,
        }
    }

    /// Says one more byte, or connects again after it was thrown out.
    fn go_on(&mut self, address: SocketAddr, config: &Arc<ClientConfig>, arrived: &AtomicUsize) {
        if !matches!(self.connection, Connection::None) {
            if self.say().is_err() {
                self.connection = Connection::None;
            }
        } else if self.connect(address, config).is_ok() && !self.has_arrived {
            self.has_arrived = true;
            arrived.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn connect(&mut self, address: SocketAddr, config: &Arc<ClientConfig>) -> Result<()> {
        let socket = TcpStream::connect_timeout(&address, PATIENCE)?;
        socket.set_nonblocking(true)?;
        self.sent = 0;
        self.connection = if matches!(self.kind, Kind::WithinRequest) {
            let name = ServerName::try_from("127.0.0.1")?;
            let session = ClientConnection::new(Arc::clone(config), name)?;
            Connection::Tls(Box::new(session), socket)
        } else {
            Connection::Plain(socket)
        };
        Ok(())
    }

    fn say(&mut self) -> Result<()> {
        match (&mut self.connection, self.kind) {
            (Connection::None, _) => Err(anyhow!("not connected")),
            (Connection::Plain(socket), Kind::Silent) => is_open(socket),
            (Connection::Plain(socket), _) => {
                is_open(socket)?;
                let byte = CLIENT_HELLO.get(self.sent).copied().unwrap_or_default();
                self.sent += 1;
                Ok(socket.write_all(&[byte])?)
            }
            (Connection::Tls(session, socket), _) => {
                exchange(session, socket)?;
                if session.is_handshaking() {
                    return Ok(());
                }
                let byte = REQUEST.get(self.sent).copied().unwrap_or(b'x');
                self.sent += 1;
                session.writer().write_all(&[byte])?;
                exchange(session, socket)
            }
        }
    }
}

/// Whoever is thrown out notices it by reading.
fn is_open(socket: &TcpStream) -> Result<()> {
    match socket.peek(&mut [0]) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(anyhow!("the server has had enough")),
    }
}

/// Sends and takes what TLS has to say now, without waiting for more.
fn exchange(session: &mut ClientConnection, socket: &mut TcpStream) -> Result<()> {
    loop {
        while session.wants_write() {
            match session.write_tls(socket) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                written => written?,
            };
        }
        match session.read_tls(socket) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
            Ok(0) => return Err(anyhow!("the server has had enough")),
            Ok(_) => session.process_new_packets()?,
        };
    }
}
