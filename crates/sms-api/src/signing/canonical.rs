//! The canonical request: the one text of a request that both ends agree on.

use std::fmt::Write as _;

use super::hex;

/// A request as far as a signature covers it.
#[derive(Clone, Copy, Debug)]
pub struct RequestToSign<'a> {
    /// Method, upper case.
    pub method: &'a str,
    /// Path as in the request line, without the query.
    pub path: &'a str,
    /// Query as in the request line, without `?`; empty if there is none.
    pub query: &'a str,
    /// SHA-256 of the body bytes, see [`super::body_hash`].
    pub body_sha256: [u8; 32],
}

impl RequestToSign<'_> {
    /// The canonical request for signed headers in the order of `SignedHeaders`, names in lower case.
    ///
    /// `body_hash` is the value of `X-Sdk-Content-Sha256` where that header is present.
    pub(super) fn canonical(&self, headers: &[(&str, &str)], body_hash: Option<&str>) -> String {
        let mut text = format!(
            "{}\n{}\n{}\n",
            self.method,
            uri(self.path),
            query(self.query)
        );
        for (name, value) in headers {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{name}:{}", value.trim());
        }
        text.push('\n');
        for (position, (name, _)) in headers.iter().enumerate() {
            if position > 0 {
                text.push(';');
            }
            text.push_str(name);
        }
        text.push('\n');
        match body_hash {
            Some(hash) => text.push_str(hash),
            None => text.push_str(&hex(&self.body_sha256)),
        }
        text
    }
}

/// Percent-encodes everything but `A-Z a-z 0-9 - . _ ~`, as SDKs do for path segments and queries.
#[must_use]
pub fn percent_encode(text: &str) -> String {
    encode(text.as_bytes())
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Undoes percent-encoding. What is no escape stays as it is.
fn decode(text: &str, plus_is_space: bool) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = bytes
            .get(at + 1..at + 3)
            .filter(|_| byte == b'%')
            .and_then(|digits| {
                let high = char::from(digits[0]).to_digit(16)?;
                let low = char::from(digits[1]).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()
            });
        if let Some(escaped) = escape {
            decoded.push(escaped);
            at += 3;
        } else {
            decoded.push(if plus_is_space && byte == b'+' {
                b' '
            } else {
                byte
            });
            at += 1;
        }
    }
    decoded
}

/// Path, decoded, encoded again segment by segment, and ended by `/`.
fn uri(path: &str) -> String {
    let decoded = decode(path, false);
    let segments: Vec<_> = decoded.split(|byte| *byte == b'/').map(encode).collect();
    let mut uri = segments.join("/");
    if !uri.ends_with('/') {
        uri.push('/');
    }
    uri
}

/// Parameters sorted by decoded name, then by decoded value, and encoded again.
fn query(query: &str) -> String {
    let mut parameters: Vec<_> = query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| parameter.split_once('=').unwrap_or((parameter, "")))
        // Go clients write a space as `+`; a plus itself is `%2B` with all of them.
        .map(|(name, value)| (decode(name, true), decode(value, true)))
        .collect();
    parameters.sort();
    let encoded: Vec<_> = parameters
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    encoded.join("&")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_end_in_a_slash_and_are_encoded_by_segment() {
        assert_eq!(uri("/"), "/");
        assert_eq!(uri(""), "/");
        assert_eq!(uri("/v3/sources"), "/v3/sources/");
        assert_eq!(uri("/v3/x%20y/"), "/v3/x%20y/");
        assert_eq!(uri("/a%2Fb"), "/a/b/");
        assert_eq!(uri("/~-._:"), "/~-._%3A/");
        assert_eq!(uri("/100%"), "/100%25/");
        assert_eq!(uri("/中"), "/%E4%B8%AD/");
    }

    #[test]
    fn queries_are_sorted_by_what_they_mean() {
        assert_eq!(query(""), "");
        assert_eq!(query("b=2&a=1&a=0"), "a=0&a=1&b=2");
        assert_eq!(query("flag&x="), "flag=&x=");
        assert_eq!(query("n=a+b&m=a%2Bb"), "m=a%2Bb&n=a%20b");
        assert_eq!(query("n=a%20b%2F%E4%B8%AD~"), "n=a%20b%2F%E4%B8%AD~");
    }

    proptest! {
        #[test]
        fn canonical_forms_are_stable(text in "\\PC{0,40}") {
            let once = uri(&text);
            prop_assert_eq!(uri(&once), once.clone());
            let once = query(&text);
            prop_assert_eq!(query(&once), once.clone());
            prop_assert_eq!(decode(&percent_encode(&text), false), text.as_bytes());
        }
    }
}
