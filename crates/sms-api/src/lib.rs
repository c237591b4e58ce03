//! The public contract of SMS v3, and Rehost's own routes beside it.
//!
//! Start with [`bodies`]; [`errors`] says how refusals look, [`signing`] how requests are signed,
//! and [`rehost`] holds what SMS has no field for. The feature `client` adds a blocking client.

pub mod bodies;
#[cfg(feature = "client")]
pub mod client;
pub mod contract;
pub mod errors;
pub mod rehost;
pub mod signing;
