//! Settings and results that hang on a task: speed windows, options, consistency results.

use rehost_migration::speed::{self, SpeedError, Window};
use rehost_sms_api::bodies::{
    ConfigBody, ConfigurationRequestBody, ConsistencyResult, ConsistencyResultRecord, PostTask,
    SetConsistencyResultRequestBody, ShowConfigSettingResponse, ShowConsistencyResultResponse,
    ShowsSpeedLimitsResponse, SpeedLimit, SpeedLimitlJson,
};
use rehost_sms_api::errors::ErrorCode;
use rehost_store::{ConsistencyRow, OptionRow};

use super::load;
use crate::app::App;
use crate::app::stored::{from_json, to_json};
use crate::clock::now_ms;
use crate::errors::{ApiError, refuse, refuse_text};
use crate::identity::Caller;

/// Options in one request (SMS, UploadSpecialConfigurationSetting).
const MAX_OPTIONS: usize = 50;
/// Length of the value of an option.
const MAX_VALUE: usize = 1024;
/// Directories of one consistency result.
const MAX_DIRECTORIES: usize = 1000;

/// The options that SMS knows. Values are for the agent to understand.
const OPTIONS: [&str; 17] = [
    "MIGRATE_EXCLUDE_DIR",
    "SYNC_EXCLUDE_DIR",
    "ONLY_SYNC_DIR",
    "CONSISTENCY_DIR",
    "CONSISTENCY_DIR_ILLEGAL",
    "CONSISTENCY_RECHECK",
    "CONSISTENCY_MODE",
    "LINUX_BLOCK_COMPRESS_THREAD_NUM",
    "LINUX_BLOCK_CACHE_SIZE",
    "LINUX_CPU_LIMIT",
    "LINUX_MEM_LIMIT",
    "LINUX_IO_LIMIT",
    "NUM_PROCESS_MIGRATE",
    "NUM_PROCESS_SYNC",
    "MIGRATE_DST_IP",
    "DYNAMIC_PORT",
    "INSTALL_PWD_AGENT",
];

