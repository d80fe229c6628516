//! Who somebody is: certificates judged as Fabric's `msp` package judges them with NodeOUs on.

use super::{PseudonymMsp, SignatureError, signature};
use crate::policy::{Principal, Role};
use fabric_protos::msp::SerializedIdentity;
use p256::ecdsa::VerifyingKey;
use prost::Message;
use std::{collections::BTreeMap, sync::Arc};
use x509_parser::{certificate::X509Certificate, oid_registry, pem::parse_x509_pem};

/// Why an identity is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum IdentityError {
    #[error("could not deserialize a SerializedIdentity")]
    Malformed,
    #[error("MSP {msp_id} is not defined on channel")]
    UnknownMsp { msp_id: String },
    #[error("could not decode the PEM structure")]
    Pem,
    #[error("the certificate cannot be read: {reason}")]
    Certificate { reason: String },
    #[error("the certificate's key is not a P-256 key")]
    Key,
    #[error("a certificate authority's certificate cannot act as an identity")]
    Authority,
    #[error("the supplied identity is not valid: certificate signed by unknown authority")]
    ForeignAuthority,
    #[error(
        "the identity must have exactly one of the OUs client, peer, admin and orderer, found [{found}], MSP: [{msp_id}]"
    )]
    NodeOu { found: String, msp_id: String },
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

/// An identity that its organisation's authority vouches for.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) msp_id: String,
    /// The one role that its organisational units give it.
    pub(crate) role: Role,
    /// Whether it may propose transactions and have them ordered.
    pub(crate) is_writer: bool,
    /// The certificate, in DER, or the pseudonym: two identities are the same when this is.
    pub(crate) id: Vec<u8>,
    /// Seconds since the Unix epoch after which it has expired.
    pub(crate) expires_at: i64,
    pub(super) key: VerifyingKey,
}

impl Identity {
    /// Whether this identity is the principal.
    pub(crate) fn is(&self, principal: &Principal) -> bool {
        self.msp_id == principal.msp_id && (principal.role == Role::Member || principal.role == self.role)
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        signature::verify(&self.key, message, signature)
    }
}

/// One organisation's membership service provider: the authority that it trusts.
#[derive(Clone, Debug)]
pub(crate) struct Msp {
    msp_id: String,
    authority: Vec<u8>,
}

impl Msp {
    pub(crate) fn new(msp_id: &str, ca_certificate_pem: &str) -> Result<Self, IdentityError> {
        let (_, pem) = parse_x509_pem(ca_certificate_pem.as_bytes()).map_err(|_| IdentityError::Pem)?;
        parse(&pem.contents)?;
        Ok(Self {
            msp_id: msp_id.to_owned(),
            authority: pem.contents,
        })
    }

    /// The identity of a certificate in PEM. Its validity period is not judged here (Fabric's MSP does not either; the
    /// endorser and the orderer refuse an expired client).
    fn identify(&self, certificate_pem: &[u8]) -> Result<Identity, IdentityError> {
        let (_, pem) = parse_x509_pem(certificate_pem).map_err(|_| IdentityError::Pem)?;
        let certificate = parse(&pem.contents)?;
        let authority = parse(&self.authority)?;
        if certificate.is_ca() {
            return Err(IdentityError::Authority);
        }
        let issued = certificate.issuer() == authority.subject()
            && certificate.verify_signature(Some(authority.public_key())).is_ok();
        if !issued {
            return Err(IdentityError::ForeignAuthority);
        }
        let key = VerifyingKey::from_sec1_bytes(&certificate.public_key().subject_public_key.data)
            .map_err(|_| IdentityError::Key)?;
        let role = self.role(&certificate)?;
        Ok(Identity {
            msp_id: self.msp_id.clone(),
            role,
            is_writer: matches!(role, Role::Client | Role::Admin),
            expires_at: certificate.validity().not_after.timestamp(),
            key,
            id: pem.contents.clone(),
        })
    }

    fn role(&self, certificate: &X509Certificate<'_>) -> Result<Role, IdentityError> {
        let units: Vec<&str> = certificate
            .subject()
            .iter_by_oid(&oid_registry::OID_X509_ORGANIZATIONAL_UNIT)
            .filter_map(|unit| unit.as_str().ok())
            .collect();
        let mut roles = Role::ALL
            .into_iter()
            .filter(|role| *role != Role::Member)
            .filter(|role| units.contains(&role.name()));
        match (roles.next(), roles.next()) {
            (Some(role), None) => Ok(role),
            _ => Err(IdentityError::NodeOu {
                found: units.join(", "),
                msp_id: self.msp_id.clone(),
            }),
        }
    }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, IdentityError> {
    let parsed = x509_parser::parse_x509_certificate(der);
    let (rest, certificate) = parsed.map_err(|error| IdentityError::Certificate {
        reason: error.to_string(),
    })?;
    if rest.is_empty() {
        Ok(certificate)
    } else {
        Err(IdentityError::Certificate {
            reason: "bytes after its end".into(),
        })
    }
}

/// The membership service providers of a channel.
#[derive(Clone, Debug, Default)]
pub(crate) struct MspRegistry {
    providers: Arc<BTreeMap<String, Msp>>,
    /// Of organisations that have anonymous clients and no peers.
    pseudonyms: Arc<BTreeMap<String, PseudonymMsp>>,
}

impl MspRegistry {
    pub(crate) fn new(
        providers: impl IntoIterator<Item = Msp>,
        pseudonyms: impl IntoIterator<Item = PseudonymMsp>,
    ) -> Self {
        let providers = providers.into_iter().map(|msp| (msp.msp_id.clone(), msp));
        let pseudonyms = pseudonyms.into_iter().map(|msp| (msp.msp_id.clone(), msp));
        Self {
            providers: Arc::new(providers.collect()),
            pseudonyms: Arc::new(pseudonyms.collect()),
        }
    }

