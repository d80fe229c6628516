//! Random calls by random organisations against a plain model: tokens are conserved, nobody spends another's, a listing only
//! moves along its states, and what the model does not expect does not happen.

use std::collections::BTreeMap;
use std::env;
use std::sync::Mutex;

use ipo_chaincode::record::listing::Status;
use ipo_chaincode::token::{CoinId, Output};
use ipo_chaincode::transactions::{clearing, listings, settlement, tokens};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::world::*;

const ACCOUNTS: [&str; 4] = [A, B, BANK, CENTRAL];

#[derive(Clone, Debug)]
enum Call {
    Mint {
        by: usize,
        to: usize,
        amount: u64,
    },
    /// Spends the first `coins` outputs of `of`; pays `amount` to `to`, keeps the rest.
    Transfer {
        by: usize,
        of: usize,
        coins: usize,
        to: usize,
        amount: u64,
    },
    Burn {
        by: usize,
        coins: usize,
        amount: u64,
    },
    Deposit {
        by: usize,
        of: usize,
        coins: usize,
        amount: u64,
    },
    Release {
        by: usize,
    },
    Close {
        by: usize,
    },
    Withdraw {
        by: usize,
    },
    Freeze {
        by: usize,
    },
    /// The sidecars found that A gets `first` tens of shares of `sold` tens, at the lowest price.
    Sell {
        by: usize,
        sold: u64,
        first: u64,
    },
    Settle {
        by: usize,
        of: usize,
    },
    Default {
        by: usize,
        of: usize,
    },
    PassDeadline,
}

/// Mostly the one who may, at times anybody.
fn mostly(place: usize) -> impl Strategy<Value = usize> {
    prop_oneof![5 => Just(place), 1 => 0..ACCOUNTS.len()]
}

/// Mostly twice the same of the first `count` accounts, at times any two.
fn own(count: usize) -> impl Strategy<Value = (usize, usize)> {
    prop_oneof![6 => (0..count).prop_map(|who| (who, who)), 1 => (0..ACCOUNTS.len(), 0..ACCOUNTS.len())]
}

fn call() -> impl Strategy<Value = Call> {
    let amount = || prop_oneof![1u64..1_000, 50_000u64..600_000];
    let coins = || 0usize..5;
    prop_oneof![
        8 => (mostly(3), 0..ACCOUNTS.len(), amount()).prop_map(|(by, to, amount)| Call::Mint { by, to, amount }),
        6 => (own(4), coins(), 0..ACCOUNTS.len(), amount())
            .prop_map(|((by, of), coins, to, amount)| Call::Transfer { by, of, coins, to, amount }),
        2 => (mostly(3), coins(), amount()).prop_map(|(by, coins, amount)| Call::Burn { by, coins, amount }),
        9 => (own(2), coins(), amount())
            .prop_map(|((by, of), coins, amount)| Call::Deposit { by, of, coins, amount }),
        4 => (0..ACCOUNTS.len()).prop_map(|by| Call::Release { by }),
        2 => mostly(2).prop_map(|by| Call::Close { by }),
        1 => (0..ACCOUNTS.len()).prop_map(|by| Call::Withdraw { by }),
        4 => (0..ACCOUNTS.len()).prop_map(|by| Call::Freeze { by }),
        5 => (0..ACCOUNTS.len(), prop_oneof![1 => Just(0u64), 9 => 1u64..=105], 0u64..=100)
            .prop_map(|(by, sold, first)| Call::Sell { by, sold, first }),
        5 => (mostly(2), 0..2usize).prop_map(|(by, of)| Call::Settle { by, of }),
        1 => own(4).prop_map(|(by, of)| Call::Settle { by, of }),
        3 => (mostly(2), 0..ACCOUNTS.len()).prop_map(|(by, of)| Call::Default { by, of }),
        1 => Just(Call::PassDeadline),
    ]
}

