//! The tracker of one disk: begins or goes on, lends marks, says whether they can be relied on.

use std::path::Path;
use std::time::Duration;

use uuid::Uuid;

use crate::audit::{self, Audit};
use crate::error::{Error, Unsupported};
use crate::ledger::{Figures, Ledger, Owner};
use crate::pins::{self, Pins};
use crate::program::{self, Maps};
use crate::{DiskId, GRAIN_BYTES, GrainSet, Marks, State, VoidReason, words};

/// What this machine offers, found by trying it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Support {
    /// The unit in which changes are marked, in bytes.
    pub grain_bytes: u64,
}

/// Whether marks were found or begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// The marks of an earlier process are there, and have been kept since without a break.
    Resumed,
    /// Marking has begun just now: nothing is known of what changed before.
    Anew {
        /// Why marks that were there could not be used, if there were any.
        instead_of: Option<&'static str>,
    },
}

/// Tracks the changes of one disk. Dropping it ends nothing: the program goes on marking, and
/// [`Tracker::start_or_resume`] finds the marks again. [`Tracker::stop`] ends the tracking.
///
/// One process at a time works with the marks of a disk; who calls sees to that.
#[derive(Debug)]
pub struct Tracker {
    disk: DiskId,
    tracking: Uuid,
    beginning: Beginning,
    written: rehost_linux::SharedWords,
    discarded: rehost_linux::SharedWords,
    ledger: Ledger,
    pins: Pins,
}

impl Tracker {
    /// Finds out whether this machine can track changes, by attaching the program for a moment, to
    /// a disk that does not exist. Leaves nothing behind.
    ///
    /// # Errors
    /// [`Unsupported`], with the reason for the operator.
    pub fn probe() -> Result<Support, Unsupported> {
        if !pins::are_known() {
            return Err(Unsupported::NoPins);
        }
        let nowhere = DiskId {
            major: 0,
            minor: 0,
            size_bytes: GRAIN_BYTES,
            sequence: 0,
        };
        program::load(&nowhere)?;
        Ok(Support {
            grain_bytes: GRAIN_BYTES,
        })
    }

    /// Goes on with the marks of `device` that are pinned below `root`, or begins anew where there
    /// are none, or none of this boot, this disk and this version of the program.
    ///
    /// `root` is a directory such as [`crate::DEFAULT_ROOT`], in a bpf file system. If it is in
    /// none, one is mounted: on `/sys/fs/bpf` for directories in there, on `root` itself otherwise.
    /// A process in a mount namespace of its own loses the marks with the namespace.
    ///
    /// Marks of an earlier tracking say nothing about what changed before it:
    /// compare [`Tracker::tracking`] with what was noted when the copy began.
    ///
    /// # Errors
    /// If the disk or this machine does not support it, or if something cannot be pinned. Nothing
    /// is left attached then.
    pub fn start_or_resume(root: &Path, device: &Path) -> Result<Self, Error> {
        let owner = owner_of(device)?;
        let pins = Pins::of(root, &owner.disk);
        if !pins.exist() {
            return Self::begin(root, &owner, None);
        }
        let Some(maps) = pins.open(&owner.disk) else {
            return Self::begin(root, &owner, Some("they are incomplete"));
        };
        let ledger = Ledger::new(maps.ledger);
        match ledger.tracking_of(&owner) {
            Ok(tracking) => Ok(Self {
                disk: owner.disk,
                tracking,
                beginning: Beginning::Resumed,
                written: maps.written,
                discarded: maps.discarded,
                ledger,
                pins,
            }),
            Err(reason) => Self::begin(root, &owner, Some(reason)),
        }
    }

    /// Begins anew, whatever marks there are. Everything must be compared or copied after this.
    ///
    /// # Errors
    /// As [`Tracker::start_or_resume`].
    pub fn start_anew(root: &Path, device: &Path) -> Result<Self, Error> {
        Self::begin(root, &owner_of(device)?, None)
    }

