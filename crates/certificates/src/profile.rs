//! What our certificates look like: life time, serial number, uses.
//!
//! Everything starts a day in the past: sources with a wrong clock are common, and a certificate
//! that is "not yet valid" is the most baffling way to learn about it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rand::RngCore as _;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyUsagePurpose, SerialNumber, date_time_ymd,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How far before now a certificate starts.
const CLOCK_SKEW: Duration = DAY;
/// Life of the control plane CA, and of server certificates under it.
pub(crate) const AUTHORITY_LIFE: Duration = Duration::from_secs(10 * 365 * DAY.as_secs());
/// Life of the identity of an agent or a receiver.
pub(crate) const IDENTITY_LIFE: Duration = Duration::from_secs(2 * 365 * DAY.as_secs());
/// Life of the certificates of one task.
pub(crate) const TASK_LIFE: Duration = Duration::from_secs(365 * DAY.as_secs());

/// Parameters common to all our certificates.
fn base(common_name: &str, life: Duration) -> CertificateParams {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let epoch = date_time_ymd(1970, 1, 1);
    let mut params = CertificateParams::default();
    params.not_before = epoch + now.saturating_sub(CLOCK_SKEW);
    params.not_after = epoch + now.saturating_add(life);
    params.serial_number = Some(random_serial());
    params.distinguished_name = name(common_name);
    params
}

/// A distinguished name that is a common name alone.
pub(crate) fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// A CA that signs end entities only.
pub(crate) fn authority(common_name: &str, life: Duration) -> CertificateParams {
    let mut params = base(common_name, life);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// An end entity for one side of TLS.
pub(crate) fn end_entity(
    common_name: &str,
    life: Duration,
    usage: ExtendedKeyUsagePurpose,
) -> CertificateParams {
    let mut params = base(common_name, life);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    params.use_authority_key_identifier_extension = true;
    params
}

/// 127 random bits: unique without a counter that would have to be kept.
fn random_serial() -> SerialNumber {
    let mut bytes = [0_u8; 16];
    rand::rng().fill_bytes(&mut bytes);
    // A set top bit would need a further byte to stay positive.
    bytes[0] &= 0x7f;
    SerialNumber::from_slice(&bytes)
}
