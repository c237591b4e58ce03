//! Documents of tasks: proofs, and archives of logs. They can be large, so they come and go in parts.
//!
//! An upload is a name of its own. Its parts are stored one by one, and only the last step
//! ([`Store::finish_proof`], [`Store::finish_log_archive`]) makes it the document in force and drops
//! the one before. A reader, or a crash in between, sees the old document or the new one, never a
//! mixture. Another replica may be uploading at any time, so what came to nothing is told by its age.

use crate::database::Store;
use crate::error::{Act as _, StoreError};
use crate::sql::Sql;

/// The proof document in force.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ProofRow {
    /// Names its parts.
    pub upload: String,
    /// How many parts it has, numbered from 0.
    pub parts: i64,
    /// Size of all parts together.
    pub size_bytes: i64,
}

/// The logs that one end of a task handed in.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct LogArchiveRow {
    /// Its task.
    pub task_id: String,
    /// Whose logs: `source` or `target`.
    pub role: String,
    /// What a link to it carries.
    pub share: String,
    /// Names its parts.
    pub upload: String,
    /// How many parts it has, numbered from 0.
    pub parts: i64,
    /// Size of all parts together.
    pub size_bytes: i64,
    /// Complete at, milliseconds since 1970.
    pub create_date: i64,
    /// Kept before, milliseconds since 1970.
    pub expires_at: i64,
}

macro_rules! select_archive {
    () => {
        "SELECT task_id, role, share, upload, parts, size_bytes, create_date, expires_at \
         FROM log_archives"
    };
}

impl Store {
    /// Stores a part of an upload that is under way.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the task is gone.
    pub async fn put_document_part(
        &self,
        task_id: &str,
        upload: &str,
        part: i64,
        bytes: Vec<u8>,
        now: i64,
    ) -> Result<(), StoreError> {
        let query = sqlx::query(
            "INSERT INTO document_parts (upload, part, task_id, stored_at, bytes) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(upload.to_owned())
        .bind(part)
        .bind(task_id.to_owned())
        .bind(now)
        .bind(bytes);
        self.run("store a part of a document", query).await?;
        Ok(())
    }

    /// Puts an upload in force as the proof of a task, and drops the proof before it.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the task is gone.
    pub async fn finish_proof(&self, task_id: &str, proof: &ProofRow) -> Result<(), StoreError> {
        let (task_id, proof) = (task_id.to_owned(), proof.clone());
        self.change(move |connection| {
            Box::pin(async move {
                let mut sql = Sql::new(
                    "DELETE FROM document_parts WHERE upload IN \
                     (SELECT upload FROM proofs WHERE task_id = ",
                );
                sql.bind(&task_id)
                    .push(") AND upload <> ")
                    .bind(&proof.upload);
                sql.execute(connection, "drop the proof before").await?;
                sqlx::query(
                    "INSERT INTO proofs (task_id, upload, parts, size_bytes) \
                     VALUES ($1, $2, $3, $4) ON CONFLICT (task_id) DO UPDATE \
                     SET upload = excluded.upload, parts = excluded.parts, \
                     size_bytes = excluded.size_bytes",
                )
                .bind(task_id)
                .bind(proof.upload)
                .bind(proof.parts)
                .bind(proof.size_bytes)
                .execute(connection)
                .await
                .act("put a proof in force")?;
                Ok(())
            })
        })
        .await
    }

    /// The proof document of a task.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn proof(&self, task_id: &str) -> Result<Option<ProofRow>, StoreError> {
        let mut sql = Sql::new("SELECT upload, parts, size_bytes FROM proofs WHERE task_id = ");
        sql.bind(task_id);
        sql.optional(self.pool(), "read a proof").await
    }