/// What the contract should hold.
#[derive(Clone, Debug, Default)]
struct Model {
    cash: BTreeMap<&'static str, u128>,
    shares: BTreeMap<&'static str, u128>,
    escrow: BTreeMap<&'static str, u128>,
    minted: i128,
    status: Option<Status>,
    allotted: BTreeMap<&'static str, u64>,
    ended: BTreeMap<&'static str, bool>,
    session: Vec<u8>,
    late: bool,
}

const PRICE: u64 = 500;

struct Run<'a> {
    world: World,
    model: Model,
    /// How often each call was taken, over all runs.
    taken: &'a Mutex<BTreeMap<&'static str, u32>>,
}

impl<'a> Run<'a> {
    fn new(taken: &'a Mutex<BTreeMap<&'static str, u32>>) -> Self {
        Self {
            taken,
            world: World::listed(),
            model: Model {
                status: Some(Status::Available),
                ..Model::default()
            },
        }
    }

    fn coins(&mut self, owner: &str, count: usize) -> (Vec<CoinId>, u128) {
        let owner = msp(owner);
        let coins = self
            .world
            .call(BANK, async |tx| tokens::unspent(tx, &symbol("USD"), &owner).await)
            .unwrap();
        let coins: Vec<_> = coins.into_iter().take(count).collect();
        let worth = coins.iter().map(|coin| u128::from(coin.amount)).sum();
        (coins.into_iter().map(|coin| coin.id).collect(), worth)
    }

    /// The contract takes a call exactly when the model does.
    fn expect(&self, call: &'static str, taken: bool, expected: bool) {
        assert_eq!(taken, expected, "{call}");
        *self.taken.lock().unwrap().entry(call).or_default() += u32::from(taken);
    }

