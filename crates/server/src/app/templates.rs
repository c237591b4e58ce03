//! Server templates: what a target server that is yet to be made shall look like (SMS, templates).

use rehost_migration::source::SourceState;
use rehost_sms_api::bodies::{
    ListTemplatesQuery, ListTemplatesResponse, ShowTargetPasswordResponse, ShowTemplateResponse,
    TemplateRequest, TemplateResponseBody,
};
use rehost_sms_api::errors::ErrorCode;
use rehost_store::{StoreError, TemplateFilter, TemplateRow};

use super::list::{ONE, batch, count, given, page};
use super::stored::{from_json, to_json};
use super::{App, retry, sources, tasks};
use crate::clock::now_ms;
use crate::errors::ApiError;
use crate::identity::Caller;
use crate::secret;

/// Templates of one domain (SMS, limits).
const MAX_TEMPLATES: i64 = 50;

/// Makes a template and answers its id.
pub(crate) async fn create(
    app: &App,
    caller: &Caller,
    template: TemplateRequest,
) -> Result<String, ApiError> {
    let (_, templates) = app
        .store
        .templates(&TemplateFilter::of(&caller.domain_id), ONE)
        .await?;
    if templates >= MAX_TEMPLATES {
        return Err(ErrorCode::TooManyTemplates.into());
    }
    let mut row = TemplateRow {
        id: secret::new_id(),
        domain_id: caller.domain_id.clone(),
        name: String::new(),
        region: String::new(),
        availability_zone: String::new(),
        is_template: 0,
        body: String::new(),
        target_password: None,
        create_date: now_ms(),
        generation: 1,
    };
    put(&mut row, template)?;
    match app.store.insert_template(&row).await {
        Err(StoreError::Exists { .. }) => Err(ErrorCode::TemplateNameTaken.into()),
        done => done.map(|()| row.id).map_err(Into::into),
    }
}

/// Changes what a request names; the rest stays.
pub(crate) async fn update(
    app: &App,
    caller: &Caller,
    id: &str,
    changes: &TemplateRequest,
) -> Result<(), ApiError> {
    retry!({
        let mut row = load(app, caller, id).await?;
        let merged = merge(opened(&row)?, changes.clone());
        put(&mut row, merged)?;
        match app.store.update_template(&row).await {
            Err(StoreError::Exists { .. }) => Err(ErrorCode::TemplateNameTaken.into()),
            done => Ok(done?),
        }
    })
}

/// Removes templates, one after the other; one that a task refers to ends it.
pub(crate) async fn delete(app: &App, caller: &Caller, ids: &[String]) -> Result<(), ApiError> {
    for id in batch(ids)? {
        retry!({
            let row = load(app, caller, id).await?;
            if app.store.is_template_in_use(id).await? {
                return Err(ErrorCode::TemplateInUse.into());
            }
            Ok(app.store.delete_template(&row).await?)
        })?;
    }
    Ok(())
}

/// Shows a template. Its password is never among what is shown.
pub(crate) async fn show(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<ShowTemplateResponse, ApiError> {
    let row = load(app, caller, id).await?;
    Ok(ShowTemplateResponse {
        template: Some(shown(row)?),
    })
}

/// Templates that fit.
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    query: ListTemplatesQuery,
) -> Result<ListTemplatesResponse, ApiError> {
    let page = page(query.limit, query.offset, 50, 100)?;
    let filter = TemplateFilter {
        name: given(query.name),
        availability_zone: given(query.availability_zone),
        region: given(query.region),
        id: given(query.id),
        ..TemplateFilter::of(&caller.domain_id)
    };
    let (rows, total) = app.store.templates(&filter, page).await?;
    Ok(ListTemplatesResponse {
        count: count(total),
        templates: rows.into_iter().map(shown).collect::<Result<_, _>>()?,
    })
}

