//! Which sets of principals satisfy policies: how the Gateway finds whom to ask (Fabric's `common/policies/inquire`
//! and `discovery/endorsement`).

use super::{Principal, SignaturePolicy};
use std::collections::{BTreeMap, BTreeSet};

/// How many signatures of each principal are needed.
pub(crate) type Layout = BTreeMap<Principal, usize>;

/// Beyond this the enumeration stops: enough for a majority of sixteen organisations.
const MAX_LAYOUTS: usize = 20_000;

/// The minimal layouts that satisfy one policy.
pub(crate) fn satisfied_by(policy: &SignaturePolicy) -> BTreeSet<Layout> {
    match policy {
        SignaturePolicy::SignedBy(principal) => BTreeSet::from([Layout::from([(principal.clone(), 1)])]),
        SignaturePolicy::NOutOf { n, rules } => choose(rules, *n),
    }
}

/// The layouts of every choice of `n` rules; signatures under different rules add up.
fn choose(rules: &[SignaturePolicy], n: usize) -> BTreeSet<Layout> {
    if n == 0 {
        return BTreeSet::from([Layout::new()]);
    }
    let Some((first, rest)) = rules.split_first() else {
        return BTreeSet::new();
    };
    if rules.len() < n {
        return BTreeSet::new();
    }
    let with_first = combine(&satisfied_by(first), &choose(rest, n - 1), |a, b| a + b);
    let without = choose(rest, n);
    with_first.into_iter().chain(without).take(MAX_LAYOUTS).collect()
}

/// The layouts that satisfy all of the policies: the same signature counts under each policy, so quantities do not
/// add up, and a stricter principal of the same organisation stands for a laxer one.
pub(crate) fn satisfying_all(policies: &[&SignaturePolicy]) -> BTreeSet<Layout> {
    let mut merged = BTreeSet::from([Layout::new()]);
    for policy in policies {
        merged = combine(&merged, &satisfied_by(policy), usize::max);
        merged = merged.iter().map(subsume).collect();
    }
    let all: Vec<Layout> = merged.into_iter().collect();
    all.iter()
        .filter(|layout| {
            !all.iter()
                .any(|other| other != *layout && contains(layout, other))
        })
        .cloned()
        .collect()
}

fn combine(
    left: &BTreeSet<Layout>,
    right: &BTreeSet<Layout>,
    quantity: impl Fn(usize, usize) -> usize,
) -> BTreeSet<Layout> {
    let pairs = left.iter().flat_map(|a| right.iter().map(move |b| (a, b)));
    pairs
        .take(MAX_LAYOUTS)
        .map(|(a, b)| {
            let mut sum = a.clone();
            for (principal, count) in b {
                let entry = sum.entry(principal.clone()).or_insert(0);
                *entry = quantity(*entry, *count);
            }
            sum
        })
        .collect()
}

/// Drops a laxer principal whose quantity a stricter one covers.
fn subsume(layout: &Layout) -> Layout {
    let covered = |principal: &Principal, count: usize| {
        layout
            .iter()
            .any(|(other, quantity)| other != principal && other.is_at_least(principal) && *quantity >= count)
    };
    layout
        .iter()
        .filter(|(principal, count)| !covered(principal, **count))
        .map(|(principal, count)| (principal.clone(), *count))
        .collect()
}

/// Whether `layout` asks for all that `other` asks for.
fn contains(layout: &Layout, other: &Layout) -> bool {
    other
        .iter()
        .all(|(principal, count)| layout.get(principal).is_some_and(|have| have >= count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Role;
    use proptest::prelude::*;

    fn policy(text: &str) -> SignaturePolicy {
        text.parse().unwrap()
    }

    fn organisations(layouts: &BTreeSet<Layout>) -> Vec<Vec<&str>> {
        layouts
            .iter()
            .map(|layout| layout.keys().map(|p| p.msp_id.as_str()).collect())
            .collect()
    }

    #[test]
    fn a_majority_of_three_has_three_layouts() {
        let layouts = satisfied_by(&policy("OutOf(2,'A.peer','B.peer','C.peer')"));
        assert_eq!(organisations(&layouts), [["A", "B"], ["A", "C"], ["B", "C"]]);
    }

    #[test]
    fn policies_together_need_the_union() {
        let (chaincode, key) = (policy("OR('A.peer','B.peer')"), policy("AND('B.peer','C.peer')"));
        let layouts = satisfying_all(&[&chaincode, &key]);
        assert_eq!(organisations(&layouts), [vec!["B", "C"]]);
    }

    #[test]
    fn a_peer_stands_for_a_member() {
        let (member, peer) = (policy("'A.member'"), policy("'A.peer'"));
        let layouts = satisfying_all(&[&member, &peer]);
        assert_eq!(layouts.len(), 1);
        let principal = Principal {
            msp_id: "A".into(),
            role: Role::Peer,
        };
        assert_eq!(layouts.first().unwrap(), &Layout::from([(principal, 1)]));
    }

    #[test]
    fn an_impossible_policy_has_no_layout() {
        assert!(satisfied_by(&policy("OutOf(2,'A.peer')")).is_empty());
    }

    proptest! {
        /// Whoever signs as a layout says satisfies the policy, as long as no principal stands in two branches: the
        /// evaluation takes signatures in order and does not look back.
        #[test]
        fn every_layout_satisfies_its_policy(n in 0_usize..4, m in 1_usize..3) {
            let inner = SignaturePolicy::NOutOf {
                n: m,
                rules: vec![
                    SignaturePolicy::signed_by("A", Role::Peer),
                    SignaturePolicy::signed_by("B", Role::Peer),
                ],
            };
            let outer = SignaturePolicy::NOutOf {
                n,
                rules: vec![
                    inner,
                    SignaturePolicy::signed_by("C", Role::Peer),
                    SignaturePolicy::signed_by("D", Role::Peer),
                ],
            };
            let layouts = satisfied_by(&outer);
            prop_assert!(!layouts.is_empty());
            for layout in &layouts {
                let signers: Vec<&Principal> =
                    layout.iter().flat_map(|(principal, count)| std::iter::repeat_n(principal, *count)).collect();
                prop_assert!(outer.is_satisfied(&signers, &|signer, principal| *signer == principal));
            }
        }
    }
}
