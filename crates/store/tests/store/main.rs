//! What callers rely on, on both databases: nothing is lost, nothing is done twice, of rivals one
//! wins, and no tenant sees another.
#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod audit;
mod changes;
mod documents;
mod files;
mod joining;
mod leases;
mod lists;
mod people;
mod projects;
mod replicas;
mod rows;
mod tasks;
mod tls;
mod visits;

use rehost_store::{Database, Page, Store};
use rehost_testkit::PostgresCluster;

/// All rows of a list.
const ALL: Page = Page {
    limit: 100,
    offset: 0,
};

/// A database that is gone when the test is over.
struct Place {
    database: Database,
    _file: Option<tempfile::TempDir>,
    _server: Option<PostgresCluster>,
}

impl Place {
    fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            // What means something in a URL means nothing in a name.
            database: Database::Sqlite(directory.path().join("a b?#%.db")),
            _file: Some(directory),
            _server: None,
        }
    }

    fn postgres() -> Self {
        let cluster = PostgresCluster::start().unwrap();
        Self {
            database: cluster.database().unwrap().parse().unwrap(),
            _file: None,
            _server: Some(cluster),
        }
    }

    async fn open(&self) -> Store {
        Store::open(&self.database).await.unwrap()
    }
}

/// Makes two tests of a story: one on each database. Afterwards the store must still be whole.
macro_rules! on_both {
    ($($story:ident),* $(,)?) => {$(
        mod $story {
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                run(crate::Place::sqlite()).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgresql() {
                run(crate::Place::postgres()).await;
            }

            async fn run(place: crate::Place) {
                let store = place.open().await;
                super::$story(&store).await;
                store.check().await.unwrap();
                store.close().await;
            }
        }
    )*};
}
pub(crate) use on_both;
