//! Plays the script on a bench, and writes down what came of each line.

use devnet::{
    client::{Call, ClientError, EndorsedTransaction, Start},
    identity::SigningIdentity,
};
use fabric_protos::{common::Block, protos::TxValidationCode};
use prost::Message;
use serde_json::{Value, json};
use step_chaincode::Step;

use crate::{
    bench::{Bench, CHAINCODE, CHANNEL, ORGS, run, soon},
    record,
};

/// Everybody's endorsement, named.
pub(crate) const ALL: &[&str] = &ORGS;
/// Endorsers left to the Gateway.
pub(crate) const UNNAMED: &[&str] = &[];

pub(crate) struct Player<'a> {
    pub(crate) bench: &'a Bench,
    /// Number of the script's first block.
    base: Option<u64>,
    lines: Vec<Value>,
}

impl<'a> Player<'a> {
    pub(crate) fn new(bench: &'a Bench) -> Self {
        Self {
            bench,
            base: None,
            lines: Vec::new(),
        }
    }

    pub(crate) fn note(&mut self, line: &str, what: Value) {
        let came = serde_json::Map::from_iter([("came".to_owned(), what), ("line".to_owned(), json!(line))]);
        self.lines.push(Value::Object(came));
    }

    pub(crate) fn base(&self) -> u64 {
        self.base.unwrap_or(u64::MAX)
    }

    pub(crate) async fn try_endorse(
        &self,
        by: &str,
        call: &Call,
    ) -> Result<EndorsedTransaction, ClientError> {
        soon(self.bench.client(by).endorse(call)).await
    }

    pub(crate) async fn endorse(&self, by: &str, to: &[&str], steps: &[Step]) -> EndorsedTransaction {
        let call = run(steps).organisations(to);
        self.try_endorse(by, &call).await.unwrap()
    }

    /// Submits transactions, in order, and has them cut into one block. Their codes by the commit status, and the block.
    pub(crate) async fn commit(
        &mut self,
        transactions: &[&EndorsedTransaction],
    ) -> (Vec<TxValidationCode>, u64) {
        let client = self.bench.client(ORGS[0]);
        for transaction in transactions {
            soon(client.submit(transaction)).await.unwrap();
        }
        self.bench.cut();
        let mut codes = Vec::new();
        let mut blocks = Vec::new();
        for transaction in transactions {
            // Everywhere, so that whichever peer is asked next knows it.
            for msp_id in ORGS {
                let status = soon(self.bench.client(msp_id).commit_status(&transaction.tx_id)).await;
                let status = status.unwrap();
                if msp_id == ORGS[0] {
                    codes.push(status.code);
                    blocks.push(status.block);
                }
            }
        }
        // A repeated transaction has the status of its first time.
        let block = *blocks.iter().max().unwrap();
        self.base.get_or_insert(block);
        (codes, block)
    }

    /// A transaction alone in its block.
    pub(crate) async fn submit(&mut self, line: &str, by: &str, to: &[&str], steps: &[Step]) {
        self.submit_call(line, by, &run(steps).organisations(to)).await;
    }

    pub(crate) async fn submit_call(&mut self, line: &str, by: &str, call: &Call) {
        match self.try_endorse(by, call).await {
            Err(error) => self.note(line, json!({ "refused": record::refusal(&error) })),
            Ok(endorsed) => {
                let (codes, block) = self.commit(&[&endorsed]).await;
                let what = json!({
                    "endorsed": record::endorsement(&endorsed, self.base()),
                    "code": codes[0].as_str_name(),
                    "block": block - self.base(),
                });
                self.note(line, what);
            }
        }
    }

    /// Transactions endorsed one after the other on the same state, together in one block.
    pub(crate) async fn together(&mut self, line: &str, all: &[(&str, &[&str], &[Step])]) {
        let mut endorsed = Vec::new();
        for (by, to, steps) in all {
            endorsed.push(self.endorse(by, to, steps).await);
        }
        let (codes, block) = self
            .in_one_block(line, &endorsed.iter().collect::<Vec<_>>())
            .await;
        let base = self.base();
        let sets: Vec<Value> = endorsed
            .iter()
            .map(|transaction| record::endorsement(transaction, base)["set"].clone())
            .collect();
        self.note(line, json!({ "codes": codes, "block": block, "sets": sets }));
    }

