//! The contract as data: what is served, by whom it may be called, and what goes in and out.
//!
//! There is one table of operations ([`operations()`]). The control plane derives authorisation and
//! audit from it, and the OpenAPI document and the validation of requests come from it together
//! with the schemas of the bodies. What the table does not hold is not served.

mod access;
mod access_guide;
mod document;
mod flat;
mod forms;
mod operations;
mod page;
mod parameters;
mod responses;
mod validate;

pub use access::{Access, Who};
pub use access_guide::access_guide;
pub use document::{document, document_text};
pub use operations::{Method, Operation, Tag, operations};
pub use page::page;
pub use validate::{Fault, Place, Violation, validate_body, validate_query};
