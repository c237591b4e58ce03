//! Who may speak with whom: the control plane's certificate authority, the identities it gives to
//! sources and targets, and the certificates minted for one task alone.
//!
//! Two kinds of trust are kept apart on purpose:
//!
//! - The **control plane CA** ([`ControlPlaneCa`]) is long-lived. It certifies the control plane
//!   itself and every agent and receiver that joined. It says nothing about data.
//! - A **task CA** ([`TaskCertificates`]) lives for the minting of one set of certificates; its key
//!   is dropped before the set is handed out. Whoever holds a certificate of one task can reach the
//!   data path of no other, and nobody can add a certificate to a task later on.
//!
//! All cryptography is aws-lc-rs by way of `rustls` and `rcgen`; signatures are ECDSA on P-256,
//! which every peer of a TLS connection understands.

mod authority;
mod error;
mod pem;
mod private_key;
mod profile;
mod request;
mod task;
mod tls;

pub use authority::ControlPlaneCa;
pub use error::CertificateError;
pub use pem::{certificates_from_pem, fingerprint_sha256, private_key_from_pem, roots_from_pem};
pub use private_key::{decrypt_key, encrypt_key};
pub use request::make_key_and_request;
pub use task::{TaskCertificates, server_name};
pub use tls::{
    control_plane_client_config, data_path_client_config, data_path_server_config,
    first_contact_client_config,
};
