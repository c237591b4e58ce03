//! Sends this receiver's logs when the assignments ask for them.

use std::collections::BTreeMap;
use std::io::Cursor;

use anyhow::Context as _;
use rehost_log_files::LogSink;
use rehost_replication::source::error_chain;
use rehost_sms_api::client::{Client, ClientError};
use rehost_sms_api::rehost::{JoinRole, TargetAssignment};

/// The requests that were served. Each is a point in time, and served once in a life of the process.
#[derive(Debug)]
pub(crate) struct LogRequests {
    logs: LogSink,
    /// The last request that was served, by its task.
    served: BTreeMap<String, i64>,
}

impl LogRequests {
    pub(crate) fn new(logs: LogSink) -> Self {
        Self {
            logs,
            served: BTreeMap::new(),
        }
    }

    /// Sends the logs for every task that asks for them anew. What fails and may pass is tried again
    /// with the next list; nobody waits for it, since the control plane takes what it gets.
    pub(crate) fn serve(&mut self, client: &Client, assigned: &[TargetAssignment]) {
        self.served
            .retain(|task_id, _| assigned.iter().any(|task| task.task_id == *task_id));
        for (task_id, requested_at) in self.open(assigned) {
            match self.send(client, &task_id) {
                Ok(()) => tracing::info!(task_id, "sent the logs"),
                Err(error) => {
                    let text = error_chain(error.as_ref());
                    tracing::warn!(task_id, error = text, "cannot send the logs");
                    let cause = error.downcast_ref::<ClientError>();
                    if cause.is_some_and(ClientError::is_temporary) {
                        continue;
                    }
                }
            }
            self.served.insert(task_id, requested_at);
        }
    }

    /// Requests that were not served yet.
    fn open(&self, assigned: &[TargetAssignment]) -> Vec<(String, i64)> {
        let wanted = assigned
            .iter()
            .filter_map(|task| Some((task.task_id.clone(), task.logs_requested_at?)));
        wanted
            .filter(|(task_id, at)| self.served.get(task_id) != Some(at))
            .collect()
    }

    fn send(&self, client: &Client, task_id: &str) -> anyhow::Result<()> {
        let mut archive = Cursor::new(self.logs.pack()?);
        client
            .upload_log_archive(task_id, JoinRole::Target, &mut archive)
            .context("send them to the control plane")
    }
}

#[cfg(test)]
mod tests {
    use rehost_sms_api::rehost::CertificateSet;

    use super::*;

    fn task(task_id: &str, logs_requested_at: Option<i64>) -> TargetAssignment {
        TargetAssignment {
            task_id: task_id.into(),
            volumes: vec![],
            certificates: CertificateSet {
                certificate: String::new(),
                private_key: String::new(),
                ca: String::new(),
                passphrase: String::new(),
            },
            committed: false,
            let_go: false,
            boot: None,
            logs_requested_at,
        }
    }

    #[test]
    fn each_request_is_served_once() {
        let mut requests = LogRequests::new(LogSink::default());
        let assigned = [task("a", Some(1)), task("b", None), task("c", Some(5))];
        let open = [("a".to_owned(), 1), ("c".to_owned(), 5)];
        assert_eq!(requests.open(&assigned), open);
        requests.served.extend(open);
        assert_eq!(requests.open(&assigned), []);
        let again = [task("a", Some(2)), task("c", Some(5))];
        assert_eq!(requests.open(&again), [("a".to_owned(), 2)]);
    }
}
