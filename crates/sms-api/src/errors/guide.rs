//! The catalogue of errors as a document for people, `docs/api/errors.md`.

use std::fmt::Write as _;

use super::{ALL_ERROR_CODES, ErrorCode, GatewayReason};

const HEAD: &str = "# Errors

Every refusal says what is wrong and what to do, has a code, and carries the id of the request in
the header `X-Request-Id`. Written by `cargo xtask openapi` from the catalogue in `sms-api`.

| form | when |
|---|---|
| `{\"error_code\", \"error_msg\"}` | the service refuses |
| the same with `encoded_authorization_message`, `error_param`, `details` | status 403: the caller is known and may not |
| `{\"error_msg\", \"error_code\", \"request_id\"}` | the caller is not known, asks too often, or calls what is not there |
| `{\"error\": {\"code\", \"message\", \"title\"}}` | routes below `/v3/auth` |

SMS puts nearly all codes at status 400. Things that are not there are 404 here, because clients
take only that as \"gone\".
";

/// The document.
#[must_use]
pub fn guide() -> String {
    let mut text = HEAD.to_owned();
    for (family, title) in [
        ("SMS.", "Codes of SMS"),
        ("REHOST.", "Codes of the routes below /rehost/v1"),
    ] {
        write_table(&mut text, family, title);
    }
    write_gateway(&mut text);
    text
}

fn write_table(text: &mut String, family: &str, title: &str) {
    let mut codes: Vec<ErrorCode> = ALL_ERROR_CODES
        .iter()
        .copied()
        .filter(|code| code.code().starts_with(family))
        .collect();
    codes.sort_by_key(|code| code.code());
    // Writing to text cannot fail.
    let _ = writeln!(
        text,
        "\n## {title}\n\n| code | status | what is wrong | what to do |\n|---|---|---|---|"
    );
    for code in codes {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            code.code(),
            code.status(),
            code.message(),
            code.advice()
        );
    }
}

fn write_gateway(text: &mut String) {
    let ended = GatewayReason::TokenExpired {
        expires_at: "2030-01-02T00:00:00.000000Z".to_owned(),
    };
    let reasons = [
        (GatewayReason::NothingSent, "Send a token or a signature."),
        (
            GatewayReason::BadToken,
            "Get a token with POST /v3/auth/tokens.",
        ),
        (ended, "Get a new token."),
        (
            GatewayReason::BadSignature,
            "Check the secret key, and the clock: 15 minutes are tolerated.",
        ),
        (
            GatewayReason::UnknownAccessKey,
            "Use an access key of this control plane.",
        ),
        (
            GatewayReason::AccessKeyLocked,
            "Wait for five minutes and sign with the right secret.",
        ),
        (
            GatewayReason::NoSuchApi,
            "Compare method and path with the documentation.",
        ),
    ];
    let _ = writeln!(
        text,
        "\n## Codes of the gateway\n\n| code | status | text | what to do |\n|---|---|---|---|"
    );
    for (reason, advice) in reasons {
        let body = reason.body("");
        let _ = writeln!(
            text,
            "| {} | {} | {} | {advice} |",
            body.error_code,
            reason.status(),
            body.error_msg
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_line() {
        let text = guide();
        for code in ALL_ERROR_CODES {
            let begin = format!("\n| {} | {} | ", code.code(), code.status());
            assert_eq!(text.matches(&begin).count(), 1, "{}", code.code());
        }
        assert!(text.contains("| APIGW.0301 | 401 | "));
    }
}
