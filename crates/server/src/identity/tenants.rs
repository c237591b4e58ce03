//! Domains and projects, as clients of the small IAM name them: by id or by name.
//!
//! A domain is a tenant: everything belongs to one. A project is what SMS clients call a region; SMS
//! is a global service, so projects separate nothing, and each domain has one to begin with.

use rehost_sms_api::bodies::iam::{Named, Reference};
use rehost_store::{DomainRow, ProjectRow};

use crate::app::App;
use crate::errors::ApiError;

/// The domain that a reference means. Without one it is the domain of the control plane itself.
pub(super) async fn domain(
    app: &App,
    reference: Option<&Reference>,
) -> Result<Option<DomainRow>, ApiError> {
    let found = match reference.map(|reference| (&reference.id, &reference.name)) {
        Some((Some(id), _)) => app.store.domain(id).await?,
        Some((None, Some(name))) => app.store.domain_by_name(name).await?,
        Some((None, None)) | None => app.store.domain(&app.domain.id).await?,
    };
    Ok(found)
}

/// The project of a domain that a reference means; without a name, its first one.
pub(super) async fn project(
    app: &App,
    domain_id: &str,
    reference: &Reference,
) -> Result<Option<ProjectRow>, ApiError> {
    let projects = app.store.projects(domain_id).await?;
    Ok(projects
        .into_iter()
        .find(|project| fits(reference, project)))
}

fn fits(reference: &Reference, project: &ProjectRow) -> bool {
    match (&reference.id, &reference.name) {
        (Some(id), _) => *id == project.id,
        (None, Some(name)) => *name == project.name,
        (None, None) => true,
    }
}

/// A domain as IAM shows it inside other things.
pub(super) fn named(domain: DomainRow) -> Named {
    Named {
        id: domain.id,
        name: domain.name,
    }
}