/// The speed windows of a task.
pub(crate) async fn speed_limits(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<ShowsSpeedLimitsResponse, ApiError> {
    load(app, caller, id).await?;
    let speed_limit = match app.store.speed_limits(id).await? {
        Some(windows) => from_json(&windows, "list of speed windows")?,
        None => Vec::new(),
    };
    Ok(ShowsSpeedLimitsResponse { speed_limit })
}

/// Replaces the speed windows of a task.
pub(crate) async fn set_speed_limits(
    app: &App,
    caller: &Caller,
    id: &str,
    body: &SpeedLimit,
) -> Result<(), ApiError> {
    load(app, caller, id).await?;
    let refused = |error: SpeedError| refuse_text(error.code(), error.to_string());
    let windows = body.speed_limit.iter().take(speed::MAX_WINDOWS + 1);
    let windows: Vec<_> = windows
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(refused)?;
    speed::check(&windows).map_err(refused)?;
    Ok(app
        .store
        .put_speed_limits(id, &to_json(&body.speed_limit)?)
        .await?)
}

fn read(window: &SpeedLimitlJson) -> Result<Window, SpeedError> {
    let (start, end) = (window.start.as_deref(), window.end.as_deref());
    // Some clients send 0 for a threshold that they do not have.
    let threshold = window
        .over_speed_threshold
        .filter(|percent| *percent != 0.0);
    Window::read(start, end, window.speed, threshold)
}

/// The windows of a task that say when exceeding them pauses it.
pub(super) async fn windows_with_threshold(app: &App, id: &str) -> Result<Vec<Window>, ApiError> {
    let Some(windows) = app.store.speed_limits(id).await? else {
        return Ok(Vec::new());
    };
    let windows: Vec<SpeedLimitlJson> = from_json(&windows, "list of speed windows")?;
    let with_threshold = windows.iter().filter(|window| {
        window
            .over_speed_threshold
            .is_some_and(|percent| percent > 0.0)
    });
    Ok(with_threshold
        .filter_map(|window| read(window).ok())
        .collect())
}

/// The options of a task, or one of them.
pub(crate) async fn options(
    app: &App,
    caller: &Caller,
    id: &str,
    key: Option<&str>,
) -> Result<ShowConfigSettingResponse, ApiError> {
    let task = load(app, caller, id).await?;
    let key = key.filter(|key| !key.is_empty());
    let rows = app.store.options(id, key).await?;
    Ok(ShowConfigSettingResponse {
        task_id: Some(id.to_owned()),
        migrate_type: Some(migrate_type(&task.body.created)),
        configurations: rows.into_iter().map(shown_option).collect(),
    })
}

/// System and method in one word (SMS, ShowConfigSetting).
fn migrate_type(task: &PostTask) -> String {
    let windows = task
        .os_type
        .as_deref()
        .is_some_and(|os| os.eq_ignore_ascii_case("WINDOWS"));
    let system = if windows { "WINDOWS" } else { "LINUX" };
    let method = task.r#type.as_deref().unwrap_or("MIGRATE_BLOCK");
    format!("{system}_{method}")
}

pub(super) fn shown_option(row: OptionRow) -> ConfigBody {
    ConfigBody {
        config_key: Some(row.config_key),
        config_value: Some(row.config_value),
        config_status: Some(row.config_status),
    }
}

/// Adds or replaces options of a task; a list without any takes them all away, which is how Terraform
/// says that there are none any more.
pub(crate) async fn set_options(
    app: &App,
    caller: &Caller,
    id: &str,
    body: ConfigurationRequestBody,
) -> Result<(), ApiError> {
    load(app, caller, id).await?;
    if body.configurations.len() > MAX_OPTIONS {
        return Err(refuse(
            ErrorCode::ConfigSetting,
            "There are 50 options at most.",
        ));
    }
    let rows = body
        .configurations
        .into_iter()
        .map(checked_option)
        .collect::<Result<Vec<_>, _>>()?;
    match rows.is_empty() {
        true => app.store.delete_options(id).await?,
        false => app.store.put_options(id, &rows).await?,
    }
    Ok(())
}

fn checked_option(option: ConfigBody) -> Result<OptionRow, ApiError> {
    let config_key = option.config_key.unwrap_or_default();
    if !OPTIONS.contains(&config_key.as_str()) {
        return Err(refuse(ErrorCode::ConfigSetting, "config_key is not known."));
    }
    let row = OptionRow {
        config_value: option.config_value.unwrap_or_default(),
        config_status: option.config_status.unwrap_or_default(),
        config_key,
    };
    let length = row
        .config_value
        .chars()
        .count()
        .max(row.config_status.chars().count());
    if length > MAX_VALUE {
        let detail = format!("{} is too long.", row.config_key);
        return Err(refuse(ErrorCode::ConfigSetting, detail));
    }
    Ok(row)
}

/// The results of the consistency checks of a task, newest first.
pub(crate) async fn consistency(
    app: &App,
    caller: &Caller,
    id: &str,
) -> Result<ShowConsistencyResultResponse, ApiError> {
    load(app, caller, id).await?;
    let rows = app.store.consistency_results(id).await?;
    let result_list = rows
        .into_iter()
        .map(shown_result)
        .collect::<Result<_, ApiError>>()?;
    Ok(ShowConsistencyResultResponse {
        result_list,
        task_id: Some(id.to_owned()),
    })
}

fn shown_result(row: ConsistencyRow) -> Result<ConsistencyResultRecord, ApiError> {
    let found: Vec<ConsistencyResult> = from_json(&row.result, "consistency result")?;
    Ok(ConsistencyResultRecord {
        finished_time: Some(row.finished_time),
        check_result: Some(verdict(&found).to_owned()),
        consistency_result: found,
    })
}

/// What a consistency check came to, in a word.
pub(crate) fn verdict(found: &[ConsistencyResult]) -> &'static str {
    let differs = |entry: &ConsistencyResult| {
        [
            entry.num_different_files,
            entry.num_target_miss_files,
            entry.num_target_more_files,
        ]
        .into_iter()
        .any(|number| number.unwrap_or(0) > 0)
    };
    if found.iter().any(differs) {
        "INCONSISTENT"
    } else {
        "CONSISTENT"
    }
}

/// Adds the result of a consistency check.
pub(crate) async fn add_consistency(
    app: &App,
    caller: &Caller,
    id: &str,
    body: SetConsistencyResultRequestBody,
) -> Result<(), ApiError> {
    load(app, caller, id).await?;
    if body.consistency_result.len() > MAX_DIRECTORIES {
        return Err(refuse(
            ErrorCode::Parameters,
            "There are 1000 directories at most.",
        ));
    }
    let row = ConsistencyRow {
        finished_time: now_ms(),
        result: to_json(&body.consistency_result)?,
    };
    Ok(app.store.insert_consistency_result(id, &row).await?)
}
