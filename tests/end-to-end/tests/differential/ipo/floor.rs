//! The trading floor: plays one line after another and writes down what came of it.

use std::time::Duration;

use devnet::client::{Call, ClientError, EndorsedTransaction, Start};
use fabric_protos::{
    common::{Block, ChannelHeader, Header},
    protos::{Proposal, TxValidationCode},
};
use ipo_chaincode::sealed::{RESPONSE_KEY, Sealed};
use ipo_demo::{
    network::{CHAINCODE, CHANNEL},
    story::{BANK, ORGANISATIONS, Organisation},
};
use prost::Message;
use serde_json::{Value, json};
use step_chaincode::Step;
use tokio::time::{Instant, sleep};

use super::{
    bench::{Bench, Person},
    veil::{Veil, last_by_chance, ordered},
};
use crate::{
    bench::soon,
    record,
    words::{implicit, private_hash},
};

/// Between two looks: nothing tells when a sidecar has an outcome, or another program listens.
const GLANCE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(120);

/// The kinds of public records.
const KINDS: [&str; 9] = [
    "listing",
    "order",
    "book",
    "settlement",
    "token",
    "supply",
    "utxo",
    "escrow",
    "sidecar",
];

pub(crate) struct Floor {
    pub(crate) bench: Bench,
    veil: Veil,
    /// Number of the script's first block.
    base: Option<u64>,
    /// Transactions proposed so far.
    proposed: usize,
    lines: Vec<Value>,
}

/// A call of the contract with these arguments.
pub(crate) fn call(function: &str, arguments: &[&str]) -> Call {
    let call = Call::new(CHAINCODE, function);
    arguments.iter().fold(call, Call::arg)
}

/// The same, to be seen and endorsed by the caller's own organisation alone.
pub(crate) fn private(by: Person, call: Call) -> Call {
    call.organisations(&[by.0.msp])
}

impl Floor {
    pub(crate) fn new(bench: Bench) -> Self {
        let mut veil = Veil::default();
        for sidecar in &bench.sidecars {
            let name = sidecar.organisation.name;
            veil.cover(&sidecar.endpoint, format!("<endpoint of {name}>"));
            veil.cover(&sidecar.key_hash, format!("<key hash of {name}>"));
        }
        Self {
            bench,
            veil,
            base: None,
            proposed: 0,
            lines: Vec::new(),
        }
    }

    fn base(&self) -> u64 {
        self.base.unwrap_or(u64::MAX)
    }

    fn note(&mut self, line: &str, came: &Value) {
        let came = self.veil.over(came);
        self.lines.push(json!({ "line": line, "came": came }));
    }

    /// Has a call endorsed; its id and its time stand from now on as what this proposal's are.
    async fn try_endorse(&mut self, by: Person, call: &Call) -> Result<EndorsedTransaction, Value> {
        let client = self.bench.client(by).clone();
        let signed = client.sign(call).unwrap();
        self.proposed += 1;
        let proposal = Proposal::decode(signed.proposal.proposal_bytes.as_slice()).unwrap();
        let header = Header::decode(proposal.header.as_slice()).unwrap();
        let header = ChannelHeader::decode(header.channel_header.as_slice()).unwrap();
        self.veil
            .cover(&signed.tx_id, format!("<transaction {}>", self.proposed));
        let time = header.timestamp.unwrap().to_string();
        self.veil.cover(&time, format!("<time {}>", self.proposed));
        let endorsed = soon(client.endorse_signed(signed)).await;
        endorsed.map_err(|error| Self::refusal(&error))
    }

    /// Submits transactions, in order, has them cut into one block, and waits until every peer has it.
    async fn commit(&mut self, transactions: &[&EndorsedTransaction]) -> (Vec<TxValidationCode>, u64) {
        let client = self.bench.client((BANK, "User1"));
        for transaction in transactions {
            soon(client.submit(transaction)).await.unwrap();
        }
        self.bench.cut();
        let (mut codes, mut blocks) = (Vec::new(), Vec::new());
        for transaction in transactions {
            for organisation in ORGANISATIONS {
                let client = self.bench.client((organisation, "User1"));
                let status = soon(client.commit_status(&transaction.tx_id)).await.unwrap();
                if organisation == BANK {
                    codes.push(status.code);
                    blocks.push(status.block);
                }
            }
        }
        let block = *blocks.iter().max().unwrap();
        assert!(
            blocks.iter().all(|one| *one == block),
            "the orderer cut in between"
        );
        self.base.get_or_insert(block);
        (codes, block)
    }

