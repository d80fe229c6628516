//! The chaincode's two contracts, `ipo` and `token`: names, parameters and guards. What the functions do is in
//! [`crate::transactions`].

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chaincode_shim::{Contract, Contracts, Function, TransactionContext};

use crate::config::Config;
use crate::error::ContractError;
use crate::identifier::{ListingId, MspId, OrderId, Symbol};
use crate::ledger::{Ledger, Transaction};
use crate::peer::Peer;
use crate::sealed::{RESPONSE_KEY, ResponseKey};
use crate::sidecar::SidecarClient;
use crate::token::{CoinId, Output};
use crate::transactions::listings::Filter;
use crate::transactions::orders::{
    Replacement, Submission, parse_ids, parse_replacements, parse_submissions,
};
use crate::transactions::{
    allocations, clearing, export, listings, only, orders, own_orders, parse, receipts, roster, settlement,
    tokens,
};

const COINS: &str = r#"a list of unspent outputs, each as "transaction.index""#;
const OUTPUTS: &str = r#"a list of {"owner": "...", "amount": ...}"#;

/// What the functions need besides the transaction.
struct Application {
    sidecar: SidecarClient,
    max_skew: Duration,
}

/// Makes a handler: `|tx, app, argument: type, ...| body`, where `tx` is the [`Transaction`] and `app` the [`Application`].
macro_rules! handler {
    ($shared:ident, |$tx:ident, $app:ident $(, $argument:ident: $type:ty)*| $body:expr) => {{
        let shared = Arc::clone($shared);
        move |context: TransactionContext $(, $argument: $type)*| {
            let $app = Arc::clone(&shared);
            async move {
                let peer = Peer::new(context.stub());
                let $tx = peer.transaction(&context, SystemTime::now(), $app.max_skew)?;
                let answer: Result<_, ContractError> = async { Ok($body) }.await;
                answer
            }
        }
    }};
}

/// The chaincode.
///
/// # Errors
/// TLS material towards the sidecar that cannot be used.
pub fn contracts(config: &Config) -> Result<Contracts, tonic::transport::Error> {
    let app = Arc::new(Application {
        sidecar: SidecarClient::new(&config.sidecar)?,
        max_skew: config.max_skew,
    });
    let ipo = settling(
        clearing(
            own_orders(orders(listings(Contract::new("ipo"), &app), &app), &app),
            &app,
        ),
        &app,
    );
    Ok(Contracts::new("IPO", env!("CARGO_PKG_VERSION"))
        .with(ipo)
        .with(token(&app)))
}

fn listings(contract: Contract, app: &Arc<Application>) -> Contract {
    contract
        .submit(
            "RegisterSidecar",
            ["endpoint", "keyHash", "nextKeyHash"],
            handler!(app, |tx,
                           _app,
                           endpoint: String,
                           key_hash: String,
                           next_key_hash: String| {
                roster::register(&tx, &endpoint, &key_hash, &next_key_hash).await?
            }),
        )
        .evaluate(
            "ReadSidecar",
            ["msp"],
            handler!(app, |tx, _app, msp: String| roster::read(
                &tx,
                &MspId::parse("msp", &msp)?
            )
            .await?),
        )
        .submit(
            "CreateListing",
            ["listing"],
            handler!(app, |tx, _app, listing: String| listings::create(&tx, &listing)
                .await?),
        )
        .submit(
            "CloseListing",
            ["listing"],
            handler!(app, |tx, _app, listing: String| listings::close(
                &tx,
                &listing_id(&listing)?
            )
            .await?),
        )
        .submit(
            "WithdrawListing",
            ["listing"],
            handler!(app, |tx, _app, listing: String| listings::withdraw(
                &tx,
                &listing_id(&listing)?
            )
            .await?),
        )
        .evaluate(
            "ReadListing",
            ["listing"],
            handler!(app, |tx, _app, listing: String| listings::read(
                &tx,
                &listing_id(&listing)?
            )
            .await?),
        )
        .evaluate(
            "QueryListings",
            ["filter", "pageSize", "bookmark"],
            handler!(app, |tx,
                           _app,
                           filter: String,
                           page_size: u32,
                           bookmark: String| {
                listings::query(&tx, &Filter::parse(&filter)?, page_size, &bookmark).await?
            }),
        )
        .evaluate(
            "ListingHistory",
            ["listing"],
            handler!(app, |tx, _app, listing: String| listings::history(
                &tx,
                &listing_id(&listing)?
            )
            .await?),
        )
}

