//! Logs of the machines of a task: asked for, taken in, and given out again by a secret address.
//!
//! ```text
//!   operator --collect--> UPLOADING --mailbox, assignments--> agent, receiver
//!                                                               |   |
//!   whoever has the address <-- one tar <-- store <-- put ------+---+
//! ```
//!
//! The agent's logs decide: when they are in and it says so, the state is UPLOADED. The receiver's
//! are added if they come.

use axum::body::{Body, Bytes};
use rehost_migration::task::{Action, Event, Logs};
use rehost_sms_api::bodies::UploadLogRequestBody;
use rehost_sms_api::errors::ErrorCode;
use rehost_sms_api::rehost::JoinRole;
use rehost_store::{LogArchiveRow, Write};
use serde::{Deserialize, Serialize};

use super::documents::{self, Limit};
use super::tasks::{Scene, Task};
use super::{App, retry, sources, tasks};
use crate::clock::now_ms;
use crate::errors::{ApiError, refuse};
use crate::http::stream;
use crate::identity::Caller;
use crate::secret;

/// Packed logs of one machine; those of ours are at most 16 MiB before they are packed.
const LIMIT: Limit = Limit {
    bytes: 64 * 1024 * 1024,
    code: ErrorCode::LogArchiveTooLarge,
};
/// How long an address is good (SMS, `log_expire`: at most this), in seconds.
const LINK_SECONDS: u32 = 64_800;
/// How long an agent may take.
const PATIENCE_MS: i64 = 10 * 60 * 1000;
/// For how long the receiver's logs are added after the agent's are in.
const TARGET_GRACE_MS: i64 = 60 * 1000;
/// Length of a name of a bucket (SMS, CollectLog).
const MAX_BUCKET: usize = 255;
/// Bytes of the random text that an address carries.
const SHARE_BYTES: usize = 32;
/// Length of a block of a tar archive; whatever is in one begins at a block.
const TAR_BLOCK_BYTES: usize = 512;

/// A collection of logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LogCollection {
    /// The bucket that the operator named. The logs are kept here, whatever it is.
    pub(crate) bucket: String,
    /// When it was asked for, milliseconds since 1970.
    pub(crate) requested_at: i64,
    /// The agent's logs, once they are in.
    pub(crate) shared: Option<SharedLogs>,
}

/// Logs that can be fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SharedLogs {
    /// Where.
    pub(crate) url: String,
    /// Since when, milliseconds since 1970.
    pub(crate) uploaded_at: i64,
    /// For how long, in seconds.
    pub(crate) lifetime_seconds: u64,
}

impl LogCollection {
    /// What the archive would be called in a bucket.
    pub(crate) fn object(&self, task_id: &str) -> String {
        format!("rehost-logs-{task_id}-{}.tar", self.requested_at)
    }

    /// Whether the agent has had all the time that it gets.
    pub(crate) fn is_overdue(&self, now: i64) -> bool {
        now.saturating_sub(self.requested_at) >= PATIENCE_MS
    }
}

/// Has the logs of a task's machines collected (SMS, CollectLog).
pub(crate) async fn collect(
    app: &App,
    caller: &Caller,
    task_id: &str,
    body: &UploadLogRequestBody,
) -> Result<(), ApiError> {
    let bucket = body
        .log_bucket
        .as_deref()
        .ok_or_else(|| refuse(ErrorCode::IncompleteBody, "It lacks log_bucket."))?;
    if bucket.chars().count() > MAX_BUCKET {
        return Err(refuse(
            ErrorCode::Parameters,
            "log_bucket has 255 characters at most.",
        ));
    }
    let target_id = retry!({
        let task = tasks::load(app, caller, task_id).await?;
        let source = app.store.source(&task.row.source_id).await?;
        let source = source.ok_or(ErrorCode::SourceUnknown)?;
        let version = sources::inventory(&source)?.agent_version;
        if version.as_deref().is_some_and(is_too_old) {
            return Err(ErrorCode::LogsNotPossible.into());
        }
        let before = source.clone();
        let now = now_ms();
        let mut scene = Scene::open(app, source, now).await?;
        let mailbox_empty = scene.source.command_name.is_none();
        let Some(task) = scene.task.as_mut().filter(|task| task.row.id == task_id) else {
            return Err(ErrorCode::TaskUnknown.into());
        };
        task.body.logs = Some(LogCollection {
            bucket: bucket.to_owned(),
            requested_at: now,
            shared: None,
        });
        scene.happens(Event::Operator(Action::CollectLog { mailbox_empty }))?;
        scene.commit(app, &before).await?;
        Ok(task_target(&scene))
    })?;
    if let Some(target_id) = target_id {
        // If this comes to nothing the receiver learns of it with its next question.
        let changes = [
            Write::TargetChanged(&target_id, None),
            Write::News(&target_id),
        ];
        app.store.write(&changes).await?;
    }
    Ok(())
}

