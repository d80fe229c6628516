//! Key-level endorsement policies.
//!
//! A peer reads a key's policy as an encoded `common.SignaturePolicyEnvelope` (Fabric's `core/common/validation/statebased`), the same bytes that
//! `statebased` of fabric-chaincode-go makes for "all of these organisations".

use std::collections::{BTreeMap, BTreeSet};

use fabric_protos::common::msp_principal::Classification;
use fabric_protos::common::msp_role::MspRoleType;
use fabric_protos::common::signature_policy::{NOutOf, Type as Rule};
use fabric_protos::common::{MspPrincipal, MspRole, SignaturePolicy, SignaturePolicyEnvelope};
use prost::Message;

use crate::Error;
use crate::line::decode;

/// A policy's message on the wire.
const ENVELOPE: &str = "SignaturePolicyEnvelope";

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

/// Whose endorsement counts for an organisation: the roles of Fabric's `statebased` package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RoleType {
    /// Any member's.
    Member,
    /// A peer's (needs NodeOUs).
    Peer,
}

impl KeyEndorsementPolicy {
    /// One signer of this organisation.
    pub fn of(role: RoleType, msp_id: impl Into<String>) -> Self {
        let role = match role {
            RoleType::Member => MspRoleType::Member,
            RoleType::Peer => MspRoleType::Peer,
        };
        Self(Node::Signer(Signer {
            msp_id: msp_id.into(),
            role: role.into(),
        }))
    }

    /// A peer of this organisation (needs NodeOUs).
    pub fn peer(msp_id: impl Into<String>) -> Self {
        Self::of(RoleType::Peer, msp_id)
    }

    /// Any member of this organisation.
    pub fn member(msp_id: impl Into<String>) -> Self {
        Self::of(RoleType::Member, msp_id)
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

    /// Reads a policy, such as one that
    /// [`get_state_validation_parameter`](crate::ChaincodeStub::get_state_validation_parameter) gave.
    ///
    /// # Errors
    /// [`Error::Malformed`] if it does not decode, refers to a signer that it does not list, or has a signer that is no role of an organisation.
    pub fn decode(policy: &[u8]) -> Result<Self, Error> {
        let envelope: SignaturePolicyEnvelope = decode(ENVELOPE, policy)?;
        let signers = envelope
            .identities
            .iter()
            .map(Signer::read)
            .collect::<Result<Vec<_>, _>>()?;
        let rule = envelope
            .rule
            .ok_or_else(|| Error::malformed(ENVELOPE, &"it has no rule"))?;
        Ok(Self(Node::read(rule, &signers)?))
    }

    /// The organisations that it names, each once, in the order of their MSP ids.
    pub fn list_orgs(&self) -> Vec<&str> {
        let mut signers = Vec::new();
        self.0.signers(&mut signers);
        let orgs: BTreeSet<_> = signers.into_iter().map(|signer| signer.msp_id.as_str()).collect();
        orgs.into_iter().collect()
    }

    /// Asks for these organisations too, or for another role of those that are asked for already. As `AddOrgs` of Fabric's `statebased`
    /// package, it is for policies that ask for all of some organisations, one endorsement each; others are refused rather than
    /// changed into one.
    ///
    /// # Errors
    /// [`Error::PolicyNotAllOf`].
    pub fn add_orgs<S: Into<String>>(
        self,
        role: RoleType,
        msp_ids: impl IntoIterator<Item = S>,
    ) -> Result<Self, Error> {
        let mut all = self.all_of()?;
        for msp_id in msp_ids {
            let msp_id = msp_id.into();
            all.insert(msp_id.clone(), Self::of(role, msp_id));
        }
        Ok(Self::and(all.into_values()))
    }

    /// Asks for these organisations no longer: `DelOrgs` of Fabric's `statebased` package.
    ///
    /// # Errors
    /// [`Error::PolicyNotAllOf`].
    pub fn del_orgs<S: AsRef<str>>(self, msp_ids: impl IntoIterator<Item = S>) -> Result<Self, Error> {
        let mut all = self.all_of()?;
        for msp_id in msp_ids {
            all.remove(msp_id.as_ref());
        }
        Ok(Self::and(all.into_values()))
    }

    /// Its signers by organisation, if it asks for all of them and nothing else.
    fn all_of(self) -> Result<BTreeMap<String, Self>, Error> {
        let nodes = match self.0 {
            Node::OutOf(n, nodes) if n == nodes.len() => nodes,
            Node::OutOf(..) => return Err(Error::PolicyNotAllOf),
            signer @ Node::Signer(_) => vec![signer],
        };
        let mut all = BTreeMap::new();
        for node in nodes {
            let Node::Signer(signer) = node else {
                return Err(Error::PolicyNotAllOf);
            };
            if all
                .insert(signer.msp_id.clone(), Self(Node::Signer(signer)))
                .is_some()
            {
                return Err(Error::PolicyNotAllOf);
            }
        }
        Ok(all)
    }
}

impl Node {
    fn read(policy: SignaturePolicy, signers: &[Signer]) -> Result<Self, Error> {
        match policy.r#type {
            Some(Rule::SignedBy(index)) => usize::try_from(index)
                .ok()
                .and_then(|index| signers.get(index))
                .cloned()
                .map(Self::Signer)
                .ok_or_else(|| Error::malformed(ENVELOPE, &format!("there is no signer {index}"))),
            Some(Rule::NOutOf(NOutOf { n, rules })) => {
                let rules = rules
                    .into_iter()
                    .map(|rule| Self::read(rule, signers))
                    .collect::<Result<Vec<_>, _>>()?;
                let n = usize::try_from(n).map_err(|_| Error::PolicyThreshold {
                    n: 0,
                    of: rules.len(),
                })?;
                Ok(Self::OutOf(n, rules))
            }
            None => Err(Error::malformed(ENVELOPE, &"a rule is empty")),
        }
    }

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
    fn read(principal: &MspPrincipal) -> Result<Self, Error> {
        if principal.principal_classification != i32::from(Classification::Role) {
            return Err(Error::malformed(
                ENVELOPE,
                &"a signer is not a role of an organisation",
            ));
        }
        let role: MspRole = decode("MSPRole", &principal.principal)?;
        Ok(Self {
            msp_id: role.msp_identifier,
            role: role.role,
        })
    }

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

