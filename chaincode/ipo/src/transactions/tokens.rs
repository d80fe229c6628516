//! Cash tokens, and the transfer of any token, as unspent outputs.
//!
//! An account is an organisation: outputs belong to its MSP id, because it is organisations that settle, and because a
//! certificate's subject changes when it is renewed while the MSP id stays. Whoever an organisation gives a client certificate
//! may spend what it owns. An output's key holds its owner, and the owner in it is always the caller: nobody can name, let
//! alone spend, another's output.

use serde::{Deserialize, Serialize};

use crate::error::ContractError;
use crate::identifier::{MspId, Symbol};
use crate::keys::{Key, Prefix};
use crate::ledger::{Ledger, Transaction};
use crate::record::token::{Amount, Kind, SupplyChange, Token};
use crate::token::{self, CoinId, Output};

/// The most outputs or tokens on one page.
pub const MAX_PAGE: u32 = 1_000;

/// One movement in a `Transfer` event. Tokens that come into being come from nobody, burned ones go to nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Movement {
    /// The account that paid.
    pub from: Option<MspId>,
    /// The account that received.
    pub to: Option<MspId>,
    /// How much, minor units.
    pub value: u64,
}

/// The payload of the `Transfer` event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransferEvent {
    /// The token.
    pub symbol: Symbol,
    /// The account that paid; none for a mint.
    pub from: Option<MspId>,
    /// The account that received; none for a burn, and if there are several.
    pub to: Option<MspId>,
    /// How much went from the one to the other, or others, minor units: the payer's own change does not count, unless nobody else got
    /// anything.
    pub value: u128,
    /// A movement for every output, change too.
    pub transfers: Vec<Movement>,
}

impl TransferEvent {
    /// The event of these movements, which one account pays. There is at least one.
    fn new(symbol: &Symbol, transfers: Vec<Movement>) -> Self {
        let from = transfers.first().and_then(|movement| movement.from.clone());
        let to_others = |movement: &&Movement| movement.to != from;
        let outward = transfers.iter().any(|movement| movement.to != from);
        let counted: Vec<_> = transfers
            .iter()
            .filter(|movement| !outward || to_others(movement))
            .collect();
        let to = match counted.split_first() {
            Some((first, rest)) if rest.iter().all(|other| other.to == first.to) => first.to.clone(),
            _ => None,
        };
        Self {
            symbol: symbol.clone(),
            value: token::sum(counted.iter().map(|movement| movement.value)),
            from,
            to,
            transfers,
        }
    }
}

/// One page of `TokensWithPagination`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoinPage {
    /// The outputs, in key order.
    pub coins: Vec<Coin>,
    /// What to ask the next page with; empty after the last.
    pub bookmark: String,
}

/// One page of `QueryTokens`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenPage {
    /// The tokens, in the order of their symbols.
    pub tokens: Vec<Token>,
    /// What to ask the next page with; empty after the last.
    pub bookmark: String,
}

/// An unspent output, as `Tokens` and the functions that make some answer it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Coin {
    /// What an input names: `transaction.index`.
    pub id: CoinId,
    /// Whose it is.
    pub owner: MspId,
    /// How much, minor units.
    pub amount: u64,
}

/// `CreateToken`: a cash token whose issuer is the caller.
///
/// # Errors
/// A symbol that is taken; a name or number of decimals out of range.
pub async fn create<L: Ledger>(
    tx: &Transaction<'_, L>,
    symbol: Symbol,
    name: &str,
    decimals: u8,
) -> Result<Token, ContractError> {
    let token = Token::new(symbol, name, decimals, tx.caller.clone(), Kind::Cash)?;
    let key = Key::Token(&token.symbol);
    tx.require_absent(key).await?;
    tx.write(key, &token).await?;
    tx.announce("TokenCreated", &token).await?;
    Ok(token)
}

/// `Mint`: new tokens for `owner`.
///
/// # Errors
/// An unknown token, a share token, a caller that is not its issuer, an amount out of range.
pub async fn mint<L: Ledger>(
    tx: &Transaction<'_, L>,
    symbol: &Symbol,
    owner: &MspId,
    amount: u64,
) -> Result<Coin, ContractError> {
    token::amount("amount", amount)?;
    require_issuer(tx, "Mint", symbol).await?;
    tx.write(Key::Supply(symbol, &tx.id), &SupplyChange::minted(amount))
        .await?;
    let coin = make(tx, symbol, owner, 0, amount).await?;
    let moved = Movement {
        from: None,
        to: Some(owner.clone()),
        value: amount,
    };
    announce(tx, symbol, vec![moved]).await?;
    Ok(coin)
}

