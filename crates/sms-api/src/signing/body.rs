//! The hash of a body, which a signature covers in place of the body.
//!
//! A body that is read as it goes by has no hash yet when its request begins. So it is hashed
//! beforehand and announced in `X-Sdk-Content-Sha256`: the signature is verified with the announced
//! hash, and what arrives is compared with it afterwards.

use std::io::{ErrorKind, Read};

use sha2::{Digest as _, Sha256};

use super::hex;

/// Read at once while a body is hashed.
const PIECE_BYTES: usize = 64 << 10;

/// Hash of a body as it enters the canonical request.
#[must_use]
pub fn body_hash(body: &[u8]) -> [u8; 32] {
    Sha256::digest(body).into()
}

/// Hash of what is left of `body`, without holding it in memory.
///
/// # Errors
/// Those of reading.
pub fn hash_of_reader(body: &mut impl Read) -> std::io::Result<[u8; 32]> {
    let mut hasher = BodyHasher::default();
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        match body.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(count) => hasher.update(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Value of `X-Sdk-Content-Sha256`.
#[must_use]
pub fn announce_body_hash(hash: &[u8; 32]) -> String {
    hex(hash)
}

/// Reads `X-Sdk-Content-Sha256`: 64 hexadecimal digits in any case. Anything else, such as
/// `UNSIGNED-PAYLOAD`, announces nothing.
#[must_use]
pub fn announced_body_hash(value: &str) -> Option<[u8; 32]> {
    let digits = value.trim().as_bytes();
    let mut hash = [0; 32];
    if digits.len() != 2 * hash.len() {
        return None;
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16);
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = u8::try_from(nibble(*high)? * 16 + nibble(*low)?).ok()?;
    }
    Some(hash)
}

/// Hashes a body piece by piece.
#[derive(Clone, Debug, Default)]
pub struct BodyHasher(Sha256);

impl BodyHasher {
    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Hash of all pieces so far, as [`body_hash`] gives it for all of them at once.
    #[must_use]
    pub fn finish(&self) -> [u8; 32] {
        self.0.clone().finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_a_whole_hash_is_an_announcement() {
        let hash = body_hash(b"abc");
        let text = announce_body_hash(&hash);
        // FIPS 180-2, appendix B.1.
        assert_eq!(
            text,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        for value in [text.clone(), text.to_uppercase(), format!(" {text} ")] {
            assert_eq!(announced_body_hash(&value), Some(hash), "{value}");
        }
        let not_hexadecimal = text.replace('b', "g");
        for value in [
            "",
            "UNSIGNED-PAYLOAD",
            &text[1..],
            &not_hexadecimal,
            &"é".repeat(32),
        ] {
            assert_eq!(announced_body_hash(value), None, "{value}");
        }
    }

    #[test]
    fn a_reader_is_hashed_whatever_its_length() {
        for length in [0, 1, PIECE_BYTES, PIECE_BYTES + 1] {
            let body = vec![7; length];
            assert_eq!(
                hash_of_reader(&mut body.as_slice()).unwrap(),
                body_hash(&body)
            );
        }
    }

    proptest! {
        #[test]
        fn pieces_hash_as_the_whole(pieces in proptest::collection::vec(".{0,20}", 0..8)) {
            let mut hasher = BodyHasher::default();
            for piece in &pieces {
                hasher.update(piece.as_bytes());
            }
            prop_assert_eq!(hasher.finish(), body_hash(pieces.concat().as_bytes()));
        }

        #[test]
        fn what_is_announced_is_understood(hash in any::<[u8; 32]>()) {
            prop_assert_eq!(announced_body_hash(&announce_body_hash(&hash)), Some(hash));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{60,70}") {
            let _ = announced_body_hash(&text);
        }
    }
}
