//! How a source or a target joins a control plane, and how it keeps the identity it got there.
//!
//! Both ends of a migration start the same way: somebody hands them a join token, they verify the
//! control plane by the fingerprint in it, make a key of their own, and get a certificate for that
//! key. From then on [`Identity`] is all they need. The key never leaves the machine, the token is
//! of no use a second time, and no cloud key is ever stored on a source.
//!
//! [`durable_file`] and [`StateDirectory`] are here because the identity is the first thing that
//! must survive a power cut, and everything else that must do so wants the same care.

pub mod durable_file;
mod enrol;
mod first_contact;
mod identity;
mod state_directory;

pub use durable_file::DurableFileError;
pub use enrol::{EnrolError, enrol, load_or_enrol};
pub use first_contact::{FirstContactError, learn_ca};
pub use identity::{Identity, IdentityError};
pub use state_directory::{StateDirectory, StateDirectoryError};
