//! Anonymous clients, in place of an Idemix MSP's.
//!
//! An identity has the form of Idemix's: a pseudonym that serves as a key, a unit, a role and a proof. The pseudonym is a P-256 key made for
//! this identity alone, and the proof the issuer's signature on all of it, where Idemix proves in zero knowledge that the issuer has given its
//! holder a credential of the unit and the role. So nobody makes one without the issuer, and a chaincode sees what it would see; but this
//! issuer could tell who got which pseudonym, and Idemix's cannot.

use super::{SigningIdentity, msp::Identity, msp::IdentityError, signature};
use crate::policy::Role;
use fabric_protos::{
    common::{MspRole, OrganizationUnit, msp_role::MspRoleType},
    msp::SerializedIdemixIdentity,
};
use p256::{
    ecdsa::{SigningKey, VerifyingKey},
    elliptic_curve::Generate,
};
use prost::Message;

/// Issues the pseudonyms of one organisation.
pub(crate) struct PseudonymIssuer {
    msp_id: String,
    key: SigningKey,
}

impl PseudonymIssuer {
    pub(crate) fn new(msp_id: &str) -> Self {
        Self {
            msp_id: msp_id.to_owned(),
            key: SigningKey::generate(),
        }
    }

    pub(crate) fn msp(&self) -> PseudonymMsp {
        PseudonymMsp {
            msp_id: self.msp_id.clone(),
            issuer: *self.key.verifying_key(),
        }
    }

    /// A new pseudonym of a member of a unit, who may be an administrator.
    pub(crate) fn issue(&self, unit: &str, admin: bool) -> SigningIdentity {
        let key = SigningKey::generate();
        let point = key.verifying_key().to_sec1_point(false);
        let coordinate = |bytes: Option<&_>| bytes.map(AsRef::<[u8]>::as_ref).unwrap_or_default().to_vec();
        let role = if admin {
            MspRoleType::Admin
        } else {
            MspRoleType::Member
        };
        let mut identity = SerializedIdemixIdentity {
            nym_x: coordinate(point.x()),
            nym_y: coordinate(point.y()),
            ou: OrganizationUnit {
                msp_identifier: self.msp_id.clone(),
                organizational_unit_identifier: unit.to_owned(),
                ..OrganizationUnit::default()
            }
            .encode_to_vec(),
            role: MspRole {
                msp_identifier: self.msp_id.clone(),
                role: role.into(),
            }
            .encode_to_vec(),
            proof: Vec::new(),
        };
        identity.proof = signature::sign(&self.key, &identity.encode_to_vec());
        SigningIdentity::new(&self.msp_id, identity.encode_to_vec(), key)
    }
}

/// What a channel knows of the organisation.
#[derive(Clone, Debug)]
pub(crate) struct PseudonymMsp {
    pub(super) msp_id: String,
    issuer: VerifyingKey,
}

impl PseudonymMsp {
    pub(super) fn identify(&self, id_bytes: &[u8]) -> Result<Identity, IdentityError> {
        let malformed = |_| IdentityError::Malformed;
        let mut identity = SerializedIdemixIdentity::decode(id_bytes).map_err(malformed)?;
        if identity.encode_to_vec() != id_bytes {
            // The same pseudonym in other bytes would be another identity.
            return Err(IdentityError::Malformed);
        }
        let proof = std::mem::take(&mut identity.proof);
        signature::verify(&self.issuer, &identity.encode_to_vec(), &proof)?;
        // Uncompressed, as SEC 1 writes a point.
        let point = [&[4], identity.nym_x.as_slice(), &identity.nym_y].concat();
        let key = VerifyingKey::from_sec1_bytes(&point).map_err(|_| IdentityError::Key)?;
        let role = MspRole::decode(identity.role.as_slice()).map_err(malformed)?;
        Ok(Identity {
            msp_id: self.msp_id.clone(),
            role: match role.role() {
                MspRoleType::Admin => Role::Admin,
                _ => Role::Member,
            },
            is_writer: true,
            id: id_bytes.to_vec(),
            // A credential expires with its issuer's epoch, which does not end here.
            expires_at: i64::MAX,
            key,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::MspRegistry;
    use fabric_protos::msp::SerializedIdentity;

    fn decoded(identity: &SigningIdentity) -> SerializedIdemixIdentity {
        let identity = SerializedIdentity::decode(identity.serialized()).unwrap();
        SerializedIdemixIdentity::decode(identity.id_bytes.as_slice()).unwrap()
    }

    #[test]
    fn a_pseudonym_signs_for_its_holder_alone() {
        let issuer = PseudonymIssuer::new("IdemixMSP");
        let registry = MspRegistry::new([], [issuer.msp()]);
        let (one, other) = (issuer.issue("sales", false), issuer.issue("sales", true));
        let signature = one.sign(b"message");
        let identity = registry
            .authenticate(one.serialized(), b"message", &signature)
            .unwrap();
        assert_eq!(
            (identity.msp_id.as_str(), identity.role),
            ("IdemixMSP", Role::Member)
        );
        assert_eq!(registry.identify(other.serialized()).unwrap().role, Role::Admin);
        assert!(
            registry
                .authenticate(other.serialized(), b"message", &signature)
                .is_err()
        );
        assert!(
            registry
                .authenticate(one.serialized(), b"massage", &signature)
                .is_err()
        );
        // Two of one member have nothing in common.
        assert_ne!(decoded(&one).nym_x, decoded(&issuer.issue("sales", false)).nym_x);
    }

    #[test]
    fn what_the_issuer_has_not_signed_is_refused() {
        let issuer = PseudonymIssuer::new("IdemixMSP");
        let msp = issuer.msp();
        let right = decoded(&issuer.issue("sales", false));
        assert!(msp.identify(&right.encode_to_vec()).is_ok());
        let other = decoded(&issuer.issue("purchase", true));
        let foreign = decoded(&PseudonymIssuer::new("IdemixMSP").issue("sales", false));
        let changes: [fn(&mut SerializedIdemixIdentity, &SerializedIdemixIdentity); 5] = [
            |identity, other| identity.nym_x.clone_from(&other.nym_x),
            |identity, other| identity.nym_y.clone_from(&other.nym_y),
            |identity, other| identity.ou.clone_from(&other.ou),
            |identity, other| identity.role.clone_from(&other.role),
            |identity, other| identity.proof.clone_from(&other.proof),
        ];
        for change in changes {
            let mut changed = right.clone();
            change(&mut changed, &other);
            assert!(msp.identify(&changed.encode_to_vec()).is_err());
        }
        assert!(msp.identify(&foreign.encode_to_vec()).is_err());
        // A field that nobody knows.
        let longer = [right.encode_to_vec(), vec![0x78, 1]].concat();
        assert_eq!(msp.identify(&longer).unwrap_err(), IdentityError::Malformed);
        assert!(msp.identify(b"junk").is_err() && msp.identify(b"").is_err());
    }
}
