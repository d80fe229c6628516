//! A register of assets: the functions of Fabric's basic asset transfer sample, and one for each further thing that the shim does.
//!
//! ```text
//! CHAINCODE_ID=assets_1.0:... CHAINCODE_SERVER_ADDRESS=127.0.0.1:9999 CORE_PEER_LOCALMSPID=Org1MSP \
//!     cargo run -p chaincode-shim --example assets
//! ```
//!
//! serves peers that dial; at a peer in development mode it dials itself:
//!
//! ```text
//! CORE_CHAINCODE_ID_NAME=assets:1.0 CORE_PEER_TLS_ENABLED=false CORE_PEER_LOCALMSPID=Org1MSP \
//!     cargo run -p chaincode-shim --example assets -- --peer.address 127.0.0.1:7052
//! ```

use std::process::ExitCode;

use chaincode_shim::{
    Contract, ContractError, Contracts, Flags, Function, JsonSchema, KeyEndorsementPolicy,
    TransactionContext, log_filter,
};
use clap::Parser;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

/// Names the owner's assets, so that they can be listed without reading all of them.
const BY_OWNER: &str = "owner~id";

/// In the order of its fields' names, as the sample writes it.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Asset {
    #[serde(rename = "AppraisedValue")]
    appraised_value: u64,
    #[serde(rename = "Color")]
    color: String,
    #[serde(rename = "ID")]
    id: String,
    #[serde(rename = "Owner")]
    owner: String,
    #[serde(rename = "Size")]
    size: u32,
}

type Result<T> = std::result::Result<T, ContractError>;

async fn load(ctx: &TransactionContext, id: &str) -> Result<Asset> {
    let found = ctx.stub().get_state(id).await?;
    let json = found.ok_or_else(|| ContractError::not_found(format!("the asset {id} does not exist")))?;
    serde_json::from_slice(&json).map_err(|error| ContractError::internal(format!("asset {id}: {error}")))
}

async fn store(ctx: &TransactionContext, asset: &Asset) -> Result<()> {
    let json = serde_json::to_vec(asset).map_err(|error| ContractError::internal(error.to_string()))?;
    let index = ctx
        .stub()
        .create_composite_key(BY_OWNER, &[&asset.owner, &asset.id])?;
    ctx.stub().put_state(&asset.id, json).await?;
    Ok(ctx.stub().put_state(&index, b"\0".to_vec()).await?)
}

async fn remove(ctx: &TransactionContext, asset: &Asset) -> Result<()> {
    let index = ctx
        .stub()
        .create_composite_key(BY_OWNER, &[&asset.owner, &asset.id])?;
    ctx.stub().del_state(&asset.id).await?;
    Ok(ctx.stub().del_state(&index).await?)
}

async fn init_ledger(ctx: TransactionContext) -> Result<()> {
    ctx.stub().start_write_batch();
    let colours = ["blue", "red", "green", "yellow", "black", "white"];
    let owners = ["Tomoko", "Brad", "Jin Soo", "Max", "Adriana", "Michel"];
    for (n, (color, owner)) in (1_u32..).zip(colours.into_iter().zip(owners)) {
        let asset = Asset {
            id: format!("asset{n}"),
            color: color.to_owned(),
            size: 5 * n.div_ceil(2),
            owner: owner.to_owned(),
            appraised_value: 100 * (u64::from(n) + 2),
        };
        store(&ctx, &asset).await?;
    }
    Ok(ctx.stub().finish_write_batch().await?)
}

async fn create(
    ctx: TransactionContext,
    id: String,
    color: String,
    size: u32,
    owner: String,
    appraised_value: u64,
) -> Result<()> {
    if asset_exists(ctx.clone(), id.clone()).await? {
        return Err(ContractError::conflict(format!("the asset {id} already exists")));
    }
    ctx.stub().set_event("AssetCreated", id.clone().into_bytes())?;
    store(
        &ctx,
        &Asset {
            id,
            color,
            size,
            owner,
            appraised_value,
        },
    )
    .await
}

async fn read(ctx: TransactionContext, id: String) -> Result<Asset> {
    load(&ctx, &id).await
}

async fn update(
    ctx: TransactionContext,
    id: String,
    color: String,
    size: u32,
    owner: String,
    appraised_value: u64,
) -> Result<()> {
    remove(&ctx, &load(&ctx, &id).await?).await?;
    store(
        &ctx,
        &Asset {
            id,
            color,
            size,
            owner,
            appraised_value,
        },
    )
    .await
}

