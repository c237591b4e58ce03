//! Every refusal and failure on its way to a client: one type, three forms.
//!
//! - The service's form (`error_code`, `error_msg`), for what the service itself has to say.
//! - The gateway's form with 401, for callers who are not known (SMS reaches clients behind an API
//!   gateway, and SDKs match on its texts).
//! - IAM's form (`error` with `code`, `message`, `title`), for the routes below `/v3/auth`.
//!
//! Clients learn what is wrong and what to do; causes stay in the log, found by the request id.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use rehost_certificates::CertificateError;
use rehost_sms_api::errors::{ErrorBody, ErrorCode, ForbiddenBody, GatewayReason, IamErrorBody};
use rehost_store::StoreError;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// Refused by a rule of the service; `detail` is a sentence about this case, or empty.
    #[error("{}: {detail}", code.code())]
    Refused {
        /// What is wrong.
        code: ErrorCode,
        /// What is special about this case.
        detail: String,
    },
    /// The caller is not known.
    #[error("{0:?}")]
    Gateway(GatewayReason),
    /// Refused by the small IAM.
    #[error("{status}: {message}")]
    Iam {
        /// HTTP status.
        status: StatusCode,
        /// What is wrong and what to do.
        message: String,
    },
    /// The database failed.
    #[error("use the database")]
    Store(#[from] StoreError),
    /// A certificate could not be made.
    #[error("make a certificate")]
    Certificate(#[from] CertificateError),
    /// A row does not hold what this version writes.
    #[error("read a stored {what}")]
    Stored {
        /// What should have been there.
        what: &'static str,
        /// What the decoder said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Something failed that no caller has to do with.
    #[error("{act}")]
    Internal {
        /// What was being done.
        act: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl From<ErrorCode> for ApiError {
    fn from(code: ErrorCode) -> Self {
        Self::Refused {
            code,
            detail: String::new(),
        }
    }
}

impl From<GatewayReason> for ApiError {
    fn from(reason: GatewayReason) -> Self {
        Self::Gateway(reason)
    }
}

/// A refusal with a sentence about this case.
pub(crate) fn refuse(code: ErrorCode, detail: impl Into<String>) -> ApiError {
    ApiError::Refused {
        code,
        detail: detail.into(),
    }
}

/// A refusal by a rule, which names its code as text.
pub(crate) fn refuse_text(code: &str, detail: String) -> ApiError {
    match ErrorCode::from_code(code) {
        Some(code) => ApiError::Refused {
            code,
            detail: format!("It says: {detail}."),
        },
        None => ApiError::Internal {
            act: "look a refusal up in the catalogue",
            source: detail.into(),
        },
    }
}

impl ApiError {
    /// Whether somebody else changed a row in between, so that it is worth trying again.
    pub(crate) fn is_lost_race(&self) -> bool {
        matches!(self, Self::Store(StoreError::Changed { .. }))
    }

    /// The same refusal as the routes below `/v3/auth` put it.
    pub(crate) fn in_iam_form(self) -> Self {
        match self {
            Self::Refused { code, .. } => Self::Iam {
                status: StatusCode::from_u16(code.status()).unwrap_or(StatusCode::BAD_REQUEST),
                message: format!("{} {}", code.message(), code.advice()),
            },
            Self::Gateway(_) => Self::Iam {
                status: StatusCode::UNAUTHORIZED,
                message: "The token is missing or not valid.".to_owned(),
            },
            error => error,
        }
    }

    fn failed(&self, code: ErrorCode) -> Response {
        tracing::error!(error = %chain(self), "request failed");
        service(code, "")
    }
}

/// The code of a refusal, beside its body, for the audit log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefusedWith(pub(crate) &'static str);

/// An answer that still lacks the request id, which only the outermost layer knows.
#[derive(Clone, Debug)]
pub(crate) struct PendingGatewayError(pub(crate) GatewayReason);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        match &self {
            Self::Refused { code, detail } => service(*code, detail),
            Self::Gateway(reason) => {
                let status = StatusCode::from_u16(reason.status());
                let mut response = status.unwrap_or(StatusCode::UNAUTHORIZED).into_response();
                response
                    .extensions_mut()
                    .insert(PendingGatewayError(reason.clone()));
                response
            }
            Self::Iam { status, message } => {
                (*status, Json(IamErrorBody::new(status.as_u16(), message))).into_response()
            }
            Self::Store(StoreError::Full { .. }) => self.failed(ErrorCode::DiskFull),
            Self::Store(_) => self.failed(ErrorCode::Database),
            Self::Certificate(_) | Self::Stored { .. } | Self::Internal { .. } => {
                self.failed(ErrorCode::ServiceError)
            }
        }
    }
}

fn service(code: ErrorCode, detail: &str) -> Response {
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = if status == StatusCode::FORBIDDEN {
        (status, Json(ForbiddenBody::new(code, detail))).into_response()
    } else {
        (status, Json(ErrorBody::new(code, detail))).into_response()
    };
    response.extensions_mut().insert(RefusedWith(code.code()));
    response
}

/// An error with its causes, in one line for the log.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
