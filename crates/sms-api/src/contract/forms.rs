//! What goes into an operation and what comes out, as the table of operations writes it down.

use std::borrow::Cow;

use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, ToSchema};

/// A schema with a name, taken from a type.
#[derive(Clone, Copy)]
pub(super) struct Form {
    /// Name of the schema.
    pub(super) name: fn() -> Cow<'static, str>,
    /// The schema itself.
    pub(super) schema: fn() -> RefOr<Schema>,
    /// Adds the named schemas that it refers to.
    pub(super) parts: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Form {
    pub(super) const fn of<T: ToSchema>() -> Self {
        Self {
            name: T::name,
            schema: T::schema,
            parts: T::schemas,
        }
    }
}

/// The body of a request.
#[derive(Clone, Copy)]
pub(super) enum Body {
    /// None; what is sent all the same is ignored.
    None,
    /// JSON of this form.
    Json(Form),
    /// JSON of this form, or nothing, which counts as `{}`.
    OptionalJson(Form),
    /// Bytes of any length.
    Stream(&'static str),
}

/// The body of a success.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    /// Nothing, status 204.
    Nothing,
    /// JSON of this form.
    Json {
        /// HTTP status.
        status: u16,
        /// Its form.
        form: Form,
    },
    /// A file of this media type, status 200.
    File(&'static str),
}

/// The parameters of an operation, but for those in its path.
pub(super) type Parameters = fn() -> Vec<Parameter>;

/// No parameters.
pub(super) fn none() -> Vec<Parameter> {
    Vec::new()
}

/// The parameters in the query that a type describes.
pub(super) fn query<T: IntoParams>() -> Vec<Parameter> {
    T::into_params(|| Some(ParameterIn::Query))
}