/// Writes the asset's own key alone, so that the organisations that [`lock`] names can do it among themselves.
async fn appraise(ctx: TransactionContext, id: String, value: u64) -> Result<()> {
    let asset = Asset {
        appraised_value: value,
        ..load(&ctx, &id).await?
    };
    let json = serde_json::to_vec(&asset).map_err(|error| ContractError::internal(error.to_string()))?;
    Ok(ctx.stub().put_state(&id, json).await?)
}

async fn delete(ctx: TransactionContext, id: String) -> Result<()> {
    remove(&ctx, &load(&ctx, &id).await?).await
}

async fn asset_exists(ctx: TransactionContext, id: String) -> Result<bool> {
    Ok(ctx.stub().get_state(&id).await?.is_some())
}

async fn transfer(ctx: TransactionContext, id: String, new_owner: String) -> Result<String> {
    let mut asset = load(&ctx, &id).await?;
    remove(&ctx, &asset).await?;
    let old_owner = std::mem::replace(&mut asset.owner, new_owner);
    store(&ctx, &asset).await?;
    Ok(old_owner)
}

/// Simple keys alone: the index by owner does not appear.
async fn get_all(ctx: TransactionContext) -> Result<Vec<Asset>> {
    let mut assets = Vec::new();
    let mut range = ctx.stub().range_all("", "")?;
    while let Some(found) = range.next().await? {
        let asset = serde_json::from_slice(&found.value)
            .map_err(|error| ContractError::internal(format!("asset {}: {error}", found.key)))?;
        assets.push(asset);
    }
    Ok(assets)
}

async fn ids_of(ctx: TransactionContext, owner: String) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    let mut range = ctx
        .stub()
        .get_state_by_partial_composite_key(BY_OWNER, &[owner])
        .await?;
    while let Some(found) = range.next().await? {
        let (_, mut attributes) = ctx.stub().split_composite_key(&found.key)?;
        ids.extend(attributes.pop());
    }
    Ok(ids)
}

/// A page of assets' ids, and the bookmark of the next.
async fn page(ctx: TransactionContext, size: i32, bookmark: String) -> Result<(Vec<String>, String)> {
    let page = ctx
        .stub()
        .get_state_by_range_with_pagination("", "", size, &bookmark)
        .await?;
    Ok((
        page.results.into_iter().map(|found| found.key).collect(),
        page.bookmark,
    ))
}

async fn history(ctx: TransactionContext, id: String) -> Result<Vec<(String, bool)>> {
    let changes = ctx.stub().get_history_for_key(&id).await?.collect().await?;
    Ok(changes
        .into_iter()
        .map(|change| (change.tx_id, change.is_delete))
        .collect())
}

/// Several assets in one go; a missing one is null.
async fn read_many(ctx: TransactionContext, ids: Vec<String>) -> Result<Vec<Option<Asset>>> {
    let mut assets = Vec::new();
    for json in ctx.stub().get_multiple_states(&ids).await? {
        let asset = json.map(|json| serde_json::from_slice(&json)).transpose();
        assets.push(asset.map_err(|error| ContractError::internal(error.to_string()))?);
    }
    Ok(assets)
}

/// From now on, changes of the asset need the endorsement of all these organisations.
async fn lock(ctx: TransactionContext, id: String, msp_ids: Vec<String>) -> Result<()> {
    load(&ctx, &id).await?;
    let policy = KeyEndorsementPolicy::and(msp_ids.into_iter().map(KeyEndorsementPolicy::peer)).encode()?;
    Ok(ctx.stub().set_state_validation_parameter(&id, policy).await?)
}

async fn has_lock(ctx: TransactionContext, id: String) -> Result<bool> {
    Ok(ctx.stub().get_state_validation_parameter(&id).await?.is_some())
}

fn implicit_collection(msp_id: &str) -> String {
    format!("_implicit_org_{msp_id}")
}

/// The price goes, as transient data, into the caller's organisation's own collection; everybody else sees its hash.
async fn set_price(ctx: TransactionContext, id: String) -> Result<()> {
    let price = ctx.stub().get_transient().get("price").cloned();
    let price = price.ok_or_else(|| ContractError::bad_request("transient data lacks \"price\""))?;
    Ok(ctx
        .stub()
        .put_private_data(&implicit_collection(ctx.stub().get_mspid()?), &id, price)
        .await?)
}

