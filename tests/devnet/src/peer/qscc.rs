//! The system chaincode that answers questions about the chain (Fabric's `core/scc/qscc`): for queries by the Gateway, as SDKs ask it.

use super::Peer;
use fabric_protos::{
    common::{BlockMetadataIndex, Envelope},
    protos::{ChaincodeInput, ProcessedTransaction, Response},
};
use prost::Message;

/// Its name.
pub(crate) const QSCC: &str = "qscc";

impl Peer {
    /// Answers `GetBlockByNumber`, `GetBlockByTxID` and `GetTransactionByID`. The state's lock is not needed: blocks do not change.
    pub(super) fn answer_about_chain(&self, input: &ChaincodeInput) -> Response {
        let answered = self.find_in_chain(input);
        let (status, message, payload) = match answered {
            Ok(payload) => (200, String::new(), payload),
            Err(message) => (500, message, Vec::new()),
        };
        Response {
            status,
            message,
            payload,
        }
    }

    fn find_in_chain(&self, input: &ChaincodeInput) -> Result<Vec<u8>, String> {
        let arguments: Vec<String> = input
            .args
            .iter()
            .map(|argument| String::from_utf8_lossy(argument).into_owned())
            .collect();
        let [function, channel, rest @ ..] = arguments.as_slice() else {
            let count = arguments.len();
            return Err(format!("Incorrect number of arguments, {count}"));
        };
        if *channel != self.channel {
            return Err(format!("Invalid chain ID, {channel}"));
        }
        let [wanted] = rest else {
            return Err(format!("missing 3rd argument for {function}"));
        };
        match function.as_str() {
            "GetBlockByNumber" => {
                let number: u64 = wanted.parse().map_err(|error| {
                    format!("Failed to parse block number with error strconv.ParseUint: {error}")
                })?;
                let block = self.block(number).ok_or_else(|| {
                    format!(
                        "Failed to get block number {number}, error no such block number [{number}] in index"
                    )
                })?;
                Ok(block.block.encode_to_vec())
            }
            "GetBlockByTxID" => Ok(self.block_of(wanted)?.0.block.encode_to_vec()),
            "GetTransactionByID" => {
                let (block, place) = self.block_of(wanted)?;
                let envelope = block.block.data.as_ref().and_then(|data| data.data.get(place));
                let filter = block.block.metadata.as_ref().and_then(|metadata| {
                    metadata
                        .metadata
                        .get(BlockMetadataIndex::TransactionsFilter as usize)
                });
                let transaction = ProcessedTransaction {
                    transaction_envelope: envelope.and_then(|bytes| Envelope::decode(bytes.as_slice()).ok()),
                    validation_code: filter
                        .and_then(|codes| codes.get(place))
                        .map_or(255, |code| i32::from(*code)),
                };
                Ok(transaction.encode_to_vec())
            }
            other => Err(format!("Requested function {other} not found.")),
        }
    }

    /// The block with the transaction of this id that counts, and its place in it.
    fn block_of(
        &self,
        tx_id: &str,
    ) -> Result<(std::sync::Arc<crate::ledger::CommittedBlock>, usize), String> {
        let unknown = || {
            format!(
                "Failed to get transaction with id {tx_id}, error no such transaction ID [{tx_id}] in index"
            )
        };
        let (number, _) = self.transaction(tx_id).ok_or_else(unknown)?;
        let block = self.block(number).ok_or_else(unknown)?;
        let place = block
            .transactions
            .iter()
            .position(|transaction| transaction.tx_id == tx_id);
        Ok((block, place.ok_or_else(unknown)?))
    }
}
