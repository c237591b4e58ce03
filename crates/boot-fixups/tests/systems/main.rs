//! Copied systems of several distributions, as trees of the files that matter, put right for
//! other hardware. Each is put right twice: the second time nothing may change.

mod addresses;
mod contract;
mod debian;
mod essentials;
mod hostile;
mod layouts;
mod red_hat;
mod suse;
mod tree;
