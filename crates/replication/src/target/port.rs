//! The data port: accepts connections and finds the task that each belongs to.
//!
//! The TLS server name says which task is meant, and decides which certificate is presented and
//! which is demanded. A source with a certificate of another task fails in the handshake, before
//! any of its frames is looked at.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::server::{Acceptor, ServerConnection};
use rustls::{Connection, ServerConfig};

use super::door::{Door, Place};
use super::stream::Stream;
use super::task::ReceivingTask;
use crate::transport;

/// How long a peer may take for the handshake, and then for its first frame.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the kernel may keep bytes that nobody reads.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// The port cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Not free, or not allowed.
    #[error("listen on {address} for data; choose another address with --listen")]
    Listen {
        /// What was asked for.
        address: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

#[derive(Clone, Debug)]
struct Served {
    tls: Arc<ServerConfig>,
    task: Arc<ReceivingTask>,
}

/// The data port of a target.
#[derive(Debug)]
pub struct Port {
    listener: TcpListener,
    served: Mutex<HashMap<String, Served>>,
    closed: AtomicBool,
    door: Arc<Door>,
}

impl Port {
    /// Listens on `address`.
    ///
    /// # Errors
    /// [`PortError`] if the address is taken or not ours.
    pub fn bind(address: &(impl ToSocketAddrs + ToString)) -> Result<Arc<Self>, PortError> {
        let listener = TcpListener::bind(address).map_err(|source| PortError::Listen {
            address: address.to_string(),
            source,
        })?;
        Ok(Arc::new(Self {
            listener,
            served: Mutex::default(),
            closed: AtomicBool::new(false),
            door: Arc::default(),
        }))
    }

    /// The address it listens on, with the real port if 0 was asked for.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    fn served(&self) -> MutexGuard<'_, HashMap<String, Served>> {
        self.served.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves `task` to sources that ask for `server_name`. On a closed port the task is closed.
    pub fn add(&self, server_name: &str, tls: Arc<ServerConfig>, task: Arc<ReceivingTask>) {
        let mut served = self.served();
        if self.closed.load(Ordering::Acquire) {
            drop(served);
            task.close();
            return;
        }
        served.insert(server_name.to_owned(), Served { tls, task });
    }

    /// No longer serves a name, and closes its task.
    pub fn remove(&self, server_name: &str) {
        let removed = self.served().remove(server_name);
        if let Some(served) = removed {
            served.task.close();
        }
    }

    /// Closes all tasks, with what arrived committed, and serves none any more.
    pub fn close(&self) {
        let tasks = {
            let mut served = self.served();
            self.closed.store(true, Ordering::Release);
            std::mem::take(&mut *served)
        };
        for served in tasks.values() {
            served.task.close();
        }
    }

    /// Accepts connections for as long as the process lives. Each is served in a thread of its own.
    pub fn run(self: &Arc<Self>) {
        for connection in self.listener.incoming() {
            match connection {
                Ok(socket) => self.accept(socket),
                Err(error) => {
                    // Out of descriptors, mostly: waiting lets streams end and frees some.
                    tracing::warn!(%error, "accept a data connection");
                    std::thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }

    fn accept(self: &Arc<Self>, socket: TcpStream) {
        let place = match self.door.enter(&socket) {
            Ok(place) => place,
            Err(error) => {
                tracing::warn!(%error, "let a data connection in");
                return;
            }
        };
        let port = Arc::clone(self);
        let spawned = std::thread::Builder::new()
            .name("data-stream".into())
            .spawn(move || port.serve(socket, place));
        if let Err(error) = spawned {
            tracing::warn!(%error, "start a thread for a data connection");
        }
    }

    fn serve(&self, socket: TcpStream, place: Place) {
        let peer = socket
            .peer_addr()
            .map_or_else(|_| "unknown".to_owned(), |peer| peer.to_string());
        let (served, connection) = match self.handshake(&socket) {
            Ok(found) => found,
            Err(error) => {
                let error: &dyn std::error::Error = &*error;
                tracing::warn!(peer, error, "refused a data connection");
                return;
            }
        };
        let (reader, writer) = transport::over(Connection::Server(connection), socket);
        let result = Stream::new(Arc::clone(&served.task), reader, writer, place).serve();
        match result {
            Ok(()) => tracing::debug!(peer, task_id = served.task.task_id(), "stream over"),
            Err(error) => tracing::info!(
                peer,
                task_id = served.task.task_id(),
                error = &error as &dyn std::error::Error,
                "stream broke off"
            ),
        }
    }

    /// Finds the task that the peer asks for and lets TLS check the peer's right to it.
    fn handshake(
        &self,
        socket: &TcpStream,
    ) -> Result<(Served, ServerConnection), Box<dyn std::error::Error + Send + Sync>> {
        let deadline = Instant::now() + HANDSHAKE_TIMEOUT;
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(WRITE_TIMEOUT))?;
        let mut acceptor = Acceptor::default();
        let accepted = loop {
            wait_until(socket, deadline)?;
            if acceptor.read_tls(&mut &*socket)? == 0 {
                return Err("the peer closed the connection before it said anything".into());
            }
            match acceptor.accept() {
                Ok(Some(accepted)) => break accepted,
                Ok(None) => {}
                Err((error, mut alert)) => {
                    alert.write_all(&mut &*socket)?;
                    return Err(error.into());
                }
            }
        };
        let name = accepted
            .client_hello()
            .server_name()
            .unwrap_or_default()
            .to_owned();
        let served = self.served().get(&name).cloned();
        let served =
            served.ok_or_else(|| format!("no task is received under the name {name:?}"))?;
        let mut connection = match accepted.into_connection(Arc::clone(&served.tls)) {
            Ok(connection) => connection,
            Err((error, mut alert)) => {
                alert.write_all(&mut &*socket)?;
                return Err(error.into());
            }
        };
        while connection.is_handshaking() {
            while connection.wants_write() {
                connection.write_tls(&mut &*socket)?;
            }
            if !connection.is_handshaking() {
                break;
            }
            wait_until(socket, deadline)?;
            if connection.read_tls(&mut &*socket)? == 0 {
                return Err("the peer closed the connection during the handshake".into());
            }
            if let Err(error) = connection.process_new_packets() {
                // The alert tells the peer why.
                while connection.wants_write() && connection.write_tls(&mut &*socket)? > 0 {}
                return Err(error.into());
            }
        }
        // For the first frame; see `Stream`.
        socket.set_read_timeout(Some(HANDSHAKE_TIMEOUT))?;
        transport::watch_link(socket)?;
        Ok((served, connection))
    }
}

/// Lets the next read wait until `deadline` and not longer.
fn wait_until(socket: &TcpStream, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    socket.set_read_timeout(Some(left))
}
