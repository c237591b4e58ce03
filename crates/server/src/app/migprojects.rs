//! Migration projects: source servers that belong together, and the settings they begin with (SMS,
//! migration projects). Each domain has exactly one default project, from the beginning.

use rehost_sms_api::bodies::{
    ListMigprojectsQuery, ListMigprojectsResponse, MigProject, MigprojectsResponseBody,
    PostMigProjectBody, ShowMigprojectResponse,
};
use rehost_sms_api::errors::ErrorCode;
use rehost_store::{MigprojectRow, StoreError};
use serde::{Deserialize, Serialize};

use super::list::{ONE, count, page};
use super::stored::{from_json, to_json};
use super::{App, retry};
use crate::clock::now_ms;
use crate::errors::ApiError;
use crate::identity::Caller;
use crate::secret;

/// Migration projects of one domain (SMS, limits).
const MAX_PROJECTS: i64 = 50;
/// The project that a domain has from the beginning.
const FIRST_NAME: &str = "default";

/// What a project says beside its name, with SMS's defaults.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Settings {
    description: String,
    region: String,
    start_target_server: bool,
    speed_limit: u32,
    use_public_ip: bool,
    exist_server: bool,
    r#type: String,
    enterprise_project: String,
    syncing: bool,
    start_network_check: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            description: String::new(),
            region: String::new(),
            start_target_server: true,
            speed_limit: 0,
            use_public_ip: true,
            exist_server: true,
            r#type: "MIGRATE_BLOCK".to_owned(),
            enterprise_project: "default".to_owned(),
            syncing: false,
            start_network_check: false,
        }
    }
}

