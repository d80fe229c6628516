//! One sequence on both: the contract and the model.

use std::collections::BTreeMap;

use ipo_chaincode::error::ContractError;
use ipo_chaincode::identifier::ListingId;
use ipo_chaincode::ledger::Transaction;
use ipo_chaincode::record::listing::Status;
use ipo_chaincode::transactions::{clearing, listings, settlement, tokens};
use serde::Serialize;
use serde_json::json;

use super::call::{CALLERS, Call, Here};
use super::sale::{PARTIES, SHARES, Sale};
use crate::world::*;

/// What every order of the model has in its investor's name and its salt, so that it can be searched for.
pub(crate) const INVESTOR: &str = "Confidant";
pub(crate) const SALT: [u8; 8] = [0xfe, 0xed, 0xfa, 0xce, 0xca, 0xfe, 0xbe, 0xef];

/// How often each call was taken.
pub(crate) type Taken = BTreeMap<&'static str, u32>;

#[derive(Clone)]
pub(crate) struct Run {
    pub(crate) world: World,
    pub(crate) sales: [Sale; 2],
    pub(crate) cash: BTreeMap<&'static str, u128>,
    pub(crate) shares: BTreeMap<&'static str, u128>,
    pub(crate) minted: i128,
    /// Whether 17:00 has passed.
    pub(crate) closed: bool,
    /// Whether the settlement deadline has passed.
    pub(crate) late: bool,
    pub(crate) taken: Taken,
}

impl Run {
    /// Two listings of the same shares, one for each allocation rule.
    pub(crate) fn new() -> Self {
        let mut world = World::listed();
        let mut terms = proposal();
        terms["id"] = json!("Second");
        terms["allocation"] = json!("pro-rata");
        let terms = terms.to_string();
        world
            .call(BANK, async |tx| listings::create(tx, &terms).await)
            .unwrap();
        Self {
            world,
            sales: [Sale::new("Estatia", false), Sale::new("Second", true)],
            cash: BTreeMap::new(),
            shares: BTreeMap::new(),
            minted: 0,
            closed: false,
            late: false,
            taken: BTreeMap::new(),
        }
    }

    /// Makes the call on both. Whether the contract takes it is for the model to say, in every case.
    pub(crate) fn step(&mut self, call: &Call) {
        match *call {
            Call::Mint { by, to, amount } => self.mint(by, to, amount),
            Call::Transfer {
                by,
                of,
                coins,
                to,
                amount,
            } => self.transfer(by, of, coins, to, amount),
            Call::Burn { by, coins, amount } => self.burn(by, coins, amount),
            Call::Deposit {
                here,
                of,
                coins,
                amount,
            } => self.deposit(here, of, coins, amount),
            Call::Release(here) => self.release(here),
            Call::Settle { here, of } => self.settle(here, of),
            Call::Default { here, of } => self.default(here, of),
            Call::Create { here, id, schedule } => self.create(here, id, schedule),
            Call::Submit { here, ref ids } => self.submit(here, ids),
            Call::Place { here, id, schedule } => {
                self.create(here, id, schedule);
                self.submit(here, &[id]);
            }
            Call::Change {
                here,
                old,
                new,
                schedule,
            } => {
                self.create(here, new, schedule);
                self.replace(here, old, new);
            }
            Call::Cancel { here, ref ids } => self.cancel(here, ids),
            Call::Replace { here, old, new } => self.replace(here, old, new),
            Call::Join(here) => self.join(here),
            Call::Record(here) => self.record(here),
            Call::ReadOwn(here) => self.read_own(here),
            Call::Export(here) => self.export(here),
            Call::Purge(here) => self.purge(here),
            Call::Close(here) => self.close(here),
            Call::Withdraw(here) => self.withdraw(here),
            Call::Freeze(here) => self.freeze(here),
            Call::Sell(here) => {
                let (price, quantities) = self.sale(here).outcome();
                self.sell("Sell", here, price, quantities, true);
            }
            Call::SellAs { here, sold, first } => {
                let first = first.min(sold);
                let price = if sold == 0 { 0 } else { 500 };
                self.sell("SellAs", here, price, [first * 10, (sold - first) * 10, 0], false);
            }
            Call::PassClose => {
                if !self.closed {
                    self.world.clock = at("2027-03-01T17:00:00Z");
                    self.closed = true;
                }
                self.count("PassClose", true);
            }
            Call::PassDeadline => {
                self.world.clock = at("2027-03-05T00:00:00Z");
                (self.closed, self.late) = (true, true);
                self.count("PassDeadline", true);
            }
        }
    }

    pub(crate) fn sale(&mut self, here: Here) -> &mut Sale {
        &mut self.sales[here.sale]
    }

    pub(crate) fn id(&self, here: Here) -> ListingId {
        listing(self.sales[here.sale].id)
    }

    /// The contract takes a call exactly when the model does.
    #[track_caller]
    pub(crate) fn expect(&mut self, call: &'static str, taken: bool, expected: bool) {
        assert_eq!(taken, expected, "{call}");
        self.count(call, taken);
    }

    fn count(&mut self, call: &'static str, taken: bool) {
        *self.taken.entry(call).or_default() += u32::from(taken);
    }

