//! The examples of request bodies are what they are examples of.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use rehost_sms_api::bodies::iam::AuthTokensRequest;
use rehost_sms_api::bodies::{
    BatchGetConsistencyResultReq, CommandBody, ConfigurationRequestBody, CreateTemplateReq,
    DeleteIds, DeleteTasksReq, DeletetemplatesReq, MigProject, NetworkCheckInfoRequestBody,
    PostMigProjectBody, PostSourceServerBody, PostTask, PutCopyStateReq, PutSourceServerBody,
    PutTaskReq, SetConsistencyResultRequestBody, SpeedLimit, UpdateTaskSpeedReq,
    UpdateTaskStatusReq, UpdateTemplateReq, UploadLogRequestBody,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

/// A member that the type does not know would be lost on the way.
fn survives<T: ToSchema + Serialize + DeserializeOwned>() {
    let RefOr::T(Schema::Object(schema)) = T::schema() else {
        panic!("{} is no object", T::name());
    };
    let example = schema.example.unwrap();
    let body: T = serde_json::from_value(example.clone()).unwrap();
    assert_eq!(serde_json::to_value(&body).unwrap(), example);
    for member in &schema.required {
        assert!(example.get(member).is_some(), "{} {member}", T::name());
    }
}

#[test]
fn examples_are_read_and_written_again_without_loss() {
    survives::<AuthTokensRequest>();
    survives::<BatchGetConsistencyResultReq>();
    survives::<CommandBody>();
    survives::<ConfigurationRequestBody>();
    survives::<CreateTemplateReq>();
    survives::<DeleteIds>();
    survives::<DeleteTasksReq>();
    survives::<DeletetemplatesReq>();
    survives::<MigProject>();
    survives::<NetworkCheckInfoRequestBody>();
    survives::<PostMigProjectBody>();
    survives::<PostSourceServerBody>();
    survives::<PostTask>();
    survives::<PutCopyStateReq>();
    survives::<PutSourceServerBody>();
    survives::<PutTaskReq>();
    survives::<SetConsistencyResultRequestBody>();
    survives::<SpeedLimit>();
    survives::<UpdateTaskSpeedReq>();
    survives::<UpdateTaskStatusReq>();
    survives::<UpdateTemplateReq>();
    survives::<UploadLogRequestBody>();
}
