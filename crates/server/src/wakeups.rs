//! Waking long polls: who waits for news of a source or a target, and who brings them.
//!
//! There is no queue and nothing to lose: a waiter begins to listen, then looks, and only then
//! waits. News that came before the look is seen by the look, news after it wakes. Whoever wakes
//! says only "look again".

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::futures::OwnedNotified;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

type Keys = Arc<Mutex<HashMap<String, Arc<Notify>>>>;

/// Everybody who waits.
#[derive(Debug)]
pub(crate) struct Wakeups {
    keys: Keys,
    stop: watch::Sender<bool>,
}

impl Default for Wakeups {
    fn default() -> Self {
        Self {
            keys: Keys::default(),
            stop: watch::Sender::new(false),
        }
    }
}

impl Wakeups {
    /// Begins to listen for news of `key`. To be called before looking.
    pub(crate) fn listen(&self, key: &str) -> Listener {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let news = Arc::clone(keys.entry(key.to_owned()).or_default());
        Listener {
            key: key.to_owned(),
            news,
            keys: Arc::clone(&self.keys),
            stop: self.stop.subscribe(),
        }
    }

    /// Makes everybody who waits for news of `key` look again.
    pub(crate) fn wake(&self, key: &str) {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(news) = keys.get(key) {
            news.notify_waiters();
        }
    }

    /// Makes everybody look again.
    pub(crate) fn wake_all(&self) {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        for news in keys.values() {
            news.notify_waiters();
        }
    }

    /// Ends all waiting, now and later on: the control plane is being stopped.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

/// Somebody who waits for news of one key.
#[derive(Debug)]
pub(crate) struct Listener {
    key: String,
    news: Arc<Notify>,
    keys: Keys,
    stop: watch::Receiver<bool>,
}

impl Listener {
    /// Catches news from now on. To be called before every look:
    ///
    /// ```text
    /// loop {
    ///     let news = listener.catch();
    ///     let sight = look().await;
    ///     if sight is good || !news.come_before(deadline).await { return sight }
    /// }
    /// ```
    pub(crate) fn catch(&self) -> News {
        let mut notified = Box::pin(Arc::clone(&self.news).notified_owned());
        notified.as_mut().enable();
        News {
            notified,
            stop: self.stop.clone(),
        }
    }
}

/// News that are being caught.
#[derive(Debug)]
pub(crate) struct News {
    notified: Pin<Box<OwnedNotified>>,
    stop: watch::Receiver<bool>,
}

impl News {
    /// Waits for news: true if there are any; false if `deadline` passes first, or if the control
    /// plane is being stopped.
    pub(crate) async fn come_before(mut self, deadline: Instant) -> bool {
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => false,
            () = &mut self.notified => true,
            () = tokio::time::sleep_until(deadline) => false,
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        // The map and this listener: nobody else waits, so nothing of the key needs to stay.
        if Arc::strong_count(&self.news) <= 2 {
            keys.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    #[tokio::test]
    async fn news_between_looking_and_waiting_are_not_lost() {
        let wakeups = Wakeups::default();
        let listener = wakeups.listen("a");
        let news = listener.catch();
        wakeups.wake("a");
        assert!(news.come_before(far()).await);
        let others = listener.catch();
        wakeups.wake("b");
        assert!(
            !others.come_before(Instant::now()).await,
            "those were for somebody else"
        );
    }

    #[tokio::test]
    async fn everybody_who_listens_is_woken_and_nothing_of_them_stays() {
        let wakeups = Wakeups::default();
        {
            let (one, other) = (wakeups.listen("a"), wakeups.listen("a"));
            let news = (one.catch(), other.catch());
            wakeups.wake("a");
            assert!(news.0.come_before(far()).await && news.1.come_before(far()).await);
        }
        assert!(wakeups.keys.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn stopping_ends_every_wait() {
        let wakeups = Wakeups::default();
        let listener = wakeups.listen("a");
        let waiting = tokio::spawn(listener.catch().come_before(far()));
        wakeups.stop();
        assert!(!waiting.await.unwrap());
        assert!(!wakeups.listen("b").catch().come_before(far()).await);
    }
}