    /// A call that every organisation's endorser executes; nothing of an order is in what everybody sees of it.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a closure, at each of its many callers"
    )]
    pub(crate) fn agreed<T: Serialize>(
        &mut self,
        by: &str,
        function: impl AsyncFn(&Transaction<'_, Memory>) -> Result<T, ContractError>,
    ) -> Result<T, ContractError> {
        let endorsed = self.world.agreed(by, &function);
        let answer = endorsed
            .answer
            .as_ref()
            .map_or_else(|_| Vec::new(), |answer| serde_json::to_vec(answer).unwrap());
        let salt = hex::encode(SALT);
        for needle in [INVESTOR.as_bytes(), salt.as_bytes(), &SALT] {
            assert!(!endorsed.publishes(needle) && !contains(&answer, needle));
        }
        self.world.commit(endorsed)
    }

    fn close(&mut self, here: Here) {
        let id = self.id(here);
        let done = self
            .agreed(here.by, async |tx| listings::close(tx, &id).await)
            .is_ok();
        let open = self.sale(here).status == Status::Available;
        let may = here.by == BANK || self.closed;
        self.expect("Close", done, open && may);
        self.move_to(here, done, Status::Closed);
    }

    fn withdraw(&mut self, here: Here) {
        let id = self.id(here);
        let done = self
            .agreed(here.by, async |tx| listings::withdraw(tx, &id).await)
            .is_ok();
        let early = matches!(self.sale(here).status, Status::Available | Status::Closed);
        self.expect("Withdraw", done, early && here.by == BANK);
        self.move_to(here, done, Status::Withdrawn);
    }

    fn freeze(&mut self, here: Here) {
        let id = self.id(here);
        let frozen = self.agreed(here.by, async |tx| clearing::freeze(tx, &id).await);
        let closed = self.sale(here).status == Status::Closed;
        self.expect("Freeze", frozen.is_ok(), closed);
        if let Ok(frozen) = frozen {
            self.sale(here).session = hex::decode(frozen.clearing.unwrap().session_id).unwrap();
            self.move_to(here, true, Status::Frozen);
        }
    }

    fn sell(&mut self, call: &'static str, here: Here, price: u64, quantities: [u64; 3], follows: bool) {
        let id = self.id(here);
        let sidecar = Told::outcome(self.sale(here).session.clone(), price, quantities);
        let done = self
            .agreed(here.by, async |tx| {
                clearing::sell(tx, &sidecar, &msp(B), &id).await
            })
            .is_ok();
        let sold: u64 = quantities.iter().sum();
        let frozen = self.sale(here).status == Status::Frozen;
        self.expect(call, done, frozen && PARTIES.contains(&here.by) && sold <= SHARES);
        if done {
            let sale = self.sale(here);
            (sale.price, sale.follows) = (price, follows);
            if sold > 0 {
                sale.allotted = PARTIES.into_iter().zip(quantities).collect();
            }
            self.move_to(here, true, if sold > 0 { Status::Sold } else { Status::Failed });
        }
    }

    fn move_to(&mut self, here: Here, done: bool, status: Status) {
        if done {
            self.sale(here).status = status;
        }
    }

    /// Everything adds up.
    pub(crate) fn check(&mut self) {
        let (mut cash, mut shares) = (0, 0);
        for account in CALLERS {
            let mut held = 0;
            for sale in self.sales.clone() {
                let id = listing(sale.id);
                let escrow = self
                    .world
                    .call(B, async |tx| settlement::held(tx, &id, &msp(account)).await)
                    .unwrap();
                let expected = sale.escrow.get(account).copied().unwrap_or_default();
                assert_eq!(escrow, expected, "escrow of {account} for {id}");
                held += escrow;
            }
            let owned = self.world.balance("USD", account);
            assert_eq!(
                owned,
                self.cash.get(account).copied().unwrap_or_default(),
                "cash of {account}"
            );
            let stock = self.world.balance("EST", account);
            assert_eq!(
                stock,
                self.shares.get(account).copied().unwrap_or_default(),
                "shares of {account}"
            );
            cash += held + owned;
            shares += stock;
        }
        let supply = |world: &mut World, token: &str| {
            let token = symbol(token);
            world
                .call(B, async |tx| tokens::total_supply(tx, &token).await)
                .unwrap()
        };
        assert_eq!(supply(&mut self.world, "USD"), self.minted);
        assert_eq!(i128::try_from(cash).unwrap(), self.minted, "cash is conserved");
        let mut delivered = 0;
        for sale in self.sales.clone() {
            let id = listing(sale.id);
            let view = self
                .world
                .call(B, async |tx| listings::read(tx, &id).await)
                .unwrap();
            assert_eq!(view.listing.status, sale.status);
            delivered += u128::from(SHARES - view.treasury);
            let counted: usize = PARTIES.iter().map(|party| sale.book(party).len()).sum();
            assert_eq!(view.orders, u64::try_from(counted).unwrap());
            let all_ended = sale
                .allotted
                .iter()
                .all(|(who, shares)| *shares == 0 || sale.ended.contains_key(who));
            assert_eq!(view.settled, sale.status == Status::Sold && all_ended);
        }
        assert_eq!(shares, delivered, "shares are conserved");
        assert_eq!(i128::try_from(shares).unwrap(), supply(&mut self.world, "EST"));
    }

    /// The cash in all outputs and escrows is what was minted, right now.
    pub(crate) fn check_cash(&self) {
        let escrow = |sale: &Sale| self.world.sum("escrow", sale.id, "amount");
        let held: i128 = self.sales.iter().map(escrow).sum();
        assert_eq!(self.world.sum("utxo", "USD", "amount") + held, self.minted);
        assert_eq!(
            self.world.sum("utxo", "EST", "amount"),
            self.world.sum("supply", "EST", "change")
        );
    }
}