/// `Burn`: the issuer takes `amount` out of its own outputs; the rest of them comes back as change.
///
/// # Errors
/// As [`mint`], and inputs that are not the caller's unspent outputs or are worth less than the amount.
pub async fn burn<L: Ledger>(
    tx: &Transaction<'_, L>,
    symbol: &Symbol,
    inputs: &[CoinId],
    amount: u64,
) -> Result<Vec<Coin>, ContractError> {
    token::amount("amount", amount)?;
    require_issuer(tx, "Burn", symbol).await?;
    let inputs = spend(tx, symbol, inputs).await?;
    let change = token::change(symbol, inputs, amount)?;
    tx.write(Key::Supply(symbol, &tx.id), &SupplyChange::burned(amount))
        .await?;
    let coins = make_split(tx, symbol, &tx.caller, 0, change).await?;
    let moved = Movement {
        from: Some(tx.caller.clone()),
        to: None,
        value: amount,
    };
    announce(tx, symbol, vec![moved]).await?;
    Ok(coins)
}

/// `Transfer`: spends the caller's `inputs`, makes `outputs` of the same sum.
///
/// # Errors
/// Inputs that are not the caller's unspent outputs, or named twice; amounts out of range; unequal sums.
pub async fn transfer<L: Ledger>(
    tx: &Transaction<'_, L>,
    symbol: &Symbol,
    inputs: &[CoinId],
    outputs: &[Output],
) -> Result<Vec<Coin>, ContractError> {
    token::check_outputs(outputs)?;
    let spent = spend(tx, symbol, inputs).await?;
    token::check_balance(symbol, spent, outputs)?;
    let mut coins = Vec::with_capacity(outputs.len());
    let mut transfers = Vec::with_capacity(outputs.len());
    for (index, Output { owner, amount }) in (0..).zip(outputs) {
        coins.push(make(tx, symbol, owner, index, *amount).await?);
        transfers.push(Movement {
            from: Some(tx.caller.clone()),
            to: Some(owner.clone()),
            value: *amount,
        });
    }
    announce(tx, symbol, transfers).await?;
    Ok(coins)
}

/// `ReadToken`: what a symbol stands for.
///
/// # Errors
/// [`ContractError::NotFound`].
pub async fn read<L: Ledger>(tx: &Transaction<'_, L>, symbol: &Symbol) -> Result<Token, ContractError> {
    tx.read(Key::Token(symbol)).await
}

/// `BalanceOf`: the sum of an account's unspent outputs.
///
/// # Errors
/// An unknown token.
pub async fn balance_of<L: Ledger>(
    tx: &Transaction<'_, L>,
    symbol: &Symbol,
    owner: &MspId,
) -> Result<u128, ContractError> {
    Ok(token::sum(
        unspent(tx, symbol, owner).await?.iter().map(|coin| coin.amount),
    ))
}

/// `Tokens`: an account's unspent outputs, in key order.
///
/// # Errors
/// An unknown token.
pub async fn unspent<L: Ledger>(
    tx: &Transaction<'_, L>,
    symbol: &Symbol,
    owner: &MspId,
) -> Result<Vec<Coin>, ContractError> {
    read(tx, symbol).await?;
    let records = tx.all(Prefix::Utxos(symbol, owner)).await?;
    records.into_iter().map(|entry| coin(owner, entry)).collect()
}

/// `TokensWithPagination`: the same, page by page.
///
/// # Errors
/// An unknown token; a page size out of range; a bookmark that the peer does not take.
pub async fn unspent_page<L: Ledger>(
    tx: &Transaction<'_, L>,
    symbol: &Symbol,
    owner: &MspId,
    size: u32,
    bookmark: &str,
) -> Result<CoinPage, ContractError> {
    read(tx, symbol).await?;
    let prefix = Prefix::Utxos(symbol, owner);
    let (records, bookmark) = tx.page(prefix, size, MAX_PAGE, bookmark).await?;
    let coins = records.into_iter().map(|entry| coin(owner, entry));
    Ok(CoinPage {
        coins: coins.collect::<Result<_, _>>()?,
        bookmark,
    })
}

