//! Policies to and from `common.SignaturePolicyEnvelope` and `protos.ApplicationPolicy`.

use super::{Principal, Role, SignaturePolicy};
use fabric_protos::{
    common::{
        MspPrincipal, MspRole, SignaturePolicy as WirePolicy, SignaturePolicyEnvelope,
        msp_principal::Classification, msp_role::MspRoleType, signature_policy::NOutOf,
        signature_policy::Type,
    },
    protos::{ApplicationPolicy, application_policy},
};
use prost::Message;

/// Why bytes are not a signature policy of roles.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyDecodeError {
    /// The bytes are not the message.
    #[error("signature policy: {0}")]
    Malformed(#[from] prost::DecodeError),
    /// The envelope, or a rule in it, is empty.
    #[error("signature policy: an empty rule")]
    EmptyRule,
    /// A rule names an identity that the envelope does not list.
    #[error("signature policy: identity {index} is named, there are {count}")]
    UnknownIdentity {
        /// The index in the rule.
        index: i32,
        /// How many identities the envelope lists.
        count: usize,
    },
    /// A principal other than a role of an organisation.
    #[error("signature policy: principal of class {class}, only roles are supported here")]
    UnsupportedPrincipal {
        /// The `MSPPrincipal.Classification`.
        class: i32,
    },
    /// Gates nested too deep to be a real policy.
    #[error("signature policy: gates nested deeper than 32")]
    TooDeep,
    /// A negative threshold.
    #[error("signature policy: threshold {0}")]
    Threshold(i32),
}

const MAX_DEPTH: usize = 32;

impl SignaturePolicy {
    /// As an encoded `common.SignaturePolicyEnvelope`, which is what `SetStateValidationParameter` takes.
    pub fn to_envelope(&self) -> SignaturePolicyEnvelope {
        let mut identities: Vec<Principal> = Vec::new();
        let rule = encode_rule(self, &mut identities);
        let identities = identities.iter().map(encode_principal).collect();
        SignaturePolicyEnvelope {
            version: 0,
            rule: Some(rule),
            identities,
        }
    }

    /// As an encoded `protos.ApplicationPolicy`.
    pub fn to_application_policy(&self) -> ApplicationPolicy {
        let r#type = application_policy::Type::SignaturePolicy(self.to_envelope());
        ApplicationPolicy { r#type: Some(r#type) }
    }

    /// Reads an encoded `common.SignaturePolicyEnvelope`.
    ///
    /// # Errors
    /// When the bytes are no such envelope, or hold principals other than roles.
    pub fn from_envelope_bytes(bytes: &[u8]) -> Result<Self, PolicyDecodeError> {
        Self::from_envelope(&SignaturePolicyEnvelope::decode(bytes)?)
    }

    /// The same, decoded already.
    ///
    /// # Errors
    /// As [`Self::from_envelope_bytes`].
    pub fn from_envelope(envelope: &SignaturePolicyEnvelope) -> Result<Self, PolicyDecodeError> {
        let identities: Vec<Principal> = envelope
            .identities
            .iter()
            .map(decode_principal)
            .collect::<Result<_, _>>()?;
        let rule = envelope.rule.as_ref().ok_or(PolicyDecodeError::EmptyRule)?;
        decode_rule(rule, &identities, 0)
    }
}

fn encode_rule(policy: &SignaturePolicy, identities: &mut Vec<Principal>) -> WirePolicy {
    let r#type = match policy {
        SignaturePolicy::SignedBy(principal) => {
            let known = identities.iter().position(|other| other == principal);
            let index = known.unwrap_or_else(|| {
                identities.push(principal.clone());
                identities.len() - 1
            });
            Type::SignedBy(i32::try_from(index).unwrap_or(i32::MAX))
        }
        SignaturePolicy::NOutOf { n, rules } => Type::NOutOf(NOutOf {
            n: i32::try_from(*n).unwrap_or(i32::MAX),
            rules: rules.iter().map(|rule| encode_rule(rule, identities)).collect(),
        }),
    };
    WirePolicy { r#type: Some(r#type) }
}

fn encode_principal(principal: &Principal) -> MspPrincipal {
    let role = match principal.role {
        Role::Member => MspRoleType::Member,
        Role::Admin => MspRoleType::Admin,
        Role::Client => MspRoleType::Client,
        Role::Peer => MspRoleType::Peer,
        Role::Orderer => MspRoleType::Orderer,
    };
    let role = MspRole {
        msp_identifier: principal.msp_id.clone(),
        role: role.into(),
    };
    MspPrincipal {
        principal_classification: Classification::Role.into(),
        principal: role.encode_to_vec(),
    }
}

fn decode_rule(
    rule: &WirePolicy,
    identities: &[Principal],
    depth: usize,
) -> Result<SignaturePolicy, PolicyDecodeError> {
    if depth > MAX_DEPTH {
        return Err(PolicyDecodeError::TooDeep);
    }
    match rule.r#type.as_ref().ok_or(PolicyDecodeError::EmptyRule)? {
        Type::SignedBy(index) => {
            let principal = usize::try_from(*index)
                .ok()
                .and_then(|index| identities.get(index));
            let principal = principal.ok_or(PolicyDecodeError::UnknownIdentity {
                index: *index,
                count: identities.len(),
            })?;
            Ok(SignaturePolicy::SignedBy(principal.clone()))
        }
        Type::NOutOf(NOutOf { n, rules }) => {
            let rules = rules.iter().map(|rule| decode_rule(rule, identities, depth + 1));
            let n = usize::try_from(*n).map_err(|_| PolicyDecodeError::Threshold(*n))?;
            Ok(SignaturePolicy::NOutOf {
                n,
                rules: rules.collect::<Result<_, _>>()?,
            })
        }
    }
}

