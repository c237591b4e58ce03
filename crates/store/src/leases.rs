//! Work that one replica does at a time. A lease is held until its end unless it is renewed, so a
//! replica that dies holds nobody up for long. Replicas' clocks have to agree to within the length of
//! a lease; what is done under one must be harmless if two do it after all.

use crate::database::Store;
use crate::error::StoreError;

impl Store {
    /// Takes the lease `name` until `now + ttl` (milliseconds), if nobody else holds it. Whoever holds
    /// it already has it for longer. Says whether `holder` has it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: i64,
        ttl: i64,
    ) -> Result<bool, StoreError> {
        let query = sqlx::query(
            "INSERT INTO leases (name, holder, expires_at) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, \
             expires_at = excluded.expires_at \
             WHERE leases.holder = excluded.holder OR leases.expires_at <= $4",
        )
        .bind(name.to_owned())
        .bind(holder.to_owned())
        .bind(now.saturating_add(ttl))
        .bind(now);
        Ok(self.run("take a lease", query).await? == 1)
    }

    /// Holds a lease until `now + ttl` (milliseconds). Says no if it is over or somebody else's: the
    /// holder must stop what it does then.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn renew_lease(
        &self,
        name: &str,
        holder: &str,
        now: i64,
        ttl: i64,
    ) -> Result<bool, StoreError> {
        let query = sqlx::query(
            "UPDATE leases SET expires_at = $3 WHERE name = $1 AND holder = $2 AND expires_at > $4",
        )
        .bind(name.to_owned())
        .bind(holder.to_owned())
        .bind(now.saturating_add(ttl))
        .bind(now);
        Ok(self.run("renew a lease", query).await? == 1)
    }

    /// Gives a lease back; one that is not held is left alone.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn release_lease(&self, name: &str, holder: &str) -> Result<(), StoreError> {
        let query = sqlx::query("DELETE FROM leases WHERE name = $1 AND holder = $2")
            .bind(name.to_owned())
            .bind(holder.to_owned());
        self.run("give a lease back", query).await?;
        Ok(())
    }
}
