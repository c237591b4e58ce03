//! For tests only: real `rehost` processes, disks to migrate, a database server, and waiting that is
//! not sleeping.
//!
//! Whole-system tests use the executable as people do: they start its roles, and drive them with
//! its own commands. So a test that passes has also proved that the command line works.

mod disks;
mod executable;
mod postgres;
mod replicas;
mod role;
mod site;
mod tiny_systems;
mod wait;

pub use disks::{LoopDevice, Mount, needs_root, overwrite, patterned_image, run_tool};
pub use executable::rehost;
pub use postgres::PostgresCluster;
pub use replicas::Replicas;
pub use role::{Role, free_port};
pub use site::{Agent, Database, Site};
pub use tiny_systems::{
    NETWORK_MODULES, SENTENCE_AT, SENTENCE_BYTES, TestKernel, VIRTIO_MODULES, talking_disk,
};
pub use wait::{LONG, SHORT, until};
