//! Points: all volumes of a task as they were when the source stood still, for those who boot a copy.
//!
//! A point is held when a source asks for it after a frozen round. From then on rounds go on writing,
//! and what they overwrite is kept (see [`rehost_volumes::HeldVolume`]). Whoever boots the copy has the
//! point exported, puts overlays on the exports, and lets go of it when the machine is gone. One point
//! at a time, and none that survives this process.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rehost_nbd_export::{Export, ExportError};
use rehost_volumes::{HeldVolume, PointVolume, Volume, VolumeError};

/// Why a point cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PointError {
    /// Another point is in use.
    #[error("the point {in_use} is in use; end what was booted from it first")]
    InUse {
        /// Its name.
        in_use: String,
    },
    /// It is not held: never was, not any more, or the receiver was started anew since.
    #[error("the point {point} is not held; hold the source once more")]
    NotHeld {
        /// The name that was asked for.
        point: String,
    },
    /// It was held, and cannot be read any more.
    #[error("the point {point} is void: {reason}")]
    Void {
        /// Its name.
        point: String,
        /// Why, for people.
        reason: String,
    },
    /// The task is no longer received.
    #[error("the task is no longer received")]
    Closed,
    /// A volume cannot be held.
    #[error("hold volume {volume}")]
    Hold {
        /// Number of the volume within the task.
        volume: u32,
        /// What is the matter.
        #[source]
        source: VolumeError,
    },
    /// A volume cannot be exported.
    #[error("export volume {volume}")]
    Export {
        /// Number of the volume within the task.
        volume: u32,
        /// What is the matter.
        #[source]
        source: ExportError,
    },
}

/// A volume of a point, as local programs find it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedVolume {
    /// Number of the volume within the task.
    pub index: u32,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Unix socket that speaks NBD and is only read from: `nbd+unix:///?socket=PATH`.
    pub socket: PathBuf,
}

/// How a point is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldPoint {
    /// Its name.
    pub point: String,
    /// Whether it is exported.
    pub is_exported: bool,
    /// What of the volumes has been overwritten since and is kept, in bytes.
    pub kept_bytes: u64,
    /// Why it cannot be read any more, if that is so.
    pub void_reason: Option<String>,
}

/// A volume that can be held, and where old bytes are kept then.
#[derive(Debug)]
pub(super) struct HoldableVolume {
    pub(super) index: u32,
    pub(super) volume: Arc<HeldVolume>,
    pub(super) kept: PathBuf,
}

/// The points of a task.
#[derive(Debug)]
pub struct Points {
    volumes: Vec<HoldableVolume>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: Option<Held>,
    is_closed: bool,
}

#[derive(Debug)]
struct Held {
    point: String,
    /// Per volume, in their order.
    volumes: Vec<Arc<PointVolume>>,
    /// Empty if it is not exported.
    exports: Vec<Export>,
}

impl Held {
    fn void_reason(&self) -> Option<String> {
        let reasons = self.volumes.iter();
        let mut reasons = reasons.filter_map(|volume| volume.void_reason());
        reasons.next().map(ToOwned::to_owned)
    }
}