    fn begin(root: &Path, owner: &Owner, instead_of: Option<&'static str>) -> Result<Self, Error> {
        // First, so that a machine that refuses the program gets no mount either.
        let loaded = program::load(&owner.disk)?;
        pins::prepare(root)?;
        let pins = Pins::of(root, &owner.disk);
        pins.remove()?;
        let maps = match pins.pin(loaded) {
            Ok(maps) => maps,
            Err(error) => return Err(undone(&pins, error)),
        };
        let Maps {
            written,
            discarded,
            ledger,
        } = maps;
        let (ledger, tracking) = (Ledger::new(ledger), Uuid::new_v4());
        match audit::find_base(&owner.disk, &ledger) {
            Ok(base) => ledger.set_base(base),
            Err(error) => return Err(undone(&pins, error)),
        }
        ledger.complete(owner, tracking);
        Ok(Self {
            disk: owner.disk,
            tracking,
            beginning: Beginning::Anew { instead_of },
            written,
            discarded,
            ledger,
            pins,
        })
    }

    /// The disk.
    #[must_use]
    pub const fn disk(&self) -> &DiskId {
        &self.disk
    }

    /// What names this tracking: another one after every beginning, the same after every resume.
    #[must_use]
    pub const fn tracking(&self) -> Uuid {
        self.tracking
    }

    /// Whether the marks were found or begun.
    #[must_use]
    pub const fn beginning(&self) -> Beginning {
        self.beginning
    }

    /// A copy of the marks as they are now; everything, if they are void. Changes nothing: see the
    /// description of the loan in the documentation of this crate for what comes next.
    #[must_use]
    pub fn read_marks(&self) -> Marks {
        let size_bytes = self.disk.size_bytes;
        let marks = Marks {
            written: GrainSet::from_words(words::read(&self.written), size_bytes),
            discarded: GrainSet::from_words(words::read(&self.discarded), size_bytes),
        };
        // Looked at after the marks: what made them void while they were read counts.
        match self.state() {
            State::Tracking => marks,
            State::Void { .. } => Marks::everything(size_bytes),
        }
    }

    /// Clears exactly these marks. The disk is to be read after this, never before.
    pub fn clear(&self, marks: &Marks) {
        words::clear(&self.written, marks.written.words());
        words::clear(&self.discarded, marks.discarded.words());
    }

    /// Sets these marks again: what they stand for did not arrive.
    pub fn give_back(&self, marks: &Marks) {
        words::give_back(&self.written, marks.written.words());
        words::give_back(&self.discarded, marks.discarded.words());
    }

    /// Declares the marks void, for as long as this tracking lasts, whoever goes on with it.
    pub fn void(&self, reason: VoidReason) {
        self.ledger.set_void(reason);
    }

    /// Whether the marks can be relied on, as far as is known: the audit finds out.
    #[must_use]
    pub fn state(&self) -> State {
        self.ledger
            .void()
            .map_or(State::Tracking, |reason| State::Void { reason })
    }

    /// Compares what the program has seen with what the disk says it has completed, and declares
    /// the marks void if they differ. Waits at most about `patience` for the disk to come to rest.
    ///
    /// The last audit belongs into the final round, after the file systems were frozen and before
    /// what was marked is declared complete: then the disk is at rest.
    ///
    /// # Errors
    /// If the statistics of the disk cannot be read.
    pub fn audit(&self, patience: Duration) -> Result<Audit, Error> {
        if self.disk.has_been_replaced() {
            self.void(VoidReason::DiskReplaced);
        }
        if !self.disk.has_statistics() {
            self.void(VoidReason::StatisticsOff);
        }
        let found = audit::audit(&self.disk, &self.ledger, patience)?;
        if matches!(found, Audit::Gap { .. }) {
            self.void(VoidReason::MissedCompletions);
        }
        Ok(found)
    }

    /// What the program has seen since the tracking began.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.ledger.figures()
    }

    /// Ends the tracking: detaches the program and removes the marks.
    ///
    /// # Errors
    /// [`Error::Remove`].
    pub fn stop(self) -> Result<(), Error> {
        self.pins.remove()
    }
}

fn owner_of(device: &Path) -> Result<Owner, Error> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .and_then(|text| Uuid::parse_str(text.trim()).map_err(std::io::Error::other))
        .map_err(Error::BootId)?;
    Ok(Owner {
        disk: DiskId::of(device)?,
        boot,
        program: program::version(),
    })
}

/// Takes back what a beginning that failed has pinned. Why it failed is what the caller wants to
/// know, not why that could not be taken back.
fn undone(pins: &Pins, error: Error) -> Error {
    match pins.remove() {
        Ok(()) | Err(_) => error,
    }
}
