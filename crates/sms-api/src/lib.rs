//! The public contract of SMS v3, and Rehost's own routes beside it.

pub mod rehost;
