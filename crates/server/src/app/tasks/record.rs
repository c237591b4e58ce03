//! A task with the JSON of its row opened.

use rehost_migration::disk_mapping::{PlannedVolume, VolumeFormat};
use rehost_migration::task::{Aside, Task as Rules};
use rehost_sms_api::bodies::{
    CloneServer, NetworkCheckInfoRequestBody, PostTask, SubTask, TargetServer, UpdateTaskSpeedReq,
};
use rehost_sms_api::rehost::{BootSettings, ImageFormat, TargetTaskReport};
use rehost_store::{TaskFigures, TaskRow};
use serde::{Deserialize, Serialize};

use super::boots::Ordered;
use crate::app::logs::LogCollection;
use crate::app::stored::{from_json, to_json};
use crate::errors::ApiError;

/// A task. What the rules depend on is in `rules`; the row's own columns for it are written from
/// there by [`Task::close`].
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) row: TaskRow,
    pub(crate) rules: Rules,
    pub(crate) body: Body,
    pub(crate) plan: Vec<Volume>,
    pub(crate) subtasks: Vec<SubTask>,
    pub(crate) figures: UpdateTaskSpeedReq,
    pub(crate) target_report: Option<TargetTaskReport>,
}

/// What clients said about a task.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Body {
    /// As created, with what was changed since.
    pub(crate) created: PostTask,
    /// The target as a client described it later.
    pub(crate) target: Option<TargetServer>,
    /// The clone as a client described it later.
    pub(crate) clone: Option<CloneServer>,
    /// The last network check.
    pub(crate) network: Option<NetworkCheckInfoRequestBody>,
    /// What goes on beside the copy. A task that is open has it in its `rules`.
    pub(crate) aside: Aside,
    /// The collection of logs that was asked for last.
    pub(crate) logs: Option<LogCollection>,
    /// How often in a row the speed limit was exceeded.
    pub(crate) exceedances: u32,
    /// Whether the target starts what it has received. A task that is open has it in its `rules`.
    pub(crate) boots: bool,
    /// How it is started.
    pub(crate) boot_settings: BootSettings,
    /// What is to be started, or runs.
    pub(crate) boot: Option<Ordered>,
}

impl Body {
    /// Address that the data shall go to; empty if nobody named one.
    pub(crate) fn migration_ip(&self) -> &str {
        self.created.migration_ip.as_deref().unwrap_or_default()
    }
}

/// A planned volume as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Volume {
    pub(crate) index: u32,
    pub(crate) source_disk: String,
    pub(crate) size_bytes: u64,
    pub(crate) format: ImageFormat,
    pub(crate) device: Option<String>,
}

impl From<PlannedVolume> for Volume {
    fn from(planned: PlannedVolume) -> Self {
        let (format, device) = match planned.format {
            VolumeFormat::Raw => (ImageFormat::Raw, None),
            VolumeFormat::Qcow2 => (ImageFormat::Qcow2, None),
            VolumeFormat::Device(path) => (ImageFormat::Device, Some(path)),
        };
        Self {
            index: planned.index,
            source_disk: planned.source_disk,
            size_bytes: planned.size_bytes,
            format,
            device,
        }
    }
}

impl Task {
    /// Opens a row.
    pub(crate) fn open(row: TaskRow) -> Result<Self, ApiError> {
        let damaged = |source| ApiError::Stored {
            what: "task",
            source,
        };
        let body: Body = from_json(&row.body, "task")?;
        Ok(Self {
            rules: Rules {
                state: row
                    .state
                    .parse()
                    .map_err(|error| damaged(Box::new(error)))?,
                phase: row
                    .phase
                    .parse()
                    .map_err(|error| damaged(Box::new(error)))?,
                continuous: row.continuous != 0,
                launched: row.launched != 0,
                boots: body.boots,
                aside: body.aside,
            },
            body,
            plan: from_json(&row.plan, "plan")?,
            subtasks: from_json(&row.subtasks, "list of subtasks")?,
            figures: from_json(&row.progress, "progress")?,
            target_report: from_json(&row.target_report, "report of a target")?,
            row,
        })
    }

    /// What has to be stored if nothing but subtasks and figures changed.
    pub(crate) fn close_figures(&self) -> Result<TaskFigures, ApiError> {
        Ok(TaskFigures {
            task_id: self.row.id.clone(),
            source_id: self.row.source_id.clone(),
            generation: self.row.generation,
            subtasks: to_json(&self.subtasks)?,
            progress: to_json(&self.figures)?,
        })
    }

    /// The row as it has to be stored.
    pub(crate) fn close(&self) -> Result<TaskRow, ApiError> {
        let mut row = self.row.clone();
        row.state = self.rules.state.as_str().to_owned();
        row.phase = self.rules.phase.as_str().to_owned();
        row.continuous = i64::from(self.rules.continuous);
        row.launched = i64::from(self.rules.launched);
        row.body = to_json(&Body {
            aside: self.rules.aside,
            boots: self.rules.boots,
            ..self.body.clone()
        })?;
        row.plan = to_json(&self.plan)?;
        row.subtasks = to_json(&self.subtasks)?;
        row.progress = to_json(&self.figures)?;
        row.target_report = to_json(&self.target_report)?;
        Ok(row)
    }
}
