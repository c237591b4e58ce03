//! The examples of request bodies are what they are examples of, and the control plane takes them.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use rehost_sms_api::bodies::iam::AuthTokensRequest;
use rehost_sms_api::bodies::{
    BatchGetConsistencyResultReq, CommandBody, ConfigurationRequestBody, CreateTemplateReq,
    DeleteIds, DeleteTasksReq, DeletetemplatesReq, MigProject, NetworkCheckInfoRequestBody,
    PostMigProjectBody, PostSourceServerBody, PostTask, PutCopyStateReq, PutSourceServerBody,
    PutTaskReq, SetConsistencyResultRequestBody, SpeedLimit, UpdateTaskSpeedReq,
    UpdateTaskStatusReq, UpdateTemplateReq, UploadLogRequestBody,
};
use rehost_sms_api::contract::{Operation, validate_body};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

/// A member that the type does not know would be lost on the way.
fn right<T: ToSchema + Serialize + DeserializeOwned>(operation: &str) {
    let RefOr::T(Schema::Object(schema)) = T::schema() else {
        panic!("{} is no object", T::name());
    };
    let example = schema.example.unwrap();
    let body: T = serde_json::from_value(example.clone()).unwrap();
    assert_eq!(serde_json::to_value(&body).unwrap(), example);
    let operation = Operation::of_id(operation).unwrap();
    assert_eq!(validate_body(operation, &example), Ok(()));
}

#[test]
fn examples_are_taken_and_written_again_without_loss() {
    right::<AuthTokensRequest>("issue_token");
    right::<BatchGetConsistencyResultReq>("export_consistency_results");
    right::<CommandBody>("update_command_result");
    right::<ConfigurationRequestBody>("upload_special_configuration_setting");
    right::<CreateTemplateReq>("create_template");
    right::<DeleteIds>("delete_servers");
    right::<DeleteTasksReq>("delete_tasks");
    right::<DeletetemplatesReq>("delete_templates");
    right::<MigProject>("update_migproject");
    right::<NetworkCheckInfoRequestBody>("update_network_check_info");
    right::<PostMigProjectBody>("create_migproject");
    right::<PostSourceServerBody>("register_server");
    right::<PostTask>("create_task");
    right::<PutCopyStateReq>("update_copy_state");
    right::<PutSourceServerBody>("update_server_name");
    right::<PutTaskReq>("update_task");
    right::<SetConsistencyResultRequestBody>("update_consistency_result");
    right::<SpeedLimit>("update_speed");
    right::<UpdateTaskSpeedReq>("update_task_speed");
    right::<UpdateTaskStatusReq>("update_task_status");
    right::<UpdateTemplateReq>("update_template");
    right::<UploadLogRequestBody>("collect_log");
}
