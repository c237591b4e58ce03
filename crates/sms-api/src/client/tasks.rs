//! Calls about tasks.

use super::call::Call;
use super::{Client, ClientError};
use crate::bodies::{
    ConfigurationRequestBody, CreateTaskResponse, DeleteTasksReq, ListTasksQuery,
    ListTasksResponse, NetworkCheckInfoRequestBody, PostTask, PutTaskReq,
    SetConsistencyResultRequestBody, ShowCertKeyResponse, ShowConfigSettingResponse,
    ShowConsistencyResultResponse, ShowPassphraseResponse, ShowTaskResponse,
    ShowsSpeedLimitsResponse, SpeedLimit, UpdateNetworkCheckInfoResponse, UpdateTaskResponse,
    UpdateTaskSpeedReq, UpdateTaskStatusReq, UploadLogRequestBody,
};

/// A call about one task.
fn of_task(method: &'static str, task_id: &str, what: &str) -> Call {
    Call::new(method, &["v3", "tasks", task_id, what])
}

/// Each call fails with [`ClientError`]; a task that is not there is
/// [`ErrorCode::TaskUnknown`](crate::errors::ErrorCode::TaskUnknown).
impl Client {
    /// `POST /v3/tasks`
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn create_task(&self, body: &PostTask) -> Result<CreateTaskResponse, ClientError> {
        self.call(Call::new("POST", &["v3", "tasks"]).json(body))
    }

    /// `GET /v3/tasks`: one page of the tasks.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn list_tasks(&self, query: &ListTasksQuery) -> Result<ListTasksResponse, ClientError> {
        self.call(Call::new("GET", &["v3", "tasks"]).query_of(query))
    }

    /// `GET /v3/tasks/{task_id}`
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn show_task(&self, task_id: &str) -> Result<ShowTaskResponse, ClientError> {
        self.call(Call::new("GET", &["v3", "tasks", task_id]))
    }

    /// `PUT /v3/tasks/{task_id}`
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn update_task(
        &self,
        task_id: &str,
        body: &PutTaskReq,
    ) -> Result<UpdateTaskResponse, ClientError> {
        self.call(Call::new("PUT", &["v3", "tasks", task_id]).json(body))
    }

    /// `DELETE /v3/tasks/{task_id}`
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn delete_task(&self, task_id: &str) -> Result<(), ClientError> {
        self.call_for_success(Call::new("DELETE", &["v3", "tasks", task_id]))
    }

    /// `POST /v3/tasks/delete`
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn delete_tasks(&self, body: &DeleteTasksReq) -> Result<(), ClientError> {
        self.call_for_success(Call::new("POST", &["v3", "tasks", "delete"]).json(body))
    }

    /// `POST /v3/tasks/{task_id}/action`: start, stop, cutover, restart and others.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn update_task_status(
        &self,
        task_id: &str,
        body: &UpdateTaskStatusReq,
    ) -> Result<(), ClientError> {
        self.call_for_success(of_task("POST", task_id, "action").json(body))
    }

    /// `PUT /v3/tasks/{task_id}/progress`
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn update_task_speed(
        &self,
        task_id: &str,
        body: &UpdateTaskSpeedReq,
    ) -> Result<(), ClientError> {
        self.call_for_success(of_task("PUT", task_id, "progress").json(body))
    }

    /// `GET /v3/tasks/{task_id}/certkey`: certificates and keys of the data path; the CA only with
    /// `enable_ca_cert`.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn show_cert_key(
        &self,
        task_id: &str,
        enable_ca_cert: bool,
    ) -> Result<ShowCertKeyResponse, ClientError> {
        self.call(of_task("GET", task_id, "certkey").query("enable_ca_cert", enable_ca_cert))
    }

    /// `GET /v3/tasks/{task_id}/passphrase`: decrypts the keys of [`Client::show_cert_key`].
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn show_passphrase(&self, task_id: &str) -> Result<ShowPassphraseResponse, ClientError> {
        self.call(of_task("GET", task_id, "passphrase"))
    }

    /// `GET /v3/tasks/{task_id}/speed-limit`
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn shows_speed_limits(
        &self,
        task_id: &str,
    ) -> Result<ShowsSpeedLimitsResponse, ClientError> {
        self.call(of_task("GET", task_id, "speed-limit"))
    }

    /// `POST /v3/tasks/{task_id}/speed-limit`: replaces all windows.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn update_speed(&self, task_id: &str, body: &SpeedLimit) -> Result<(), ClientError> {
        self.call_for_success(of_task("POST", task_id, "speed-limit").json(body))
    }

    /// `GET /v3/tasks/{task_id}/configuration-setting`: one setting, or all.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn show_config_setting(
        &self,
        task_id: &str,
        config_key: Option<&str>,
    ) -> Result<ShowConfigSettingResponse, ClientError> {
        let call = of_task("GET", task_id, "configuration-setting");
        self.call(match config_key {
            Some(key) => call.query("config_key", key),
            None => call,
        })
    }

    /// `POST /v3/tasks/{task_id}/configuration-setting`
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn upload_special_configuration_setting(
        &self,
        task_id: &str,
        body: &ConfigurationRequestBody,
    ) -> Result<(), ClientError> {
        self.call_for_success(of_task("POST", task_id, "configuration-setting").json(body))
    }

    /// `GET /v3/tasks/{task_id}/consistency-result`
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn show_consistency_result(
        &self,
        task_id: &str,
    ) -> Result<ShowConsistencyResultResponse, ClientError> {
        self.call(of_task("GET", task_id, "consistency-result"))
    }

    /// `POST /v3/tasks/{task_id}/consistency-result`
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn update_consistency_result(
        &self,
        task_id: &str,
        body: &SetConsistencyResultRequestBody,
    ) -> Result<(), ClientError> {
        self.call_for_success(of_task("POST", task_id, "consistency-result").json(body))
    }

    /// `POST /v3/tasks/{task_id}/log`: has the logs of the task's machines collected.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn collect_log(
        &self,
        task_id: &str,
        body: &UploadLogRequestBody,
    ) -> Result<(), ClientError> {
        self.call_for_success(of_task("POST", task_id, "log").json(body))
    }

    /// `POST /v3/{task_id}/update-network-check-info` (SMS's path has no `tasks`).
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn update_network_check_info(
        &self,
        task_id: &str,
        body: &NetworkCheckInfoRequestBody,
    ) -> Result<UpdateNetworkCheckInfoResponse, ClientError> {
        self.call(Call::new("POST", &["v3", task_id, "update-network-check-info"]).json(body))
    }
}
