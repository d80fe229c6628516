//! Tokens, their supply, their unspent outputs and what is locked of them.

use serde::{Deserialize, Serialize};

use crate::error::ContractError;
use crate::identifier::{MspId, Symbol};

/// The most decimal places of a token.
pub const MAX_DECIMALS: u8 = 18;
/// The longest name of a token, characters.
pub const MAX_NAME: usize = 1_000;

/// What a token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Money: its issuer mints and burns it.
    Cash,
    /// Shares of a listing: they come into being by settlement alone.
    Share,
}

/// The record behind the `token` key. Written once; no transfer reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// The symbol.
    pub symbol: Symbol,
    /// The name for people.
    pub name: String,
    /// How many decimal places the amounts have when shown to people.
    pub decimals: u8,
    /// Who issued it.
    pub issuer: MspId,
    /// What it stands for.
    pub kind: Kind,
}

impl Token {
    /// A token that a caller names.
    ///
    /// # Errors
    /// [`ContractError::BadArgument`] for a name or a number of decimals out of range.
    pub fn new(
        symbol: Symbol,
        name: &str,
        decimals: u8,
        issuer: MspId,
        kind: Kind,
    ) -> Result<Self, ContractError> {
        let length = name.chars().count();
        if length == 0 || length > MAX_NAME || name.chars().any(char::is_control) {
            let allowed = format!("1 to {MAX_NAME} characters, none of them a control character");
            return Err(ContractError::argument("name", format_args!("{name:?}"), allowed));
        }
        if decimals > MAX_DECIMALS {
            return Err(ContractError::argument(
                "decimals",
                decimals,
                format!("0 to {MAX_DECIMALS}"),
            ));
        }
        Ok(Self {
            symbol,
            name: name.to_owned(),
            decimals,
            issuer,
            kind,
        })
    }
}

/// The record behind a `utxo` or an `escrow` key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Amount {
    /// Minor units, or shares.
    pub amount: u64,
}

/// The record behind a `supply` key: how much one transaction added to the supply, or took from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SupplyChange {
    /// Minor units, or shares; negative for a burn.
    pub change: i64,
}

impl SupplyChange {
    /// Tokens that came into being. An amount is below 2^53.
    #[must_use]
    pub fn minted(amount: u64) -> Self {
        Self {
            change: i64::try_from(amount).unwrap_or(i64::MAX),
        }
    }

    /// Tokens that are no more.
    #[must_use]
    pub fn burned(amount: u64) -> Self {
        Self {
            change: -Self::minted(amount).change,
        }
    }
}
