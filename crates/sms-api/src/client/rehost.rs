//! Calls of the routes beside the public contract.

use std::io::{Read, Seek, Write};

use super::call::Call;
use super::{Client, ClientError};
use crate::rehost::{
    Boot, BootList, BootReport, BootSettings, CopyPlan, JoinRequest, JoinResponse, JoinRole,
    JoinTokenRequest, JoinTokenResponse, MigrationReport, OrderedBoot, SourceAssignment,
    TargetAssignments, TargetList, TargetRegistration, TargetTaskReport,
};

/// A call below `/rehost/v1`.
fn of_rehost(method: &'static str, segments: &[&str]) -> Call {
    let mut all = vec!["rehost", "v1"];
    all.extend(segments);
    Call::new(method, &all)
}

impl Client {
    /// `GET /healthz`: succeeds if the control plane serves.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn health(&self) -> Result<(), ClientError> {
        self.call_for_success(Call::new("GET", &["healthz"]))
    }

    /// `POST /rehost/v1/join-tokens`: makes a one-time token.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn create_join_token(
        &self,
        body: &JoinTokenRequest,
    ) -> Result<JoinTokenResponse, ClientError> {
        self.call(of_rehost("POST", &["join-tokens"]).json(body))
    }

    /// `POST /rehost/v1/join`: uses a one-time token.
    ///
    /// # Errors
    /// [`ClientError`]; `REHOST.1001` to `REHOST.1005` say what is wrong with the token or request.
    pub fn join(&self, body: &JoinRequest) -> Result<JoinResponse, ClientError> {
        self.call(of_rehost("POST", &["join"]).json(body))
    }

    /// `GET /rehost/v1/targets`
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn list_targets(&self) -> Result<TargetList, ClientError> {
        self.call(of_rehost("GET", &["targets"]))
    }

    /// `DELETE /rehost/v1/targets/{id}`
    ///
    /// # Errors
    /// [`ClientError`]; `REHOST.2002` while a task is bound to the target.
    pub fn delete_target(&self, id: &str) -> Result<(), ClientError> {
        self.call_for_success(of_rehost("DELETE", &["targets", id]))
    }

    /// `PUT /rehost/v1/targets/self`: the receiver says what it offers.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn register_target(&self, body: &TargetRegistration) -> Result<(), ClientError> {
        self.call_for_success(of_rehost("PUT", &["targets", "self"]).json(body))
    }

    /// `GET /rehost/v1/targets/self/assignments`: waits up to `wait_seconds` for a list that differs
    /// from the generation `known`; without `known` it answers at once.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn target_assignments(
        &self,
        known: Option<i64>,
        wait_seconds: u32,
    ) -> Result<TargetAssignments, ClientError> {
        let call = of_rehost("GET", &["targets", "self", "assignments"]).wait_seconds(wait_seconds);
        self.call(match known {
            Some(generation) => call.query("known", generation),
            None => call,
        })
    }

    /// `PUT /rehost/v1/targets/self/tasks/{task_id}`: the receiver says where it is with a task.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn report_target_task(
        &self,
        task_id: &str,
        body: &TargetTaskReport,
    ) -> Result<(), ClientError> {
        self.call_for_success(of_rehost("PUT", &["targets", "self", "tasks", task_id]).json(body))
    }

    /// `PUT /rehost/v1/targets/self/tasks/{task_id}/boots/{boot_id}`: the receiver says what came of
    /// a boot. Said again, it changes nothing.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn report_boot(
        &self,
        task_id: &str,
        boot_id: &str,
        body: &BootReport,
    ) -> Result<(), ClientError> {
        let path = ["targets", "self", "tasks", task_id, "boots", boot_id];
        self.call_for_success(of_rehost("PUT", &path).json(body))
    }

    /// `GET /rehost/v1/tasks/{task_id}/boot-settings`
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn boot_settings(&self, task_id: &str) -> Result<BootSettings, ClientError> {
        self.call(of_rehost("GET", &["tasks", task_id, "boot-settings"]))
    }

    /// `PUT /rehost/v1/tasks/{task_id}/boot-settings`
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn update_boot_settings(
        &self,
        task_id: &str,
        body: &BootSettings,
    ) -> Result<(), ClientError> {
        self.call_for_success(of_rehost("PUT", &["tasks", task_id, "boot-settings"]).json(body))
    }

    /// `POST /rehost/v1/tasks/{task_id}/rehearsals`: has a copy of the target started.
    ///
    /// # Errors
    /// [`ClientError`]; `REHOST.6002` if the target of the task starts nothing.
    pub fn create_rehearsal(&self, task_id: &str) -> Result<OrderedBoot, ClientError> {
        self.call(of_rehost("POST", &["tasks", task_id, "rehearsals"]))
    }

    /// `GET /rehost/v1/tasks/{task_id}/boots`
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn list_boots(&self, task_id: &str) -> Result<BootList, ClientError> {
        self.call(of_rehost("GET", &["tasks", task_id, "boots"]))
    }

    /// `GET /rehost/v1/tasks/{task_id}/boots/{boot_id}`
    ///
    /// # Errors
    /// [`ClientError`]; `REHOST.6001` if there is no such boot.
    pub fn show_boot(&self, task_id: &str, boot_id: &str) -> Result<Boot, ClientError> {
        self.call(of_rehost("GET", &["tasks", task_id, "boots", boot_id]))
    }

    /// `GET /rehost/v1/tasks/{task_id}/assignment`: what the agent is to do.
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn source_assignment(&self, task_id: &str) -> Result<SourceAssignment, ClientError> {
        self.call(of_rehost("GET", &["tasks", task_id, "assignment"]))
    }

    /// `PUT /rehost/v1/sources/{source_id}/copy-plan`
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn put_copy_plan(&self, source_id: &str, body: &CopyPlan) -> Result<(), ClientError> {
        self.call_for_success(of_rehost("PUT", &["sources", source_id, "copy-plan"]).json(body))
    }

    /// `GET /rehost/v1/sources/{source_id}/copy-plan`
    ///
    /// # Errors
    /// [`ClientError`]; `REHOST.3008` if there is none yet.
    pub fn get_copy_plan(&self, source_id: &str) -> Result<CopyPlan, ClientError> {
        self.call(of_rehost("GET", &["sources", source_id, "copy-plan"]))
    }

    /// `PUT /rehost/v1/tasks/{task_id}/report`
    ///
    /// # Errors
    /// [`ClientError`]
    pub fn put_report(&self, task_id: &str, body: &MigrationReport) -> Result<(), ClientError> {
        self.call_for_success(of_rehost("PUT", &["tasks", task_id, "report"]).json(body))
    }

    /// `GET /rehost/v1/tasks/{task_id}/report`
    ///
    /// # Errors
    /// [`ClientError`]; `REHOST.3002` if there is none yet.
    pub fn get_report(&self, task_id: &str) -> Result<MigrationReport, ClientError> {
        self.call(of_rehost("GET", &["tasks", task_id, "report"]))
    }

    /// `PUT /rehost/v1/tasks/{task_id}/proof`: sends the proof document as it is read. With an
    /// access key it is read twice, because its hash must be signed first.
    ///
    /// # Errors
    /// [`ClientError`]; a failure to read `proof` while it is sent counts as
    /// [`ClientError::Transport`].
    pub fn put_proof(
        &self,
        task_id: &str,
        proof: &mut (impl Read + Seek),
    ) -> Result<(), ClientError> {
        self.upload(&of_rehost("PUT", &["tasks", task_id, "proof"]), proof)
    }

    /// `PUT /rehost/v1/tasks/{task_id}/log-archives/{role}`: sends the packed logs of this machine.
    /// With an access key they are read twice, because their hash must be signed first.
    ///
    /// # Errors
    /// [`ClientError`]; a failure to read `archive` while it is sent counts as
    /// [`ClientError::Transport`].
    pub fn upload_log_archive(
        &self,
        task_id: &str,
        role: JoinRole,
        archive: &mut (impl Read + Seek),
    ) -> Result<(), ClientError> {
        let role = match role {
            JoinRole::Source => "source",
            JoinRole::Target => "target",
        };
        let path = ["tasks", task_id, "log-archives", role];
        self.upload(&of_rehost("PUT", &path), archive)
    }

    /// `GET /rehost/v1/log-archives/{share}`: writes the logs of a task to `output` as they come and
    /// returns their length in bytes.
    ///
    /// # Errors
    /// [`ClientError`]; a share that is not known or has expired is an answer with status 404.
    pub fn get_log_archive(
        &self,
        share: &str,
        output: &mut impl Write,
    ) -> Result<u64, ClientError> {
        self.download(&of_rehost("GET", &["log-archives", share]), output)
    }

    /// `GET /rehost/v1/tasks/{task_id}/proof`: writes the proof document to `output` as it comes and
    /// returns its length in bytes. After an error `output` may hold a part of it.
    ///
    /// # Errors
    /// [`ClientError`]; `REHOST.3001` if there is none yet.
    pub fn get_proof(&self, task_id: &str, output: &mut impl Write) -> Result<u64, ClientError> {
        self.download(&of_rehost("GET", &["tasks", task_id, "proof"]), output)
    }
}