fn orders(contract: Contract, app: &Arc<Application>) -> Contract {
    contract
        .submit(
            "SubmitOrder",
            ["listing", "orderId", "commitment"],
            handler!(app, |tx,
                           _app,
                           listing: String,
                           order_id: String,
                           commitment: String| {
                let order = Submission {
                    order_id: self::order_id(&order_id)?,
                    commitment,
                };
                only(orders::submit(&tx, &listing_id(&listing)?, &[order]).await?)?
            }),
        )
        .submit(
            "SubmitOrders",
            ["listing", "orders"],
            handler!(app, |tx, _app, listing: String, orders: String| {
                orders::submit(&tx, &listing_id(&listing)?, &parse_submissions(&orders)?).await?
            }),
        )
        .submit(
            "CancelOrder",
            ["listing", "orderId"],
            handler!(app, |tx, _app, listing: String, order_id: String| {
                only(orders::cancel(&tx, &listing_id(&listing)?, &[self::order_id(&order_id)?]).await?)?
            }),
        )
        .submit(
            "CancelOrders",
            ["listing", "orderIds"],
            handler!(app, |tx, _app, listing: String, order_ids: String| {
                orders::cancel(&tx, &listing_id(&listing)?, &parse_ids(&order_ids)?).await?
            }),
        )
        .submit(
            "ReplaceOrder",
            ["listing", "oldId", "newId", "commitment"],
            handler!(app, |tx,
                           _app,
                           listing: String,
                           old_id: String,
                           new_id: String,
                           commitment: String| {
                let replacement = Replacement {
                    old_id: OrderId::parse("oldId", &old_id)?,
                    new_id: OrderId::parse("newId", &new_id)?,
                    commitment,
                };
                only(orders::replace(&tx, &listing_id(&listing)?, &[replacement]).await?)?
            }),
        )
        .submit(
            "ReplaceOrders",
            ["listing", "replacements"],
            handler!(app, |tx, _app, listing: String, replacements: String| {
                let replacements = parse_replacements(&replacements)?;
                orders::replace(&tx, &listing_id(&listing)?, &replacements).await?
            }),
        )
        .evaluate(
            "ReadOrderRecord",
            ["listing", "msp", "orderId"],
            handler!(app, |tx, _app, listing: String, msp: String, order_id: String| {
                let (msp, id) = (MspId::parse("msp", &msp)?, self::order_id(&order_id)?);
                receipts::read(&tx, &listing_id(&listing)?, &msp, &id).await?
            }),
        )
        .evaluate(
            "OrderHistory",
            ["listing", "msp", "orderId"],
            handler!(app, |tx, _app, listing: String, msp: String, order_id: String| {
                let (msp, id) = (MspId::parse("msp", &msp)?, self::order_id(&order_id)?);
                receipts::history(&tx, &listing_id(&listing)?, &msp, &id).await?
            }),
        )
        .evaluate(
            "QueryOrderRecords",
            ["listing", "msp"],
            handler!(app, |tx, _app, listing: String, msp: String| {
                receipts::all(&tx, &listing_id(&listing)?, maybe_msp(&msp)?.as_ref()).await?
            }),
        )
        .evaluate(
            "QueryOrderRecordsWithPagination",
            ["listing", "msp", "pageSize", "bookmark"],
            handler!(app, |tx,
                           _app,
                           listing: String,
                           msp: String,
                           page_size: u32,
                           bookmark: String| {
                let msp = maybe_msp(&msp)?;
                receipts::page(&tx, &listing_id(&listing)?, msp.as_ref(), page_size, &bookmark).await?
            }),
        )
        .evaluate(
            "QueryAllocationHashes",
            ["listing", "msp", "pageSize", "bookmark"],
            handler!(app, |tx,
                           _app,
                           listing: String,
                           msp: String,
                           page_size: u32,
                           bookmark: String| {
                let msp = maybe_msp(&msp)?;
                allocations::hashes(&tx, &listing_id(&listing)?, msp.as_ref(), page_size, &bookmark).await?
            }),
        )
}

