//! Tokens, escrow and settlement.

use ipo_chaincode::record::listing::Status;
use ipo_chaincode::token::{CoinId, Output};
use ipo_chaincode::transactions::{settlement, tokens};

use super::call::Here;
use super::run::Run;
use crate::world::*;

impl Run {
    /// The first outputs of an account, and what they are worth.
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

    pub(super) fn mint(&mut self, by: &'static str, to: &'static str, amount: u64) {
        let done = self
            .agreed(by, async |tx| {
                tokens::mint(tx, &symbol("USD"), &msp(to), amount).await
            })
            .is_ok();
        self.expect("Mint", done, by == CENTRAL);
        if done {
            *self.cash.entry(to).or_default() += u128::from(amount);
            self.minted += i128::from(amount);
        }
    }

    pub(super) fn transfer(
        &mut self,
        by: &'static str,
        of: &'static str,
        coins: usize,
        to: &'static str,
        amount: u64,
    ) {
        let (inputs, worth) = self.coins(of, coins);
        let output = |owner: &str, amount| Output {
            owner: msp(owner),
            amount,
        };
        let mut outputs = vec![output(to, amount)];
        if let Some(rest) = worth.checked_sub(u128::from(amount)).filter(|rest| *rest > 0) {
            outputs.push(output(of, u64::try_from(rest).unwrap()));
        }
        let done = self
            .agreed(by, async |tx| {
                tokens::transfer(tx, &symbol("USD"), &inputs, &outputs).await
            })
            .is_ok();
        let covered = !inputs.is_empty() && worth >= u128::from(amount);
        self.expect("Transfer", done, by == of && covered);
        if done {
            *self.cash.entry(of).or_default() -= u128::from(amount);
            *self.cash.entry(to).or_default() += u128::from(amount);
        }
    }

    pub(super) fn burn(&mut self, by: &'static str, coins: usize, amount: u64) {
        let (inputs, worth) = self.coins(by, coins);
        let done = self
            .agreed(by, async |tx| {
                tokens::burn(tx, &symbol("USD"), &inputs, amount).await
            })
            .is_ok();
        let covered = !inputs.is_empty() && worth >= u128::from(amount);
        self.expect("Burn", done, by == CENTRAL && covered);
        if done {
            *self.cash.entry(by).or_default() -= u128::from(amount);
            self.minted -= i128::from(amount);
        }
    }

    pub(super) fn deposit(&mut self, here: Here, of: &'static str, coins: usize, amount: u64) {
        let (inputs, worth) = self.coins(of, coins);
        let (id, by) = (self.id(here), here.by);
        let done = self
            .agreed(by, async |tx| settlement::deposit(tx, &id, &inputs, amount).await)
            .is_ok();
        let sale = self.sale(here);
        let over = matches!(sale.status, Status::Failed | Status::Withdrawn) || sale.ended.contains_key(by);
        let covered = !inputs.is_empty() && worth >= u128::from(amount);
        let expected = by == of && is_broker(by) && !over && covered;
        self.expect("Deposit", done, expected);
        if done {
            *self.cash.entry(by).or_default() -= u128::from(amount);
            *self.sale(here).escrow.entry(by).or_default() += u128::from(amount);
        }
    }

    pub(super) fn release(&mut self, here: Here) {
        let (id, by) = (self.id(here), here.by);
        let done = self
            .agreed(by, async |tx| settlement::release(tx, &id).await)
            .is_ok();
        let late = self.late;
        let sale = self.sale(here);
        let held = sale.escrow.get(by).copied().unwrap_or_default();
        let expected = is_broker(by) && (sale.is_done(by) || late) && held > 0;
        self.expect("Release", done, expected);
        if done {
            *self.cash.entry(by).or_default() += held;
            self.sale(here).escrow.insert(by, 0);
            self.check_cash();
        }
    }

    pub(super) fn settle(&mut self, here: Here, of: &'static str) {
        let (id, by) = (self.id(here), here.by);
        let done = self
            .agreed(by, async |tx| settlement::settle(tx, &id, &msp(of)).await)
            .is_ok();
        let sale = self.sale(here);
        let shares = sale.allotted.get(of).copied();
        let due = u128::from(shares.unwrap_or_default() * sale.price);
        let held = sale.escrow.get(of).copied().unwrap_or_default();
        let open = shares.is_some() && !sale.ended.contains_key(of);
        self.expect("Settle", done, open && held >= due && (by == of || by == BANK));
        if done {
            let sale = self.sale(here);
            sale.escrow.insert(of, 0);
            sale.ended.insert(of, true);
            *self.cash.entry(BANK).or_default() += due;
            *self.cash.entry(of).or_default() += held - due;
            *self.shares.entry(of).or_default() += u128::from(shares.unwrap());
            self.check_cash();
        }
    }

    pub(super) fn default(&mut self, here: Here, of: &'static str) {
        let (id, by) = (self.id(here), here.by);
        let done = self
            .agreed(by, async |tx| settlement::default(tx, &id, &msp(of)).await)
            .is_ok();
        let late = self.late;
        let sale = self.sale(here);
        let due = u128::from(sale.allotted.get(of).copied().unwrap_or_default() * sale.price);
        let held = sale.escrow.get(of).copied().unwrap_or_default();
        let unpaid = due > held && !sale.ended.contains_key(of);
        self.expect("Default", done, by == BANK && late && unpaid);
        if done {
            self.sale(here).ended.insert(of, false);
        }
    }
}

pub(super) fn is_broker(who: &str) -> bool {
    who == A || who == B
}
