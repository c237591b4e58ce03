//! PostgreSQL over TLS: the server is verified, and nothing goes unencrypted.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rehost_store::{Database, Notification, Store, StoreError};
use rehost_testkit::PostgresCluster;

use crate::rows::source;

/// An authority of one's own: its certificate is what `sslrootcert` names.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Certificate and key of a server with this name.
    fn certify(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_verified_and_nothing_goes_unencrypted() {
    let directory = tempfile::tempdir().unwrap();
    let keep = |name: &str, authority: &Authority| {
        let path = directory.path().join(name);
        std::fs::write(&path, authority.0.pem()).unwrap();
        path.display().to_string()
    };
    let (right, wrong) = (Authority::new(), Authority::new());
    let (right_file, wrong_file) = (keep("right.pem", &right), keep("wrong.pem", &wrong));
    let mut cluster = PostgresCluster::start().unwrap();
    let url = cluster.database().unwrap();
    let open = async |mode: &str, authority: &str| {
        let url = format!("{url}?sslmode={mode}&sslrootcert={authority}");
        Store::open(&url.parse::<Database>().unwrap()).await
    };

    let (certificate, key) = right.certify("127.0.0.1");
    cluster.demand_tls(&certificate, &key).unwrap();
    let store = open("verify-full", &right_file).await.unwrap();
    store.insert_source(&source("s1")).await.unwrap();
    let mut told = store.notifications();
    assert_eq!(told.next().await, Notification::Everything);
    let connections = "SELECT count(*), bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity \
                       USING (pid) WHERE usename = 'rehost'";
    let found = cluster.run_sql("postgres", connections).unwrap();
    let (count, all_encrypted) = found.split_once('|').unwrap();
    // One for notifications, and at least one for the rest.
    assert!(count.parse::<u32>().unwrap() >= 2, "{found}");
    assert_eq!(all_encrypted, "t");
    store.close().await;

    let refused = |opened: Result<Store, StoreError>| {
        assert!(
            matches!(opened, Err(StoreError::Connect { .. })),
            "{opened:?}"
        );
    };
    refused(open("verify-full", &wrong_file).await);
    refused(open("verify-ca", &wrong_file).await);
    refused(open("disable", &right_file).await);

    let (certificate, key) = right.certify("elsewhere.example");
    cluster.demand_tls(&certificate, &key).unwrap();
    refused(open("verify-full", &right_file).await);
    let store = open("verify-ca", &right_file).await.unwrap();
    store.close().await;
}
