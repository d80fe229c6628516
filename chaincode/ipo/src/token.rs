//! Token amounts and the arithmetic of unspent outputs. Pure: nothing here knows of keys or peers.
//!
//! An amount is a whole number of minor units (cash) or of shares, at most [`MAX_AMOUNT`]. Sums are made in `u128`, which
//! no number of outputs that fits into a transaction overflows.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::ContractError;
use crate::identifier::{MspId, Symbol};

/// The largest amount of one output, 2^53 - 1: every JSON reader, those that keep numbers as doubles too, reads it exactly.
pub const MAX_AMOUNT: u64 = (1 << 53) - 1;

/// The most inputs or outputs that a call may name.
pub const MAX_COINS: usize = 1_000;

/// An output's place: the transaction that made it and its number there, `transaction.index` as text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CoinId {
    /// The transaction's id.
    pub tx_id: String,
    /// The output's number in it, from 0.
    pub index: u32,
}

impl CoinId {
    /// The output `index` of transaction `tx_id`.
    #[must_use]
    pub fn new(tx_id: &str, index: u32) -> Self {
        Self {
            tx_id: tx_id.to_owned(),
            index,
        }
    }

    /// Parses `transaction.index`; none for any other text, or an index that is not written the one way it can be.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (tx_id, index) = text.split_once('.')?;
        let named =
            (1..=128).contains(&tx_id.len()) && tx_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let number: u32 = index.parse().ok()?;
        (named && number.to_string() == index).then(|| Self::new(tx_id, number))
    }
}

impl fmt::Display for CoinId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.tx_id, self.index)
    }
}

impl Serialize for CoinId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CoinId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format_args!(
                "found {text:?}, expected an unspent output as transaction.index"
            ))
        })
    }
}

/// An output to be made: so much for that account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Output {
    /// The account that will own it.
    pub owner: MspId,
    /// How much, minor units.
    pub amount: u64,
}

/// Checks an amount that a caller named.
///
/// # Errors
/// [`ContractError::BadArgument`] for zero or more than [`MAX_AMOUNT`].
pub fn amount(argument: &str, amount: u64) -> Result<u64, ContractError> {
    if (1..=MAX_AMOUNT).contains(&amount) {
        Ok(amount)
    } else {
        Err(ContractError::argument(
            argument,
            amount,
            format!("1 to {MAX_AMOUNT}"),
        ))
    }
}

/// Checks the inputs that a caller named: some, not too many, none twice.
///
/// # Errors
/// [`ContractError::BadArgument`].
pub fn check_inputs(inputs: &[CoinId]) -> Result<(), ContractError> {
    if inputs.is_empty() || inputs.len() > MAX_COINS {
        return Err(ContractError::argument(
            "inputs",
            format_args!("{} of them", inputs.len()),
            format!("1 to {MAX_COINS} unspent outputs"),
        ));
    }
    let mut seen = BTreeSet::new();
    for (index, input) in inputs.iter().enumerate() {
        if !seen.insert(input) {
            return Err(ContractError::argument(
                format!("inputs[{index}]"),
                format_args!("{input} a second time"),
                "each unspent output once",
            ));
        }
    }
    Ok(())
}

/// Checks the outputs that a caller named: some, not too many, each of an amount in range.
///
/// # Errors
/// [`ContractError::BadArgument`].
pub fn check_outputs(outputs: &[Output]) -> Result<(), ContractError> {
    if outputs.is_empty() || outputs.len() > MAX_COINS {
        return Err(ContractError::argument(
            "outputs",
            format_args!("{} of them", outputs.len()),
            format!("1 to {MAX_COINS} outputs"),
        ));
    }
    for (index, output) in outputs.iter().enumerate() {
        amount(&format!("outputs[{index}].amount"), output.amount)?;
    }
    Ok(())
}

/// The sum of amounts, exact.
#[must_use]
pub fn sum(amounts: impl IntoIterator<Item = u64>) -> u128 {
    amounts.into_iter().map(u128::from).sum()
}

/// Checks that a transfer makes exactly what it spends.
///
/// # Errors
/// [`ContractError::UnequalSums`].
pub fn check_balance(symbol: &Symbol, inputs: u128, outputs: &[Output]) -> Result<(), ContractError> {
    let outputs = sum(outputs.iter().map(|output| output.amount));
    if inputs == outputs {
        Ok(())
    } else {
        Err(ContractError::UnequalSums {
            symbol: symbol.to_string(),
            inputs,
            outputs,
        })
    }
}