    /// Makes the call on both. Whether the contract takes it is for the model to say, in every case.
    fn step(&mut self, call: &Call) {
        let id = listing("Estatia");
        let usd = symbol("USD");
        let status = self.model.status.unwrap();
        let is_broker = |who: &str| who == A || who == B;
        match *call {
            Call::Mint { by, to, amount } => {
                let (by, to) = (ACCOUNTS[by], ACCOUNTS[to]);
                let done = self
                    .world
                    .call(by, async |tx| tokens::mint(tx, &usd, &msp(to), amount).await)
                    .is_ok();
                self.expect("Mint", done, by == CENTRAL);
                if done {
                    *self.model.cash.entry(to).or_default() += u128::from(amount);
                    self.model.minted += i128::from(amount);
                }
            }
            Call::Transfer {
                by,
                of,
                coins,
                to,
                amount,
            } => {
                let (by, of, to) = (ACCOUNTS[by], ACCOUNTS[of], ACCOUNTS[to]);
                let (inputs, worth) = self.coins(of, coins);
                let mut outputs = vec![Output {
                    owner: msp(to),
                    amount,
                }];
                if let Some(rest) = worth.checked_sub(u128::from(amount)).filter(|rest| *rest > 0) {
                    outputs.push(Output {
                        owner: msp(of),
                        amount: u64::try_from(rest).unwrap(),
                    });
                }
                let done = self
                    .world
                    .call(by, async |tx| tokens::transfer(tx, &usd, &inputs, &outputs).await)
                    .is_ok();
                self.expect(
                    "Transfer",
                    done,
                    by == of && !inputs.is_empty() && worth >= u128::from(amount),
                );
                if done {
                    *self.model.cash.entry(of).or_default() -= u128::from(amount);
                    *self.model.cash.entry(to).or_default() += u128::from(amount);
                }
            }
            Call::Burn { by, coins, amount } => {
                let by = ACCOUNTS[by];
                let (inputs, worth) = self.coins(by, coins);
                let done = self
                    .world
                    .call(by, async |tx| tokens::burn(tx, &usd, &inputs, amount).await)
                    .is_ok();
                self.expect(
                    "Burn",
                    done,
                    by == CENTRAL && !inputs.is_empty() && worth >= u128::from(amount),
                );
                if done {
                    *self.model.cash.entry(by).or_default() -= u128::from(amount);
                    self.model.minted -= i128::from(amount);
                }
            }
            Call::Deposit {
                by,
                of,
                coins,
                amount,
            } => {
                let (by, of) = (ACCOUNTS[by], ACCOUNTS[of]);
                let (inputs, worth) = self.coins(of, coins);
                let done = self
                    .world
                    .call(by, async |tx| settlement::deposit(tx, &id, &inputs, amount).await)
                    .is_ok();
                let open = !matches!(status, Status::Failed | Status::Withdrawn)
                    && !self.model.ended.contains_key(by);
                self.expect(
                    "Deposit",
                    done,
                    by == of && is_broker(by) && open && !inputs.is_empty() && worth >= u128::from(amount),
                );
                if done {
                    *self.model.cash.entry(by).or_default() -= u128::from(amount);
                    *self.model.escrow.entry(by).or_default() += u128::from(amount);
                }
            }
            Call::Release { by } => {
                let by = ACCOUNTS[by];
                let done = self
                    .world
                    .call(by, async |tx| settlement::release(tx, &id).await)
                    .is_ok();
                let owes_nothing =
                    self.model.allotted.get(by) == Some(&0) || self.model.ended.contains_key(by);
                let free =
                    matches!(status, Status::Failed | Status::Withdrawn) || owes_nothing || self.model.late;
                let held = self.model.escrow.get(by).copied().unwrap_or_default();
                self.expect("Release", done, is_broker(by) && free && held > 0);
                if done {
                    *self.model.cash.entry(by).or_default() += held;
                    self.model.escrow.insert(by, 0);
                }
            }
            Call::Close { by } => {
                let by = ACCOUNTS[by];
                let done = self
                    .world
                    .call(by, async |tx| listings::close(tx, &id).await)
                    .is_ok();
                self.expect(
                    "Close",
                    done,
                    status == Status::Available && (by == BANK || self.model.late),
                );
                if done {
                    self.model.status = Some(Status::Closed);
                }
            }
            Call::Withdraw { by } => {
                let by = ACCOUNTS[by];
                let done = self
                    .world
                    .call(by, async |tx| listings::withdraw(tx, &id).await)
                    .is_ok();
                self.expect(
                    "Withdraw",
                    done,
                    matches!(status, Status::Available | Status::Closed) && by == BANK,
                );
                if done {
                    self.model.status = Some(Status::Withdrawn);
                }
            }
            Call::Freeze { by } => {
                let frozen = self
                    .world
                    .call(ACCOUNTS[by], async |tx| clearing::freeze(tx, &id).await);
                self.expect("Freeze", frozen.is_ok(), status == Status::Closed);
                if let Ok(frozen) = frozen {
                    self.model.session = hex::decode(frozen.clearing.unwrap().session_id).unwrap();
                    self.model.status = Some(Status::Frozen);
                }
            }
            Call::Sell { by, sold, first } => {
                let by = ACCOUNTS[by];
                let first = first.min(sold);
                let price = if sold == 0 { 0 } else { PRICE };
                let sidecar = Told::outcome(
                    self.model.session.clone(),
                    price,
                    [first * 10, (sold - first) * 10, 0],
                );
                let done = self
                    .world
                    .call(by, async |tx| clearing::sell(tx, &sidecar, &msp(B), &id).await)
                    .is_ok();
                self.expect(
                    "Sell",
                    done,
                    status == Status::Frozen && by != CENTRAL && sold <= 100,
                );
                if done {
                    let next = if sold == 0 { Status::Failed } else { Status::Sold };
                    self.model.status = Some(next);
                    if next == Status::Sold {
                        self.model.allotted = [(A, first * 10), (B, (sold - first) * 10), (BANK, 0)].into();
                    }
                }
            }
            Call::Settle { by, of } => {
                let (by, of) = (ACCOUNTS[by], ACCOUNTS[of]);
                let done = self
                    .world
                    .call(by, async |tx| settlement::settle(tx, &id, &msp(of)).await)
                    .is_ok();
                let due = self
                    .model
                    .allotted
                    .get(of)
                    .map(|shares| u128::from(shares * PRICE));
                let held = self.model.escrow.get(of).copied().unwrap_or_default();
                let payable = due.is_some_and(|due| held >= due) && !self.model.ended.contains_key(of);
                self.expect("Settle", done, payable && (by == of || by == BANK));
                if done {
                    let due = due.unwrap();
                    *self.model.cash.entry(BANK).or_default() += due;
                    *self.model.cash.entry(of).or_default() += held - due;
                    *self.model.shares.entry(of).or_default() += u128::from(self.model.allotted[of]);
                    self.model.escrow.insert(of, 0);
                    self.model.ended.insert(of, true);
                }
            }
            Call::Default { by, of } => {
                let (by, of) = (ACCOUNTS[by], ACCOUNTS[of]);
                let done = self
                    .world
                    .call(by, async |tx| settlement::default(tx, &id, &msp(of)).await)
                    .is_ok();
                let due = self.model.allotted.get(of).copied().unwrap_or_default() * PRICE;
                let held = self.model.escrow.get(of).copied().unwrap_or_default();
                let unpaid = due > 0 && held < u128::from(due) && !self.model.ended.contains_key(of);
                self.expect("Default", done, by == BANK && self.model.late && unpaid);
                if done {
                    self.model.ended.insert(of, false);
                }
            }
            Call::PassDeadline => {
                self.world.clock = at("2027-03-05T00:00:00Z");
                self.model.late = true;
            }
        }
    }

