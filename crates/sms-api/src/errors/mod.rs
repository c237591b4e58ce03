//! Errors as clients meet them: a catalogue of codes, and the forms in which they are written.
//!
//! [`ErrorCode`] says which codes the control plane raises, with which HTTP status, and what the
//! reader should do. The forms differ by where SMS raises the error: the service itself, its
//! authorisation, the gateway before it, or IAM beside it.

mod catalogue;
mod forms;
mod guide;

pub use catalogue::{ALL_ERROR_CODES, ErrorCode};
pub use forms::{
    ErrorBody, ErrorDetail, ForbiddenBody, GatewayBody, GatewayReason, IamErrorBody, IamErrorMember,
};
pub use guide::guide;
