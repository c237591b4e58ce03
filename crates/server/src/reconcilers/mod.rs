//! Work that goes on by itself: idempotent, without input, periodic.
//!
//! With several replicas over one database each kind of work is done by one of them at a time: whoever
//! holds its lease. A replica that dies lets its leases run out, and another one goes on; since the
//! work has no memory of its own, nothing is lost with it.

mod clean_up;
mod unanswered;

use std::time::Duration;

use rehost_store::Notification;
use tokio::sync::watch;

use crate::app::App;
use crate::clock::now_ms;
use crate::errors::{ApiError, chain};
use crate::{identity, secret};

/// How often waiting entries of the audit log are written.
const AUDIT_PERIOD: Duration = Duration::from_millis(500);

/// A kind of periodic work.
struct Reconciler {
    /// Name of its lease.
    name: &'static str,
    period: Duration,
    run: for<'a> fn(&'a App) -> Running<'a>,
}

type Running<'a> = std::pin::Pin<Box<dyn Future<Output = Result<(), ApiError>> + Send + 'a>>;

const CLEAN_UP: Reconciler = Reconciler {
    name: "clean-up",
    period: Duration::from_secs(60),
    run: |app| Box::pin(clean_up::run(app)),
};

const UNANSWERED: Reconciler = Reconciler {
    name: "unanswered",
    period: Duration::from_secs(15),
    run: |app| Box::pin(unanswered::run(app)),
};

/// Works until `stop` becomes true.
pub(crate) async fn run(app: App, stop: watch::Receiver<bool>) {
    let holder = secret::new_id();
    tokio::join!(
        repeat(&app, &holder, CLEAN_UP, stop.clone()),
        repeat(&app, &holder, UNANSWERED, stop.clone()),
        flush_audit(&app, stop.clone()),
        pass_on_notifications(&app, stop),
    );
}

/// Does one kind of work again and again, whenever its lease is to be had.
async fn repeat(app: &App, holder: &str, work: Reconciler, mut stop: watch::Receiver<bool>) {
    // Longer than a period and what the work may take, so that a live holder keeps its lease.
    let life = work.period * 3;
    let life_ms = i64::try_from(life.as_millis()).unwrap_or(i64::MAX / 2);
    loop {
        let done = async {
            let mine = app
                .store
                .acquire_lease(work.name, holder, now_ms(), life_ms)
                .await?;
            if mine {
                (work.run)(app).await?;
            }
            Ok::<_, ApiError>(())
        };
        match tokio::time::timeout(life, done).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(work = work.name, error = %chain(&error), "will be tried again");
            }
            Err(_) => tracing::warn!(work = work.name, "took longer than its lease"),
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            () = tokio::time::sleep(work.period) => {}
        }
    }
    // Another replica need not wait for it to run out. If this fails it runs out.
    let _ = app.store.release_lease(work.name, holder).await;
}

async fn flush_audit(app: &App, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(AUDIT_PERIOD) => {}
        }
        if let Err(error) = app.audit.flush(&app.store).await {
            tracing::error!(error = %chain(&error), "entries of the audit log could not be written");
        }
    }
}

/// Wakes those who wait here for what was changed, by this replica or another one.
async fn pass_on_notifications(app: &App, mut stop: watch::Receiver<bool>) {
    let mut notifications = app.store.notifications();
    loop {
        let notification = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            notification = notifications.next() => notification,
        };
        match notification {
            Notification::Key(key) if key == identity::IDENTITY_CHANGED => app.known.forget(),
            Notification::Key(key) => app.wakeups.wake(&key),
            Notification::Everything => {
                app.known.forget();
                app.wakeups.wake_all();
            }
        }
    }
}
