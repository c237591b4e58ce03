//! Private keys at rest: PKCS#8 under a passphrase (PBES2 with PBKDF2-HMAC-SHA-256 and AES-256-CBC).
//!
//! SMS hands keys (`certkey`) and passphrase out by two routes, so that neither answer alone is
//! worth anything. The passphrase is 256 random bits, not a word that a person chose: guessing it is
//! hopeless whatever one guess costs, so the iteration count only follows custom and stays cheap.

use pkcs8::der::Decode as _;
use pkcs8::der::pem::PemLabel as _;
use pkcs8::pkcs5::{EncryptionScheme, pbes2};
use pkcs8::{EncryptedPrivateKeyInfo, LineEnding, PrivateKeyInfo, SecretDocument};
use rand::RngCore as _;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::error::CertificateError;

const ITERATIONS: u32 = 4096;
/// More than anybody sensible asks for, little enough to be done at once.
const MAX_ITERATIONS: u32 = 1_000_000;

/// Encrypts a PKCS#8 key (DER) under `passphrase`; the result is PEM `ENCRYPTED PRIVATE KEY`.
///
/// # Errors
/// [`CertificateError::EncryptKey`] if `pkcs8_der` is no PKCS#8 key.
pub fn encrypt_key(pkcs8_der: &[u8], passphrase: &str) -> Result<String, CertificateError> {
    let mut salt = [0_u8; 16];
    let mut initial_vector = [0_u8; 16];
    rand::rng().fill_bytes(&mut salt);
    rand::rng().fill_bytes(&mut initial_vector);
    let encrypt = || {
        let scheme =
            pbes2::Parameters::pbkdf2_sha256_aes256cbc(ITERATIONS, &salt, &initial_vector)?;
        let key = PrivateKeyInfo::from_der(pkcs8_der)?;
        let encrypted = key.encrypt_with_params(scheme, passphrase)?;
        let pem = encrypted.to_pem(EncryptedPrivateKeyInfo::PEM_LABEL, LineEnding::LF)?;
        Ok(String::clone(&pem))
    };
    encrypt().map_err(CertificateError::EncryptKey)
}

/// Decrypts what [`encrypt_key`] made.
///
/// # Errors
/// [`CertificateError::DecryptKey`] if the text is damaged or the passphrase is another one,
/// [`CertificateError::KeyDerivation`] if decrypting would take more memory or time than our own
/// keys do: the text came over a wire.
pub fn decrypt_key(
    pem: &str,
    passphrase: &str,
) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let failed = CertificateError::DecryptKey;
    let (_, document) = SecretDocument::from_pem(pem.trim()).map_err(|e| failed(e.into()))?;
    let encrypted =
        EncryptedPrivateKeyInfo::from_der(document.as_bytes()).map_err(|e| failed(e.into()))?;
    let EncryptionScheme::Pbes2(scheme) = &encrypted.encryption_algorithm else {
        return Err(CertificateError::KeyDerivation);
    };
    let iterations = scheme.kdf.pbkdf2().map(|pbkdf2| pbkdf2.iteration_count);
    if iterations.is_none_or(|iterations| iterations > MAX_ITERATIONS) {
        return Err(CertificateError::KeyDerivation);
    }
    let key = encrypted.decrypt(passphrase).map_err(failed)?;
    // A wrong passphrase can, by chance, leave valid padding; it never leaves a valid key.
    PrivateKeyInfo::from_der(key.as_bytes()).map_err(|e| failed(e.into()))?;
    Ok(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(
        key.as_bytes().to_vec(),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_passphrase_opens_a_key() {
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = encrypt_key(key.serialized_der(), "right").unwrap();
        assert!(pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"));
        assert_eq!(
            decrypt_key(&pem, "right").unwrap().secret_der(),
            key.serialized_der()
        );
        assert!(matches!(
            decrypt_key(&pem, "wrong"),
            Err(CertificateError::DecryptKey(_))
        ));
    }

    #[test]
    fn a_key_that_would_exhaust_memory_is_refused_unopened() {
        // scrypt's cost is memory, and a peer would choose it.
        let key = rcgen::KeyPair::generate().unwrap();
        let info = PrivateKeyInfo::from_der(key.serialized_der()).unwrap();
        let scheme =
            pbes2::Parameters::scrypt_aes256cbc(Default::default(), &[1; 16], &[2; 16]).unwrap();
        let document = info.encrypt_with_params(scheme, "right").unwrap();
        let pem = document
            .to_pem(EncryptedPrivateKeyInfo::PEM_LABEL, LineEnding::LF)
            .unwrap();
        assert!(matches!(
            decrypt_key(&pem, "right"),
            Err(CertificateError::KeyDerivation)
        ));
    }

    #[test]
    fn text_that_is_no_key_is_refused() {
        for text in ["", "hello", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n"] {
            assert!(matches!(
                decrypt_key(text, "x"),
                Err(CertificateError::DecryptKey(_))
            ));
        }
    }
}
