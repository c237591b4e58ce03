//! The public contract of SMS v3, and Rehost's own routes beside it.
//!
//! Start with [`bodies`]; [`rehost`] holds what SMS has no field for.

pub mod bodies;
pub mod rehost;
