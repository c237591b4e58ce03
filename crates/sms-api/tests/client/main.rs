//! The client against a scripted peer: what goes over the wire, and how answers are read.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod calls;
mod peer;
mod tls;