/// `QueryTokens`: every token, page by page.
///
/// # Errors
/// A page size out of range; a bookmark that the peer does not take.
pub async fn page<L: Ledger>(
    tx: &Transaction<'_, L>,
    size: u32,
    bookmark: &str,
) -> Result<TokenPage, ContractError> {
    let (tokens, bookmark) = tx.page(Prefix::Tokens, size, MAX_PAGE, bookmark).await?;
    let tokens = tokens.into_iter().map(|(_, token)| token).collect();
    Ok(TokenPage { tokens, bookmark })
}

/// `TotalSupply`: what was minted less what was burned.
///
/// # Errors
/// An unknown token.
pub async fn total_supply<L: Ledger>(
    tx: &Transaction<'_, L>,
    symbol: &Symbol,
) -> Result<i128, ContractError> {
    read(tx, symbol).await?;
    let changes: Vec<(_, SupplyChange)> = tx.all(Prefix::Supply(symbol)).await?;
    Ok(changes.iter().map(|(_, change)| i128::from(change.change)).sum())
}

/// Spends the caller's unspent outputs. Answers what they are worth.
///
/// # Errors
/// [`ContractError::NotUnspent`] for one that is not there, of the caller; one named twice.
pub async fn spend<L: Ledger>(
    tx: &Transaction<'_, L>,
    symbol: &Symbol,
    inputs: &[CoinId],
) -> Result<u128, ContractError> {
    token::check_inputs(inputs)?;
    let mut sum = 0;
    for coin in inputs {
        let key = Key::Utxo(symbol, &tx.caller, coin);
        let Amount { amount } = tx.find(key).await?.ok_or_else(|| ContractError::NotUnspent {
            symbol: symbol.to_string(),
            owner: tx.caller.to_string(),
            output: coin.to_string(),
        })?;
        tx.ledger.delete(key).await?;
        sum += u128::from(amount);
    }
    Ok(sum)
}

/// Makes an output: number `index` of this transaction.
///
/// # Errors
/// The peer's.
pub async fn make<L: Ledger>(
    tx: &Transaction<'_, L>,
    symbol: &Symbol,
    owner: &MspId,
    index: u32,
    amount: u64,
) -> Result<Coin, ContractError> {
    let id = CoinId::new(&tx.id, index);
    tx.write(Key::Utxo(symbol, owner, &id), &Amount { amount })
        .await?;
    Ok(Coin {
        id,
        owner: owner.clone(),
        amount,
    })
}

/// Makes the outputs that hold `total` between them, numbered from `index`: one, or none for zero, unless it exceeds the
/// largest amount.
///
/// # Errors
/// The peer's.
pub async fn make_split<L: Ledger>(
    tx: &Transaction<'_, L>,
    symbol: &Symbol,
    owner: &MspId,
    index: u32,
    total: u128,
) -> Result<Vec<Coin>, ContractError> {
    let mut coins = Vec::new();
    for (index, amount) in (index..).zip(token::split(total)) {
        coins.push(make(tx, symbol, owner, index, amount).await?);
    }
    Ok(coins)
}

/// An unspent output, from its key's attributes and its record.
fn coin(
    owner: &MspId,
    (attributes, Amount { amount }): (Vec<String>, Amount),
) -> Result<Coin, ContractError> {
    let id = match attributes.as_slice() {
        [_, _, tx_id, index] => index.parse().ok().map(|index| CoinId::new(tx_id, index)),
        _ => None,
    };
    let id = id.ok_or_else(|| ContractError::UnreadableRecord {
        key: format!("utxo {}", attributes.join(" ")),
        reason: "its key does not end in a transaction and a number".to_owned(),
    })?;
    Ok(Coin {
        id,
        owner: owner.clone(),
        amount,
    })
}

async fn announce<L: Ledger>(
    tx: &Transaction<'_, L>,
    symbol: &Symbol,
    transfers: Vec<Movement>,
) -> Result<(), ContractError> {
    tx.announce("Transfer", &TransferEvent::new(symbol, transfers))
        .await
}

async fn require_issuer<L: Ledger>(
    tx: &Transaction<'_, L>,
    function: &'static str,
    symbol: &Symbol,
) -> Result<(), ContractError> {
    let token: Token = tx.read(Key::Token(symbol)).await?;
    let allowed = match token.kind {
        Kind::Cash if token.issuer == tx.caller => return Ok(()),
        Kind::Cash => format!("{}, the issuer of {symbol}", token.issuer),
        Kind::Share => format!("nobody: {symbol} is a share, which settlement alone brings into being"),
    };
    Err(ContractError::WrongRole {
        function,
        caller: tx.caller.to_string(),
        allowed,
    })
}
