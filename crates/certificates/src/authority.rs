//! The control plane's own certificate authority.
//!
//! It certifies the control plane (so that joining sides can verify it by the fingerprint in their
//! token) and every agent and receiver that joined (so that they need no account key). Two files:
//! `ca.pem` for everybody, `ca.key` for the control plane alone.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rcgen::{
    CertificateSigningRequestParams, ExtendedKeyUsagePurpose, Issuer, KeyPair, PublicKeyData as _,
    SanType,
};
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use crate::error::CertificateError;
use crate::pem::{certificates_from_pem, fingerprint_sha256};
use crate::profile;

const COMMON_NAME: &str = "Rehost control plane CA";
const CERTIFICATE_FILE: &str = "ca.pem";
const KEY_FILE: &str = "ca.key";

/// The certificate authority of one control plane.
#[derive(Debug)]
pub struct ControlPlaneCa {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
}

impl ControlPlaneCa {
    /// Makes a new authority, valid for ten years.
    ///
    /// # Errors
    /// [`CertificateError::MakeKey`] or [`CertificateError::Issue`].
    pub fn create() -> Result<Self, CertificateError> {
        let key = KeyPair::generate().map_err(CertificateError::MakeKey)?;
        let params = profile::authority(COMMON_NAME, profile::AUTHORITY_LIFE);
        let certificate = params
            .self_signed(&key)
            .map_err(|source| CertificateError::Issue {
                subject: COMMON_NAME.into(),
                source,
            })?;
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Ok(Self {
            issuer: Issuer::new(params, key),
            pem,
            der,
        })
    }

    /// Reads the authority that [`Self::save`] wrote, or `None` if `directory` holds none.
    ///
    /// # Errors
    /// [`CertificateError::Read`], [`CertificateError::Pem`] or [`CertificateError::Load`]; half an
    /// authority is an error too, never a reason to make a new one.
    pub fn load(directory: &Path) -> Result<Option<Self>, CertificateError> {
        let read = |name: &str| {
            let path = directory.join(name);
            std::fs::read_to_string(&path).map_err(|source| CertificateError::Read { path, source })
        };
        let pem = match read(CERTIFICATE_FILE) {
            Ok(pem) => pem,
            Err(CertificateError::Read { source, .. })
                if source.kind() == ErrorKind::NotFound && !directory.join(KEY_FILE).exists() =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let key_pem = Zeroizing::new(read(KEY_FILE)?);
        let failed = |source| CertificateError::Load {
            directory: directory.to_path_buf(),
            source,
        };
        let der = certificates_from_pem(&pem)?.swap_remove(0);
        let key = KeyPair::from_pem(&key_pem).map_err(failed)?;
        let certified_key = public_key_of(&der).map_err(failed)?;
        if certified_key != key.subject_public_key_info() {
            return Err(failed(rcgen::Error::CouldNotParseCertificate));
        }
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(failed)?;
        Ok(Some(Self { issuer, pem, der }))
    }

    /// Writes `ca.key` (0600) and then `ca.pem` into `directory`, which must exist. Existing files
    /// are never replaced: an authority that is in use cannot be lost by accident.
    ///
    /// # Errors
    /// [`CertificateError::Write`].
    pub fn save(&self, directory: &Path) -> Result<(), CertificateError> {
        Self::restore(directory, &self.pem, &self.key_pem())
    }

    /// Writes an authority that is known as PEM texts, as [`Self::save`] does.
    ///
    /// # Errors
    /// [`CertificateError::Write`].
    pub fn restore(
        directory: &Path,
        certificate_pem: &str,
        key_pem: &str,
    ) -> Result<(), CertificateError> {
        for (name, text, mode) in [
            (KEY_FILE, key_pem, 0o600),
            (CERTIFICATE_FILE, certificate_pem, 0o644),
        ] {
            let path = directory.join(name);
            let write = || {
                let mut file = OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(mode)
                    .open(&path)?;
                file.write_all(text.as_bytes())?;
                file.sync_all()
            };
            write().map_err(|source| CertificateError::Write {
                path: path.clone(),
                source,
            })?;
        }
        Ok(())
    }

    /// The authority's private key, PEM: for replicas of the control plane, which share it.
    #[must_use]
    pub fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.issuer.key().serialize_pem())
    }

    /// The authority's certificate, PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.pem
    }

    /// The authority's certificate, DER.
    #[must_use]
    pub fn certificate_der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// SHA-256 of the authority's certificate, as join tokens carry it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint_sha256(&self.der)
    }

    /// Issues a certificate for the control plane itself: `(chain PEM, private key PEM)`.
    ///
    /// The chain ends with the authority's own certificate, because a joining side knows nothing
    /// but its fingerprint. Each of `names` is a DNS name or an IP address.
    ///
    /// # Errors
    /// [`CertificateError::MakeKey`], or [`CertificateError::Issue`] if a name cannot be certified.
    pub fn issue_server(
        &self,
        names: &[String],
    ) -> Result<(String, Zeroizing<String>), CertificateError> {
        let subject = names.first().map_or("rehost", String::as_str);
        let failed = |source| CertificateError::Issue {
            subject: subject.to_owned(),
            source,
        };
        let mut params = profile::end_entity(
            "Rehost control plane",
            profile::AUTHORITY_LIFE,
            ExtendedKeyUsagePurpose::ServerAuth,
        );
        for name in names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.as_str().try_into().map_err(failed)?),
            });
        }
        let key = KeyPair::generate().map_err(CertificateError::MakeKey)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let chain = format!("{}{}", certificate.pem(), self.pem);
        Ok((chain, Zeroizing::new(key.serialize_pem())))
    }

    /// Certifies the key of a PKCS#10 request (PEM) as the identity `id`: a client certificate for
    /// two years. Nothing but the key is taken from the request, whatever else it asks for.
    ///
    /// # Errors
    /// [`CertificateError::Request`] if the request is damaged or not signed with its own key.
    pub fn sign_identity(&self, request_pem: &str, id: &str) -> Result<String, CertificateError> {
        let mut request = CertificateSigningRequestParams::from_pem(request_pem)
            .map_err(CertificateError::Request)?;
        request.params = profile::end_entity(
            id,
            profile::IDENTITY_LIFE,
            ExtendedKeyUsagePurpose::ClientAuth,
        );
        let certificate =
            request
                .signed_by(&self.issuer)
                .map_err(|source| CertificateError::Issue {
                    subject: id.to_owned(),
                    source,
                })?;
        Ok(certificate.pem())
    }
}

