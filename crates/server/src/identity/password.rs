//! Passwords: argon2id with the parameters of the `argon2` crate (19 MiB, two passes).

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

use crate::errors::ApiError;

/// Hashing takes memory and a core; more at once would let strangers take both.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// The hash of a password, PHC form.
pub(crate) fn hash_password(password: &str) -> Result<String, ApiError> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(|source| ApiError::Internal {
            act: "hash a password",
            source: source.into(),
        })
}

/// Whether the password is the one behind the hash. Without a hash (no such user) the answer is no,
/// and takes as long, so that nobody learns names by the clock.
pub(crate) async fn verify_password(
    password: String,
    hash: Option<String>,
) -> Result<bool, ApiError> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| ApiError::Internal {
        act: "verify a password",
        source,
    };
    let _permit = AT_ONCE
        .acquire()
        .await
        .map_err(|error| failed(error.into()))?;
    tokio::task::spawn_blocking(move || match hash {
        Some(hash) => {
            let parsed = PasswordHash::new(&hash).map_err(|source| ApiError::Stored {
                what: "password hash",
                source: source.into(),
            })?;
            Ok(Argon2::default()
                .verify_password(password.as_bytes(), &parsed)
                .is_ok())
        }
        None => hash_password(&password).map(|_| false),
    })
    .await
    .map_err(|error| failed(error.into()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_behind_the_hash_is_right() {
        let hash = hash_password("right").unwrap();
        assert!(hash.starts_with("$argon2id$") && !hash.contains("right"));
        assert!(
            verify_password("right".into(), Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(!verify_password("wrong".into(), Some(hash)).await.unwrap());
        assert!(!verify_password("right".into(), None).await.unwrap());
    }
}
