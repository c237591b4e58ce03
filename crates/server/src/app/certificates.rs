//! Certificates of a task's data path: minted with the task, handed out to those who need them.

use rehost_certificates::TaskCertificates;
use rehost_sms_api::bodies::{ShowCertKeyResponse, ShowPassphraseResponse};
use rehost_sms_api::errors::ErrorCode;
use rehost_sms_api::rehost::CertificateSet;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::stored::{from_json, to_json};
use super::{App, tasks};
use crate::errors::ApiError;
use crate::identity::Caller;

/// A set of certificates as it is stored. Keys are encrypted; the passphrase stands beside them.
#[derive(Serialize, Deserialize)]
struct StoredCertificates {
    ca: String,
    source_certificate: String,
    source_private_key: String,
    target_data_certificate: String,
    target_data_private_key: String,
    target_mgmt_certificate: String,
    target_mgmt_private_key: String,
    passphrase: String,
}

/// Makes the certificates of a new task, as JSON for its row. Takes some milliseconds of a core.
pub(crate) async fn mint(task_id: &str) -> Result<String, ApiError> {
    let task_id = task_id.to_owned();
    let minted = tokio::task::spawn_blocking(move || TaskCertificates::mint(&task_id))
        .await
        .map_err(|source| ApiError::Internal {
            act: "mint certificates",
            source: source.into(),
        })??;
    let text = |secret: &secrecy::SecretString| secret.expose_secret().to_owned();
    to_json(&StoredCertificates {
        source_private_key: text(&minted.source_private_key),
        target_data_private_key: text(&minted.target_data_private_key),
        target_mgmt_private_key: text(&minted.target_mgmt_private_key),
        passphrase: text(&minted.passphrase),
        ca: minted.ca,
        source_certificate: minted.source_certificate,
        target_data_certificate: minted.target_data_certificate,
        target_mgmt_certificate: minted.target_mgmt_certificate,
    })
}

/// The certificates of a task (SMS, ShowCertKey). The CA only if `with_ca`. An agent gets no keys of
/// the target: it has no use for them.
pub(crate) async fn show(
    app: &App,
    caller: &Caller,
    task_id: &str,
    with_ca: bool,
) -> Result<ShowCertKeyResponse, ApiError> {
    tasks::load(app, caller, task_id).await?;
    let set = stored(app, task_id).await?;
    let target_keys = caller.is_account();
    Ok(ShowCertKeyResponse {
        cert: Some(set.source_certificate),
        private_key: Some(set.source_private_key),
        ca: with_ca.then_some(set.ca),
        target_mgmt_cert: Some(set.target_mgmt_certificate),
        target_mgmt_private_key: target_keys.then_some(set.target_mgmt_private_key),
        target_data_cert: Some(set.target_data_certificate),
        target_data_private_key: target_keys.then_some(set.target_data_private_key),
    })
}

/// What opens the keys of a task (SMS, ShowPassphrase).
pub(crate) async fn passphrase(
    app: &App,
    caller: &Caller,
    task_id: &str,
) -> Result<ShowPassphraseResponse, ApiError> {
    tasks::load(app, caller, task_id).await?;
    let set = stored(app, task_id).await?;
    Ok(ShowPassphraseResponse {
        task_id: Some(task_id.to_owned()),
        passphrase: Some(set.passphrase),
    })
}

/// The target's end of a task's data path.
pub(crate) async fn for_target(app: &App, task_id: &str) -> Result<CertificateSet, ApiError> {
    let set = stored(app, task_id).await?;
    Ok(CertificateSet {
        certificate: set.target_data_certificate,
        private_key: set.target_data_private_key,
        ca: set.ca,
        passphrase: set.passphrase,
    })
}

async fn stored(app: &App, task_id: &str) -> Result<StoredCertificates, ApiError> {
    let text = app
        .store
        .task_certificates(task_id)
        .await?
        .ok_or(ErrorCode::TaskUnknown)?;
    from_json(&text, "set of certificates")
}