/// The public key (SubjectPublicKeyInfo, DER) that a certificate certifies.
fn public_key_of(certificate: &CertificateDer<'_>) -> Result<Vec<u8>, rcgen::Error> {
    rustls::server::ParsedCertificate::try_from(certificate)
        .map(|parsed| parsed.subject_public_key_info().to_vec())
        .map_err(|_| rcgen::Error::CouldNotParseCertificate)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::request::make_key_and_request;

    fn scratch() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn an_authority_survives_its_files_and_is_never_replaced() {
        let directory = scratch();
        assert!(ControlPlaneCa::load(directory.path()).unwrap().is_none());
        let made = ControlPlaneCa::create().unwrap();
        made.save(directory.path()).unwrap();
        let mode = std::fs::metadata(directory.path().join("ca.key"))
            .unwrap()
            .permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);

        let loaded = ControlPlaneCa::load(directory.path()).unwrap().unwrap();
        assert_eq!(loaded.fingerprint(), made.fingerprint());
        let error = ControlPlaneCa::create()
            .unwrap()
            .save(directory.path())
            .unwrap_err();
        assert!(matches!(error, CertificateError::Write { .. }));
    }

    #[test]
    fn half_an_authority_is_an_error() {
        let directory = scratch();
        ControlPlaneCa::create()
            .unwrap()
            .save(directory.path())
            .unwrap();
        std::fs::remove_file(directory.path().join("ca.pem")).unwrap();
        assert!(ControlPlaneCa::load(directory.path()).is_err());

        let other = ControlPlaneCa::create().unwrap();
        std::fs::write(directory.path().join("ca.pem"), other.certificate_pem()).unwrap();
        let error = ControlPlaneCa::load(directory.path()).unwrap_err();
        assert!(matches!(error, CertificateError::Load { .. }), "{error:?}");
    }

    #[test]
    fn a_request_with_a_broken_signature_is_refused() {
        let authority = ControlPlaneCa::create().unwrap();
        let (_, request) = make_key_and_request("web-1").unwrap();
        assert!(authority.sign_identity(&request, "id-1").is_ok());

        let mut der = pkcs8::der::Document::from_pem(&request)
            .unwrap()
            .1
            .into_vec();
        *der.last_mut().unwrap() ^= 1;
        let broken = pkcs8::der::Document::try_from(der)
            .unwrap()
            .to_pem("CERTIFICATE REQUEST", pkcs8::LineEnding::LF)
            .unwrap();
        let error = authority.sign_identity(&broken, "id-1").unwrap_err();
        assert!(matches!(error, CertificateError::Request(_)), "{error:?}");
        assert!(authority.sign_identity("hello", "id-1").is_err());
    }
}