    /// Puts an upload in force as the logs of one end of a task, and drops those before.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the task is gone, [`StoreError::Exists`] if the share is taken.
    pub async fn finish_log_archive(&self, archive: &LogArchiveRow) -> Result<(), StoreError> {
        let archive = archive.clone();
        self.change(move |connection| {
            Box::pin(async move {
                let mut sql = Sql::new(
                    "DELETE FROM document_parts WHERE upload IN \
                     (SELECT upload FROM log_archives WHERE task_id = ",
                );
                sql.bind(&archive.task_id)
                    .push(" AND role = ")
                    .bind(&archive.role);
                sql.push(") AND upload <> ").bind(&archive.upload);
                sql.execute(connection, "drop the logs before").await?;
                sqlx::query(
                    "INSERT INTO log_archives (task_id, role, share, upload, parts, size_bytes, \
                     create_date, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
                     ON CONFLICT (task_id, role) DO UPDATE SET share = excluded.share, \
                     upload = excluded.upload, parts = excluded.parts, \
                     size_bytes = excluded.size_bytes, create_date = excluded.create_date, \
                     expires_at = excluded.expires_at",
                )
                .bind(archive.task_id)
                .bind(archive.role)
                .bind(archive.share)
                .bind(archive.upload)
                .bind(archive.parts)
                .bind(archive.size_bytes)
                .bind(archive.create_date)
                .bind(archive.expires_at)
                .execute(connection)
                .await
                .act("put logs in force")?;
                Ok(())
            })
        })
        .await
    }

    /// The logs of a task, by role.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn log_archives(&self, task_id: &str) -> Result<Vec<LogArchiveRow>, StoreError> {
        let mut sql = Sql::new(concat!(select_archive!(), " WHERE task_id = "));
        sql.bind(task_id).push(" ORDER BY role");
        sql.all(self.pool(), "list logs").await
    }

    /// The logs that a link leads to.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn log_archive_by_share(
        &self,
        share: &str,
    ) -> Result<Option<LogArchiveRow>, StoreError> {
        let mut sql = Sql::new(concat!(select_archive!(), " WHERE share = "));
        sql.bind(share);
        sql.optional(self.pool(), "read logs").await
    }

    /// Drops all logs that are kept no longer: how many there were.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn delete_expired_log_archives(&self, now: i64) -> Result<u64, StoreError> {
        const ACT: &str = "drop old logs";
        self.change(move |connection| {
            Box::pin(async move {
                let mut sql = Sql::new(
                    "DELETE FROM document_parts WHERE upload IN \
                     (SELECT upload FROM log_archives WHERE expires_at <= ",
                );
                sql.bind(now).push(")");
                sql.execute(connection, ACT).await?;
                let mut sql = Sql::new("DELETE FROM log_archives WHERE expires_at <= ");
                sql.bind(now);
                sql.execute(connection, ACT).await
            })
        })
        .await
    }

    /// One part of an upload.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the upload was replaced meanwhile.
    pub async fn document_part(&self, upload: &str, part: i64) -> Result<Vec<u8>, StoreError> {
        const ACT: &str = "read a part of a document";
        let mut sql = Sql::new("SELECT bytes FROM document_parts WHERE upload = ");
        sql.bind(upload).push(" AND part = ").bind(part);
        let found = sql.value(self.pool(), ACT).await?;
        found.ok_or(StoreError::Changed { act: ACT })
    }

    /// Drops the parts of an upload that came to nothing.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn drop_upload(&self, upload: &str) -> Result<(), StoreError> {
        let query = sqlx::query(
            "DELETE FROM document_parts WHERE upload = $1 \
             AND NOT EXISTS (SELECT 1 FROM proofs WHERE upload = $1) \
             AND NOT EXISTS (SELECT 1 FROM log_archives WHERE upload = $1)",
        )
        .bind(upload.to_owned());
        self.run("drop an unfinished document", query).await?;
        Ok(())
    }

    /// Drops the parts of all uploads that came to nothing: those that are not in force, and that got
    /// no part since `before` (milliseconds since 1970). Says how many parts that were.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn drop_unfinished_uploads(&self, before: i64) -> Result<u64, StoreError> {
        let query = sqlx::query(
            "DELETE FROM document_parts WHERE upload IN (SELECT p.upload FROM document_parts p \
             WHERE NOT EXISTS (SELECT 1 FROM proofs WHERE proofs.upload = p.upload) \
             AND NOT EXISTS (SELECT 1 FROM log_archives WHERE log_archives.upload = p.upload) \
             GROUP BY p.upload HAVING MAX(p.stored_at) < $1)",
        )
        .bind(before);
        self.run("drop unfinished documents", query).await
    }
}
