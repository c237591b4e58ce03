//! A volume as it was at a point in time, while others go on writing to it.
//!
//! ```text
//!   writers --> HeldVolume --old bytes, before they change--> kept file
//!                   |                                             |
//!                   v                                             | what changed since
//!                 medium ---------- what did not change -----> PointVolume --> readers
//! ```
//!
//! Whoever writes to a [`HeldVolume`] first has the bytes kept that it is about to change, once for
//! each grain of the disk. A [`PointVolume`] reads kept grains from the kept file and all others from
//! the medium. Writing goes on at the medium's own speed where nothing changes or a grain is kept
//! already; where no point is held it costs one load of a flag.
//!
//! Keeping is never more important than the copy: if it fails, the point is void and says why, and
//! what was to be written is written.

mod kept;
mod point;
mod volume;

pub use point::PointVolume;
pub use volume::HeldVolume;