/// Functions over the own organisation's private data: each opens with the guard that refuses other organisations' clients.
fn own_orders(contract: Contract, app: &Arc<Application>) -> Contract {
    contract
        .with(own_submit(
            "CreateOrder",
            ["listing", "orderId"],
            handler!(app, |tx, _app, listing: String, order_id: String| {
                let orders = own_orders::one_from_transient(&tx, self::order_id(&order_id)?)?;
                only(own_orders::create(&tx, &listing_id(&listing)?, &orders).await?)?
            }),
        ))
        .with(own_submit(
            "CreateOrders",
            ["listing"],
            handler!(app, |tx, _app, listing: String| {
                let orders = own_orders::many_from_transient(&tx, own_orders::ORDERS)?;
                own_orders::create(&tx, &listing_id(&listing)?, &orders).await?
            }),
        ))
        .with(own_evaluate(
            "ReadOrder",
            ["listing", "orderId"],
            handler!(app, |tx, _app, listing: String, order_id: String| {
                let key = response_key(&tx)?;
                key.seal(
                    &tx.id,
                    &own_orders::read(&tx, &listing_id(&listing)?, &self::order_id(&order_id)?).await?,
                )?
            }),
        ))
        .with(own_evaluate(
            "QueryOrders",
            ["listing"],
            handler!(app, |tx, _app, listing: String| {
                let key = response_key(&tx)?;
                key.seal(&tx.id, &own_orders::query(&tx, &listing_id(&listing)?).await?)?
            }),
        ))
        .with(own_evaluate(
            "QueryOrdersWithPagination",
            ["listing", "pageSize", "bookmark"],
            handler!(app, |tx,
                           _app,
                           listing: String,
                           page_size: u32,
                           bookmark: String| {
                let key = response_key(&tx)?;
                let page = own_orders::page(&tx, &listing_id(&listing)?, page_size, &bookmark).await?;
                key.seal(&tx.id, &page)?
            }),
        ))
        .with(own_evaluate(
            "CheckReceipt",
            ["listing", "msp", "orderId"],
            handler!(app, |tx, _app, listing: String, msp: String, order_id: String| {
                let (msp, id) = (MspId::parse("msp", &msp)?, self::order_id(&order_id)?);
                let sent = own_orders::one_from_transient(&tx, id)?;
                let (id, order) = only(sent)?;
                receipts::check(&tx, &listing_id(&listing)?, &msp, &id, &order).await?
            }),
        ))
        .with(own_submit(
            "RestoreOrders",
            ["listing", "orderIds"],
            handler!(app, |tx, _app, listing: String, order_ids: String| {
                let orders = own_orders::many_from_transient(&tx, own_orders::OPENINGS)?;
                own_orders::restore(&tx, &listing_id(&listing)?, parse_ids(&order_ids)?, &orders).await?
            }),
        ))
        .with(own_submit(
            "PurgeOrders",
            ["listing", "orderIds"],
            handler!(app, |tx, _app, listing: String, order_ids: String| {
                own_orders::purge(&tx, &listing_id(&listing)?, parse_ids(&order_ids)?).await?
            }),
        ))
        .with(own_submit(
            "RecordAllocations",
            ["listing", "orderIds"],
            handler!(app, |tx, _app, listing: String, order_ids: String| {
                allocations::record(&tx, &listing_id(&listing)?, parse_ids(&order_ids)?).await?
            }),
        ))
        .with(own_evaluate(
            "ReadAllocation",
            ["listing", "orderId"],
            handler!(app, |tx, _app, listing: String, order_id: String| {
                let key = response_key(&tx)?;
                key.seal(
                    &tx.id,
                    &allocations::read(&tx, &listing_id(&listing)?, &self::order_id(&order_id)?).await?,
                )?
            }),
        ))
        .with(own_evaluate(
            "ExportBook",
            ["listing", "pageSize", "bookmark"],
            handler!(app, |tx,
                           _app,
                           listing: String,
                           page_size: u32,
                           bookmark: String| {
                let key = response_key(&tx)?;
                let page = export::book(&tx, &listing_id(&listing)?, page_size, &bookmark).await?;
                key.seal(&tx.id, &page)?
            }),
        ))
}

