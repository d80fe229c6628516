//! A certificate authority for TLS between peers and their chaincode servers, in the files that `scripts/deploy` writes.

use std::{fs, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Its own certificate is `ca.crt` of a folder, its key `ca.key`.
pub(crate) struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, in PEM.
pub(crate) struct Leaf {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    /// Makes one that nobody trusts yet.
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self::from_pem(&certificate, &key.serialize_pem())
    }

    /// The one that is kept in a folder.
    pub(crate) fn read(folder: &Path) -> Self {
        let read = |name| fs::read_to_string(folder.join(name)).unwrap();
        Self::from_pem(&read("ca.crt"), &read("ca.key"))
    }

    fn from_pem(certificate: &str, key: &str) -> Self {
        let key = KeyPair::from_pem(key).unwrap();
        Self {
            certificate: certificate.to_owned(),
            issuer: Issuer::from_ca_cert_pem(certificate, key).unwrap(),
        }
    }

    pub(crate) fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("ca.crt"), &self.certificate).unwrap();
        fs::write(folder.join("ca.key"), self.issuer.key().serialize_pem()).unwrap();
    }

    pub(crate) fn pem(&self) -> &str {
        &self.certificate
    }

    /// Good for servers on loopback and for clients.
    pub(crate) fn issue(&self, name: &str) -> Leaf {
        let hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Leaf {
    /// As `NAME.crt` and `NAME.key`.
    pub(crate) fn write(&self, folder: &Path, name: &str) {
        fs::write(folder.join(format!("{name}.crt")), &self.certificate).unwrap();
        fs::write(folder.join(format!("{name}.key")), &self.key).unwrap();
    }
}