    #[test]
    fn a_policy_is_read_back_as_it_was() {
        let nested = Policy::n_of(
            2,
            [
                Policy::peer("B"),
                Policy::or([Policy::member("A"), Policy::peer("C")]),
                Policy::peer("B"),
            ],
        );
        assert_eq!(Policy::decode(&nested.encode().unwrap()), Ok(nested.clone()));
        assert_eq!(nested.list_orgs(), ["A", "B", "C"]);
        assert_eq!(
            nested.clone().add_orgs(RoleType::Peer, ["D"]),
            Err(Error::PolicyNotAllOf)
        );
        assert_eq!(
            Policy::or([Policy::peer("A"), Policy::peer("B")]).del_orgs(["A"]),
            Err(Error::PolicyNotAllOf)
        );
        assert_eq!(
            Policy::and([Policy::peer("A"), Policy::member("A")]).del_orgs(["A"]),
            Err(Error::PolicyNotAllOf)
        );
    }

    #[test]
    fn what_is_no_policy_of_roles_is_refused() {
        let signed_by = |index| SignaturePolicy {
            r#type: Some(Rule::SignedBy(index)),
        };
        let principal = |classification: Classification| MspPrincipal {
            principal_classification: classification.into(),
            principal: Vec::new(),
        };
        let rules = [
            None,
            Some(SignaturePolicy { r#type: None }),
            Some(signed_by(1)),
            Some(signed_by(-1)),
        ];
        let envelope = |rule: Option<SignaturePolicy>, classification| SignaturePolicyEnvelope {
            version: 0,
            rule,
            identities: vec![principal(classification)],
        };
        for rule in rules {
            let policy = envelope(rule, Classification::Role).encode_to_vec();
            assert!(matches!(Policy::decode(&policy), Err(Error::Malformed { .. })));
        }
        let policy = envelope(Some(signed_by(0)), Classification::Identity).encode_to_vec();
        assert!(matches!(Policy::decode(&policy), Err(Error::Malformed { .. })));
        assert!(Policy::decode(b"\xff").is_err());
    }

    #[test]
    fn organisations_come_and_go_as_in_gos_statebased_package() {
        let start = Policy::and([]).add_orgs(RoleType::Peer, ["B", "A"]).unwrap();
        assert_eq!(start, Policy::and([Policy::peer("A"), Policy::peer("B")]));
        let changed = start
            .add_orgs(RoleType::Member, ["B", "C"])
            .unwrap()
            .del_orgs(["A", "none"])
            .unwrap();
        assert_eq!(changed, Policy::and([Policy::member("B"), Policy::member("C")]));
        assert_eq!(
            Policy::peer("A")
                .add_orgs(RoleType::Peer, ["B"])
                .unwrap()
                .list_orgs(),
            ["A", "B"]
        );
    }
}