fn clearing(contract: Contract, app: &Arc<Application>) -> Contract {
    contract
        .submit(
            "FreezeBooks",
            ["listing"],
            handler!(app, |tx, _app, listing: String| clearing::freeze(
                &tx,
                &listing_id(&listing)?
            )
            .await?),
        )
        .with(own_evaluate(
            "JoinClearing",
            ["listing"],
            handler!(app, |tx, app, listing: String| {
                clearing::join(&tx, &app.sidecar, &listing_id(&listing)?).await?
            }),
        ))
        .with(own_evaluate(
            "ClearingStatus",
            ["listing"],
            handler!(app, |tx, app, listing: String| {
                clearing::status(&tx, &app.sidecar, &listing_id(&listing)?).await?
            }),
        ))
        .submit("SellListing", ["listing"], sell(app))
}

fn sell(app: &Arc<Application>) -> impl chaincode_shim::Handler<(String,), 1> {
    let shared = Arc::clone(app);
    move |context: TransactionContext, listing: String| {
        let app = Arc::clone(&shared);
        async move {
            let peer = Peer::new(context.stub());
            let tx = peer.transaction(&context, SystemTime::now(), app.max_skew)?;
            // Every endorser asks its own sidecar, whoever calls: this one's organisation is the peer's, not the caller's.
            let endorser = MspId::parse("CORE_PEER_LOCALMSPID", context.stub().get_mspid()?)?;
            clearing::sell(&tx, &app.sidecar, &endorser, &listing_id(&listing)?).await
        }
    }
}

fn settling(contract: Contract, app: &Arc<Application>) -> Contract {
    contract
        .submit(
            "DepositEscrow",
            ["listing", "inputs", "amount"],
            handler!(app, |tx, _app, listing: String, inputs: String, amount: u64| {
                let inputs: Vec<CoinId> = parse("inputs", &inputs, COINS)?;
                settlement::deposit(&tx, &listing_id(&listing)?, &inputs, amount).await?
            }),
        )
        .submit(
            "ReleaseEscrow",
            ["listing"],
            handler!(app, |tx, _app, listing: String| settlement::release(
                &tx,
                &listing_id(&listing)?
            )
            .await?),
        )
        .evaluate(
            "EscrowOf",
            ["listing", "msp"],
            handler!(app, |tx, _app, listing: String, msp: String| {
                settlement::held(&tx, &listing_id(&listing)?, &MspId::parse("msp", &msp)?).await?
            }),
        )
        .evaluate(
            "ReadSettlement",
            ["listing", "msp"],
            handler!(app, |tx, _app, listing: String, msp: String| {
                settlement::read(&tx, &listing_id(&listing)?, &MspId::parse("msp", &msp)?).await?
            }),
        )
        .submit(
            "Settle",
            ["listing", "msp"],
            handler!(app, |tx, _app, listing: String, msp: String| {
                settlement::settle(&tx, &listing_id(&listing)?, &MspId::parse("msp", &msp)?).await?
            }),
        )
        .submit(
            "Default",
            ["listing", "msp"],
            handler!(app, |tx, _app, listing: String, msp: String| {
                settlement::default(&tx, &listing_id(&listing)?, &MspId::parse("msp", &msp)?).await?
            }),
        )
}

