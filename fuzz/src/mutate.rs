//! How inputs are changed: by patching what readers read, with what is likely to be taken for a number.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use libfuzzer_sys::fuzzer_mutate;

use crate::base::BLOCK_BYTES;
use crate::input::{self, HEADER_BYTES, encode, patches};
use crate::medium::Patched;

/// Places that were ever read: disk, offset, length.
static PLACES: Mutex<Option<Places>> = Mutex::new(None);
/// Most places that are known at a time.
const MAX_PLACES: usize = 16 << 10;

#[derive(Debug, Default)]
struct Places {
    all: Vec<(u8, u64, usize)>,
    known: HashSet<(u8, u64, usize)>,
}

/// Notes what was read of disks, so that it is patched some time.
pub(crate) fn remember(disks: &[Patched]) {
    let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    let places = places.get_or_insert_default();
    if places.all.len() > MAX_PLACES {
        *places = Places::default();
    }
    for (number, disk) in (0..).zip(disks) {
        for (offset, length) in disk.noted() {
            if places.known.insert((number, offset, length)) {
                places.all.push((number, offset, length));
            }
        }
    }
}

/// Changes the first `size` bytes of `data` into another input of at most `max_size` bytes, whose
/// length is returned. The same seed makes the same change.
pub fn mutate(target: &str, data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let mut dice = Dice(u64::from(seed) << 1 | 1);
    let mut changed = data[..size].to_vec();
    changed.resize(size.max(HEADER_BYTES), 0);
    match dice.below(16) {
        0 | 1 => return fuzzer_mutate(data, size, max_size),
        2 => changed[0] = dice.next() as u8,
        3 => changed[1] = dice.next() as u8,
        4 => {
            let all: Vec<_> = patches(&changed).map(|patch| patch.within).collect();
            if let Some(one) = dice.choose(&all) {
                changed.drain(one.clone());
            }
        }
        _ => {
            // Several at once: structures that must agree are changed together.
            for _ in 0..=dice.below(3) {
                let disks = input::disks(crate::bases(target), &changed);
                changed.extend(patch(&disks, &mut dice));
            }
        }
    }
    while changed.len() > max_size {
        let Some(oldest) = patches(&changed).next().map(|patch| patch.within) else {
            changed.truncate(max_size);
            break;
        };
        changed.drain(oldest);
    }
    data[..changed.len()].copy_from_slice(&changed);
    changed.len()
}

/// A new patch over disks.
fn patch(disks: &[Patched], dice: &mut Dice) -> Vec<u8> {
    let (disk, at) = place(disks, dice);
    let medium = &disks[usize::from(disk) % disks.len()];
    let mut now = [0; 8];
    medium.peek(&mut now, at);
    let width = 1 << dice.below(4);
    let is_big_endian = dice.below(2) == 0;
    let number = if is_big_endian {
        u64::from_be_bytes(now) >> (64 - 8 * width)
    } else {
        u64::from_le_bytes(now)
    };
    let bits = 8 * width as u64;
    let number = match dice.below(8) {
        0 => number ^ 1 << dice.below(bits),
        1 => number.wrapping_add(dice.below(16)),
        2 => number.wrapping_sub(dice.below(16)),
        3 => number << dice.below(8),
        4 => 1 << dice.below(bits),
        5 => (1 << dice.below(bits)) - 1,
        6 => u64::MAX - dice.below(4),
        _ => dice.next(),
    };
    match dice.below(12) {
        0 => {
            let (disk_from, from) = place(disks, dice);
            let mut bytes = vec![0; 1 + dice.below(255) as usize];
            disks[usize::from(disk_from) % disks.len()].peek(&mut bytes, from);
            encode(disk, at, &bytes)
        }
        1 => {
            let byte = *dice.choose(&[0, 0xff, 0xaa, 0x55, 1]).unwrap_or(&0);
            encode(disk, at, &vec![byte; 1 + dice.below(255) as usize])
        }
        2 if dice.below(8) == 0 => encode(disk, at, &[]),
        _ if is_big_endian => {
            let shifted = number << (64 - 8 * width);
            encode(disk, at, &shifted.to_be_bytes()[..width])
        }
        _ => encode(disk, at, &number.to_le_bytes()[..width]),
    }
}

/// Where to patch: mostly where something is read that is not zero, mostly aligned.
fn place(disks: &[Patched], dice: &mut Dice) -> (u8, u64) {
    let places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
    let known = places.as_ref().map_or(&[][..], |places| &places.all);
    let mut found = (0, 0);
    for _ in 0..16 {
        let Some((disk, offset, length)) = dice.choose(known).copied() else {
            break;
        };
        let reach = match dice.below(4) {
            0 => length,
            _ => length.min(BLOCK_BYTES),
        };
        let at = offset + dice.below(reach.max(1) as u64);
        found = (disk, at & !((1 << dice.below(4)) - 1));
        let mut byte = [0];
        disks[usize::from(disk) % disks.len()].peek(&mut byte, found.1);
        if byte != [0] || dice.below(16) == 0 {
            break;
        }
    }
    found
}

/// Numbers that look random: xorshift64*.
#[derive(Debug)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 3
    }

    /// From 0 up to, not including, `end`, which is not 0.
    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn choose<'t, T>(&mut self, from: &'t [T]) -> Option<&'t T> {
        match from.len() {
            0 => None,
            count => from.get(self.below(count as u64) as usize),
        }
    }
}