    /// Transactions in one block; their codes as the block has them.
    pub(crate) async fn order(&mut self, line: &str, transactions: &[&EndorsedTransaction]) {
        let (codes, block) = self.in_one_block(line, transactions).await;
        self.note(line, json!({ "codes": codes, "block": block }));
    }

    async fn in_one_block(&mut self, line: &str, transactions: &[&EndorsedTransaction]) -> (Value, u64) {
        let (_, block) = self.commit(transactions).await;
        let codes = self.codes(block).await;
        let together = codes.as_array().unwrap().len() == transactions.len();
        assert!(together, "{line}: the orderer cut in between: {codes}");
        (codes, block - self.base())
    }

    /// The validation codes in a block.
    pub(crate) async fn codes(&self, block: u64) -> Value {
        let call = Call::new("qscc", "GetBlockByNumber")
            .arg(CHANNEL)
            .arg(block.to_string());
        let bytes = soon(self.bench.client(ORGS[0]).evaluate(&call)).await.unwrap();
        let metadata = Block::decode(bytes.as_slice())
            .unwrap()
            .metadata
            .unwrap()
            .metadata;
        let code = |code: &u8| TxValidationCode::try_from(i32::from(*code)).map(|code| code.as_str_name());
        metadata[2]
            .iter()
            .map(|byte| json!(code(byte).unwrap()))
            .collect()
    }

    pub(crate) async fn evaluate(&mut self, line: &str, at: &str, steps: &[Step]) {
        self.evaluate_call(line, at, &run(steps)).await;
    }

    pub(crate) async fn evaluate_call(&mut self, line: &str, at: &str, call: &Call) {
        let came = match soon(self.bench.client(at).evaluate(call)).await {
            Ok(bytes) => json!({ "answer": record::answer(&bytes) }),
            Err(error) => json!({ "refused": record::refusal(&error) }),
        };
        self.note(line, came);
    }

    /// A query by another identity over the same connection.
    pub(crate) async fn evaluate_as(&mut self, line: &str, at: &str, who: SigningIdentity, steps: &[Step]) {
        let client = self.bench.client(at).with_identity(who);
        let came = match soon(client.evaluate(&run(steps))).await {
            Ok(bytes) => json!({ "answer": record::answer(&bytes) }),
            Err(error) => json!({ "refused": record::refusal(&error) }),
        };
        self.note(line, came);
    }

    /// A transaction by another identity, as far as it gets.
    pub(crate) async fn submit_as(&mut self, line: &str, at: &str, who: SigningIdentity, call: &Call) {
        let client = self.bench.client(at).with_identity(who);
        let came = match soon(client.endorse(call)).await {
            Err(error) => json!({ "refused": record::refusal(&error) }),
            Ok(endorsed) => match soon(client.submit(&endorsed)).await {
                Err(error) => json!({ "endorsed, then refused": record::refusal(&error) }),
                Ok(()) => json!("taken"),
            },
        };
        self.note(line, came);
    }

    /// Every block from the script's first one on, and the events of the chaincode up to the one of this name.
    pub(crate) async fn finish(mut self, last_event: &str, last_block: u64) -> Vec<Value> {
        let mut blocks = Vec::new();
        for block in self.base()..=last_block {
            blocks.push(self.codes(block).await);
        }
        self.note("all blocks", Value::Array(blocks));
        let start = Start::Block(self.base());
        let client = self.bench.client(ORGS[1]);
        let mut events = soon(client.chaincode_events(CHAINCODE, start)).await.unwrap();
        let mut seen = Vec::new();
        loop {
            let (block, event) = soon(events.next()).await.unwrap().unwrap();
            let payload = record::answer(&event.payload);
            seen.push(json!([block - self.base(), event.event_name, payload]));
            if event.event_name == last_event {
                break;
            }
        }
        self.note("all events", Value::Array(seen));
        self.lines
    }
}
