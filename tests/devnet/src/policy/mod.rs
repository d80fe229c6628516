//! Signature policies: who must have signed, as Fabric's `SignaturePolicyEnvelope` says it.
//!
//! The tree here is the policy alone, without identities' bytes. It is evaluated like Fabric's `common/cauthdsl`: each signature
//! is used at most once, leaves are tried in order.

pub(crate) mod layout;
mod parse;
mod principal;
mod wire;

pub use parse::PolicyParseError;
pub use principal::{Principal, Role};
pub use wire::PolicyDecodeError;

/// A policy: a signature by one principal, or N of several policies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignaturePolicy {
    /// A signature by an identity that is this principal.
    SignedBy(Principal),
    /// At least `n` of the rules.
    NOutOf {
        /// How many must hold.
        n: usize,
        /// The rules to choose from.
        rules: Vec<SignaturePolicy>,
    },
}

impl SignaturePolicy {
    /// All of the rules.
    pub fn all(rules: Vec<Self>) -> Self {
        Self::NOutOf {
            n: rules.len(),
            rules,
        }
    }

    /// Any one of the rules.
    pub fn any(rules: Vec<Self>) -> Self {
        Self::NOutOf { n: 1, rules }
    }

    /// More than half of the rules.
    pub fn majority(rules: Vec<Self>) -> Self {
        Self::NOutOf {
            n: rules.len() / 2 + 1,
            rules,
        }
    }

    /// A leaf.
    pub fn signed_by(msp_id: &str, role: Role) -> Self {
        Self::SignedBy(Principal {
            msp_id: msp_id.to_owned(),
            role,
        })
    }

    /// Whether the signers satisfy the policy. `is` tells whether a signer is a principal; the signers are those
    /// whose signatures verify, each identity once.
    pub(crate) fn is_satisfied<S>(&self, signers: &[S], is: &impl Fn(&S, &Principal) -> bool) -> bool {
        let mut used = vec![false; signers.len()];
        self.evaluate(signers, is, &mut used)
    }

    fn evaluate<S>(&self, signers: &[S], is: &impl Fn(&S, &Principal) -> bool, used: &mut Vec<bool>) -> bool {
        match self {
            Self::SignedBy(principal) => {
                let found = signers
                    .iter()
                    .zip(used.iter_mut())
                    .find(|(signer, used)| !**used && is(signer, principal));
                found.is_some_and(|(_, used)| {
                    *used = true;
                    true
                })
            }
            Self::NOutOf { n, rules } => {
                let mut verified = 0;
                for rule in rules {
                    let mut attempt = used.clone();
                    if rule.evaluate(signers, is, &mut attempt) {
                        verified += 1;
                        *used = attempt;
                    }
                }
                verified >= *n
            }
        }
    }

    /// The principals named, in order of appearance.
    pub(crate) fn principals(&self) -> Vec<&Principal> {
        match self {
            Self::SignedBy(principal) => vec![principal],
            Self::NOutOf { rules, .. } => rules.iter().flat_map(Self::principals).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn org(name: &str) -> SignaturePolicy {
        SignaturePolicy::signed_by(name, Role::Peer)
    }

    fn satisfied(policy: &SignaturePolicy, signers: &[&str]) -> bool {
        policy.is_satisfied(signers, &|signer, principal| *signer == principal.msp_id)
    }

    #[test]
    fn and_needs_every_organisation() {
        let policy = SignaturePolicy::all(vec![org("A"), org("B"), org("C")]);
        assert!(satisfied(&policy, &["C", "A", "B"]));
        assert!(!satisfied(&policy, &["A", "B"]));
    }

    #[test]
    fn majority_of_four_is_three() {
        let policy = SignaturePolicy::majority(vec![org("A"), org("B"), org("C"), org("D")]);
        assert!(satisfied(&policy, &["A", "B", "D"]));
        assert!(!satisfied(&policy, &["A", "B"]));
    }

    #[test]
    fn one_signature_counts_once() {
        let policy = SignaturePolicy::all(vec![org("A"), org("A")]);
        assert!(!satisfied(&policy, &["A"]));
        assert!(satisfied(&policy, &["A", "A"]));
    }

    #[test]
    fn a_failed_branch_gives_its_signatures_back() {
        let branch = SignaturePolicy::all(vec![org("A"), org("B")]);
        let policy = SignaturePolicy::any(vec![branch, org("A")]);
        assert!(satisfied(&policy, &["A"]));
    }

    #[test]
    fn none_of_nothing_holds() {
        assert!(satisfied(&SignaturePolicy::all(vec![]), &[]));
    }
}
