//! Certificates for the tests.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tonic::transport::{Certificate, Identity, ServerTlsConfig};

/// A certificate authority for one side or both.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate"),
        )
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// Certificate and key, PEM, after `change`.
    pub(crate) fn issue(
        &self,
        hosts: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> (String, String) {
        let hosts = hosts.iter().map(|&host| host.to_owned()).collect::<Vec<_>>();
        let mut params = CertificateParams::new(hosts).expect("host names");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        (
            params.signed_by(&key, &self.0).expect("a certificate").pem(),
            key.serialize_pem(),
        )
    }
}

/// A server with this certificate, for clients of that authority.
pub(crate) fn tls(certificate: &str, key: &str, clients: &Authority) -> ServerTlsConfig {
    ServerTlsConfig::new()
        .identity(Identity::from_pem(certificate, key))
        .client_ca_root(Certificate::from_pem(clients.pem()))
}
