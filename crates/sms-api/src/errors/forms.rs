//! The forms in which errors are written.
//!
//! SDKs read `error_code` with `error_msg`, or `code` with `message` one level down; they take the
//! request id from the header `X-Request-Id` alone, so every answer carries that header too.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ErrorCode;

/// An error of the service itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorBody {
    /// Code, such as `SMS.7703`.
    pub error_code: String,
    /// What is wrong and what to do.
    pub error_msg: String,
}

impl ErrorBody {
    /// The error with what is special about this case, such as the name of a member. `detail` may
    /// be empty; it is a whole sentence otherwise.
    #[must_use]
    pub fn new(code: ErrorCode, detail: &str) -> Self {
        Self {
            error_code: code.code().to_owned(),
            error_msg: text_of(code, detail),
        }
    }
}

fn text_of(code: ErrorCode, detail: &str) -> String {
    let mut text = code.message().to_owned();
    for part in [detail, code.advice()] {
        if !part.is_empty() {
            text.push(' ');
            text.push_str(part);
        }
    }
    text
}

/// An error of authorisation, with status 403: who is known but may not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ForbiddenError)]
pub struct ForbiddenBody {
    /// Code, `SMS.9004` unless a special one fits.
    pub error_code: String,
    /// What is wrong and what to do.
    pub error_msg: String,
    /// Always empty: there is no authorisation service whose message could be encoded.
    #[serde(default)]
    pub encoded_authorization_message: String,
    /// The text again, as SMS does it.
    #[serde(default)]
    pub error_param: Vec<String>,
    /// Code and text again, as SMS does it.
    #[serde(default)]
    pub details: Vec<ErrorDetail>,
}

/// An error inside [`ForbiddenBody`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// Code.
    pub error_code: String,
    /// Text.
    pub error_msg: String,
}

impl ForbiddenBody {
    /// The error with what is special about this case, see [`ErrorBody::new`].
    #[must_use]
    pub fn new(code: ErrorCode, detail: &str) -> Self {
        let ErrorBody {
            error_code,
            error_msg,
        } = ErrorBody::new(code, detail);
        Self {
            encoded_authorization_message: String::new(),
            error_param: vec![error_msg.clone()],
            details: vec![ErrorDetail {
                error_code: error_code.clone(),
                error_msg: error_msg.clone(),
            }],
            error_code,
            error_msg,
        }
    }
}

/// An error of the gateway, before the service is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = GatewayError)]
pub struct GatewayBody {
    /// What is wrong.
    pub error_msg: String,
    /// Code, such as `APIGW.0301`.
    pub error_code: String,
    /// Id of the request, as in the header `X-Request-Id`.
    pub request_id: String,
}

/// Why the gateway refuses a request. The texts are the gateway's, because clients match on them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayReason {
    /// Neither a token nor a signature was sent.
    NothingSent,
    /// The token is not one of ours.
    BadToken,
    /// The token has ended; the time as it is written in the token.
    TokenExpired {
        /// When it ended, in the form of IAM.
        expires_at: String,
    },
    /// The signature does not fit the request, or cannot be read.
    BadSignature,
    /// There is no such access key.
    UnknownAccessKey,
    /// The access key failed too often lately.
    AccessKeyLocked,
    /// There is no such route.
    NoSuchApi,
}

impl GatewayReason {
    /// HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::NoSuchApi => 404,
            _ => 401,
        }
    }

    /// Code as it is written in `error_code`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSuchApi => "APIGW.0101",
            _ => "APIGW.0301",
        }
    }

    /// The body for a request.
    #[must_use]
    pub fn body(&self, request_id: &str) -> GatewayBody {
        let why = match self {
            Self::NoSuchApi => return self.plain("The API does not exist", request_id),
            Self::NothingSent => "x-auth-token not found",
            Self::BadToken => "decrypt token fail",
            Self::TokenExpired { expires_at } => {
                &format!("token expires, expires_at: {expires_at}")
            }
            Self::BadSignature => "verify aksk signature fail",
            Self::UnknownAccessKey => "AK not exist",
            Self::AccessKeyLocked => "AK access failed to reach the limit,forbidden",
        };
        self.plain(
            &format!("Incorrect IAM authentication information: {why}"),
            request_id,
        )
    }

    fn plain(&self, error_msg: &str, request_id: &str) -> GatewayBody {
        GatewayBody {
            error_msg: error_msg.to_owned(),
            error_code: self.code().to_owned(),
            request_id: request_id.to_owned(),
        }
    }
}

/// An error of IAM, as on the token route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = IamError)]
pub struct IamErrorBody {
    /// The error.
    pub error: IamErrorMember,
}

/// The error inside [`IamErrorBody`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IamErrorMember {
    /// HTTP status.
    pub code: u16,
    /// What is wrong and what to do.
    pub message: String,
    /// Name of the status, such as `Unauthorized`.
    pub title: String,
}

impl IamErrorBody {
    /// An error with the usual name of its status.
    #[must_use]
    pub fn new(status: u16, message: &str) -> Self {
        let title = match status {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            413 => "Request Entity Too Large",
            429 => "Too Many Requests",
            _ => "Internal Server Error",
        };
        Self {
            error: IamErrorMember {
                code: status,
                message: message.to_owned(),
                title: title.to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_error_says_what_is_wrong_and_what_to_do() {
        let body = ErrorBody::new(ErrorCode::IncompleteBody, "networks is absent.");
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            r#"{"error_code":"SMS.6013","error_msg":"The body lacks a member that this call demands. networks is absent. Add the named member."}"#
        );
        let forbidden = ForbiddenBody::new(ErrorCode::NoPermission, "");
        assert_eq!(forbidden.details[0].error_code, "SMS.9004");
        assert_eq!(forbidden.error_param, [forbidden.error_msg]);
    }

    #[test]
    fn gateway_errors_have_the_texts_that_clients_match_on() {
        let body = GatewayReason::BadToken.body("r1");
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            r#"{"error_msg":"Incorrect IAM authentication information: decrypt token fail","error_code":"APIGW.0301","request_id":"r1"}"#
        );
        let ended = GatewayReason::TokenExpired {
            expires_at: "2030-01-02T00:00:00.000000Z".into(),
        };
        assert!(
            ended
                .body("r")
                .error_msg
                .ends_with("expires_at: 2030-01-02T00:00:00.000000Z")
        );
        assert_eq!(
            (
                GatewayReason::NoSuchApi.status(),
                GatewayReason::NoSuchApi.code()
            ),
            (404, "APIGW.0101")
        );
        assert_eq!(GatewayReason::BadSignature.status(), 401);
    }

    #[test]
    fn an_iam_error_is_nested() {
        assert_eq!(
            serde_json::to_string(&IamErrorBody::new(401, "no")).unwrap(),
            r#"{"error":{"code":401,"message":"no","title":"Unauthorized"}}"#
        );
    }
}