fn decode_principal(principal: &MspPrincipal) -> Result<Principal, PolicyDecodeError> {
    if principal.principal_classification != i32::from(Classification::Role) {
        return Err(PolicyDecodeError::UnsupportedPrincipal {
            class: principal.principal_classification,
        });
    }
    let role = MspRole::decode(principal.principal.as_slice())?;
    let msp_id = role.msp_identifier.clone();
    let role = match role.role() {
        MspRoleType::Member => Role::Member,
        MspRoleType::Admin => Role::Admin,
        MspRoleType::Client => Role::Client,
        MspRoleType::Peer => Role::Peer,
        MspRoleType::Orderer => Role::Orderer,
    };
    Ok(Principal { msp_id, role })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_envelope_reads_back() {
        let policy: SignaturePolicy = "OutOf(2,'A.peer',AND('B.member','A.peer'),'C.admin')"
            .parse()
            .unwrap();
        let envelope = policy.to_envelope();
        assert_eq!(
            envelope.identities.len(),
            3,
            "a principal named twice is listed once"
        );
        assert_eq!(
            SignaturePolicy::from_envelope_bytes(&envelope.encode_to_vec()),
            Ok(policy)
        );
    }

    #[test]
    fn refuses_bad_envelopes() {
        let mut envelope = "'A.peer'".parse::<SignaturePolicy>().unwrap().to_envelope();
        envelope.identities.clear();
        let error = SignaturePolicy::from_envelope(&envelope).unwrap_err();
        assert_eq!(error, PolicyDecodeError::UnknownIdentity { index: 0, count: 0 });
        let empty = SignaturePolicyEnvelope::default();
        assert_eq!(
            SignaturePolicy::from_envelope(&empty),
            Err(PolicyDecodeError::EmptyRule)
        );
        let mut deep = WirePolicy {
            r#type: Some(Type::SignedBy(0)),
        };
        for _ in 0..40 {
            deep = WirePolicy {
                r#type: Some(Type::NOutOf(NOutOf {
                    n: 1,
                    rules: vec![deep],
                })),
            };
        }
        let deep = SignaturePolicyEnvelope {
            rule: Some(deep),
            ..Default::default()
        };
        assert_eq!(
            SignaturePolicy::from_envelope(&deep),
            Err(PolicyDecodeError::TooDeep)
        );
    }

    proptest! {
        #[test]
        fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = SignaturePolicy::from_envelope_bytes(&bytes);
        }
    }
}