    fn set_of(&self, endorsed: &EndorsedTransaction) -> Value {
        let mut endorsement = record::endorsement(endorsed, self.base());
        let set = endorsement["set"].take();
        endorsement["set"] = ordered(last_by_chance(self.veil.over(&set)));
        endorsement
    }

    /// A transaction alone in its block; gives what it answered, or nothing if it was refused.
    pub(crate) async fn submit(&mut self, line: &str, by: Person, call: Call) -> Value {
        match self.try_endorse(by, &call).await {
            Err(refusal) => {
                self.note(line, &json!({ "refused": refusal }));
                Value::Null
            }
            Ok(endorsed) => {
                let (codes, block) = self.commit(&[&endorsed]).await;
                let answer = record::answer(&endorsed.result);
                if let Some(session) = answer["clearing"]["sessionId"].as_str() {
                    self.veil.cover(session, "<session>".to_owned());
                }
                let came = json!({
                    "endorsed": self.set_of(&endorsed),
                    "code": codes[0].as_str_name(),
                    "block": block - self.base(),
                });
                self.note(line, &came);
                answer
            }
        }
    }

    /// Transactions endorsed one after the other on the same state, together in one block; gives what they answered.
    pub(crate) async fn together(&mut self, line: &str, all: Vec<(Person, Call)>) -> Vec<Value> {
        let mut endorsed = Vec::new();
        for (by, call) in all {
            endorsed.push(self.try_endorse(by, &call).await.unwrap());
        }
        let (codes, block) = self.commit(&endorsed.iter().collect::<Vec<_>>()).await;
        let codes: Vec<_> = codes.iter().map(TxValidationCode::as_str_name).collect();
        let sets: Vec<Value> = endorsed.iter().map(|one| self.set_of(one)).collect();
        let came = json!({ "codes": codes, "block": block - self.base(), "endorsed": sets });
        self.note(line, &came);
        endorsed.iter().map(|one| record::answer(&one.result)).collect()
    }

    /// A refusal, without what sidecars that have not met yet say of each other (it is chance whether they have tried), and without
    /// the list of all functions, which grows.
    fn refusal(error: &ClientError) -> Value {
        let short = |said: &mut Value| {
            let text = said.as_str().unwrap_or_default();
            let text = text.split_once("; attempt ").map_or(text, |(before, _)| before);
            *said = json!(text.split_once("; contract ").map_or(text, |(before, _)| before));
        };
        let mut refusal = record::refusal(error);
        short(&mut refusal["message"]);
        for detail in refusal["details"].as_array_mut().into_iter().flatten() {
            short(&mut detail[1]);
        }
        refusal
    }

    async fn ask(&self, by: Person, call: &Call) -> Value {
        match soon(self.bench.client(by).evaluate(call)).await {
            Ok(bytes) => json!({ "answer": record::answer(&bytes) }),
            Err(error) => json!({ "refused": Self::refusal(&error) }),
        }
    }

    /// What a query answers, at the peer of whoever asks.
    pub(crate) async fn query(&mut self, line: &str, by: Person, call: Call) {
        let came = self.ask(by, &private(by, call)).await;
        self.note(line, &came);
    }

    /// The same at the peer of another organisation.
    pub(crate) async fn query_at(&mut self, line: &str, by: Person, at: Organisation, call: Call) {
        let came = self.ask(by, &call.organisations(&[at.msp])).await;
        self.note(line, &came);
    }

    /// `JoinClearing`, whose answer says some things by chance: how far the sidecars are, which call each other all the time.
    pub(crate) async fn join(&mut self, line: &str, by: Person, call: Call, by_chance: &[&str]) {
        let mut came = self.ask(by, &private(by, call)).await;
        let progress = came["answer"].as_object_mut().unwrap();
        for field in by_chance {
            assert!(progress.remove(*field).is_some(), "{field}: {progress:?}");
        }
        self.note(line, &came);
    }

