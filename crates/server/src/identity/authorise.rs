//! May this caller use this operation at all? The table of operations says who may; which objects a
//! caller may touch is another question, see `Caller`.

use rehost_sms_api::contract::{self, Operation};
use rehost_sms_api::errors::ErrorCode;

use super::{Caller, Who};
use crate::errors::{ApiError, refuse};

/// Refuses a caller who may not use an operation, naming the action that is lacking.
pub(super) fn authorise(operation: &Operation, caller: &Caller) -> Result<(), ApiError> {
    let kind = match &caller.who {
        Who::Account { role, .. } => contract::Who::Account(*role),
        Who::Source { .. } => contract::Who::Agent,
        Who::Target { .. } => contract::Who::Receiver,
    };
    if operation.access.permits(kind) {
        return Ok(());
    }
    let action = operation.action.unwrap_or(operation.id);
    let who = operation.access.in_words();
    Err(refuse(
        ErrorCode::NoPermission,
        format!("{action} is for {who}."),
    ))
}
