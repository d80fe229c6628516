//! Many clients at once: no transaction of one order, broker or escrow meets that of another.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use devnet::client::Call;
use serde_json::json;
use tokio::time::sleep;

use crate::desk::{Desk, json_of};
use crate::market::{Market, order, soon};

/// How many clients work at once, each on a connection of its own.
const CLIENTS: usize = 32;
/// Listings that are sold and settled.
const SALES: usize = 4;

/// A transaction that was ordered.
struct Done {
    tx_id: String,
    code: &'static str,
    block: u64,
    result: Vec<u8>,
    /// How often its endorsement was tried again because another organisation's peer was a block behind.
    behind: usize,
}

/// What became of all transactions.
#[derive(Default)]
pub(crate) struct Tally {
    /// How many were found to be what.
    pub(crate) codes: BTreeMap<&'static str, usize>,
    behind: usize,
    blocks: Vec<u64>,
    took: Duration,
}

impl Tally {
    fn add(&mut self, done: &Done) {
        *self.codes.entry(done.code).or_default() += 1;
        self.behind += done.behind;
        self.blocks.push(done.block);
    }

    /// Blocks with more than one of the transactions.
    pub(crate) fn shared_blocks(&self) -> usize {
        let mut blocks = self.blocks.clone();
        blocks.sort_unstable();
        blocks
            .chunk_by(|one, other| one == other)
            .filter(|same| same.len() > 1)
            .count()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{CLIENTS} clients: {:?} in {:?}, {} blocks shared, {} endorsements repeated for a peer that was behind",
            self.codes,
            self.took,
            self.shared_blocks(),
            self.behind
        )
    }
}

/// All clients place orders and lock cash at once; then some settle while the others go on placing and locking.
pub(crate) async fn at_once(market: &Market) -> Tally {
    let workers = workers(market).await;
    let open = market.list(&[]).await;
    let mut sales = Vec::new();
    for _ in 0..SALES {
        sales.push(market.list(&[]).await);
    }
    let mut tally = Tally::default();

    let mints = workers.iter().map(|worker| {
        let call = market
            .bank
            .call("token:Mint", &[&market.cash, &worker.msp, "1000000"]);
        let bank = market.bank.clone();
        async move { vec![submit(&bank, &call).await] }
    });
    let minted = crowd(market, &mut tally, mints).await;
    let coin = |done: &Done| json_of(&done.result)["id"].as_str().unwrap().to_owned();
    let coins: Vec<_> = minted.iter().map(|done| coin(&done[0])).collect();

    let first = workers
        .iter()
        .zip(coins)
        .enumerate()
        .map(|(place, (worker, coin))| {
            let listing = sales[place / 2 % SALES].clone();
            place_and_lock(worker.clone(), listing, format!("n{place:02}"), coin, 500_000)
        });
    let first = crowd(market, &mut tally, first).await;
    // The rest of the coin is the deposit's first output.
    let rest: Vec<_> = first.iter().map(|done| format!("{}.0", done[2].tx_id)).collect();
    for listing in &sales {
        market.freeze(listing).await;
        assert_eq!(market.clear(listing).await["status"], "sold");
    }

    let second = workers
        .iter()
        .zip(rest)
        .enumerate()
        .map(|(place, (worker, coin))| {
            let (worker, open) = (worker.clone(), open.clone());
            let sale = sales.get(place / 2).cloned();
            async move {
                match sale {
                    Some(listing) => {
                        let call = worker.call("Settle", &[&listing, &worker.msp]);
                        vec![submit(&worker, &call).await]
                    }
                    None => place_and_lock(worker, open, format!("m{place:02}"), coin, 100_000).await,
                }
            }
        });
    crowd(market, &mut tally, second).await;
    for listing in &sales {
        let view = market.a.query("ReadListing", &[listing]).await.unwrap();
        assert_eq!(view["settled"], true);
    }
    tally
}

/// Clients of both brokers in turns.
async fn workers(market: &Market) -> Vec<Desk> {
    let mut workers = Vec::new();
    for place in 0..CLIENTS {
        let organisation = &market.organisations[1 + place % 2];
        let identity = organisation.identity("User1");
        workers.push(Desk {
            msp: organisation.msp.clone(),
            client: organisation.connect(identity, &market.channel).await,
            chaincode: market.a.chaincode.clone(),
        });
    }
    workers
}

/// Runs all at once, and waits until every organisation's peer has what they did.
async fn crowd<F>(market: &Market, tally: &mut Tally, jobs: impl Iterator<Item = F>) -> Vec<Vec<Done>>
where
    F: Future<Output = Vec<Done>> + Send + 'static,
{
    let started = Instant::now();
    let running: Vec<_> = jobs.map(tokio::spawn).collect();
    let mut all = Vec::new();
    for job in running {
        all.push(soon(job).await.unwrap());
    }
    tally.took += started.elapsed();
    for done in all.iter().flatten() {
        tally.add(done);
        market.see(&done.tx_id).await;
    }
    all
}

/// Both transactions of an order, and the deposit for it.
async fn place_and_lock(worker: Desk, listing: String, id: String, coin: String, amount: u64) -> Vec<Done> {
    let create = worker
        .own("CreateOrder", &[&listing, &id])
        .transient("order", order("Ann", &[(700, 40)]).to_string());
    let created = submit(&worker, &create).await;
    let answer = json_of(&created.result);
    let commitment = answer["commitment"].as_str().unwrap();
    let submitted = submit(&worker, &worker.call("SubmitOrder", &[&listing, &id, commitment])).await;
    let coins = json!([coin]).to_string();
    let deposit = worker.call("DepositEscrow", &[&listing, &coins, &amount.to_string()]);
    let deposited = submit(&worker, &deposit).await;
    vec![created, submitted, deposited]
}

/// Has a call endorsed and ordered. The endorsement, which changes nothing, is tried again as long as another organisation's peer has not
/// committed what the call builds on; once it is ordered nothing is repeated.
async fn submit(desk: &Desk, call: &Call) -> Done {
    let mut behind = 0;
    let endorsed = loop {
        match soon(desk.client.endorse(call)).await {
            Ok(endorsed) => break endorsed,
            Err(error) => {
                let text = error.to_string();
                let lags = [
                    "ORDER_HASH_NOT_YET_COMMITTED",
                    "ProposalResponsePayloads do not match",
                ];
                assert!(
                    lags.iter().any(|lag| text.contains(lag)) && behind < 200,
                    "{text}"
                );
                behind += 1;
                // The peer pushes nothing that says how far the others are.
                sleep(Duration::from_millis(50)).await;
            }
        }
    };
    let (code, block) = soon(desk.order(&endorsed)).await;
    Done {
        tx_id: endorsed.tx_id,
        code: code.as_str_name(),
        block,
        result: endorsed.result,
        behind,
    }
}
