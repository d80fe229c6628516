//! Certificates for tests: CAs, servers, clients.

use chaincode_shim::TlsConfig;
use fabric_protos::msp::SerializedIdentity;
use prost::Message;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair,
};

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, in PEM.
pub(crate) struct Leaf {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Good for servers on loopback and for clients, as a peer's TLS certificate is.
    pub(crate) fn tls(&self) -> Leaf {
        let mut params =
            CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        self.sign(&params)
    }

    /// An identity of this MSP, as it travels, with these organisational units and attributes of Fabric CA.
    pub(crate) fn creator(&self, msp_id: &str, units: &[&str], attributes: Option<&str>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "user1");
        for unit in units {
            params
                .distinguished_name
                .push(DnType::OrganizationalUnitName, *unit);
        }
        if let Some(attributes) = attributes {
            let content = attributes.as_bytes().to_vec();
            let extension = CustomExtension::from_oid_content(&[1, 2, 3, 4, 5, 6, 7, 8, 1], content);
            params.custom_extensions.push(extension);
        }
        creator(msp_id, &self.sign(&params).certificate)
    }

    fn sign(&self, params: &CertificateParams) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Leaf {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Leaf {
    pub(crate) fn server(self, client_ca: Option<String>) -> TlsConfig {
        let tls = TlsConfig::new(self.certificate, self.key);
        match client_ca {
            Some(authority) => tls.with_client_ca(authority),
            None => tls,
        }
    }
}

pub(crate) fn creator(msp_id: &str, pem: &str) -> Vec<u8> {
    SerializedIdentity {
        mspid: msp_id.to_owned(),
        id_bytes: pem.as_bytes().to_vec(),
    }
    .encode_to_vec()
}
