//! The steps of a boot.
//!
//! ```text
//!  Folder -> Overlays -> Helper -> FixUps -> Target -> WaitUntilUp -> Probes -> Screenshot
//!                                                                                  |
//!                        rehearsal: EndTarget -> RemoveOverlays -> Report <--------+
//!                        cut-over:  Keep -> Report <-------------------------------+
//!
//!  A step that fails:   (Screenshot, if the target runs) -> EndTarget -> RemoveOverlays -> Report
//!  Stopped:             EndTarget -> RemoveOverlays -> Report
//! ```
//!
//! A process that is killed leaves, at worst, what the ledger names: see [`Boots::release`].
//!
//! [`Boots::release`]: crate::Boots::release

/// A step of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Makes the folder of the boot, empty.
    Folder,
    /// Makes an overlay on every volume.
    Overlays,
    /// Starts the machine of the helper system on the overlays.
    Helper,
    /// Lets the helper system make the copy start on its new hardware, until it powers off.
    FixUps,
    /// Starts the machine of the copy.
    Target,
    /// Waits until the system in it is up, or shows that it will not be.
    WaitUntilUp,
    /// Asks whether what it is there for works.
    Probes,
    /// Takes a picture of its screen.
    Screenshot,
    /// Ends the machine of the copy.
    EndTarget,
    /// Removes the overlays.
    RemoveOverlays,
    /// From here on the machine stays, whatever happens to this process.
    Keep,
    /// Writes the report down.
    Report,
}

/// Every step, in the order in which they come; a rehearsal has no [`Step::Keep`], a cut-over that
/// succeeds has neither [`Step::EndTarget`] nor [`Step::RemoveOverlays`].
pub const STEPS: [Step; 12] = [
    Step::Folder,
    Step::Overlays,
    Step::Helper,
    Step::FixUps,
    Step::Target,
    Step::WaitUntilUp,
    Step::Probes,
    Step::Screenshot,
    Step::EndTarget,
    Step::RemoveOverlays,
    Step::Keep,
    Step::Report,
];