impl Points {
    /// No point, also if an earlier process held one.
    pub(super) fn new(volumes: Vec<HoldableVolume>) -> Self {
        for volume in &volumes {
            match std::fs::remove_file(&volume.kept) {
                Ok(()) => {
                    tracing::info!(path = %volume.kept.display(), "removed what was kept for a point");
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // To hold a point will say that it is in the way.
                Err(error) => {
                    tracing::warn!(path = %volume.kept.display(), %error, "remove what was kept");
                }
            }
        }
        Self {
            volumes,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds all volumes as they are in this moment, in which nobody may write to them. A point that
    /// nobody uses is let go for it.
    ///
    /// # Errors
    /// [`PointError::InUse`] while another point is exported, [`PointError::Hold`] if old bytes cannot
    /// be kept, [`PointError::Closed`].
    pub fn hold(&self, point: &str) -> Result<(), PointError> {
        let mut state = self.state();
        if state.is_closed {
            return Err(PointError::Closed);
        }
        if let Some(held) = state.held.as_ref().filter(|held| !held.exports.is_empty()) {
            return Err(PointError::InUse {
                in_use: held.point.clone(),
            });
        }
        state.held = None;
        let mut volumes = Vec::new();
        for volume in &self.volumes {
            match volume.volume.hold(&volume.kept) {
                Ok(held) => volumes.push(held),
                Err(source) => {
                    self.let_go_of_all();
                    let volume = volume.index;
                    return Err(PointError::Hold { volume, source });
                }
            }
        }
        tracing::info!(point, "the volumes are held at a point");
        state.held = Some(Held {
            point: point.to_owned(),
            volumes,
            exports: Vec::new(),
        });
        Ok(())
    }

    /// The point that is held, if there is one.
    #[must_use]
    pub fn held(&self) -> Option<HeldPoint> {
        let state = self.state();
        state.held.as_ref().map(|held| HeldPoint {
            point: held.point.clone(),
            is_exported: !held.exports.is_empty(),
            kept_bytes: held.volumes.iter().map(|volume| volume.kept_bytes()).sum(),
            void_reason: held.void_reason(),
        })
    }

    /// The volumes of a point by their numbers, for those who read them in this process.
    ///
    /// # Errors
    /// [`PointError::NotHeld`], [`PointError::Void`].
    pub fn volumes(&self, point: &str) -> Result<Vec<(u32, Arc<PointVolume>)>, PointError> {
        let mut state = self.state();
        let held = usable(&mut state, point)?;
        let numbers = self.volumes.iter().map(|volume| volume.index);
        Ok(numbers.zip(held.volumes.iter().cloned()).collect())
    }

    /// Offers the volumes of a point on sockets in `folder`, which is made if it is not there; if
    /// it is, it must be this user's alone. Paths of Unix sockets are short: `folder` may have about 80
    /// bytes. From now on the point is in use, and no other one can be held until [`Self::let_go`].
    ///
    /// A point that is exported already stays where it is.
    ///
    /// # Errors
    /// [`PointError::NotHeld`], [`PointError::Void`], [`PointError::Export`].
    pub fn export(&self, point: &str, folder: &Path) -> Result<Vec<ExportedVolume>, PointError> {
        let mut state = self.state();
        let held = usable(&mut state, point)?;
        if held.exports.is_empty() {
            let volumes = self.volumes.iter().zip(&held.volumes);
            let exports = volumes.map(|(volume, point)| {
                let socket = folder.join(format!("volume-{}.nbd", volume.index));
                let point: Arc<dyn Volume> = Arc::<PointVolume>::clone(point);
                Export::start(point, &socket).map_err(|source| PointError::Export {
                    volume: volume.index,
                    source,
                })
            });
            held.exports = exports.collect::<Result<_, _>>()?;
        }
        let volumes = self.volumes.iter().zip(&held.exports);
        let exported = volumes.map(|(volume, export)| ExportedVolume {
            index: volume.index,
            size_bytes: volume.volume.size_bytes(),
            socket: export.socket().to_owned(),
        });
        Ok(exported.collect())
    }

    /// Lets go of a point: who reads it is cut off, and what was kept is removed. False if it is not
    /// the one that is held.
    pub fn let_go(&self, point: &str) -> bool {
        let mut state = self.state();
        if state.held.as_ref().is_none_or(|held| held.point != point) {
            return false;
        }
        state.held = None;
        self.let_go_of_all();
        tracing::info!(point, "let go of a point");
        true
    }

    /// Lets go of the point and holds none any more.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.held = None;
        self.let_go_of_all();
    }

    fn let_go_of_all(&self) {
        for volume in &self.volumes {
            volume.volume.let_go();
        }
    }
}

/// The point of this name, if it can be read.
fn usable<'a>(state: &'a mut State, point: &str) -> Result<&'a mut Held, PointError> {
    let held = state.held.as_mut().filter(|held| held.point == point);
    let held = held.ok_or_else(|| PointError::NotHeld {
        point: point.to_owned(),
    })?;
    match held.void_reason() {
        None => Ok(held),
        Some(reason) => Err(PointError::Void {
            point: point.to_owned(),
            reason,
        }),
    }
}
