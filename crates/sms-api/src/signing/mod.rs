//! Request signatures of the scheme `SDK-HMAC-SHA256`, both directions.
//!
//! ```text
//! CanonicalRequest = METHOD \n URI \n Query \n Headers \n SignedHeaders \n HexBodyHash
//! StringToSign     = "SDK-HMAC-SHA256" \n X-Sdk-Date \n hex(sha256(CanonicalRequest))
//! Signature        = hex(HMAC-SHA256(key = secret key, StringToSign))
//! Authorization    = SDK-HMAC-SHA256 Access=<access key>, SignedHeaders=<a;b>, Signature=<hex>
//! ```
//!
//! Nothing here knows an HTTP library: requests are given as text, headers by a look-up. The other
//! schemes that SDKs can be switched to (`V11-HMAC-SHA256`, SM3, ECDSA) are refused.

mod authorization;
mod body;
mod canonical;
mod sign;
mod verify;

pub use authorization::Authorization;
pub use body::{BodyHasher, announce_body_hash, announced_body_hash, body_hash, hash_of_reader};
pub use canonical::{RequestToSign, percent_encode};
pub use sign::{SignedRequest, sign};
pub use verify::{MAX_CLOCK_DIFFERENCE_SECONDS, SignatureError, verify};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Name of the scheme.
pub const SCHEME: &str = "SDK-HMAC-SHA256";
/// Header with the time of the signature, `YYYYMMDDTHHMMSSZ`, UTC.
pub const DATE_HEADER: &str = "x-sdk-date";
/// Header that may carry the hash of the body.
pub const BODY_HASH_HEADER: &str = "x-sdk-content-sha256";

/// The signature of a canonical request, 64 lower-case hexadecimal digits.
fn signature(secret_key: &str, date: &str, canonical_request: &str) -> String {
    let hash = hex(&body_hash(canonical_request.as_bytes()));
    let mut mac = keyed(secret_key.as_bytes());
    mac.update(format!("{SCHEME}\n{date}\n{hash}").as_bytes());
    hex(&mac.finalize().into_bytes())
}

/// HMAC keyed as RFC 2104 says: long keys are hashed first, short ones are filled with zeros.
fn keyed(secret_key: &[u8]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    let hashed;
    let key = if secret_key.len() > block.len() {
        hashed = body_hash(secret_key);
        &hashed
    } else {
        secret_key
    };
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    Hmac::new(&block.into())
}

/// Lower-case hexadecimal digits of some bytes.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_longer_than_a_block_are_hashed() {
        let mut ours = keyed(&[0xaa; 131]);
        ours.update(b"Test Using Larger Than Block-Size Key - Hash Key First");
        // RFC 4231, test case 6.
        assert_eq!(
            hex(&ours.finalize().into_bytes()),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
