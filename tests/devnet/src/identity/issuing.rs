//! Making keys, certificates and authorities.

use super::MaterialError;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use std::fmt;

/// A private key with its certificate, both in PEM. Prints without the key.
#[derive(Clone)]
pub struct KeyAndCertificate {
    /// PKCS#8.
    pub key_pem: String,
    /// X.509.
    pub certificate_pem: String,
}

impl fmt::Debug for KeyAndCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyAndCertificate").finish_non_exhaustive()
    }
}

/// The year in which generated certificates expire.
const EXPIRES: i32 = 2049;

pub(super) fn leaf_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(EXPIRES, 1, 1);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "US");
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params
}

pub(super) fn issue(
    name: &str,
    params: &CertificateParams,
    authority: &KeyAndCertificate,
) -> Result<KeyAndCertificate, MaterialError> {
    let made = || -> Result<KeyAndCertificate, rcgen::Error> {
        let issuer =
            Issuer::from_ca_cert_pem(&authority.certificate_pem, KeyPair::from_pem(&authority.key_pem)?)?;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(KeyAndCertificate {
            key_pem: key.serialize_pem(),
            certificate_pem: certificate.pem(),
        })
    };
    made().map_err(|source| failed(name, source))
}

/// Issues a TLS certificate for a server or a client of these names and addresses.
pub(crate) fn tls_certificate(
    name: &str,
    names: Vec<String>,
    authority: &KeyAndCertificate,
) -> Result<KeyAndCertificate, MaterialError> {
    let mut params = leaf_params(name);
    params.subject_alt_names = names
        .into_iter()
        .map(|name| match name.parse() {
            Ok(address) => Ok(SanType::IpAddress(address)),
            Err(_) => name.try_into().map(SanType::DnsName),
        })
        .collect::<Result<_, _>>()
        .map_err(|source| failed(name, source))?;
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.key_usages.push(KeyUsagePurpose::KeyEncipherment);
    issue(name, &params, authority)
}

/// Makes a certificate authority with a certificate of its own.
pub(crate) fn make_authority(name: &str, organisation: &str) -> Result<KeyAndCertificate, MaterialError> {
    let make = || -> Result<KeyAndCertificate, rcgen::Error> {
        let mut params = leaf_params(name);
        params
            .distinguished_name
            .push(DnType::OrganizationName, organisation);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(KeyAndCertificate {
            key_pem: key.serialize_pem(),
            certificate_pem: certificate.pem(),
        })
    };
    make().map_err(|source| failed(name, source))
}

fn failed(subject: &str, source: rcgen::Error) -> MaterialError {
    MaterialError::Certificate {
        subject: subject.to_owned(),
        source,
    }
}