fn token(app: &Arc<Application>) -> Contract {
    Contract::new("token")
        .submit(
            "CreateToken",
            ["symbol", "name", "decimals"],
            handler!(app, |tx, _app, symbol: String, name: String, decimals: u8| {
                tokens::create(&tx, self::symbol(&symbol)?, &name, decimals).await?
            }),
        )
        .submit(
            "Mint",
            ["symbol", "owner", "amount"],
            handler!(app, |tx, _app, symbol: String, owner: String, amount: u64| {
                tokens::mint(
                    &tx,
                    &self::symbol(&symbol)?,
                    &MspId::parse("owner", &owner)?,
                    amount,
                )
                .await?
            }),
        )
        .submit(
            "Burn",
            ["symbol", "inputs", "amount"],
            handler!(app, |tx, _app, symbol: String, inputs: String, amount: u64| {
                let inputs: Vec<CoinId> = parse("inputs", &inputs, COINS)?;
                tokens::burn(&tx, &self::symbol(&symbol)?, &inputs, amount).await?
            }),
        )
        .submit(
            "Transfer",
            ["symbol", "inputs", "outputs"],
            handler!(app, |tx,
                           _app,
                           symbol: String,
                           inputs: String,
                           outputs: String| {
                let inputs: Vec<CoinId> = parse("inputs", &inputs, COINS)?;
                let outputs: Vec<Output> = parse("outputs", &outputs, OUTPUTS)?;
                tokens::transfer(&tx, &self::symbol(&symbol)?, &inputs, &outputs).await?
            }),
        )
        .evaluate(
            "BalanceOf",
            ["symbol", "owner"],
            handler!(app, |tx, _app, symbol: String, owner: String| {
                tokens::balance_of(&tx, &self::symbol(&symbol)?, &MspId::parse("owner", &owner)?).await?
            }),
        )
        .evaluate(
            "Tokens",
            ["symbol", "owner"],
            handler!(app, |tx, _app, symbol: String, owner: String| {
                tokens::unspent(&tx, &self::symbol(&symbol)?, &MspId::parse("owner", &owner)?).await?
            }),
        )
        .evaluate(
            "TokensWithPagination",
            ["symbol", "owner", "pageSize", "bookmark"],
            handler!(app, |tx,
                           _app,
                           symbol: String,
                           owner: String,
                           page_size: u32,
                           bookmark: String| {
                let owner = MspId::parse("owner", &owner)?;
                tokens::unspent_page(&tx, &self::symbol(&symbol)?, &owner, page_size, &bookmark).await?
            }),
        )
        .evaluate(
            "ClientUTXOs",
            ["symbol"],
            handler!(app, |tx, _app, symbol: String| {
                tokens::unspent(&tx, &self::symbol(&symbol)?, &tx.caller).await?
            }),
        )
        .evaluate(
            "QueryTokens",
            ["pageSize", "bookmark"],
            handler!(app, |tx, _app, page_size: u32, bookmark: String| {
                tokens::page(&tx, page_size, &bookmark).await?
            }),
        )
        .evaluate(
            "TotalSupply",
            ["symbol"],
            handler!(app, |tx, _app, symbol: String| tokens::total_supply(
                &tx,
                &self::symbol(&symbol)?
            )
            .await?),
        )
        .evaluate(
            "ReadToken",
            ["symbol"],
            handler!(app, |tx, _app, symbol: String| tokens::read(
                &tx,
                &self::symbol(&symbol)?
            )
            .await?),
        )
        .evaluate(
            "Name",
            ["symbol"],
            handler!(app, |tx, _app, symbol: String| tokens::read(
                &tx,
                &self::symbol(&symbol)?
            )
            .await?
            .name),
        )
        .evaluate(
            "Symbol",
            ["symbol"],
            handler!(app, |tx, _app, symbol: String| tokens::read(
                &tx,
                &self::symbol(&symbol)?
            )
            .await?
            .symbol
            .to_string()),
        )
        .evaluate(
            "Decimals",
            ["symbol"],
            handler!(app, |tx, _app, symbol: String| tokens::read(
                &tx,
                &self::symbol(&symbol)?
            )
            .await?
            .decimals),
        )
        .evaluate(
            "ClientAccountID",
            [],
            handler!(app, |tx, _app| tx.caller.to_string()),
        )
        .evaluate(
            "ClientAccountBalance",
            ["symbol"],
            handler!(app, |tx, _app, symbol: String| {
                tokens::balance_of(&tx, &self::symbol(&symbol)?, &tx.caller).await?
            }),
        )
}

fn own_submit<A, const N: usize>(
    name: &str,
    parameters: [&'static str; N],
    handler: impl chaincode_shim::Handler<A, N>,
) -> Function {
    Function::submit(name, parameters, handler).own_org()
}

fn own_evaluate<A, const N: usize>(
    name: &str,
    parameters: [&'static str; N],
    handler: impl chaincode_shim::Handler<A, N>,
) -> Function {
    Function::evaluate(name, parameters, handler).own_org()
}

fn listing_id(text: &str) -> Result<ListingId, ContractError> {
    ListingId::parse("listing", text)
}

fn order_id(text: &str) -> Result<OrderId, ContractError> {
    OrderId::parse("orderId", text)
}

fn symbol(text: &str) -> Result<Symbol, ContractError> {
    Symbol::parse("symbol", text)
}

/// One organisation, or nothing for all.
fn maybe_msp(text: &str) -> Result<Option<MspId>, ContractError> {
    (!text.is_empty()).then(|| MspId::parse("msp", text)).transpose()
}

/// The caller's key for the answer, asked for before anything is read.
fn response_key<L: Ledger>(tx: &Transaction<'_, L>) -> Result<ResponseKey, ContractError> {
    ResponseKey::from_transient(tx.transient(RESPONSE_KEY))
}
