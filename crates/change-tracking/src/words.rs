//! Taking bits out of words that somebody else sets bits in, and putting them back: the arithmetic
//! of the loan, on any words, so that it can be tested without a kernel.
//!
//! Every step is one atomic operation on one word. A bit that is set while we work is either seen
//! or stays for the next time; it is never lost.

use std::sync::atomic::{AtomicU64, Ordering};

/// A copy of what is set now. Changes nothing.
pub(crate) fn read(shared: &[AtomicU64]) -> Vec<u64> {
    shared
        .iter()
        .map(|word| word.load(Ordering::Acquire))
        .collect()
}

/// Clears exactly the bits of `marks`; what was set since they were read stays.
///
/// What follows this call in the program, the reading of the disk above all, must not move before
/// it: hence the strongest order.
pub(crate) fn clear(shared: &[AtomicU64], marks: &[u64]) {
    for (word, bits) in shared.iter().zip(marks).filter(|(_, bits)| **bits != 0) {
        word.fetch_and(!bits, Ordering::SeqCst);
    }
}

/// Sets the bits of `marks`, beside what is set already.
pub(crate) fn give_back(shared: &[AtomicU64], marks: &[u64]) {
    for (word, bits) in shared.iter().zip(marks).filter(|(_, bits)| **bits != 0) {
        word.fetch_or(*bits, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    use proptest::prelude::*;
    use rehost_linux::SharedWords;

    use super::*;

    const WORDS: usize = 2;

    /// One thing that happens to a disk or to its marks.
    #[derive(Clone, Debug)]
    enum Step {
        /// A change of a grain completes.
        Change(usize),
        Read,
        Clear,
        /// The medium is read where the loan says so, and arrives.
        Send,
        /// It does not arrive.
        Fail,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..WORDS * 64).prop_map(Step::Change),
            1 => Just(Step::Read),
            1 => Just(Step::Clear),
            1 => Just(Step::Send),
            1 => Just(Step::Fail),
        ];
        proptest::collection::vec(step, 0..200)
    }

    fn shared() -> SharedWords {
        let file = tempfile::tempfile().unwrap();
        file.set_len(4096).unwrap();
        SharedWords::map(&file, WORDS).unwrap()
    }

    fn set(words: &[AtomicU64], grain: usize) {
        words[grain / 64].fetch_or(1 << (grain % 64), Relaxed);
    }

    fn grains(words: &[u64]) -> BTreeSet<usize> {
        (0..words.len() * 64)
            .filter(|grain| words[grain / 64] & (1 << (grain % 64)) != 0)
            .collect()
    }

    proptest! {
        /// Whatever the order, a grain that the copy has in another state than the disk is marked,
        /// or it is in a loan that has not ended.
        #[test]
        fn what_differs_is_marked_or_lent(steps in steps()) {
            let words = shared();
            let mut disk = vec![0_u32; WORDS * 64];
            let mut copy = disk.clone();
            let mut loan: Option<Vec<u64>> = None;
            for step in steps {
                match step {
                    Step::Change(grain) => {
                        disk[grain] += 1;
                        set(&words, grain);
                    }
                    Step::Read if loan.is_none() => loan = Some(read(&words)),
                    Step::Clear => {
                        if let Some(marks) = &loan {
                            clear(&words, marks);
                        }
                    }
                    Step::Send => if let Some(marks) = loan.take() {
                        clear(&words, &marks);
                        for grain in grains(&marks) {
                            copy[grain] = disk[grain];
                        }
                    }
                    Step::Fail => if let Some(marks) = loan.take() {
                        give_back(&words, &marks);
                    }
                    Step::Read => {}
                }
                let lent = grains(loan.as_deref().unwrap_or_default());
                let marked = grains(&read(&words));
                for grain in 0..disk.len() {
                    prop_assert!(
                        disk[grain] == copy[grain] || marked.contains(&grain) || lent.contains(&grain),
                        "grain {grain} differs and nobody knows"
                    );
                }
            }
        }

        #[test]
        fn what_is_given_back_is_as_if_never_taken(before in any::<[u64; WORDS]>(), during in any::<[u64; WORDS]>()) {
            let words = shared();
            give_back(&words, &before);
            let marks = read(&words);
            clear(&words, &marks);
            prop_assert_eq!(read(&words), vec![0; WORDS]);
            give_back(&words, &during);
            give_back(&words, &marks);
            prop_assert_eq!(read(&words), vec![before[0] | during[0], before[1] | during[1]]);
        }
    }

    /// A thread sets bits as the kernel does, while this one takes them: each one that was set is
    /// found, during or after.
    #[test]
    fn no_bit_is_lost_between_threads() {
        const ROUNDS: usize = 20_000;
        let words = shared();
        // Each grain's number of changes, and how many of them a taker has seen.
        let changes: Vec<AtomicU64> = (0..64).map(|_| AtomicU64::new(0)).collect();
        let ended = AtomicBool::new(false);
        let mut seen = vec![0; 64];
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 0..ROUNDS {
                    let grain = round * 37 % 64;
                    changes[grain].fetch_add(1, Ordering::SeqCst);
                    set(&words, grain);
                }
                ended.store(true, Ordering::SeqCst);
            });
            loop {
                let last = ended.load(Ordering::SeqCst);
                let marks = read(&words);
                clear(&words, &marks);
                for grain in grains(&marks) {
                    seen[grain] = changes[grain].load(Ordering::SeqCst);
                }
                if last {
                    break;
                }
            }
        });
        for (grain, count) in changes.iter().enumerate() {
            assert_eq!(seen[grain], count.load(Relaxed), "grain {grain}");
        }
    }
}
