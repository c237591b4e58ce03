//! Signing a request, for our own client.

use super::authorization::Authorization;
use super::canonical::RequestToSign;
use super::{DATE_HEADER, signature};

/// Headers to add to a request that was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRequest {
    /// Value of `Authorization`.
    pub authorization: String,
    /// Value of `X-Sdk-Date`.
    pub date: String,
}

/// Signs a request with an access key at a time given in seconds since 1970.
///
/// `headers` are the headers to be covered besides `X-Sdk-Date`, such as `host`, in any order and
/// case; they must be sent with exactly these values. A time beyond the year 9999 counts as 1970.
#[must_use]
pub fn sign(
    request: &RequestToSign<'_>,
    headers: &[(&str, &str)],
    access_key: &str,
    secret_key: &str,
    now_unix_seconds: i64,
) -> SignedRequest {
    let date = date_text(now_unix_seconds);
    let mut covered: Vec<(String, &str)> = headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), *value))
        .collect();
    covered.push((DATE_HEADER.to_owned(), &date));
    covered.sort();
    let pairs: Vec<_> = covered
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    let canonical = request.canonical(&pairs, None);
    let authorization = Authorization {
        access_key: access_key.to_owned(),
        signature: signature(secret_key, &date, &canonical),
        signed_headers: covered.iter().map(|(name, _)| name.clone()).collect(),
    };
    SignedRequest {
        authorization: authorization.to_value(),
        date,
    }
}

fn date_text(unix_seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(unix_seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let time = jiff::tz::Offset::UTC.to_datetime(time);
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    )
}

#[cfg(test)]
mod tests {
    use super::super::body_hash;
    use super::*;

    const ACCESS_KEY: &str = "TESTAK0123456789ABCD";
    const SECRET_KEY: &str = "TESTSK0123456789abcdefghijklmnopqrstuvwx";
    /// 2026-01-02 03:04:05 UTC.
    const NOW: i64 = 1_767_323_045;

    #[test]
    fn a_put_with_body_gets_the_signature_of_the_sdk() {
        let request = RequestToSign {
            method: "PUT",
            path: "/v3/sources/dcdbe339-b02d-4578-95a1-9c9c547d0000/changestate",
            query: "",
            body_sha256: body_hash(br#"{"copystate": "WAITING", "migrationcycle": "cutovered"}"#),
        };
        let headers = [
            ("Content-Type", "application/json"),
            ("Host", "sms.example.com:8443"),
            ("User-Agent", "ua/1"),
            ("X-Project-Id", "p1"),
        ];
        let signed = sign(&request, &headers, ACCESS_KEY, SECRET_KEY, NOW);
        assert_eq!(signed.date, "20260102T030405Z");
        assert_eq!(
            signed.authorization,
            "SDK-HMAC-SHA256 Access=TESTAK0123456789ABCD, \
             SignedHeaders=content-type;host;user-agent;x-project-id;x-sdk-date, \
             Signature=20e42b1ec4b3d0b207579dbb87ce5998fa327dd0463985aea209b7dbc9e2e50d"
        );
    }

    #[test]
    fn a_get_with_query_gets_the_signature_of_the_sdk() {
        let request = RequestToSign {
            method: "GET",
            path: "/v3/sources",
            query: "connected=true&limit=10&name=a%20b%2F%E4%B8%AD~&offset=0",
            body_sha256: body_hash(b""),
        };
        let signed = sign(
            &request,
            &[("host", "127.0.0.1:8080")],
            ACCESS_KEY,
            SECRET_KEY,
            NOW,
        );
        assert_eq!(
            signed.authorization,
            "SDK-HMAC-SHA256 Access=TESTAK0123456789ABCD, SignedHeaders=host;x-sdk-date, \
             Signature=cdf0647f9f7b7aa4df71c131f24d011b7f8e487f55902812ac05ab7ae83efc4f"
        );
    }

    #[test]
    fn a_time_out_of_range_does_not_panic() {
        assert_eq!(date_text(i64::MAX), "19700101T000000Z");
    }
}
