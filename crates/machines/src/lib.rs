//! Runs machines with QEMU: the helper system that makes a copy start elsewhere, and the copies
//! themselves.
//!
//! A [`MachineSpec`] says what a machine is made of; [`Machine`] is its process, with its monitor,
//! what it says on its serial console, and a picture of its screen. The systems inside are foreign:
//! whatever they print is bounded, what they can reach is said in the specification, and what they
//! look like when they do not start is known to [`BootWatch`], which is pure.
//!
//! A machine ends with the process that started it, however that ends, unless its specification
//! says that it outlives it. Either way a [`ProcessIdentity`] that was written down finds exactly
//! that process again, and ends it.

mod accelerator;
mod arguments;
mod console;
mod console_text;
mod error;
mod folder;
mod identity;
mod machine;
mod overlay;
mod patience;
mod probes;
mod process;
mod programs;
mod qmp;
mod signs;
mod spec;

pub use accelerator::kvm_boots;
pub use console::Console;
pub use console_text::ConsoleText;
pub use error::MachineError;
pub use identity::ProcessIdentity;
pub use machine::{BootEnd, Machine, MachineStatus, WaitingMachine};
pub use overlay::{Backing, create_overlay};
pub use patience::Patience;
pub use probes::{Probe, ProbeKind, ProbeResult};
pub use signs::{BootSign, BootWatch};
pub use spec::{
    Accelerator, DiskFormat, DiskSpec, Firmware, Forward, KernelSpec, MachineSpec, NetworkMode,
    NetworkSpec, PortSpec,
};