fn task_target(scene: &Scene) -> Option<String> {
    scene.task.as_ref()?.row.target_id.clone()
}

/// SMS: an agent must be of 25.1.0 or later. Its agents count versions by the year; ours begin with 0.
fn is_too_old(version: &str) -> bool {
    let mut numbers = version
        .trim_start_matches(['v', 'V'])
        .split('.')
        .map(|number| number.parse::<u32>().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (20..25).contains(&major) || major == 25 && minor < 1
}

/// Since when the receiver's logs are wanted; absent if they are not, or not any more.
pub(crate) fn wanted_since(task: &Task, now: i64) -> Option<i64> {
    let logs = task.body.logs.as_ref()?;
    let wanted = match (task.rules.aside.logs, &logs.shared) {
        (Logs::Uploading, _) => true,
        (_, Some(shared)) => now.saturating_sub(shared.uploaded_at) < TARGET_GRACE_MS,
        _ => false,
    };
    wanted.then_some(logs.requested_at)
}

/// Takes the packed logs of one machine, and says how many bytes that are. They replace those before
/// only when they are complete.
pub(crate) async fn put(
    app: &App,
    caller: &Caller,
    task_id: &str,
    role: &str,
    body: Body,
) -> Result<u64, ApiError> {
    let role = match role {
        "source" => JoinRole::Source,
        "target" => JoinRole::Target,
        _ => {
            return Err(refuse(
                ErrorCode::Parameters,
                "Logs are those of source or target.",
            ));
        }
    };
    let task = load_for(app, caller, task_id, role).await?;
    if task.body.logs.is_none() {
        return Err(ErrorCode::LogsNotWanted.into());
    }
    let upload = secret::new_id();
    let stored = match documents::store(&app.store, task_id, &upload, body, LIMIT).await {
        Ok((parts, size_bytes)) => {
            let now = now_ms();
            let archive = LogArchiveRow {
                task_id: task_id.to_owned(),
                role: word(role).to_owned(),
                share: secret::random_hex(SHARE_BYTES),
                upload: upload.clone(),
                parts,
                size_bytes,
                create_date: now,
                expires_at: now.saturating_add(i64::from(LINK_SECONDS) * 1000),
            };
            put_in_force(app, &archive, role).await.map(|()| size_bytes)
        }
        Err(error) => Err(error),
    };
    if stored.is_err() {
        app.store.drop_upload(&upload).await?;
    }
    stored.map(|size_bytes| u64::try_from(size_bytes).unwrap_or(0))
}

/// The task, if its logs of this role are those of the caller. Whoever acts as an agent with account
/// credentials is one.
async fn load_for(
    app: &App,
    caller: &Caller,
    task_id: &str,
    role: JoinRole,
) -> Result<Task, ApiError> {
    if role == JoinRole::Source {
        return tasks::load(app, caller, task_id).await;
    }
    let target_id = caller.target()?;
    let row = app.store.task(task_id).await?;
    let row = row.filter(|row| row.target_id.as_deref() == Some(target_id));
    Task::open(row.ok_or(ErrorCode::TaskNotOfTarget)?)
}

async fn put_in_force(app: &App, archive: &LogArchiveRow, role: JoinRole) -> Result<(), ApiError> {
    app.store.finish_log_archive(archive).await?;
    if role != JoinRole::Source {
        return Ok(());
    }
    retry!({
        let row = app.store.task(&archive.task_id).await?;
        let mut task = Task::open(row.ok_or(ErrorCode::TaskUnknown)?)?;
        let logs = task.body.logs.get_or_insert_default();
        logs.shared = Some(SharedLogs {
            url: format!("{}/rehost/v1/log-archives/{}", app.endpoint, archive.share),
            uploaded_at: archive.create_date,
            lifetime_seconds: LINK_SECONDS.into(),
        });
        Ok(app
            .store
            .write(&[Write::UpdateTask(&task.close()?)])
            .await?)
    })
}

/// The logs that an address leads to, as one tar archive; whoever has the address may have them.
pub(crate) async fn get(app: &App, share: &str) -> Result<Body, ApiError> {
    let now = now_ms();
    let found = app.store.log_archive_by_share(share).await?;
    let found = found.filter(|archive| archive.expires_at > now);
    let found = found.ok_or(ErrorCode::LogArchiveAbsent)?;
    let mut archives = app.store.log_archives(&found.task_id).await?;
    archives.retain(|archive| archive.expires_at > now);
    let (to_client, body) = stream::channel();
    let store = app.store.clone();
    tokio::spawn(async move {
        for archive in &archives {
            let (header, padding) = tar_frame(archive);
            if to_client.send(Ok(header)).await.is_err()
                || !documents::send(&store, &archive.upload, archive.parts, &to_client).await
                || to_client.send(Ok(padding)).await.is_err()
            {
                return;
            }
        }
        // Whoever is gone needs no end.
        let _ = to_client
            .send(Ok(vec![0; 2 * TAR_BLOCK_BYTES].into()))
            .await;
    });
    Ok(body)
}

/// What stands before and after the content of a file in a tar archive.
fn tar_frame(archive: &LogArchiveRow) -> (Bytes, Bytes) {
    let size_bytes = u64::try_from(archive.size_bytes).unwrap_or(0);
    let mut header = tar::Header::new_gnu();
    // The names are short ones of ours.
    let _ = header.set_path(format!("{}.tar.gz", archive.role));
    header.set_size(size_bytes);
    header.set_mode(0o600);
    header.set_mtime(u64::try_from(archive.create_date / 1000).unwrap_or(0));
    header.set_cksum();
    let block = TAR_BLOCK_BYTES as u64;
    let padding = usize::try_from(size_bytes.next_multiple_of(block) - size_bytes).unwrap_or(0);
    (
        Bytes::copy_from_slice(header.as_bytes()),
        vec![0; padding].into(),
    )
}

fn word(role: JoinRole) -> &'static str {
    match role {
        JoinRole::Source => "source",
        JoinRole::Target => "target",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn only_agents_of_sms_can_be_too_old() {
        for old in ["24.9.0", "25.0.9", "v25.0", "20.1"] {
            assert!(is_too_old(old), "{old}");
        }
        for new in ["25.1.0", "25.2.0", "26.0.1", "0.1.0", "1.2", ""] {
            assert!(!is_too_old(new), "{new}");
        }
    }

    #[test]
    fn an_agent_has_ten_minutes() {
        let asked = LogCollection {
            requested_at: 1_000_000,
            ..LogCollection::default()
        };
        assert!(!asked.is_overdue(1_000_000 + 599_999));
        assert!(asked.is_overdue(1_000_000 + 600_000));
    }

    #[test]
    fn what_is_put_together_is_a_tar_archive() {
        let archive = |role: &str, size_bytes| LogArchiveRow {
            task_id: "t".into(),
            role: role.into(),
            share: String::new(),
            upload: String::new(),
            parts: 1,
            size_bytes,
            create_date: 1_700_000_000_000,
            expires_at: 0,
        };
        let files = [("source", vec![1; 700]), ("target", vec![2; 512])];
        let mut bytes = Vec::new();
        for (role, content) in &files {
            let size_bytes = i64::try_from(content.len()).unwrap();
            let (header, padding) = tar_frame(&archive(role, size_bytes));
            bytes.extend_from_slice(&header);
            bytes.extend_from_slice(content);
            bytes.extend_from_slice(&padding);
        }
        bytes.extend([0; 2 * TAR_BLOCK_BYTES]);
        let mut read = tar::Archive::new(bytes.as_slice());
        for (entry, (role, content)) in read.entries().unwrap().zip(&files) {
            let mut entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            assert_eq!(path, format!("{role}.tar.gz"));
            let mut unpacked = Vec::new();
            entry.read_to_end(&mut unpacked).unwrap();
            assert_eq!(unpacked, *content);
        }
    }
}
