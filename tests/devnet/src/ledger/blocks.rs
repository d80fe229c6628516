//! A peer's chain of blocks.

use fabric_protos::{
    common::{Block, BlockData, BlockHeader, BlockMetadata},
    protos::{ChaincodeEvent, TxValidationCode},
};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A committed block with its transactions' fates.
#[derive(Clone, Debug)]
pub struct CommittedBlock {
    /// The block as Fabric encodes it, validation codes in its metadata.
    pub block: Block,
    /// Its transactions, in order.
    pub transactions: Vec<TransactionRecord>,
}

impl CommittedBlock {
    /// The block's number; the genesis block is 0.
    pub fn number(&self) -> u64 {
        self.block.header.as_ref().map_or(0, |header| header.number)
    }
}

/// A transaction in a block.
#[derive(Clone, Debug)]
pub struct TransactionRecord {
    /// Its id; empty when the envelope was too broken to have one.
    pub tx_id: String,
    /// Whether it is valid, and why not.
    pub code: TxValidationCode,
    /// The event that its chaincode set. Delivered only when the transaction is valid.
    pub event: Option<ChaincodeEvent>,
}

/// A peer's chain.
#[derive(Default)]
pub(crate) struct BlockStore {
    chain: Mutex<Chain>,
}

#[derive(Default)]
struct Chain {
    blocks: Vec<Arc<CommittedBlock>>,
    by_transaction: BTreeMap<String, (u64, TxValidationCode)>,
}

impl BlockStore {
    // A panic while the chain was locked cannot have left it half changed: every change is one push.
    fn chain(&self) -> MutexGuard<'_, Chain> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn block(&self, number: u64) -> Option<Arc<CommittedBlock>> {
        self.chain().blocks.get(usize::try_from(number).ok()?).cloned()
    }

    pub(crate) fn blocks(&self) -> Vec<Arc<CommittedBlock>> {
        self.chain().blocks.clone()
    }

    /// In which block a transaction is, and how it fared there.
    pub(crate) fn transaction(&self, tx_id: &str) -> Option<(u64, TxValidationCode)> {
        self.chain().by_transaction.get(tx_id).copied()
    }

    pub(crate) fn clear(&self) {
        *self.chain() = Chain::default();
    }

    pub(crate) fn append(&self, block: CommittedBlock) {
        let number = block.number();
        let mut chain = self.chain();
        for transaction in block
            .transactions
            .iter()
            .filter(|transaction| !transaction.tx_id.is_empty())
        {
            // Of duplicates the first counts.
            chain
                .by_transaction
                .entry(transaction.tx_id.clone())
                .or_insert((number, transaction.code));
        }
        chain.blocks.push(Arc::new(block));
    }
}

/// A block over the given envelopes.
pub(crate) fn assemble(number: u64, previous_hash: Vec<u8>, data: Vec<Vec<u8>>) -> Block {
    let mut digest = Sha256::new();
    for envelope in &data {
        digest.update(envelope);
    }
    let header = BlockHeader {
        number,
        previous_hash,
        data_hash: digest.finalize().to_vec(),
    };
    Block {
        header: Some(header),
        data: Some(BlockData { data }),
        metadata: Some(BlockMetadata {
            metadata: vec![Vec::new(); 5],
        }),
    }
}

/// SHA-256 of the header as ASN.1 DER: SEQUENCE { INTEGER number, OCTET STRING previous, OCTET STRING data }.
pub(crate) fn header_hash(header: &BlockHeader) -> Vec<u8> {
    let number = header.number.to_be_bytes();
    let significant = number.iter().position(|&byte| byte != 0).unwrap_or(7);
    let mut integer = number.get(significant..).unwrap_or_default().to_vec();
    if integer.first().is_some_and(|&byte| byte >= 0x80) {
        integer.insert(0, 0);
    }
    let content = [
        der(0x02, &integer),
        der(0x04, &header.previous_hash),
        der(0x04, &header.data_hash),
    ]
    .concat();
    Sha256::digest(der(0x30, &content)).to_vec()
}

/// Tag, length and content; a header's parts are shorter than 128 bytes.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
    [&[tag, length], content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(
        number: u64,
        previous_hash: Vec<u8>,
        transactions: &[(&str, TxValidationCode)],
    ) -> CommittedBlock {
        let transactions = transactions
            .iter()
            .map(|(tx_id, code)| TransactionRecord {
                tx_id: (*tx_id).into(),
                code: *code,
                event: None,
            })
            .collect();
        CommittedBlock {
            block: assemble(number, previous_hash, vec![vec![1, 2, 3]]),
            transactions,
        }
    }

    #[test]
    fn chains_blocks_and_finds_transactions() {
        let store = BlockStore::default();
        store.append(block(0, Vec::new(), &[("a", TxValidationCode::Valid)]));
        let second = [
            ("b", TxValidationCode::MvccReadConflict),
            ("a", TxValidationCode::DuplicateTxid),
        ];
        store.append(block(1, Vec::new(), &second));
        assert_eq!(store.blocks().len(), 2);
        assert_eq!(store.transaction("a"), Some((0, TxValidationCode::Valid)));
        assert_eq!(
            store.transaction("b"),
            Some((1, TxValidationCode::MvccReadConflict))
        );
        assert_eq!(store.transaction("c"), None);
        assert_eq!(store.block(1).unwrap().number(), 1);
    }

    #[test]
    fn a_header_is_hashed_in_der() {
        let header = BlockHeader {
            number: 300,
            previous_hash: vec![1],
            data_hash: vec![2, 3],
        };
        let expected = [0x30, 11, 0x02, 2, 1, 44, 0x04, 1, 1, 0x04, 2, 2, 3];
        assert_eq!(header_hash(&header), Sha256::digest(expected).to_vec());
        let header = BlockHeader {
            number: 200,
            previous_hash: vec![],
            data_hash: vec![],
        };
        let expected = [0x30, 8, 0x02, 2, 0, 200, 0x04, 0, 0x04, 0];
        assert_eq!(header_hash(&header), Sha256::digest(expected).to_vec());
    }
}
