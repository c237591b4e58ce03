//! What the fuzz targets have in common.
//!
//! ```text
//!   bases/TARGET/NAME/N.img   disks as tools make them          input: a few patches over them
//!              '------------------------> medium <------------------------'
//!                                            |  map_disks
//!                                            '--> check: what every map must fulfil
//! ```
//!
//! An input is not an image but what makes one out of a base, so that it stays small and a disk of
//! 300 MB can be had. [`mutate`] patches what the readers were seen to read. Readers built for fuzzing
//! take every checksum for right (`cfg(fuzzing)`), or no patch would get past the first of them.

mod base;
mod check;
mod input;
mod medium;
mod mutate;

use std::sync::OnceLock;

pub use libfuzzer_sys;

use rehost_used_blocks::{Medium, map_disks};

pub use mutate::mutate;

/// More memory than any map may take, in bytes; the fuzzer's own is not counted. An allocation beyond
/// it fails, which ends the process and so is found.
const MEMORY_LIMIT_BYTES: usize = 512 << 20;

#[global_allocator]
static ALLOCATOR: cap::Cap<std::alloc::System> =
    cap::Cap::new(std::alloc::System, MEMORY_LIMIT_BYTES);

static BASES: OnceLock<Vec<base::Base>> = OnceLock::new();

/// The bases of the one target that a process runs.
fn bases(target: &str) -> &'static [base::Base] {
    BASES.get_or_init(|| base::load(target))
}

/// Maps the disks that an input describes, and checks the maps.
///
/// # Panics
/// If a map is not what it must be, which is what a fuzzer looks for.
pub fn map_and_check(target: &str, data: &[u8]) {
    let disks = input::disks(bases(target), data);
    let media: Vec<&dyn Medium> = disks.iter().map(|disk| disk as &dyn Medium).collect();
    let maps = map_disks(&media);
    check::check(&media, &maps);
    if input::is_a_base(data) {
        check::is_understood(&media, &maps);
    }
    mutate::remember(&disks);
}

/// A fuzz target for the disks of one folder of `bases`.
#[macro_export]
macro_rules! disk_target {
    ($target:literal) => {
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::map_and_check($target, data));
        $crate::libfuzzer_sys::fuzz_mutator!(|data: &mut [u8],
                                              size: usize,
                                              max_size: usize,
                                              seed: u32| {
            $crate::mutate($target, data, size, max_size, seed)
        });
    };
}