/// What is left of inputs after `amount` is taken.
///
/// # Errors
/// [`ContractError::InsufficientInputs`] when they are worth less.
pub fn change(symbol: &Symbol, inputs: u128, amount: u64) -> Result<u128, ContractError> {
    inputs
        .checked_sub(u128::from(amount))
        .ok_or_else(|| ContractError::InsufficientInputs {
            symbol: symbol.to_string(),
            inputs,
            amount,
        })
}

/// The amounts of the outputs that hold `total` between them: one, unless it exceeds [`MAX_AMOUNT`]; none for zero.
#[must_use]
pub fn split(total: u128) -> Vec<u64> {
    let mut amounts = Vec::new();
    let mut rest = total;
    while rest > 0 {
        let next = u64::try_from(rest).map_or(MAX_AMOUNT, |rest| rest.min(MAX_AMOUNT));
        amounts.push(next);
        rest -= u128::from(next);
    }
    amounts
}

/// What `shares` cost at `price`, minor units.
///
/// # Errors
/// [`ContractError::Overflow`] beyond [`MAX_AMOUNT`]; no listing allows that ([`crate::record::terms::Terms`]).
pub fn cost(price: u64, shares: u64) -> Result<u64, ContractError> {
    u64::try_from(u128::from(price) * u128::from(shares))
        .ok()
        .filter(|cost| *cost <= MAX_AMOUNT)
        .ok_or(ContractError::Overflow {
            what: "price times shares",
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn symbol() -> Symbol {
        Symbol::parse("symbol", "USD").unwrap()
    }

    #[test]
    fn an_input_named_twice_is_refused() {
        let coin = CoinId::new("ab", 1);
        let error = check_inputs(&[coin.clone(), CoinId::new("ab", 2), coin])
            .unwrap_err()
            .to_string();
        assert!(error.contains("inputs[2]") && error.contains("ab.1"), "{error}");
        assert!(check_inputs(&[]).is_err());
    }

    #[test]
    fn amounts_have_a_range() {
        assert!(amount("amount", 0).is_err());
        assert!(amount("amount", MAX_AMOUNT + 1).is_err());
        assert_eq!(amount("amount", MAX_AMOUNT).unwrap(), MAX_AMOUNT);
        assert!(cost(MAX_AMOUNT, 2).is_err());
        assert!(cost(u64::MAX, u64::MAX).is_err());
        assert_eq!(cost(700, 25_000).unwrap(), 17_500_000);
    }

    #[test]
    fn a_coin_has_one_spelling() {
        for bad in [
            "",
            ".",
            "ab",
            "ab.",
            ".1",
            "ab.01",
            "ab.+1",
            "ab.-1",
            "ab.1.2",
            "a b.1",
            "ab.4294967296",
        ] {
            assert_eq!(CoinId::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn coin_text_round_trips(tx_id in "[0-9a-f]{1,64}", index: u32) {
            let coin = CoinId::new(&tx_id, index);
            prop_assert_eq!(CoinId::parse(&coin.to_string()), Some(coin));
        }

        #[test]
        fn any_text_is_a_coin_or_refused(text in ".{0,40}") {
            if let Some(coin) = CoinId::parse(&text) {
                prop_assert_eq!(coin.to_string(), text);
            }
        }

        #[test]
        fn split_conserves_and_stays_in_range(total in 0..=(u128::from(MAX_AMOUNT) * 50)) {
            let amounts = split(total);
            prop_assert_eq!(sum(amounts.iter().copied()), total);
            prop_assert!(amounts.iter().all(|amount| (1..=MAX_AMOUNT).contains(amount)));
        }

        #[test]
        fn change_and_amount_make_the_inputs(inputs in 0..u128::from(u64::MAX), take in 1..=MAX_AMOUNT) {
            match change(&symbol(), inputs, take) {
                Ok(rest) => prop_assert_eq!(rest + u128::from(take), inputs),
                Err(_) => prop_assert!(inputs < u128::from(take)),
            }
        }

        #[test]
        fn a_transfer_balances_only_when_sums_are_equal(
            amounts in prop::collection::vec(1..=MAX_AMOUNT, 1..6), off in -2i128..=2,
        ) {
            let outputs: Vec<_> = amounts.iter().map(|amount| Output {
                owner: MspId::parse("owner", "A").unwrap(),
                amount: *amount,
            }).collect();
            let inputs = sum(amounts).checked_add_signed(off).unwrap_or_default();
            prop_assert_eq!(check_balance(&symbol(), inputs, &outputs).is_ok(), off == 0);
        }
    }
}
