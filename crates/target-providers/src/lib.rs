//! Where target volumes come from, and how nothing that was made is ever forgotten.
//!
//! A [`TargetProvider`] makes volumes for a task and lets go of them again. Every thing is written
//! into a [`Ledger`] before it is made, so that whoever cleans up after a crash knows of it.
//!
//! [`EmbeddedProvider`] makes image files in a folder and hands out existing block devices; [`Boots`]
//! boots copies of servers from overlays on them.

mod boots;
mod embedded;
mod error;
mod ledger;
mod provider;
mod removal;

pub use boots::{
    BootNetwork, BootObserver, BootOrder, BootPurpose, BootReport, BootVolume, Boots, HelperSystem,
    KeptMachine, STEPS, Step,
};
pub use embedded::EmbeddedProvider;
pub use error::ProviderError;
pub use ledger::{Ledger, LedgerError, Thing};
pub use provider::{PreparedVolume, TargetProvider, VolumeFormat, VolumeRequest};
