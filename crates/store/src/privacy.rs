//! Who agreed to the privacy statement for a domain (SMS, CreatePrivacyAgreements).

use crate::database::Store;
use crate::error::StoreError;
use crate::sql::Sql;

/// An agreement.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct PrivacyAgreementRow {
    /// The tenant it is for.
    pub domain_id: String,
    /// Who agreed.
    pub user_id: String,
    /// Agreed at, milliseconds since 1970.
    pub agreed_at: i64,
}

impl Store {
    /// Keeps that a person agreed for a domain (at `now`, milliseconds since 1970); the first time
    /// stays.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn put_privacy_agreement(
        &self,
        domain_id: &str,
        user_id: &str,
        now: i64,
    ) -> Result<(), StoreError> {
        let query = sqlx::query(
            "INSERT INTO privacy_agreements (domain_id, user_id, agreed_at) VALUES ($1, $2, $3) \
             ON CONFLICT (domain_id) DO NOTHING",
        )
        .bind(domain_id.to_owned())
        .bind(user_id.to_owned())
        .bind(now);
        self.run("keep an agreement", query).await?;
        Ok(())
    }

    /// The agreement for a domain.
    ///
    /// # Errors
    /// [`StoreError::Statement`].
    pub async fn privacy_agreement(
        &self,
        domain_id: &str,
    ) -> Result<Option<PrivacyAgreementRow>, StoreError> {
        let mut sql = Sql::new(
            "SELECT domain_id, user_id, agreed_at FROM privacy_agreements WHERE domain_id = ",
        );
        sql.bind(domain_id);
        sql.optional(self.pool(), "read an agreement").await
    }
}
