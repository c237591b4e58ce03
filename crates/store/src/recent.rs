//! Rows that were read lately, kept in memory so that agents and consoles, which ask for the same
//! rows again and again, cost the database nothing.
//!
//! Only with SQLite, where this process makes every change and so knows of all of them. Replicas over
//! PostgreSQL would have to be told of each other's, and ask the database instead.
//!
//! Nothing stale can be read. Whoever changes a row says so here after the commit and before anybody
//! is answered. Whoever reads a row from the database notes before it how many changes there were
//! ([`Shards::changes`]), and the row is kept only if there was none since: then it was read after the
//! last change.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::directory::Directory;
use crate::sources::SourceRow;
use crate::tasks::TaskRow;

/// Changes of rows with one hash do not concern readers of rows with another one.
const SHARDS: usize = 64;
/// Memory for source servers, which have inventories of some kilobytes.
const SOURCE_BYTES: usize = 320 * 1024 * 1024;
/// Memory for tasks.
const TASK_BYTES: usize = 128 * 1024 * 1024;
/// Memory for speed windows.
const WINDOW_BYTES: usize = 16 * 1024 * 1024;
/// What a row takes beside its texts, about.
const ROW_BYTES: usize = 512;

/// Everything that is kept.
#[derive(Debug)]
pub(crate) struct Recent {
    /// The order of all sources, and what they are searched by.
    pub(crate) directory: Option<Directory>,
    /// Sources by their id.
    pub(crate) sources: Shards<Arc<SourceRow>>,
    /// What is known of the task of a source, by the id of the source: that there is none, too.
    pub(crate) tasks: Shards<Option<Arc<TaskRow>>>,
    /// Sources of tasks, by the id of the task; that never changes.
    pub(crate) sources_of_tasks: Shards<String>,
    /// Speed windows of tasks, by the id of the task.
    pub(crate) windows: Shards<Option<String>>,
}

impl Recent {
    /// Keeps rows, or nothing at all.
    pub(crate) fn new(keeps: bool) -> Self {
        let bytes = |bytes| if keeps { bytes } else { 0 };
        Self {
            directory: keeps.then(Directory::default),
            sources: Shards::new(bytes(SOURCE_BYTES)),
            tasks: Shards::new(bytes(TASK_BYTES)),
            sources_of_tasks: Shards::new(bytes(WINDOW_BYTES)),
            windows: Shards::new(bytes(WINDOW_BYTES)),
        }
    }

    /// Whether anything is kept.
    pub(crate) fn keeps(&self) -> bool {
        self.sources.max_bytes > 0
    }

    /// Visits of sources were written.
    pub(crate) fn visited(&self, rows: &[(String, i64)]) {
        for (id, time) in rows {
            self.sources.changed(id, |mut row| {
                let visited = Arc::make_mut(&mut row);
                visited.last_visit_time = visited.last_visit_time.max(*time);
                Some(row)
            });
        }
    }
}

/// What a change leaves of a row that was kept: the new row if the old one was its direct
/// predecessor, else nothing.
pub(crate) trait Follows: Sized {
    /// The row as it is after `self` was written over `before`.
    fn after(self, before: &Self) -> Option<Self>;
}

impl Follows for SourceRow {
    fn after(mut self, before: &Self) -> Option<Self> {
        let follows = before.generation == self.generation;
        self.generation += 1;
        // Not of the row, and written apart from it.
        self.last_visit_time = before.last_visit_time;
        follows.then_some(self)
    }
}

impl Follows for TaskRow {
    fn after(mut self, before: &Self) -> Option<Self> {
        let follows = before.generation == self.generation && before.id == self.id;
        self.generation += 1;
        // Written apart from the row.
        self.checked = before.checked;
        follows.then_some(self)
    }
}

/// Something that takes memory.
pub(crate) trait Size {
    /// How much, about.
    fn size_bytes(&self) -> usize;
}

impl Size for String {
    fn size_bytes(&self) -> usize {
        self.len() + ROW_BYTES / 4
    }
}

impl<T: Size> Size for Arc<T> {
    fn size_bytes(&self) -> usize {
        T::size_bytes(self)
    }
}

impl<T: Size> Size for Option<T> {
    fn size_bytes(&self) -> usize {
        self.as_ref().map_or(ROW_BYTES / 4, Size::size_bytes)
    }
}

impl Size for SourceRow {
    fn size_bytes(&self) -> usize {
        ROW_BYTES + self.inventory.size_bytes() + self.checks.len()
    }
}

impl Size for TaskRow {
    fn size_bytes(&self) -> usize {
        ROW_BYTES
            + self.body.len()
            + self.plan.len()
            + self.subtasks.len()
            + self.progress.len()
            + self.target_report.len()
            + self.error_json.as_ref().map_or(0, String::len)
    }
}