/// The password of the target server that a task makes from a template. SMS gives it out only while
/// that task replicates or synchronises, which is when its agent needs it.
pub(crate) async fn target_password(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<ShowTargetPasswordResponse, ApiError> {
    let row = load(app, caller, id).await?;
    if !is_being_made(app, caller, id).await? {
        return Err(ErrorCode::PasswordNotReadable.into());
    }
    Ok(ShowTargetPasswordResponse {
        template_id: Some(row.id),
        target_password: Some(row.target_password.unwrap_or_default()),
    })
}

/// Whether a task of the caller's copies to a server of this template right now.
async fn is_being_made(app: &App, caller: &Caller, template_id: &str) -> Result<bool, ApiError> {
    for task in app.store.tasks_of_template(template_id).await? {
        let Ok(task) = tasks::load(app, caller, &task.id).await else {
            continue;
        };
        let source = app.store.source(&task.row.source_id).await?;
        let source = source.ok_or(ErrorCode::SourceUnknown)?;
        let (state, _) = sources::words(&source)?;
        if matches!(state, SourceState::Replicate | SourceState::Syncing) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A template of the caller's domain; an agent sees those that its own task is made from.
pub(crate) async fn load(app: &App, caller: &Caller, id: &str) -> Result<TemplateRow, ApiError> {
    let row = app.store.template(id).await?;
    let row = row
        .filter(|row| caller.sees(&row.domain_id))
        .ok_or(ErrorCode::TemplateUnknown)?;
    if caller.is_account() {
        return Ok(row);
    }
    for task in app.store.tasks_of_template(id).await? {
        if tasks::load(app, caller, &task.id).await.is_ok() {
            return Ok(row);
        }
    }
    Err(ErrorCode::TemplateUnknown.into())
}

fn opened(row: &TemplateRow) -> Result<TemplateRequest, ApiError> {
    from_json(&row.body, "template")
}

/// Writes a template into its row: what lists filter by, the password, and the rest.
fn put(row: &mut TemplateRow, mut template: TemplateRequest) -> Result<(), ApiError> {
    if let Some(password) = template.target_password.take() {
        row.target_password = Some(password);
    }
    row.name = template.name.clone().unwrap_or_default();
    row.region = template.region.clone().unwrap_or_default();
    row.availability_zone = template.availability_zone.clone().unwrap_or_default();
    row.is_template = i64::from(template.is_template.unwrap_or(false));
    row.body = to_json(&template)?;
    Ok(())
}

fn merge(old: TemplateRequest, new: TemplateRequest) -> TemplateRequest {
    TemplateRequest {
        name: new.name.or(old.name),
        is_template: new.is_template.or(old.is_template),
        region: new.region.or(old.region),
        projectid: new.projectid.or(old.projectid),
        target_server_name: new.target_server_name.or(old.target_server_name),
        availability_zone: new.availability_zone.or(old.availability_zone),
        volumetype: new.volumetype.or(old.volumetype),
        flavor: new.flavor.or(old.flavor),
        vpc: new.vpc.or(old.vpc),
        nics: new.nics.or(old.nics),
        security_groups: new.security_groups.or(old.security_groups),
        publicip: new.publicip.or(old.publicip),
        disk: new.disk.or(old.disk),
        data_volume_type: new.data_volume_type.or(old.data_volume_type),
        target_password: new.target_password,
        image_id: new.image_id.or(old.image_id),
    }
}

fn shown(row: TemplateRow) -> Result<TemplateResponseBody, ApiError> {
    let template = opened(&row)?;
    Ok(TemplateResponseBody {
        id: Some(row.id),
        name: row.name,
        is_template: Some((row.is_template != 0).to_string()),
        region: row.region,
        projectid: template.projectid.unwrap_or_default(),
        target_server_name: template.target_server_name.unwrap_or_default(),
        availability_zone: row.availability_zone,
        volumetype: template.volumetype.unwrap_or_default(),
        flavor: template.flavor.unwrap_or_default(),
        vpc: template.vpc,
        nics: template.nics.unwrap_or_default(),
        security_groups: template.security_groups.unwrap_or_default(),
        publicip: template.publicip,
        disk: template.disk.unwrap_or_default(),
        data_volume_type: template.data_volume_type.unwrap_or_default(),
        target_password: String::new(),
        image_id: template.image_id,
    })
}
