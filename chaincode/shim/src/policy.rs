//! Key-level endorsement policies.
//!
//! A peer reads a key's policy as an encoded `common.SignaturePolicyEnvelope` (Fabric's `core/common/validation/statebased`), the same bytes that
//! `statebased` of fabric-chaincode-go makes for "all of these organisations".

use fabric_protos::common::msp_principal::Classification;
use fabric_protos::common::msp_role::MspRoleType;
use fabric_protos::common::signature_policy::{NOutOf, Type as Rule};
use fabric_protos::common::{MspPrincipal, MspRole, SignaturePolicy, SignaturePolicyEnvelope};
use prost::Message;

use crate::Error;

/// Who must endorse changes of a key: one signer, or so many of several policies.
///
/// ```
/// use chaincode_shim::KeyEndorsementPolicy as Policy;
///
/// let seller_and_a_broker =
///     Policy::and([Policy::peer("USBankMSP"), Policy::or([Policy::peer("BrokerAMSP"), Policy::peer("BrokerBMSP")])]);
/// let bytes = seller_and_a_broker.encode()?;
/// # Ok::<_, chaincode_shim::Error>(())
/// ```
///
/// The same policy is the same bytes, in whatever order its parts were given: every endorser writes the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyEndorsementPolicy(Node);

/// The order of variants puts signers before nested policies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Node {
    Signer(Signer),
    OutOf(usize, Vec<Node>),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Signer {
    msp_id: String,
    role: i32,
}

impl KeyEndorsementPolicy {
    /// A peer of this organisation (needs NodeOUs).
    pub fn peer(msp_id: impl Into<String>) -> Self {
        Self::signer(msp_id, MspRoleType::Peer)
    }

    /// Any member of this organisation.
    pub fn member(msp_id: impl Into<String>) -> Self {
        Self::signer(msp_id, MspRoleType::Member)
    }

    /// All of these.
    pub fn and(policies: impl IntoIterator<Item = Self>) -> Self {
        let policies: Vec<_> = policies.into_iter().collect();
        Self::n_of(policies.len(), policies)
    }

    /// Any one of these.
    pub fn or(policies: impl IntoIterator<Item = Self>) -> Self {
        Self::n_of(1, policies)
    }

    /// At least `n` of these. Each endorsement counts once, so that naming an organisation twice asks for two of its peers.
    pub fn n_of(n: usize, policies: impl IntoIterator<Item = Self>) -> Self {
        let mut nodes: Vec<_> = policies.into_iter().map(|policy| policy.0).collect();
        nodes.sort();
        Self(Node::OutOf(n, nodes))
    }

    /// The policy's bytes, for
    /// [`set_state_validation_parameter`](crate::ChaincodeStub::set_state_validation_parameter).
    ///
    /// # Errors
    /// [`Error::PolicyThreshold`] if some part asks for none, or for more than there are.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut signers = Vec::new();
        self.0.signers(&mut signers);
        signers.sort();
        signers.dedup();
        let envelope = SignaturePolicyEnvelope {
            version: 0,
            rule: Some(self.0.rule(&signers)?),
            identities: signers.into_iter().map(Signer::principal).collect(),
        };
        Ok(envelope.encode_to_vec())
    }

    fn signer(msp_id: impl Into<String>, role: MspRoleType) -> Self {
        Self(Node::Signer(Signer {
            msp_id: msp_id.into(),
            role: role.into(),
        }))
    }
}

impl Node {
    fn signers<'a>(&'a self, all: &mut Vec<&'a Signer>) {
        match self {
            Self::Signer(signer) => all.push(signer),
            Self::OutOf(_, nodes) => nodes.iter().for_each(|node| node.signers(all)),
        }
    }

    fn rule(&self, signers: &[&Signer]) -> Result<SignaturePolicy, Error> {
        let rule = match self {
            Self::Signer(signer) => {
                // Every signer of the tree is in the list.
                let index = signers.partition_point(|other| *other < signer);
                Rule::SignedBy(i32::try_from(index).unwrap_or(i32::MAX))
            }
            Self::OutOf(n, nodes) => {
                let of = nodes.len();
                if !(1..=of).contains(n) {
                    return Err(Error::PolicyThreshold { n: *n, of });
                }
                let rules = nodes
                    .iter()
                    .map(|node| node.rule(signers))
                    .collect::<Result<_, _>>()?;
                Rule::NOutOf(NOutOf {
                    n: i32::try_from(*n).unwrap_or(i32::MAX),
                    rules,
                })
            }
        };
        Ok(SignaturePolicy { r#type: Some(rule) })
    }
}

impl Signer {
    fn principal(&self) -> MspPrincipal {
        let role = MspRole {
            msp_identifier: self.msp_id.clone(),
            role: self.role,
        };
        MspPrincipal {
            principal_classification: Classification::Role.into(),
            principal: role.encode_to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Policy = KeyEndorsementPolicy;

    #[test]
    fn the_order_of_the_parts_does_not_matter() {
        let (a, b, c) = (Policy::peer("A"), Policy::member("B"), Policy::peer("C"));
        let one = Policy::and([a.clone(), Policy::or([b.clone(), c.clone()])])
            .encode()
            .unwrap();
        let other = Policy::and([Policy::or([c, b]), a]).encode().unwrap();
        assert_eq!(one, other);
    }

    #[test]
    fn an_envelope_names_each_signer_once_and_refers_to_it_by_index() {
        let policy = Policy::n_of(2, [Policy::peer("B"), Policy::peer("A"), Policy::peer("B")]);
        let envelope = SignaturePolicyEnvelope::decode(policy.encode().unwrap().as_slice()).unwrap();
        let roles: Vec<_> = envelope
            .identities
            .iter()
            .map(|found| MspRole::decode(found.principal.as_slice()).unwrap())
            .collect();
        assert_eq!(
            roles
                .iter()
                .map(|role| role.msp_identifier.as_str())
                .collect::<Vec<_>>(),
            ["A", "B"]
        );
        let signed_by = |index| SignaturePolicy {
            r#type: Some(Rule::SignedBy(index)),
        };
        let expected = NOutOf {
            n: 2,
            rules: vec![signed_by(0), signed_by(1), signed_by(1)],
        };
        assert_eq!(envelope.rule.unwrap().r#type, Some(Rule::NOutOf(expected)));
    }

    #[test]
    fn impossible_and_empty_thresholds_are_refused() {
        let a = || Policy::peer("A");
        assert_eq!(
            Policy::n_of(0, [a()]).encode(),
            Err(Error::PolicyThreshold { n: 0, of: 1 })
        );
        assert_eq!(
            Policy::n_of(3, [a(), a()]).encode(),
            Err(Error::PolicyThreshold { n: 3, of: 2 })
        );
        assert_eq!(
            Policy::or([]).encode(),
            Err(Error::PolicyThreshold { n: 1, of: 0 })
        );
        let nested = Policy::and([a(), Policy::and([])]);
        assert_eq!(nested.encode(), Err(Error::PolicyThreshold { n: 0, of: 0 }));
    }
}
