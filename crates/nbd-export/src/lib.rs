//! A volume offered to local programs for reading, over NBD on a Unix socket.
//!
//! QEMU reads what lies below an overlay through it, such as a replica held at a point in time:
//! `nbd+unix:///?socket=PATH`. Only what that takes is spoken: the fixed newstyle handshake, simple
//! replies, and reads. The socket is for the user alone who runs the export.
//!
//! ```text
//!   socket --> connection (bytes in, bytes out) --> handshake   what was asked, what is answered
//!                        |                     \--> request     (rules without I/O)
//!                        v
//!                      volume
//! ```

mod connection;
mod export;
mod handshake;
mod request;

pub use export::{Export, ExportError};