    /// The same where a list is in the order of transaction ids; gives the answer.
    pub(crate) async fn query_set(&mut self, line: &str, by: Person, call: Call) -> Value {
        let mut came = self.ask(by, &private(by, call)).await;
        self.note(line, &ordered(self.veil.over(&came)));
        came["answer"].take()
    }

    /// The same for private data, which comes encrypted.
    pub(crate) async fn query_sealed(&mut self, line: &str, by: Person, call: Call) {
        let key = [7; 32];
        let call = private(by, call).transient(RESPONSE_KEY, key);
        let came = match soon(self.bench.client(by).evaluate(&call)).await {
            Ok(bytes) => {
                let sealed: Sealed = serde_json::from_slice(&bytes).unwrap();
                json!({ "sealed": record::answer(&sealed.open(&key).unwrap()) })
            }
            Err(error) => json!({ "refused": Self::refusal(&error) }),
        };
        self.note(line, &came);
    }

    /// Asks until an answer is as it has to be; notes nothing.
    pub(crate) async fn until(&self, by: Person, call: &Call, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let came = soon(self.bench.client(by).evaluate(call)).await;
            let answer = came.as_ref().map(|bytes| record::answer(bytes));
            if let Ok(answer) = answer
                && wanted(&answer)
            {
                return answer;
            }
            assert!(Instant::now() < deadline, "{call:?} for {}: {came:?}", by.0.name);
            sleep(GLANCE).await;
        }
    }

    /// Everything that the peers hold, as another chaincode in the contract's place reads it.
    pub(crate) async fn lay_bare(&mut self, private_keys: &[(Organisation, Vec<String>)]) {
        self.bench.lay_bare().await;
        let run = |steps: &[Step]| Call::new(CHAINCODE, "Run").arg(serde_json::to_vec(steps).unwrap());
        for organisation in ORGANISATIONS {
            let at = (organisation, "User1");
            let here = run(&[Step::Whoami]).organisations(&[organisation.msp]);
            self.until(at, &here, |_| true).await;
            for kind in KINDS {
                let line = format!("every {kind} at {}", organisation.name);
                self.query_set(&line, at, run(&[Step::All(kind.to_owned())]))
                    .await;
            }
            for kind in ["order", "allocation"] {
                let line = format!("every private {kind} of {}", organisation.name);
                let all = Step::AllPrivate(implicit(organisation.msp), kind.to_owned());
                self.query(&line, at, run(&[all])).await;
            }
            for (owner, keys) in private_keys {
                let line = format!("the hashes of {}'s records at {}", owner.name, organisation.name);
                let hashes: Vec<Step> = keys.iter().map(|key| private_hash(owner.msp, key)).collect();
                self.query(&line, at, run(&hashes)).await;
            }
            let line = format!("the listing's own policy at {}", organisation.name);
            let policy = Step::GetPolicy("\0listing\0homes\0".to_owned());
            self.query(&line, at, run(&[policy])).await;
        }
    }

    /// Every block's codes from the script's first one on, and every event up to the last block.
    pub(crate) async fn finish(mut self, last_event: &str) -> Vec<Value> {
        let start = Start::Block(self.base());
        let client = self.bench.client((BANK, "User1")).clone();
        let mut events = soon(client.chaincode_events(CHAINCODE, start)).await.unwrap();
        let mut seen = Vec::new();
        let last = loop {
            let (block, event) = soon(events.next()).await.unwrap().unwrap();
            let payload = ordered(self.veil.over(&record::answer(&event.payload)));
            seen.push(json!([
                block - self.base(),
                event.tx_id,
                event.event_name,
                payload
            ]));
            if event.event_name == last_event {
                break block;
            }
        };
        self.note("all events", &Value::Array(seen));
        let mut blocks = Vec::new();
        for block in self.base()..=last {
            let call = Call::new("qscc", "GetBlockByNumber")
                .arg(CHANNEL)
                .arg(block.to_string());
            let bytes = soon(client.evaluate(&call)).await.unwrap();
            let metadata = Block::decode(bytes.as_slice()).unwrap().metadata.unwrap();
            let codes = metadata.metadata[2].iter().map(|code| {
                let code = TxValidationCode::try_from(i32::from(*code)).unwrap();
                json!(code.as_str_name())
            });
            blocks.push(codes.collect::<Value>());
        }
        self.note("all blocks", &Value::Array(blocks));
        self.lines
    }
}
