//! From PEM text to what `rustls` takes, and the fingerprint by which certificates are known.

use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};

use crate::error::CertificateError;

/// Every certificate in the text, in its order; at least one.
///
/// # Errors
/// [`CertificateError::Pem`] if one is damaged or there is none.
pub fn certificates_from_pem(pem: &str) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let failed = |source| CertificateError::Pem {
        expected: "certificate",
        source,
    };
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    if certificates.is_empty() {
        return Err(failed(rustls_pki_types::pem::Error::NoItemsFound));
    }
    Ok(certificates)
}

/// The first private key in the text, which must not be encrypted.
///
/// # Errors
/// [`CertificateError::Pem`] if it is damaged or there is none.
pub fn private_key_from_pem(pem: &str) -> Result<PrivateKeyDer<'static>, CertificateError> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|source| CertificateError::Pem {
        expected: "private key",
        source,
    })
}

/// Trust in every certificate of the text, and in nothing else.
///
/// # Errors
/// [`CertificateError::Pem`] or [`CertificateError::TrustAnchor`].
pub fn roots_from_pem(pem: &str) -> Result<RootCertStore, CertificateError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates_from_pem(pem)? {
        roots
            .add(certificate)
            .map_err(CertificateError::TrustAnchor)?;
    }
    Ok(roots)
}

/// SHA-256 of a certificate in DER form: 64 lower-case hexadecimal digits.
#[must_use]
pub fn fingerprint_sha256(der: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(der) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_the_sha256_in_hexadecimal() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(fingerprint_sha256(b""), empty);
    }

    #[test]
    fn text_without_items_is_refused() {
        assert!(certificates_from_pem("").is_err());
        assert!(certificates_from_pem("no PEM at all").is_err());
        assert!(private_key_from_pem("-----BEGIN PRIVATE KEY-----\n").is_err());
        assert!(roots_from_pem("").is_err());
    }
}
