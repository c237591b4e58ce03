//! The source's end: rounds in their order, streams, the freeze, points, the proof.
//!
//! Start reading at [`run()`]. A round hands chunks to workers, each of which owns one stream; what
//! went out is noted in a ledger, so that a restart can tell what is being sent again; what the
//! receiver has acknowledged is noted by its hash, so that a round need only look at what changed. [`measure()`]
//! only looks at the link.

mod agreement;
mod audit;
mod bucket;
mod careful;
mod changes;
mod control;
mod error;
mod events;
mod final_round;
mod forecast;
mod freeze;
mod frozen_round;
mod hashes;
mod job;
mod ledger;
mod packing;
mod plan;
mod point_round;
mod probe;
mod progress;
mod round;
mod run;
mod stream;
mod used;
mod window;
mod work;
mod workers;

pub use changes::{ChangeTracker, Marks, TrackerError, Tracking};
pub use control::{Ceilings, Control, Reads};
pub use error::{SourceError, error_chain};
pub use events::{Event, MappedVolume, Observer, Phase, Progress};
pub use forecast::Forecast;
pub use freeze::{FreezeError, Freezer, NoFreeze};
pub use job::{Finished, Outcome, Peer, ReplicationJob, SourceVolume, Unchecked, VolumeFigures};
pub use packing::{Compression, Packing, stream_memory_bytes};
pub use probe::{LinkFigures, LinkProbe, measure};
pub use run::run;
pub use used::{AllocationMaps, Extents, UsedBlocks, UsedMap, WholeDisks};
