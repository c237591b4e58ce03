//! What can go wrong with certificates and keys, by the act that failed.

use std::path::PathBuf;

/// Why a certificate or a key could not be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A key pair could not be made.
    #[error("make a private key")]
    MakeKey(#[source] rcgen::Error),
    /// A certificate could not be signed.
    #[error("issue a certificate for {subject}")]
    Issue {
        /// Common name of the certificate.
        subject: String,
        /// What the signing said.
        #[source]
        source: rcgen::Error,
    },
    /// A certificate request could not be made.
    #[error("make a certificate request for {subject}")]
    MakeRequest {
        /// Common name of the request.
        subject: String,
        /// What the encoding said.
        #[source]
        source: rcgen::Error,
    },
    /// A certificate request is damaged, or not signed with its own key.
    #[error("the certificate request is damaged or not signed with its own key; make a new one")]
    Request(#[source] rcgen::Error),
    /// A PEM text holds no usable item of the kind that was asked for.
    #[error("read a {expected} from PEM text")]
    Pem {
        /// What should have been in the text.
        expected: &'static str,
        /// What the decoder said.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// A certificate cannot serve as a trust anchor.
    #[error("use a certificate as a trust anchor")]
    TrustAnchor(#[source] rustls::Error),
    /// A private key could not be encrypted.
    #[error("encrypt a private key")]
    EncryptKey(#[source] pkcs8::Error),
    /// A private key could not be decrypted.
    #[error("decrypt a private key; the passphrase and the key must be of the same task")]
    DecryptKey(#[source] pkcs8::Error),
    /// The key asks for more work to decrypt than this program ever asks for.
    #[error("refuse an encrypted private key that was not made by Rehost")]
    KeyDerivation,
    /// A file of the authority could not be written.
    #[error("write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file of the authority could not be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The authority's files do not fit together.
    #[error("load the certificate authority from {}; restore ca.pem and ca.key together", directory.display())]
    Load {
        /// The authority's directory.
        directory: PathBuf,
        /// What did not fit.
        #[source]
        source: rcgen::Error,
    },
    /// A TLS configuration was refused.
    #[error("set up TLS")]
    Tls(#[source] rustls::Error),
    /// A set of certificates does not verify its own kind of peer.
    #[error("set up the verification of client certificates")]
    ClientVerifier(#[source] rustls::server::VerifierBuilderError),
}