    pub(crate) fn contains(&self, msp_id: &str) -> bool {
        self.providers.contains_key(msp_id) || self.pseudonyms.contains_key(msp_id)
    }

    /// Organisations with peers.
    pub(crate) fn msp_ids(&self) -> impl Iterator<Item = &str> {
        self.providers.keys().map(String::as_str)
    }

    /// The identity of an encoded `msp.SerializedIdentity`.
    pub(crate) fn identify(&self, serialized: &[u8]) -> Result<Identity, IdentityError> {
        let identity = SerializedIdentity::decode(serialized).map_err(|_| IdentityError::Malformed)?;
        if let Some(msp) = self.pseudonyms.get(&identity.mspid) {
            return msp.identify(&identity.id_bytes);
        }
        let msp = self
            .providers
            .get(&identity.mspid)
            .ok_or(IdentityError::UnknownMsp {
                msp_id: identity.mspid,
            })?;
        msp.identify(&identity.id_bytes)
    }

    /// The identity of whoever signed the message.
    pub(crate) fn authenticate(
        &self,
        serialized: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<Identity, IdentityError> {
        let identity = self.identify(serialized)?;
        identity.verify(message, signature)?;
        Ok(identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Material, OrganisationMaterial, SigningIdentity, material::Members};
    use proptest::prelude::*;
    use std::time::{Duration, SystemTime};

    fn organisations() -> (tempfile::TempDir, Material) {
        let folder = tempfile::tempdir().unwrap();
        let users = ["User1".to_owned()];
        let members = ["1", "2"].map(|n| (format!("Org{n}MSP"), format!("org{n}.example.com")));
        let members: Vec<Members<'_>> = members
            .iter()
            .map(|(msp_id, domain)| Members {
                msp_id,
                domain,
                peers: 1,
                users: &users,
            })
            .collect();
        let material = Material::open_or_generate(folder.path(), &members).unwrap();
        (folder, material)
    }

    fn registry(organisations: &[&OrganisationMaterial]) -> MspRegistry {
        MspRegistry::new(
            organisations
                .iter()
                .map(|org| Msp::new(org.msp_id(), org.ca_certificate_pem()).unwrap()),
            [],
        )
    }

    fn relabelled(identity: &SigningIdentity, msp_id: &str) -> Vec<u8> {
        let identity = SerializedIdentity::decode(identity.serialized()).unwrap();
        SerializedIdentity {
            mspid: msp_id.into(),
            ..identity
        }
        .encode_to_vec()
    }

    #[test]
    fn tells_roles_from_node_ous() {
        let (_folder, material) = organisations();
        let org = material.organisation("Org1MSP").unwrap();
        let registry = registry(&[org]);
        let role = |identity: SigningIdentity| registry.identify(identity.serialized()).unwrap().role;
        assert_eq!(role(org.user("User1").unwrap()), Role::Client);
        assert_eq!(role(org.user("Admin").unwrap()), Role::Admin);
        assert_eq!(role(org.peer(0).unwrap()), Role::Peer);

        let nobody = org
            .issue_identity(
                "nobody",
                Role::Member,
                &BTreeMap::new(),
                SystemTime::now() + Duration::from_secs(3600),
            )
            .unwrap();
        assert!(matches!(
            registry.identify(nobody.serialized()),
            Err(IdentityError::NodeOu { .. })
        ));
    }

    #[test]
    fn refuses_a_foreign_authority_and_an_unknown_organisation() {
        let (_folder, material) = organisations();
        let (org1, org2) = (
            material.organisation("Org1MSP").unwrap(),
            material.organisation("Org2MSP").unwrap(),
        );
        let registry = registry(&[org1]);
        let stranger = org2.user("User1").unwrap();
        assert!(matches!(
            registry.identify(stranger.serialized()),
            Err(IdentityError::UnknownMsp { .. })
        ));
        let disguised = relabelled(&stranger, "Org1MSP");
        assert_eq!(
            registry.identify(&disguised).unwrap_err(),
            IdentityError::ForeignAuthority
        );
        let authority = SerializedIdentity {
            mspid: "Org1MSP".into(),
            id_bytes: org1.ca_certificate_pem().as_bytes().to_vec(),
        };
        assert_eq!(
            registry.identify(&authority.encode_to_vec()).unwrap_err(),
            IdentityError::Authority
        );
    }

    #[test]
    fn verifies_signatures_of_the_identity_alone() {
        let (_folder, material) = organisations();
        let org = material.organisation("Org1MSP").unwrap();
        let registry = registry(&[org]);
        let (user, admin) = (org.user("User1").unwrap(), org.user("Admin").unwrap());
        let signature = user.sign(b"message");
        assert!(
            registry
                .authenticate(user.serialized(), b"message", &signature)
                .is_ok()
        );
        for (who, message) in [(&user, b"massage"), (&admin, b"message")] {
            let refused = registry.authenticate(who.serialized(), message, &signature);
            assert_eq!(
                refused.unwrap_err(),
                IdentityError::Signature(SignatureError::Invalid)
            );
        }
    }

    proptest! {
        #[test]
        fn never_panics_on_junk(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let registry = MspRegistry::default();
            prop_assert!(registry.identify(&bytes).is_err());
            prop_assert!(parse(&bytes).is_err());
        }
    }
}
