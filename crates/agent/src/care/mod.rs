//! Care for the source: what a copy may take of a server that works meanwhile.
//!
//! ```text
//!   settings: what operators allow --+
//!   disks: how long others wait ----> keeper, twice a second --> Control of the replication
//!   guard: what to make of it   ----+      |
//!   overspeed: too fast in spite of all    +--> words for people, and what is told as the speed
//! ```

mod disks;
mod guard;
mod keeper;
mod overspeed;
mod settings;
mod wire_rate;

pub(crate) use self::keeper::{Keeper, Kept};
pub(crate) use self::settings::Settings;
