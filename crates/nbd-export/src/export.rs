//! The socket, and the threads that serve it.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, Permissions};
use std::io;
use std::net::Shutdown;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rehost_volumes::Volume;

use crate::connection;

/// Clients served at once. A machine has one connection for each disk; tools have a few.
const MOST_CLIENTS: usize = 32;

/// Why a volume cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The folder of the socket cannot be made.
    #[error("make the folder {path} for a socket")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others may enter the folder of the socket.
    #[error("others may enter the folder {path}; give the socket a folder of its own")]
    OpenFolder {
        /// The folder.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error("listen on the socket {path}; its path may have 107 bytes at most")]
    Listen {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A volume that is offered for as long as this lives. When it is dropped, clients are cut off and the
/// socket is removed.
#[derive(Debug)]
pub struct Export {
    socket: PathBuf,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    listener: UnixListener,
    volume: Arc<dyn Volume>,
    clients: Mutex<Clients>,
}

/// Handles by which clients can be cut off.
#[derive(Debug, Default)]
struct Clients {
    open: BTreeMap<u64, UnixStream>,
    /// Number of the last one.
    last: u64,
    is_closed: bool,
}

impl Export {
    /// Offers `volume` on a Unix socket that is made at `socket`, for its owner alone, in a folder that
    /// is the owner's alone, too, and is made if it is not there. A socket that an earlier process left
    /// is replaced.
    ///
    /// # Errors
    /// [`ExportError`] if folder or socket cannot be made.
    pub fn start(volume: Arc<dyn Volume>, socket: &Path) -> Result<Self, ExportError> {
        make_folder(socket)?;
        let failed = |source| ExportError::Listen {
            path: socket.into(),
            source,
        };
        let listener = listen(socket).map_err(failed)?;
        let shared = Arc::new(Shared {
            listener,
            volume,
            clients: Mutex::default(),
        });
        let accepting = {
            let shared = Arc::clone(&shared);
            let thread = std::thread::Builder::new().name("nbd-export".into());
            thread.spawn(move || shared.accept()).map_err(failed)?
        };
        Ok(Self {
            socket: socket.into(),
            shared,
            accepting: Some(accepting),
        })
    }

    /// Where clients find it.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        self.shared.close();
        if let Some(thread) = self.accepting.take()
            && thread.join().is_err()
        {
            tracing::error!("a thread of an export ended abnormally");
        }
        // The next export at this place would remove it, too.
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Makes the folder of a socket, for the owner alone. One that is there has to be like that already: it
/// may serve others, too.
fn make_folder(socket: &Path) -> Result<(), ExportError> {
    let folder = socket.parent().unwrap_or(socket);
    let failed = |source| ExportError::Folder {
        path: folder.into(),
        source,
    };
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made.map_err(failed),
    }
    let found = std::fs::metadata(folder).map_err(failed)?;
    let is_ours = found.uid() == rustix::process::geteuid().as_raw();
    if is_ours && found.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    Err(ExportError::OpenFolder {
        path: folder.into(),
    })
}

fn listen(socket: &Path) -> io::Result<UnixListener> {
    // Nothing but a socket is removed; what else is there makes the bind fail.
    if std::fs::symlink_metadata(socket).is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(socket)?;
    }
    let listener = UnixListener::bind(socket)?;
    // Nobody else could reach it before: the folder is the owner's alone.
    std::fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    Ok(listener)
}

impl Shared {
    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(self: &Arc<Self>) {
        for client in self.listener.incoming() {
            if self.clients().is_closed {
                return;
            }
            let begun = client.and_then(|client| self.begin(client));
            if let Err(error) = begun {
                // Out of descriptors or threads, mostly: waiting lets clients end and frees some.
                tracing::warn!(%error, "take a client of an export");
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        }
    }

    /// Serves a client in a thread of its own.
    fn begin(self: &Arc<Self>, client: UnixStream) -> io::Result<()> {
        let handle = client.try_clone()?;
        let number = {
            let mut clients = self.clients();
            if clients.is_closed {
                return Ok(());
            }
            if clients.open.len() >= MOST_CLIENTS {
                tracing::warn!(limit = MOST_CLIENTS, "an export has clients enough");
                return Ok(());
            }
            clients.last += 1;
            let number = clients.last;
            clients.open.insert(number, handle);
            number
        };
        let shared = Arc::clone(self);
        let thread = std::thread::Builder::new().name("nbd-client".into());
        let spawned = thread.spawn(move || {
            match connection::serve(&client, &*shared.volume) {
                Ok(()) => tracing::debug!("a client of an export is through"),
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::info!(error, "a client of an export was cut off");
                }
            }
            shared.clients().open.remove(&number);
        });
        if spawned.is_err() {
            self.clients().open.remove(&number);
        }
        spawned.map(drop)
    }

    /// Cuts everybody off, and wakes the thread that accepts.
    fn close(&self) {
        let mut clients = self.clients();
        clients.is_closed = true;
        for client in std::mem::take(&mut clients.open).values() {
            // An error means that it is gone already.
            let _ = client.shutdown(Shutdown::Both);
        }
        drop(clients);
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
    }
}
