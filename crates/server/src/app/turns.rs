//! Taking turns: whoever decides by what others are about to change waits until they have.
//!
//! The database keeps rivals from undoing each other's work, and the one that loses decides again. With
//! a hundred of them at once the last one would lose a hundred times; here they come one after the
//! other. Rivals at other replicas are few, and left to the database.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// The turns of every key that anybody waits for.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<String, Weak<Turn<()>>>>);

impl Turns {
    /// Waits for one's turn, first come, first served. It lasts as long as what is answered.
    pub(crate) async fn take(&self, key: &str) -> OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let known = turns.get(key).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let turn = Arc::new(Turn::new(()));
                turns.insert(key.to_owned(), Arc::downgrade(&turn));
                turn
            })
        };
        turn.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_comes_after_the_other_and_nothing_of_them_stays() {
        let turns = Arc::new(Turns::default());
        let first = turns.take("a").await;
        let waiting = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { turns.take("a").await }
        });
        let other = turns.take("b").await;
        assert!(!waiting.is_finished());
        drop(first);
        drop(waiting.await.unwrap());
        drop(other);
        drop(turns.take("c").await);
        drop(turns.take("d").await);
        assert_eq!(turns.0.lock().unwrap().len(), 1);
    }
}
