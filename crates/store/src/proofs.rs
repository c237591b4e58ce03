//! Proof documents. They can be large, so they come and go in parts.
//!
//! An upload is a name of its own. Its parts are stored one by one, and only the last step,
//! [`Store::finish_proof`], makes it the proof in force and drops the one before. A reader, or a
//! crash in between, sees the old document or the new one, never a mixture.

use crate::database::Store;
use crate::error::{Act as _, StoreError};

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

impl Store {
    /// Stores a part of an upload that is under way.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the task is gone.
    pub async fn put_proof_part(
        &self,
        task_id: &str,
        upload: &str,
        part: i64,
        bytes: Vec<u8>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO proof_parts (task_id, upload, part, bytes) VALUES ($1, $2, $3, $4)",
        )
        .bind(task_id.to_owned())
        .bind(upload.to_owned())
        .bind(part)
        .bind(bytes)
        .execute(&self.pool)
        .await
        .act("store a part of a proof")?;
        Ok(())
    }

    /// Puts an upload in force, and drops the proof before it.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the task is gone.
    pub async fn finish_proof(&self, task_id: &str, proof: &ProofRow) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.act("begin a change")?;
        sqlx::query(
            "INSERT INTO proofs (task_id, upload, parts, size_bytes) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (task_id) DO UPDATE SET upload = excluded.upload, \
             parts = excluded.parts, size_bytes = excluded.size_bytes",
        )
        .bind(task_id.to_owned())
        .bind(proof.upload.clone())
        .bind(proof.parts)
        .bind(proof.size_bytes)
        .execute(&mut *transaction)
        .await
        .act("put a proof in force")?;
        sqlx::query("DELETE FROM proof_parts WHERE task_id = $1 AND upload <> $2")
            .bind(task_id.to_owned())
            .bind(proof.upload.clone())
            .execute(&mut *transaction)
            .await
            .act("drop the proof before")?;
        transaction.commit().await.act("commit a change")
    }

    /// Drops the parts of an upload that came to nothing.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn drop_proof_upload(&self, upload: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM proof_parts WHERE upload = $1")
            .bind(upload.to_owned())
            .execute(&self.pool)
            .await
            .act("drop an unfinished proof")?;
        Ok(())
    }

    /// Drops the parts of all uploads that came to nothing. To be called before any is begun.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn drop_unfinished_proofs(&self) -> Result<(), StoreError> {
        sqlx::query(
            "DELETE FROM proof_parts WHERE NOT EXISTS (SELECT 1 FROM proofs \
             WHERE proofs.task_id = proof_parts.task_id AND proofs.upload = proof_parts.upload)",
        )
        .execute(&self.pool)
        .await
        .act("drop unfinished proofs")?;
        Ok(())
    }

    /// The proof document of a task.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn proof(&self, task_id: &str) -> Result<Option<ProofRow>, StoreError> {
        sqlx::query_as("SELECT upload, parts, size_bytes FROM proofs WHERE task_id = $1")
            .bind(task_id.to_owned())
            .fetch_optional(&self.pool)
            .await
            .act("read a proof")
    }

    /// One part of an upload.
    ///
    /// # Errors
    /// [`StoreError::Changed`] if the upload was replaced meanwhile.
    pub async fn proof_part(&self, upload: &str, part: i64) -> Result<Vec<u8>, StoreError> {
        sqlx::query_scalar("SELECT bytes FROM proof_parts WHERE upload = $1 AND part = $2")
            .bind(upload.to_owned())
            .bind(part)
            .fetch_optional(&self.pool)
            .await
            .act("read a part of a proof")?
            .ok_or(StoreError::Changed {
                act: "read a part of a proof",
            })
    }
}