async fn price(ctx: TransactionContext, id: String) -> Result<String> {
    let found = ctx
        .stub()
        .get_private_data(&implicit_collection(ctx.stub().get_mspid()?), &id)
        .await?;
    let found = found.ok_or_else(|| ContractError::not_found(format!("no price for {id}")))?;
    Ok(String::from_utf8_lossy(&found).into_owned())
}

async fn priced(ctx: TransactionContext) -> Result<Vec<String>> {
    let collection = implicit_collection(ctx.stub().get_mspid()?);
    let found = ctx
        .stub()
        .private_range_all(&collection, "", "")?
        .collect()
        .await?;
    Ok(found.into_iter().map(|found| found.key).collect())
}

async fn purge_price(ctx: TransactionContext, id: String) -> Result<()> {
    Ok(ctx
        .stub()
        .purge_private_data(&implicit_collection(ctx.stub().get_mspid()?), &id)
        .await?)
}

/// SHA-256 of an organisation's price, in hexadecimal: any peer can tell.
async fn price_hash(ctx: TransactionContext, id: String, msp_id: String) -> Result<Option<String>> {
    let hash = ctx
        .stub()
        .get_private_data_hash(&implicit_collection(&msp_id), &id)
        .await?;
    Ok(hash.map(|hash| hash.iter().map(|byte| format!("{byte:02x}")).collect()))
}

#[derive(Serialize)]
struct Caller {
    id: String,
    msp_id: String,
    organizational_units: Vec<String>,
}

async fn who_am_i(ctx: TransactionContext) -> Result<Caller> {
    let client = ctx.client_identity()?;
    Ok(Caller {
        id: client.id()?.to_owned(),
        msp_id: client.msp_id().to_owned(),
        organizational_units: client.organizational_units().to_vec(),
    })
}

/// Calls a function without arguments of another chaincode on this channel.
async fn call(ctx: TransactionContext, chaincode: String, function: String) -> Result<String> {
    let response = ctx
        .stub()
        .invoke_chaincode(&chaincode, vec![function.into_bytes()], "")
        .await?;
    if response.status >= 400 {
        return Err(ContractError::new(response.status, response.message));
    }
    Ok(String::from_utf8_lossy(&response.payload).into_owned())
}

fn contracts() -> Contracts {
    let assets = Contract::new("asset")
        .submit("InitLedger", [], init_ledger)
        .submit(
            "CreateAsset",
            ["id", "color", "size", "owner", "appraisedValue"],
            create,
        )
        .with(Function::evaluate("ReadAsset", ["id"], read).returns::<Asset>())
        .submit(
            "UpdateAsset",
            ["id", "color", "size", "owner", "appraisedValue"],
            update,
        )
        .submit("Appraise", ["id", "value"], appraise)
        .submit("DeleteAsset", ["id"], delete)
        .evaluate("ReadAssets", ["ids"], read_many)
        .with(Function::evaluate("AssetExists", ["id"], asset_exists).returns::<bool>())
        .with(Function::submit("TransferAsset", ["id", "newOwner"], transfer).returns::<String>())
        .with(Function::evaluate("GetAllAssets", [], get_all).returns::<Vec<Asset>>())
        .evaluate("IdsOf", ["owner"], ids_of)
        .evaluate("Page", ["size", "bookmark"], page)
        .evaluate("History", ["id"], history)
        .submit("Lock", ["id", "mspIds"], lock)
        .evaluate("HasLock", ["id"], has_lock)
        .evaluate("Call", ["chaincode", "function"], call);
    let prices = Contract::new("price")
        .with(Function::submit("Set", ["id"], set_price).own_org())
        .with(Function::evaluate("Read", ["id"], price).own_org())
        .with(Function::evaluate("List", [], priced).own_org())
        .with(Function::submit("Purge", ["id"], purge_price).own_org())
        .evaluate("Hash", ["id", "mspId"], price_hash)
        .evaluate("WhoAmI", [], who_am_i);
    Contracts::new("assets", "1.0").with(assets).with(prices)
}

/// Keeps a register of assets. Every flag is a variable as well.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    chaincode: Flags,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::new(log_filter(|name| std::env::var(name).ok()));
    tracing_subscriber::fmt().json().with_env_filter(filter).init();
    match arguments.chaincode.start(contracts()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