    /// Everything adds up.
    fn check(&mut self) {
        let id = listing("Estatia");
        let (mut cash, mut shares) = (0, 0);
        for account in ACCOUNTS {
            let held = self
                .world
                .call(B, async |tx| settlement::held(tx, &id, &msp(account)).await)
                .unwrap();
            assert_eq!(
                held,
                self.model.escrow.get(account).copied().unwrap_or_default(),
                "escrow of {account}"
            );
            let owned = self.world.balance("USD", account);
            assert_eq!(
                owned,
                self.model.cash.get(account).copied().unwrap_or_default(),
                "cash of {account}"
            );
            let stock = self.world.balance("EST", account);
            assert_eq!(
                stock,
                self.model.shares.get(account).copied().unwrap_or_default(),
                "shares of {account}"
            );
            cash += held + owned;
            shares += stock;
        }
        let supply = self
            .world
            .call(B, async |tx| tokens::total_supply(tx, &symbol("USD")).await)
            .unwrap();
        assert_eq!(supply, self.model.minted);
        assert_eq!(i128::try_from(cash).unwrap(), supply, "cash is conserved");
        let view = self
            .world
            .call(B, async |tx| listings::read(tx, &id).await)
            .unwrap();
        assert_eq!(Some(view.listing.status), self.model.status);
        assert_eq!(shares + u128::from(view.treasury), 1_000, "shares are conserved");
        let supply = self
            .world
            .call(B, async |tx| tokens::total_supply(tx, &symbol("EST")).await)
            .unwrap();
        assert_eq!(i128::try_from(shares).unwrap(), supply);
        let all_ended = self
            .model
            .allotted
            .iter()
            .all(|(who, shares)| *shares == 0 || self.model.ended.contains_key(who));
        assert_eq!(view.settled, self.model.status == Some(Status::Sold) && all_ended);
    }
}

/// `IPO_SEQUENCES` asks for another number of sequences: ten thousand take half a minute unoptimised.
#[test]
fn random_calls_conserve_everything() {
    let cases = env::var("IPO_SEQUENCES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(2_500);
    let mut runner = TestRunner::new(ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let taken = Mutex::default();
    let sequences = prop::collection::vec(call(), 1..80);
    runner
        .run(&sequences, |calls| {
            let mut run = Run::new(&taken);
            for call in &calls {
                run.step(call);
            }
            run.check();
            Ok(())
        })
        .unwrap();
    // A test of refusals alone would prove little.
    let taken: BTreeMap<&str, u32> = taken.into_inner().unwrap();
    assert!(
        taken.len() == 11 && taken.values().all(|count| *count > cases / 100),
        "{taken:?}"
    );
    println!("{cases} sequences; calls taken: {taken:?}");
}