impl Settings {
    /// Takes what a request names.
    fn take(&mut self, body: &MigProject) {
        fn set<T: Clone>(place: &mut T, wanted: &Option<T>) {
            if let Some(wanted) = wanted {
                place.clone_from(wanted);
            }
        }
        set(&mut self.description, &body.description);
        set(&mut self.region, &body.region);
        set(&mut self.start_target_server, &body.start_target_server);
        set(&mut self.speed_limit, &body.speed_limit);
        set(&mut self.use_public_ip, &body.use_public_ip);
        set(&mut self.exist_server, &body.exist_server);
        set(&mut self.r#type, &body.r#type);
        set(&mut self.enterprise_project, &body.enterprise_project);
        set(&mut self.syncing, &body.syncing);
        set(&mut self.start_network_check, &body.start_network_check);
    }
}

/// The first and default project of a new domain.
pub(crate) fn first(domain_id: &str, region: &str) -> Result<MigprojectRow, ApiError> {
    let settings = Settings {
        region: region.to_owned(),
        ..Settings::default()
    };
    Ok(MigprojectRow {
        id: secret::new_id(),
        domain_id: domain_id.to_owned(),
        name: FIRST_NAME.to_owned(),
        is_default: 1,
        body: to_json(&settings)?,
        create_date: now_ms(),
        generation: 1,
    })
}

/// Makes a project and answers its id. One that is made as the default takes the place of the one
/// before.
pub(crate) async fn create(
    app: &App,
    caller: &Caller,
    body: PostMigProjectBody,
) -> Result<String, ApiError> {
    let (_, projects) = app.store.migprojects(&caller.domain_id, ONE).await?;
    if projects >= MAX_PROJECTS {
        return Err(ErrorCode::TooManyProjects.into());
    }
    let is_default = i64::from(body.isdefault == Some(true));
    let name = body.name.clone().unwrap_or_default();
    let mut settings = Settings::default();
    settings.take(&changes(body));
    let row = MigprojectRow {
        id: secret::new_id(),
        domain_id: caller.domain_id.clone(),
        name,
        is_default,
        body: to_json(&settings)?,
        create_date: now_ms(),
        generation: 1,
    };
    match app.store.insert_migproject(&row).await {
        Err(StoreError::Exists { .. }) => return Err(ErrorCode::ProjectNameTaken.into()),
        done => done?,
    }
    Ok(row.id)
}

fn changes(body: PostMigProjectBody) -> MigProject {
    MigProject {
        name: body.name,
        description: body.description,
        isdefault: body.isdefault,
        region: body.region,
        start_target_server: body.start_target_server,
        speed_limit: body.speed_limit,
        use_public_ip: body.use_public_ip,
        exist_server: body.exist_server,
        r#type: body.r#type,
        enterprise_project: body.enterprise_project,
        syncing: body.syncing,
        start_network_check: body.start_network_check,
    }
}

/// Changes what a request names; the rest stays. The default flag is only ever given, never taken:
/// it moves to another project when that one gets it.
pub(crate) async fn update(
    app: &App,
    caller: &Caller,
    id: &str,
    body: &MigProject,
) -> Result<(), ApiError> {
    retry!({
        let mut row = load(app, caller, id).await?;
        let mut settings: Settings = from_json(&row.body, "migration project")?;
        settings.take(body);
        row.body = to_json(&settings)?;
        if let Some(name) = &body.name {
            row.name.clone_from(name);
        }
        match app.store.update_migproject(&row).await {
            Err(StoreError::Exists { .. }) => Err(ErrorCode::ProjectNameTaken.into()),
            done => Ok(done?),
        }
    })?;
    if body.isdefault == Some(true) {
        set_default(app, caller, id).await?;
    }
    Ok(())
}

/// Makes a project the default one.
pub(crate) async fn set_default(app: &App, caller: &Caller, id: &str) -> Result<(), ApiError> {
    retry!({
        load(app, caller, id).await?;
        Ok(app
            .store
            .set_default_migproject(&caller.domain_id, id)
            .await?)
    })
}

/// Removes a project that is not the default one and that no source server is in.
pub(crate) async fn delete(app: &App, caller: &Caller, id: &str) -> Result<(), ApiError> {
    retry!({
        let row = load(app, caller, id).await?;
        if row.is_default != 0 {
            return Err(ErrorCode::DefaultProject.into());
        }
        if app.store.sources_in_migproject(&row.domain_id, id).await? > 0 {
            return Err(ErrorCode::ProjectHasSources.into());
        }
        Ok(app.store.delete_migproject(&row).await?)
    })
}

/// Shows a project.
pub(crate) async fn show(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<ShowMigprojectResponse, ApiError> {
    let row = load(app, caller, id).await?;
    let settings: Settings = from_json(&row.body, "migration project")?;
    Ok(ShowMigprojectResponse {
        name: Some(row.name),
        description: Some(settings.description),
        isdefault: Some(row.is_default != 0),
        region: Some(settings.region),
        start_target_server: Some(settings.start_target_server),
        speed_limit: Some(settings.speed_limit),
        use_public_ip: Some(settings.use_public_ip),
        exist_server: Some(settings.exist_server),
        r#type: Some(settings.r#type),
        enterprise_project: Some(settings.enterprise_project),
        syncing: Some(settings.syncing),
        start_network_check: Some(settings.start_network_check),
    })
}

/// The id of the enterprise project that the sources of a migration project belong to.
pub(crate) fn enterprise_project(row: &MigprojectRow) -> Result<String, ApiError> {
    let settings: Settings = from_json(&row.body, "migration project")?;
    Ok(enterprise_project_id(&settings.enterprise_project))
}

/// The id of an enterprise project by what clients call it. The one that everything belongs to which
/// was put nowhere else has the name `default` and the id 0.
pub(crate) fn enterprise_project_id(name: &str) -> String {
    match name {
        "" | "default" => "0".to_owned(),
        other => other.to_owned(),
    }
}

/// The projects of the caller's domain.
pub(crate) async fn list(
    app: &App,
    caller: &Caller,
    query: &ListMigprojectsQuery,
) -> Result<ListMigprojectsResponse, ApiError> {
    let page = page(query.limit, query.offset, 50, 100)?;
    let (rows, total) = app.store.migprojects(&caller.domain_id, page).await?;
    Ok(ListMigprojectsResponse {
        count: count(total),
        migprojects: rows.into_iter().map(listed).collect::<Result<_, _>>()?,
    })
}

fn listed(row: MigprojectRow) -> Result<MigprojectsResponseBody, ApiError> {
    let settings: Settings = from_json(&row.body, "migration project")?;
    Ok(MigprojectsResponseBody {
        id: Some(row.id),
        name: Some(row.name),
        use_public_ip: Some(settings.use_public_ip),
        isdefault: Some(row.is_default != 0),
        start_target_server: Some(settings.start_target_server),
        region: Some(settings.region),
        speed_limit: Some(settings.speed_limit),
        exist_server: Some(settings.exist_server),
        description: Some(settings.description),
        r#type: Some(settings.r#type),
        enterprise_project: Some(settings.enterprise_project),
        syncing: Some(settings.syncing),
        start_network_check: Some(settings.start_network_check),
    })
}

/// A project of the caller's domain.
pub(crate) async fn load(app: &App, caller: &Caller, id: &str) -> Result<MigprojectRow, ApiError> {
    let row = app.store.migproject(id).await?;
    row.filter(|row| caller.sees(&row.domain_id))
        .ok_or_else(|| ErrorCode::ProjectUnknown.into())
}
