//! What concerns the service as a whole: consent, settings for agents, and what old clients ask before
//! they begin.

use std::collections::BTreeMap;
use std::time::Duration;

use rehost_sms_api::bodies::{
    ShowConfigResponse, ShowPrivacyAgreementsResponse, ShowSha256Response,
};
use rehost_sms_api::errors::ErrorCode;
use tokio::net::TcpStream;

use super::{App, MAX_WAIT_SECONDS, targets};
use crate::clock::now_ms;
use crate::errors::{ApiError, refuse};
use crate::identity::Caller;
use crate::secret;

/// A data port that does not answer by then is closed by somebody on the way.
const PORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether somebody of the domain accepted the privacy agreement.
pub(crate) async fn privacy(
    app: &App,
    caller: &Caller,
) -> Result<ShowPrivacyAgreementsResponse, ApiError> {
    let agreed = app.store.privacy_agreement(&caller.domain_id).await?;
    Ok(ShowPrivacyAgreementsResponse {
        flag: Some(agreed.is_some()),
    })
}

/// Notes that the domain accepts the privacy agreement. Doing so again changes nothing.
pub(crate) async fn agree(app: &App, caller: &Caller) -> Result<(), ApiError> {
    Ok(app
        .store
        .put_privacy_agreement(&caller.domain_id, caller.id(), now_ms())
        .await?)
}

/// Settings for agents (SMS, ShowConfig): the names that SMS's agents look for, and Rehost's own.
pub(crate) async fn config(app: &App, caller: &Caller) -> Result<ShowConfigResponse, ApiError> {
    let projects = app.store.projects(&caller.domain_id).await?;
    let main = projects.first().map(|project| project.name.clone());
    let settings = [
        ("mainRegion", main.unwrap_or_default()),
        // There is no object store: logs are kept by the control plane itself.
        ("obs_domain", String::new()),
        ("disktype", "image".to_owned()),
        ("max_wait_seconds", MAX_WAIT_SECONDS.to_string()),
        ("endpoint", app.endpoint.clone()),
    ];
    let region = |name: String, id: String| {
        BTreeMap::from([
            ("region_name".to_owned(), name.clone()),
            ("region_id".to_owned(), name.clone()),
            ("project_name".to_owned(), name),
            ("project_id".to_owned(), id),
        ])
    };
    Ok(ShowConfigResponse {
        config: settings
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        regions: projects
            .into_iter()
            .map(|project| region(project.name, project.id))
            .collect(),
    })
}

/// SHA-256 of a key (SMS, ShowSha256, which old agents check their own arithmetic with).
pub(crate) fn sha256(key: &str) -> ShowSha256Response {
    ShowSha256Response {
        value: Some(secret::hash(key)),
    }
}

/// Checks that data can reach a target (SMS, CheckNetAcl). SMS reads the rules of a security group;
/// here the network is known by the target in it, and its data port is really tried.
pub(crate) async fn check_network(
    app: &App,
    caller: &Caller,
    project_id: &str,
    target_id: &str,
) -> Result<(), ApiError> {
    let projects = app.store.projects(&caller.domain_id).await?;
    if !projects.iter().any(|project| project.id == project_id) {
        return Err(ErrorCode::ProjectIdUnknown.into());
    }
    let target = targets::load(app, caller, target_id).await?;
    let offered = targets::registration(&target)?;
    let (address, port) = (offered.data_address, offered.data_port);
    let tried = TcpStream::connect((address.as_str(), port));
    match tokio::time::timeout(PORT_TIMEOUT, tried).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(refuse(
            ErrorCode::PortClosed,
            format!("{address} port {port} says: {error}."),
        )),
        Err(_) => Err(refuse(
            ErrorCode::PortClosed,
            format!("{address} port {port} does not answer."),
        )),
    }
}
