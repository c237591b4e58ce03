//! The joining side: a key that never leaves its machine, and a request to certify it.

use rcgen::{CertificateParams, KeyPair};
use zeroize::Zeroizing;

use crate::error::CertificateError;
use crate::profile;

/// Makes a key and a PKCS#10 request for it: `(private key PEM, request PEM)`.
///
/// `name` goes into the request for people who read it; the control plane certifies the id that it
/// chooses itself.
///
/// # Errors
/// [`CertificateError::MakeKey`], or [`CertificateError::MakeRequest`] if `name` cannot be encoded.
pub fn make_key_and_request(name: &str) -> Result<(Zeroizing<String>, String), CertificateError> {
    let key = KeyPair::generate().map_err(CertificateError::MakeKey)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = profile::name(name);
    let make = |source| CertificateError::MakeRequest {
        subject: name.to_owned(),
        source,
    };
    let request = params
        .serialize_request(&key)
        .and_then(|made| made.pem())
        .map_err(make)?;
    Ok((Zeroizing::new(key.serialize_pem()), request))
}