/// Values of one kind.
#[derive(Debug)]
pub(crate) struct Shards<T> {
    hasher: RandomState,
    shards: Vec<Mutex<Shard<T>>>,
    /// Memory for one generation of one shard.
    max_bytes: usize,
}

/// Two generations: what was asked for lately, and what was asked for before that. When the younger
/// one is full the older one is dropped, with everything that nobody asked for meanwhile.
#[derive(Debug)]
struct Shard<T> {
    young: HashMap<String, T>,
    young_bytes: usize,
    old: HashMap<String, T>,
    changes: u64,
}

impl<T> Default for Shard<T> {
    fn default() -> Self {
        Self {
            young: HashMap::new(),
            young_bytes: 0,
            old: HashMap::new(),
            changes: 0,
        }
    }
}

impl<T: Clone + Size> Shards<T> {
    fn new(bytes: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            max_bytes: bytes / SHARDS / 2,
        }
    }

    fn shard(&self, key: &str) -> Option<MutexGuard<'_, Shard<T>>> {
        // The remainder of any number fits.
        let at = usize::try_from(self.hasher.hash_one(key) % SHARDS as u64).ok()?;
        let shard = self.shards.get(at).filter(|_| self.max_bytes > 0)?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The value of a key, if it is kept.
    pub(crate) fn get(&self, key: &str) -> Option<T> {
        let mut shard = self.shard(key)?;
        if let Some(value) = shard.young.get(key) {
            return Some(value.clone());
        }
        let (key, value) = shard.old.remove_entry(key)?;
        let found = value.clone();
        shard.put(key, value, self.max_bytes);
        Some(found)
    }

    /// How many changes there were, to be asked before the database.
    pub(crate) fn changes(&self, key: &str) -> u64 {
        self.shard(key).map_or(0, |shard| shard.changes)
    }

    /// Keeps what the database said, unless there was a change since `changes`.
    pub(crate) fn keep(&self, key: &str, value: impl FnOnce() -> T, changes: u64) {
        if let Some(mut shard) = self.shard(key)
            && shard.changes == changes
        {
            shard.remove(key);
            shard.put(key.to_owned(), value(), self.max_bytes);
        }
    }

    /// Notes a change; what was kept is changed likewise, or forgotten.
    pub(crate) fn changed(&self, key: &str, change: impl FnOnce(T) -> Option<T>) {
        let Some(mut shard) = self.shard(key) else {
            return;
        };
        shard.changes += 1;
        if let Some(value) = shard.remove(key).and_then(change) {
            shard.put(key.to_owned(), value, self.max_bytes);
        }
    }

    /// Notes a change and forgets what was kept.
    pub(crate) fn forget(&self, key: &str) {
        self.changed(key, |_| None);
    }
}

impl<T: Size> Shard<T> {
    fn remove(&mut self, key: &str) -> Option<T> {
        if let Some(value) = self.young.remove(key) {
            self.young_bytes = self.young_bytes.saturating_sub(value.size_bytes());
            return Some(value);
        }
        self.old.remove(key)
    }

    fn put(&mut self, key: String, value: T, max_bytes: usize) {
        self.young_bytes += value.size_bytes();
        self.young.insert(key, value);
        if self.young_bytes > max_bytes {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_a_change_is_not_kept_after_it() {
        let shards = Shards::new(1 << 20);
        let before = shards.changes("a");
        shards.forget("a");
        shards.keep("a", || "stale".to_owned(), before);
        assert_eq!(shards.get("a"), None);
        shards.keep("a", || "fresh".to_owned(), shards.changes("a"));
        assert_eq!(shards.get("a").as_deref(), Some("fresh"));
        shards.changed("a", |text| Some(text + "er"));
        assert_eq!(shards.get("a").as_deref(), Some("fresher"));
    }

    #[test]
    fn memory_is_bounded_and_what_is_asked_for_stays() {
        let shards = Shards::new(SHARDS * 16 * 1024);
        shards.keep("asked", || "for".to_owned(), 0);
        for number in 0..100_000 {
            shards.keep(&number.to_string(), || "x".to_owned(), 0);
            assert_eq!(shards.get("asked").as_deref(), Some("for"));
        }
        let kept = (0..100_000).filter(|number| shards.get(&number.to_string()).is_some());
        let kept = kept.count();
        assert!(
            kept > 0 && kept * (ROW_BYTES / 4) <= SHARDS * 16 * 1024,
            "{kept}"
        );
    }

    #[test]
    fn without_memory_nothing_is_kept() {
        let shards = Shards::new(0);
        shards.keep("a", || "x".to_owned(), shards.changes("a"));
        assert_eq!(shards.get("a"), None);
    }
}
