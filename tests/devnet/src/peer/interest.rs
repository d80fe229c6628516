//! What a simulation says about whose endorsement the transaction will need (Fabric's `buildChaincodeInterest`).

use crate::{channel::LIFECYCLE, ledger::SimulationResults};
use fabric_protos::{
    common::SignaturePolicyEnvelope,
    protos::{ChaincodeCall, ChaincodeInterest},
};
use prost::Message;
use std::collections::BTreeMap;

/// The chaincodes, collections and key-level policies of a simulation.
pub(super) fn of(results: &SimulationResults) -> ChaincodeInterest {
    // Namespace -> collection (empty: the public set) -> whether the policy of it is needed.
    let mut required: BTreeMap<&str, BTreeMap<&str, bool>> = BTreeMap::new();
    let mut key_policies: BTreeMap<&str, Vec<SignaturePolicyEnvelope>> = BTreeMap::new();
    for (namespace, collections) in &results.written {
        required.insert(namespace, BTreeMap::from([("", false)]));
        for (collection, keys) in collections {
            for policy in keys.values() {
                let policy = policy.as_ref().filter(|policy| !policy.is_empty());
                match policy.and_then(|policy| SignaturePolicyEnvelope::decode(policy.as_slice()).ok()) {
                    Some(policy) => key_policies.entry(namespace).or_default().push(policy),
                    None => {
                        required.entry(namespace).or_default().insert(collection, true);
                    }
                }
            }
        }
    }
    for namespace in results
        .namespaces
        .iter()
        .filter(|namespace| *namespace != LIFECYCLE)
    {
        required
            .entry(namespace)
            .or_insert_with(|| BTreeMap::from([("", true)]));
    }
    for (namespace, collections) in &results.private_reads {
        for collection in collections {
            required.entry(namespace).or_default().insert(collection, true);
        }
    }
    let mut chaincodes = Vec::new();
    for (namespace, collections) in required {
        let public_needed = collections.get("").copied().unwrap_or(false);
        for (collection, _) in collections {
            let mut call = ChaincodeCall {
                name: namespace.to_owned(),
                ..ChaincodeCall::default()
            };
            if collection.is_empty() {
                call.key_policies = key_policies.get(namespace).cloned().unwrap_or_default();
                if call.key_policies.is_empty() && !public_needed {
                    continue;
                }
                call.disregard_namespace_policy = !public_needed;
            } else {
                let read = results
                    .private_reads
                    .get(namespace)
                    .is_some_and(|c| c.contains(collection));
                call.collection_names = vec![collection.to_owned()];
                call.no_private_reads = !read;
            }
            chaincodes.push(call);
        }
    }
    ChaincodeInterest { chaincodes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::SignaturePolicy;

    fn policy() -> Vec<u8> {
        "'A.peer'"
            .parse::<SignaturePolicy>()
            .unwrap()
            .to_envelope()
            .encode_to_vec()
    }

    fn written(collection: &str, policy: Option<Vec<u8>>) -> SimulationResults {
        let keys = BTreeMap::from([("key".to_owned(), policy)]);
        let collections = BTreeMap::from([(collection.to_owned(), keys)]);
        SimulationResults {
            written: BTreeMap::from([("cc".to_owned(), collections)]),
            namespaces: [LIFECYCLE.to_owned(), "cc".to_owned()].into(),
            ..SimulationResults::default()
        }
    }

    #[test]
    fn a_public_write_needs_the_chaincodes_policy() {
        let interest = of(&written("", None));
        assert_eq!(interest.chaincodes.len(), 1);
        assert!(!interest.chaincodes[0].disregard_namespace_policy);
    }

    #[test]
    fn a_write_to_a_key_with_a_policy_needs_that_alone() {
        let interest = of(&written("", Some(policy())));
        assert_eq!(interest.chaincodes[0].key_policies.len(), 1);
        assert!(interest.chaincodes[0].disregard_namespace_policy);
    }

    #[test]
    fn a_private_write_needs_its_collection_alone() {
        let interest = of(&written("coll", None));
        assert_eq!(interest.chaincodes.len(), 1);
        assert_eq!(interest.chaincodes[0].collection_names, ["coll"]);
        assert!(interest.chaincodes[0].no_private_reads);
    }

    #[test]
    fn a_private_read_restricts_to_members_and_a_transaction_without_writes_needs_the_chaincodes_policy() {
        let results = SimulationResults {
            private_reads: BTreeMap::from([("cc".to_owned(), ["coll".to_owned()].into())]),
            namespaces: ["cc".to_owned()].into(),
            ..SimulationResults::default()
        };
        let interest = of(&results);
        assert_eq!(interest.chaincodes.len(), 2);
        assert!(interest.chaincodes[0].collection_names.is_empty());
        assert!(!interest.chaincodes[1].no_private_reads);
    }
}
