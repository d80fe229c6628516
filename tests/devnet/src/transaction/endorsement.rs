//! Whether those who must endorse a transaction did (Fabric's `core/common/validation/statebased`): each key written is
//! judged by its own policy if it has one, else by its collection's or the chaincode's; each of those is asked once; a transaction
//! without any write is judged by the chaincode's.

use super::EndorserTransaction;
use crate::{
    channel::{Chaincode, Definitions},
    identity::{Identity, MspRegistry},
    ledger::{LedgerState, TransactionWrites, VALIDATION_PARAMETER},
    policy::SignaturePolicy,
};
use fabric_protos::protos::TxValidationCode;
use std::collections::BTreeSet;

/// A key of the ledger: namespace, collection (empty: public), key or its hash.
type KeyId = (String, String, Vec<u8>);

/// The keys whose policies transactions earlier in the block changed: nobody may rely on a policy that is just changing.
#[derive(Default)]
pub(crate) struct BlockPolicies {
    changed: BTreeSet<KeyId>,
}

impl BlockPolicies {
    /// Notes a namespace's writes that passed.
    fn note(&mut self, writes: &TransactionWrites) {
        for (collection, key) in metadata_keys(writes) {
            let id = (writes.namespace.clone(), collection.to_owned(), key.to_owned());
            self.changed.insert(id);
        }
    }
}

fn metadata_keys(writes: &TransactionWrites) -> impl Iterator<Item = (&str, &[u8])> {
    let public = writes
        .public
        .metadata_writes
        .iter()
        .map(|write| ("", write.key.as_bytes()));
    let private = writes.collections.iter().flat_map(|collection| {
        let keys = collection.set.metadata_writes.iter();
        keys.map(|write| (collection.name.as_str(), write.key_hash.as_slice()))
    });
    public.chain(private)
}

fn written_keys(writes: &TransactionWrites) -> impl Iterator<Item = (&str, &[u8])> {
    let public = writes
        .public
        .writes
        .iter()
        .map(|write| ("", write.key.as_bytes()));
    let private = writes.collections.iter().flat_map(|collection| {
        let keys = collection.set.hashed_writes.iter();
        keys.map(|write| (collection.name.as_str(), write.key_hash.as_slice()))
    });
    public.chain(private)
}

/// Judges a transaction's endorsements under the state before its block.
pub(crate) fn evaluate(
    transaction: &EndorserTransaction,
    state: &LedgerState,
    definitions: &Definitions,
    msps: &MspRegistry,
    block: &mut BlockPolicies,
) -> TxValidationCode {
    let signers = signers(transaction, msps);
    let own = |writes: &&TransactionWrites| writes.namespace == transaction.chaincode || writes.has_writes();
    let sets = &transaction.set.namespaces;
    let judged: Vec<&TransactionWrites> = sets.iter().filter(own).collect();

    // The chaincode invoked is judged even when the set does not mention it.
    let untouched = !judged
        .iter()
        .any(|writes| writes.namespace == transaction.chaincode);
    if untouched {
        let Some(chaincode) = definitions.get(&transaction.chaincode) else {
            return TxValidationCode::InvalidChaincode;
        };
        if !satisfied(&chaincode.policy, &signers) {
            return TxValidationCode::EndorsementPolicyFailure;
        }
    }
    let mut verdict = TxValidationCode::Valid;
    for writes in judged {
        let Some(chaincode) = definitions.get(&writes.namespace) else {
            return TxValidationCode::InvalidChaincode;
        };
        let judge = Judge {
            chaincode,
            state,
            signers: &signers,
            changed: &block.changed,
        };
        if judge.accepts(writes) {
            // A policy counts as changed when its own namespace's judgement passed, whatever becomes of the rest.
            block.note(writes);
        } else {
            verdict = TxValidationCode::EndorsementPolicyFailure;
        }
    }
    verdict
}

/// Those whose signatures verify, each identity once.
fn signers(transaction: &EndorserTransaction, msps: &MspRegistry) -> Vec<Identity> {
    let mut signers: Vec<Identity> = Vec::new();
    for endorsement in &transaction.endorsements {
        let message = [transaction.response_payload.as_slice(), &endorsement.endorser].concat();
        match msps.authenticate(&endorsement.endorser, &message, &endorsement.signature) {
            Ok(identity) if signers.iter().all(|known| known.id != identity.id) => {
                signers.push(identity);
            }
            Ok(_) => {}
            Err(reason) => tracing::warn!(tx_id = %transaction.tx_id, %reason, "endorsement ignored"),
        }
    }
    signers
}

fn satisfied(policy: &SignaturePolicy, signers: &[Identity]) -> bool {
    policy.is_satisfied(signers, &Identity::is)
}

struct Judge<'a> {
    chaincode: &'a Chaincode,
    state: &'a LedgerState,
    signers: &'a [Identity],
    changed: &'a BTreeSet<KeyId>,
}

impl Judge<'_> {
    fn accepts(&self, writes: &TransactionWrites) -> bool {
        let mut asked: BTreeSet<&str> = BTreeSet::new();
        let mut any = false;
        for (collection, key) in written_keys(writes).chain(metadata_keys(writes)) {
            any = true;
            if !self.accepts_key(collection, key, &mut asked) {
                return false;
            }
        }
        any || satisfied(&self.chaincode.policy, self.signers)
    }

    fn accepts_key<'k>(&self, collection: &'k str, key: &[u8], asked: &mut BTreeSet<&'k str>) -> bool {
        let namespace = &self.chaincode.name;
        let id = (namespace.clone(), collection.to_owned(), key.to_owned());
        if self.changed.contains(&id) {
            return false;
        }
        let entry = match collection {
            "" => std::str::from_utf8(key)
                .ok()
                .and_then(|key| self.state.public(namespace, key)),
            collection => self.state.hashed(namespace, collection, key),
        };
        let own = entry.and_then(|entry| entry.metadata.get(VALIDATION_PARAMETER));
        match own.filter(|policy| !policy.is_empty()) {
            Some(policy) => SignaturePolicy::from_envelope_bytes(policy)
                .is_ok_and(|policy| satisfied(&policy, self.signers)),
            None => {
                if !asked.insert(collection) {
                    return true;
                }
                let policy = match collection {
                    "" => Some(&self.chaincode.policy),
                    collection => self.chaincode.collection_policy(collection),
                };
                policy.is_some_and(|policy| satisfied(policy, self.signers))
            }
        }
    }
}
