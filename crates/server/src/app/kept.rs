//! What follows from a row alone and is dear to work out, kept for as long as the row is what it was.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Values by the ids of their rows. Two generations: what was asked for lately, and what was asked for
/// before that. When the younger one is full the older one is dropped, with everything that nobody asked
/// for meanwhile.
#[derive(Debug)]
pub(crate) struct Kept<V> {
    generations: Mutex<Generations<V>>,
    max_entries: usize,
}

type Values<V> = HashMap<String, (i64, V)>;

#[derive(Debug)]
struct Generations<V> {
    young: Values<V>,
    old: Values<V>,
}

impl<V: Clone> Kept<V> {
    /// Keeps so many values in each generation.
    pub(crate) fn new(max_entries: usize) -> Self {
        Self {
            generations: Mutex::new(Generations {
                young: HashMap::new(),
                old: HashMap::new(),
            }),
            max_entries,
        }
    }

    /// The value of a row at a version of it: the one that is kept, or a new one.
    pub(crate) fn get_or<E>(
        &self,
        id: &str,
        version: i64,
        make: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E> {
        if let Some(known) = self.get(id, version) {
            return Ok(known);
        }
        let value = make()?;
        self.put(id.to_owned(), version, value.clone());
        Ok(value)
    }

    fn get(&self, id: &str, version: i64) -> Option<V> {
        let mut kept = self
            .generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some((known, value)) = kept.young.get(id) {
            return (*known == version).then(|| value.clone());
        }
        let (id, (known, value)) = kept.old.remove_entry(id)?;
        if known != version {
            return None;
        }
        kept.put(id, (known, value.clone()), self.max_entries);
        Some(value)
    }

    /// Keeps a value.
    pub(crate) fn put(&self, id: String, version: i64, value: V) {
        let mut kept = self
            .generations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        kept.put(id, (version, value), self.max_entries);
    }
}

impl<V> Generations<V> {
    fn put(&mut self, id: String, value: (i64, V), max_entries: usize) {
        if self.young.len() >= max_entries {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(kept: &Kept<i64>, id: &str, version: i64, makes: i64) -> i64 {
        kept.get_or(id, version, || Ok::<_, ()>(makes))
            .unwrap_or(-1)
    }

    #[test]
    fn a_value_is_kept_for_as_long_as_its_row_is_the_same() {
        let kept = Kept::new(2);
        assert_eq!(get(&kept, "a", 1, 10), 10);
        assert_eq!(get(&kept, "a", 1, 11), 10);
        assert_eq!(get(&kept, "a", 2, 12), 12);
        assert_eq!(get(&kept, "a", 1, 13), 13);
    }

    #[test]
    fn what_nobody_asks_for_is_dropped() {
        let kept = Kept::new(2);
        for round in 0..10 {
            assert_eq!(get(&kept, "asked for", 1, round), 0);
            get(&kept, &round.to_string(), 1, round);
        }
        assert_eq!(get(&kept, "0", 1, 99), 99);
    }
}
