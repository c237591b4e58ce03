//! Verifying a signed request, for the control plane.

use subtle::ConstantTimeEq as _;

use super::authorization::Authorization;
use super::canonical::RequestToSign;
use super::{BODY_HASH_HEADER, DATE_HEADER, hex, signature};

/// How far the client's clock may be off, in either direction (SMS gateway).
pub const MAX_CLOCK_DIFFERENCE_SECONDS: u64 = 15 * 60;

/// Why a signed request is refused. All kinds are answered alike; the kind is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Another signature scheme.
    #[error("unsupported signature scheme: use SDK-HMAC-SHA256")]
    Scheme,
    /// The header `Authorization` cannot be read.
    #[error("malformed Authorization header: send Access, SignedHeaders and Signature")]
    Malformed,
    /// A header that is said to be signed is absent.
    #[error("signed header {0} is absent: do not remove headers after signing")]
    HeaderAbsent(String),
    /// `X-Sdk-Date` is absent or malformed.
    #[error("X-Sdk-Date is absent or malformed: write it as YYYYMMDDTHHMMSSZ")]
    Date,
    /// `X-Sdk-Date` is too far from our clock.
    #[error("X-Sdk-Date is more than 15 minutes off: set the clock of the client")]
    Clock,
    /// `X-Sdk-Content-Sha256` is not the hash of the body.
    #[error("X-Sdk-Content-Sha256 is not the hash of the body: sign the body as it is sent")]
    BodyHash,
    /// The signature is not that of this request and key.
    #[error(
        "the signature does not fit the request: check the secret key and what lies in between"
    )]
    Signature,
}

/// Verifies that a request was signed with a secret key, lately, and not changed since.
///
/// `header` looks a header up by its lower-case name; it must answer `None` for a header that is
/// there more than once, since it is unknown which of them was signed. Which headers are signed is
/// taken from `authorization` alone: some clients sign `host`, others do not.
///
/// # Errors
/// [`SignatureError`] says why the request must be refused.
pub fn verify<'h>(
    authorization: &Authorization,
    request: &RequestToSign<'_>,
    header: impl Fn(&str) -> Option<&'h str>,
    secret_key: &str,
    now_unix_seconds: i64,
) -> Result<(), SignatureError> {
    let date = header(DATE_HEADER)
        .map(str::trim)
        .ok_or(SignatureError::Date)?;
    let signed_at = unix_seconds(date).ok_or(SignatureError::Date)?;
    if now_unix_seconds.abs_diff(signed_at) > MAX_CLOCK_DIFFERENCE_SECONDS {
        return Err(SignatureError::Clock);
    }
    let claimed_hash = header(BODY_HASH_HEADER).map(str::trim);
    if claimed_hash.is_some_and(|claimed| !claimed.eq_ignore_ascii_case(&hex(&request.body_sha256)))
    {
        return Err(SignatureError::BodyHash);
    }
    let mut signed = Vec::with_capacity(authorization.signed_headers.len());
    for name in &authorization.signed_headers {
        let value = header(name).ok_or_else(|| SignatureError::HeaderAbsent(name.clone()))?;
        signed.push((name.as_str(), value));
    }
    let right = signature(secret_key, date, &request.canonical(&signed, claimed_hash));
    if bool::from(right.as_bytes().ct_eq(authorization.signature.as_bytes())) {
        Ok(())
    } else {
        Err(SignatureError::Signature)
    }
}

