//! Who may dial a peer's chaincode listener: the chaincodes that the peer starts, by certificates that it gives them under an authority
//! which it keeps in memory (Fabric's `core/chaincode/accesscontrol`).

use crate::identity::{KeyAndCertificate, MaterialError, make_authority, tls_certificate};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};
use x509_parser::pem::parse_x509_pem;

/// The authority, and whom it has given certificates.
pub(crate) struct Access {
    authority: KeyAndCertificate,
    /// By the hash of a certificate, the package id of the chaincode that has it.
    issued: Mutex<BTreeMap<[u8; 32], String>>,
}

impl Access {
    pub(crate) fn new() -> Result<Self, MaterialError> {
        Ok(Self {
            authority: make_authority("chaincode listener", "peer")?,
            issued: Mutex::default(),
        })
    }

    /// What chaincodes must trust.
    pub(crate) fn authority_pem(&self) -> &str {
        &self.authority.certificate_pem
    }

    /// The listener's own certificate.
    pub(crate) fn server(&self) -> Result<KeyAndCertificate, MaterialError> {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        tls_certificate("chaincode listener", names.into(), &self.authority)
    }

    /// A certificate with which one chaincode may dial.
    pub(crate) fn issue(&self, package_id: &str) -> Result<KeyAndCertificate, MaterialError> {
        let made = tls_certificate("chaincode", Vec::new(), &self.authority)?;
        if let Ok((_, pem)) = parse_x509_pem(made.certificate_pem.as_bytes()) {
            self.issued
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(hash(&pem.contents), package_id.to_owned());
        }
        Ok(made)
    }

    /// Whether the holder of the certificate, in DER, may register as this chaincode; else the peer's own words.
    pub(crate) fn check(&self, package_id: &str, certificate: Option<&[u8]>) -> Result<(), String> {
        let certificate = certificate
            .ok_or_else(|| format!("TLS is active but chaincode {package_id} didn't send certificate"))?;
        let hash = hash(certificate);
        let issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let wrong = match issued.get(&hash) {
            Some(owner) if owner == package_id => return Ok(()),
            Some(_) => "belongs to a different chaincode",
            None => "not found in registry",
        };
        // Go prints bytes as numbers.
        let hash = hash.map(|byte| byte.to_string()).join(" ");
        Err(format!(
            "Chaincode {package_id} with given certificate hash [{hash}] {wrong}"
        ))
    }
}

fn hash(certificate: &[u8]) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(made: &KeyAndCertificate) -> Vec<u8> {
        parse_x509_pem(made.certificate_pem.as_bytes())
            .unwrap()
            .1
            .contents
    }

    #[test]
    fn a_certificate_is_one_chaincodes_alone() {
        let access = Access::new().unwrap();
        let certificate = der(&access.issue("a:1").unwrap());
        assert_eq!(access.check("a:1", Some(&certificate)), Ok(()));
        let other = access.check("b:1", Some(&certificate)).unwrap_err();
        assert!(other.ends_with("] belongs to a different chaincode"), "{other}");
        let foreign = der(&Access::new().unwrap().issue("a:1").unwrap());
        let unknown = access.check("a:1", Some(&foreign)).unwrap_err();
        assert!(
            unknown.starts_with("Chaincode a:1 with given certificate hash [")
                && unknown.ends_with("] not found in registry"),
            "{unknown}"
        );
        let without = access.check("a:1", None).unwrap_err();
        assert_eq!(without, "TLS is active but chaincode a:1 didn't send certificate");
    }
}
