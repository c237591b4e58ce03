//! The header `Authorization` of a signed request, taken apart and put together.

use super::SCHEME;
use super::verify::SignatureError;

/// More signed headers than any client sends. The limit keeps a hostile list from making the
/// canonical request grow far beyond the request.
const MAX_SIGNED_HEADERS: usize = 64;

/// What the header `Authorization` of a signed request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// Access key: who signed.
    pub access_key: String,
    /// Names of the signed headers, lower case, in the order in which they were signed.
    pub signed_headers: Vec<String>,
    /// Signature, 64 lower-case hexadecimal digits if it is right.
    pub signature: String,
}

impl Authorization {
    /// Whether a header value is of a signature scheme at all (ours or another), not `Bearer` or so.
    #[must_use]
    pub fn is_signature(value: &str) -> bool {
        let scheme = value.split(' ').next().unwrap_or_default();
        scheme.starts_with("SDK-") || scheme.starts_with("V11-")
    }

    /// Reads the value of the header.
    ///
    /// # Errors
    /// [`SignatureError::Scheme`] for another scheme, [`SignatureError::Malformed`] if a part is
    /// missing, empty or there twice.
    pub fn parse(value: &str) -> Result<Self, SignatureError> {
        let (scheme, rest) = value
            .trim()
            .split_once(' ')
            .ok_or(SignatureError::Malformed)?;
        if scheme != SCHEME {
            return Err(SignatureError::Scheme);
        }
        let (mut access_key, mut signed_headers, mut signature) = (None, None, None);
        for part in rest.split(',') {
            let (name, value) = part
                .trim()
                .split_once('=')
                .ok_or(SignatureError::Malformed)?;
            let place = match name {
                "Access" => &mut access_key,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => return Err(SignatureError::Malformed),
            };
            if value.is_empty() || place.replace(value).is_some() {
                return Err(SignatureError::Malformed);
            }
        }
        let signed_headers = signed_headers.ok_or(SignatureError::Malformed)?;
        Ok(Self {
            access_key: access_key.ok_or(SignatureError::Malformed)?.to_owned(),
            signed_headers: header_names(signed_headers)?,
            signature: signature.ok_or(SignatureError::Malformed)?.to_owned(),
        })
    }

    /// The value of the header.
    #[must_use]
    pub fn to_value(&self) -> String {
        let Self {
            access_key,
            signed_headers,
            signature,
        } = self;
        let signed_headers = signed_headers.join(";");
        format!(
            "{SCHEME} Access={access_key}, SignedHeaders={signed_headers}, Signature={signature}"
        )
    }
}

fn header_names(list: &str) -> Result<Vec<String>, SignatureError> {
    let mut names: Vec<String> = Vec::new();
    for name in list.split(';') {
        let name = name.trim().to_ascii_lowercase();
        if name.is_empty() || names.contains(&name) || names.len() == MAX_SIGNED_HEADERS {
            return Err(SignatureError::Malformed);
        }
        names.push(name);
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_is_taken_apart_and_put_together_again() {
        let value = "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-sdk-date, Signature=00ff";
        let parsed = Authorization::parse(value).unwrap();
        assert_eq!(parsed.access_key, "AK");
        assert_eq!(parsed.signed_headers, ["host", "x-sdk-date"]);
        assert_eq!(parsed.signature, "00ff");
        assert_eq!(parsed.to_value(), value);
        let tight = "SDK-HMAC-SHA256 Access=AK,SignedHeaders=Host;X-Sdk-Date,Signature=00ff";
        assert_eq!(Authorization::parse(tight).unwrap(), parsed);
    }

    #[test]
    fn what_is_no_signature_is_refused() {
        for value in [
            "",
            "SDK-HMAC-SHA256",
            "SDK-HMAC-SHA256 ",
            "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host",
            "SDK-HMAC-SHA256 Access=AK, Access=BK, SignedHeaders=host, Signature=0",
            "SDK-HMAC-SHA256 Access=, SignedHeaders=host, Signature=0",
            "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;host, Signature=0",
            "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;, Signature=0",
            "SDK-HMAC-SHA256 Access=AK, SignedHeaders=host, Signature=0, Extra=1",
        ] {
            assert!(
                matches!(Authorization::parse(value), Err(SignatureError::Malformed)),
                "{value}"
            );
        }
        let other = "V11-HMAC-SHA256 Credential=AK/x, SignedHeaders=host, Signature=0";
        assert!(matches!(
            Authorization::parse(other),
            Err(SignatureError::Scheme)
        ));
        assert!(Authorization::is_signature(other));
        assert!(!Authorization::is_signature("Bearer x"));
        let names: Vec<_> = (0..=MAX_SIGNED_HEADERS)
            .map(|number| format!("h{number}"))
            .collect();
        let many = format!(
            "{SCHEME} Access=A, SignedHeaders={}, Signature=0",
            names.join(";")
        );
        assert!(Authorization::parse(&many).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,80}") {
            let _ = Authorization::parse(&text);
            let _ = Authorization::parse(&format!("{SCHEME} {text}"));
        }
    }
}