/// Reads `YYYYMMDDTHHMMSSZ`.
fn unix_seconds(date: &str) -> Option<i64> {
    let bytes = date.as_bytes();
    let shaped = bytes.len() == 16
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 => *byte == b'T',
            15 => *byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    if !shaped {
        return None;
    }
    let two = |from: usize| date.get(from..from + 2)?.parse::<i8>().ok();
    let year = date.get(..4)?.parse().ok()?;
    let time =
        jiff::civil::DateTime::new(year, two(4)?, two(6)?, two(9)?, two(11)?, two(13)?, 0).ok()?;
    Some(jiff::tz::Offset::UTC.to_timestamp(time).ok()?.as_second())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{body_hash, sign};
    use super::*;

    const SECRET_KEY: &str = "TESTSK0123456789abcdefghijklmnopqrstuvwx";
    const NOW: i64 = 1_767_323_045;
    const BODY: &[u8] = br#"{"copystate": "WAITING", "migrationcycle": "cutovered"}"#;
    const V1: &str = "SDK-HMAC-SHA256 Access=TESTAK0123456789ABCD, \
        SignedHeaders=content-type;host;user-agent;x-project-id;x-sdk-date, \
        Signature=20e42b1ec4b3d0b207579dbb87ce5998fa327dd0463985aea209b7dbc9e2e50d";
    const HEADERS: &[(&str, &str)] = &[
        ("content-type", "application/json"),
        ("host", "sms.example.com:8443"),
        ("user-agent", " ua/1 "),
        ("x-project-id", "p1"),
        ("x-sdk-date", "20260102T030405Z"),
    ];

    fn request(body: &[u8]) -> RequestToSign<'static> {
        RequestToSign {
            method: "PUT",
            path: "/v3/sources/dcdbe339-b02d-4578-95a1-9c9c547d0000/changestate",
            query: "",
            body_sha256: body_hash(body),
        }
    }

    fn find<'h>(headers: &[(&str, &'h str)], name: &str) -> Option<&'h str> {
        headers
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    }

    fn check(
        value: &str,
        body: &[u8],
        headers: &[(&str, &str)],
        now: i64,
    ) -> Result<(), SignatureError> {
        let authorization = Authorization::parse(value)?;
        verify(
            &authorization,
            &request(body),
            |name| find(headers, name),
            SECRET_KEY,
            now,
        )
    }

    #[test]
    fn the_signature_of_the_sdk_is_accepted() {
        assert_eq!(check(V1, BODY, HEADERS, NOW), Ok(()));
    }

    #[test]
    fn the_query_of_the_sdk_is_accepted_in_any_order() {
        let value = "SDK-HMAC-SHA256 Access=TESTAK0123456789ABCD, SignedHeaders=host;x-sdk-date, \
            Signature=cdf0647f9f7b7aa4df71c131f24d011b7f8e487f55902812ac05ab7ae83efc4f";
        let headers = [
            ("host", "127.0.0.1:8080"),
            ("x-sdk-date", "20260102T030405Z"),
        ];
        let request = RequestToSign {
            method: "GET",
            path: "/v3/sources",
            query: "offset=0&name=a+b%2f%e4%b8%ad%7E&limit=10&connected=true",
            body_sha256: body_hash(b""),
        };
        let authorization = Authorization::parse(value).unwrap();
        let verified = verify(
            &authorization,
            &request,
            |name| find(&headers, name),
            SECRET_KEY,
            NOW,
        );
        assert_eq!(verified, Ok(()));
    }

    #[test]
    fn a_change_of_anything_signed_is_noticed() {
        assert_eq!(
            check(V1, b"{}", HEADERS, NOW),
            Err(SignatureError::Signature)
        );
        for name in ["content-type", "host", "user-agent", "x-project-id"] {
            let mut changed = HEADERS.to_vec();
            changed
                .iter_mut()
                .find(|(known, _)| *known == name)
                .unwrap()
                .1 = "other";
            assert_eq!(
                check(V1, BODY, &changed, NOW),
                Err(SignatureError::Signature),
                "{name}"
            );
            changed.retain(|(known, _)| *known != name);
            assert_eq!(
                check(V1, BODY, &changed, NOW),
                Err(SignatureError::HeaderAbsent(name.into()))
            );
        }
        let authorization = Authorization::parse(V1).unwrap();
        let lookup = |name: &str| find(HEADERS, name);
        let wrong_key = verify(&authorization, &request(BODY), lookup, "other", NOW);
        assert_eq!(wrong_key, Err(SignatureError::Signature));
        let other_path = RequestToSign {
            path: "/v3/sources",
            ..request(BODY)
        };
        let moved = verify(&authorization, &other_path, lookup, SECRET_KEY, NOW);
        assert_eq!(moved, Err(SignatureError::Signature));
        let short = V1.get(..V1.len() - 2).unwrap();
        assert_eq!(
            check(short, BODY, HEADERS, NOW),
            Err(SignatureError::Signature)
        );
    }

    #[test]
    fn the_clock_may_be_fifteen_minutes_off() {
        for (now, right) in [(900, true), (-900, true), (901, false), (-901, false)] {
            assert_eq!(check(V1, BODY, HEADERS, NOW + now).is_ok(), right, "{now}");
        }
        assert_eq!(
            check(V1, BODY, HEADERS, i64::MIN),
            Err(SignatureError::Clock)
        );
        for date in [
            "",
            "20260102T030405",
            "2026-01-02T03:04",
            "20261302T030405Z",
            "20260102T030460Z",
        ] {
            let mut changed = HEADERS.to_vec();
            changed[4].1 = date;
            assert_eq!(
                check(V1, BODY, &changed, NOW),
                Err(SignatureError::Date),
                "{date}"
            );
        }
        assert_eq!(
            check(V1, BODY, &HEADERS[..4], NOW),
            Err(SignatureError::Date)
        );
    }

    #[test]
    fn a_go_client_signs_neither_host_nor_project() {
        // Made with an independent HMAC; the header carries the hash of the body, as golangsdk does.
        let value = "SDK-HMAC-SHA256 Access=TESTAK0123456789ABCD, \
            SignedHeaders=accept;content-type;user-agent;x-sdk-date, Signature=bb522d922c3892f24afeb6f562c1d57469c3c0c6c074a7e17a835f51ae8268e5";
        let hash = hex(&body_hash(BODY));
        let headers = [
            ("accept", "application/json"),
            ("content-type", "application/json"),
            ("user-agent", "golangsdk/2.0.0"),
            ("x-sdk-date", "20260102T030405Z"),
            ("x-project-id", "p1"),
            ("x-sdk-content-sha256", hash.as_str()),
        ];
        assert_eq!(check(value, BODY, &headers, NOW), Ok(()));
        let mut lying = headers;
        lying[5].1 = "UNSIGNED-PAYLOAD";
        assert_eq!(
            check(value, BODY, &lying, NOW),
            Err(SignatureError::BodyHash)
        );
        assert_eq!(
            check(value, b"{}", &headers, NOW),
            Err(SignatureError::BodyHash)
        );
        assert_eq!(check(value, BODY, &headers[..5], NOW), Ok(()));
    }

    proptest! {
        #[test]
        fn what_was_signed_is_verified(
            path in "(/[\\PC&&[^?#]]{0,8}){1,4}",
            query in "\\PC{0,30}",
            value in "[ -~]{0,20}",
            body in proptest::collection::vec(any::<u8>(), 0..50),
            key in "\\PC{0,80}",
        ) {
            let request = RequestToSign {
                method: "POST", path: &path, query: &query, body_sha256: body_hash(&body),
            };
            let signed = sign(&request, &[("X-Any", &value)], "AK", &key, NOW);
            let authorization = Authorization::parse(&signed.authorization).unwrap();
            let headers = [("x-any", value.as_str()), ("x-sdk-date", signed.date.as_str())];
            prop_assert_eq!(verify(&authorization, &request, |name| find(&headers, name), &key, NOW), Ok(()));
        }
    }
}
