//! Every function times every role: organisation, NodeOU and the attribute `ipo.role`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use devnet::client::{Call, Client};
use devnet::policy::Role;
use ipo_chaincode::sealed::RESPONSE_KEY;
use serde_json::json;

use super::market::*;

/// Whom a function is for.
struct Row {
    function: &'static str,
    /// Arguments with which nothing but the role stands against the call, or nothing that is looked at before it.
    arguments: &'static [&'static str],
    /// The words of the attribute that open it; none: it is open to everybody.
    words: &'static [&'static str],
    /// The organisations that it is for: of the seller, the broker, and one that takes no part.
    organisations: &'static [&'static str],
}

const ALL: &[&str] = &[BANK, A, B];
const PARTIES: &[&str] = &[BANK, A];

const fn row(
    function: &'static str,
    arguments: &'static [&'static str],
    words: &'static [&'static str],
    organisations: &'static [&'static str],
) -> Row {
    Row {
        function,
        arguments,
        words,
        organisations,
    }
}

/// `OPEN` takes orders, `SOLD` is sold. The bank sells both, A is their only broker. USD is the bank's.
const TABLE: &[Row] = &[
    row("RegisterSidecar", &["localhost:1", HASH, ""], &["admin"], ALL),
    row("ReadSidecar", &[A], &[], ALL),
    row("CreateListing", &["{}"], &["seller"], ALL),
    row("CloseListing", &["OPEN"], &["seller", "broker"], ALL),
    row("WithdrawListing", &["OPEN"], &["seller"], &[BANK]),
    row("ReadListing", &["OPEN"], &[], ALL),
    row("QueryListings", &["", "1", ""], &[], ALL),
    row("ListingHistory", &["OPEN"], &[], ALL),
    row("CreateOrder", &["OPEN", "x1"], &["broker"], &[A]),
    row("CreateOrders", &["OPEN"], &["broker"], &[A]),
    row("SubmitOrder", &["OPEN", "x1", POINT], &["broker"], &[A]),
    row("SubmitOrders", &["OPEN", "[]"], &["broker"], &[A]),
    row("CancelOrder", &["OPEN", "x1"], &["broker"], &[A]),
    row("CancelOrders", &["OPEN", "[]"], &["broker"], &[A]),
    row("ReplaceOrder", &["OPEN", "x1", "x2", POINT], &["broker"], &[A]),
    row("ReplaceOrders", &["OPEN", "[]"], &["broker"], &[A]),
    row("ReadOrderRecord", &["SOLD", A, "a1"], &[], ALL),
    row("QueryOrderRecords", &["SOLD", ""], &[], ALL),
    row(
        "QueryOrderRecordsWithPagination",
        &["SOLD", "", "9", ""],
        &[],
        ALL,
    ),
    row("OrderHistory", &["SOLD", A, "a1"], &[], ALL),
    row("QueryAllocationHashes", &["SOLD", "", "9", ""], &[], ALL),
    row("ReadOrder", &["SOLD", "a1"], &["broker", "auditor"], ALL),
    row("QueryOrders", &["SOLD"], &["broker", "auditor"], ALL),
    row(
        "QueryOrdersWithPagination",
        &["SOLD", "9", ""],
        &["broker", "auditor"],
        ALL,
    ),
    row("CheckReceipt", &["SOLD", A, "a1"], &["broker", "auditor"], ALL),
    row("RestoreOrders", &["SOLD", "[]"], &["broker"], &[A]),
    row("PurgeOrders", &["SOLD", "[]"], &["broker"], &[A]),
    row("RecordAllocations", &["SOLD", "[]"], &["broker"], PARTIES),
    row("ReadAllocation", &["SOLD", "a1"], &["broker", "auditor"], ALL),
    row("ExportBook", &["SOLD", "9", ""], &["broker", "auditor"], PARTIES),
    row("FreezeBooks", &["OPEN"], &["seller", "broker"], ALL),
    row("JoinClearing", &["SOLD"], &["admin", "seller", "broker"], PARTIES),
    row(
        "ClearingStatus",
        &["SOLD"],
        &["admin", "seller", "broker", "auditor"],
        PARTIES,
    ),
    row("SellListing", &["SOLD"], &["seller", "broker"], PARTIES),
    row("DepositEscrow", &["OPEN", "[]", "1"], &["broker"], &[A]),
    row("ReleaseEscrow", &["OPEN"], &["broker"], &[A]),
    row("EscrowOf", &["OPEN", A], &[], ALL),
    row("ReadSettlement", &["SOLD", A], &[], ALL),
    row("Settle", &["SOLD", A], &["seller", "broker"], PARTIES),
    row("Default", &["SOLD", A], &["seller"], &[BANK]),
    row("token:CreateToken", &["NEW", "new", "2"], &["issuer"], ALL),
    row("token:Mint", &["USD", A, "1"], &["issuer"], &[BANK]),
    row("token:Burn", &["USD", "[]", "1"], &["issuer"], &[BANK]),
    row(
        "token:Transfer",
        &["USD", "[]", "[]"],
        &["seller", "broker", "issuer"],
        ALL,
    ),
    row("token:BalanceOf", &["USD", A], &[], ALL),
    row("token:Tokens", &["USD", A], &[], ALL),
    row("token:TokensWithPagination", &["USD", A, "9", ""], &[], ALL),
    row("token:TotalSupply", &["USD"], &[], ALL),
    row("token:ReadToken", &["USD"], &[], ALL),
    row("token:QueryTokens", &["9", ""], &[], ALL),
    row("token:Name", &["USD"], &[], ALL),
    row("token:Symbol", &["USD"], &[], ALL),
    row("token:Decimals", &["USD"], &[], ALL),
    row("token:ClientAccountID", &[], &[], ALL),
    row("token:ClientAccountBalance", &["USD"], &[], ALL),
    row("token:ClientUTXOs", &["USD"], &[], ALL),
];

const HASH: &str = "0909090909090909090909090909090909090909090909090909090909090909";
/// The base point of the curve, compressed (SEC 2, section 2.4.2).
const POINT: &str = "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";

/// What a certificate says, and whether that opens a function to it.
struct Certificate {
    name: &'static str,
    role: Role,
    attribute: Option<&'static str>,
}

const CERTIFICATES: [Certificate; 10] = [
    certificate("a client", Role::Client, None),
    certificate("an administrator", Role::Admin, None),
    certificate("a client: admin", Role::Client, Some("admin")),
    certificate("a client: seller", Role::Client, Some("seller")),
    certificate("a client: broker", Role::Client, Some("broker")),
    certificate("a client: issuer", Role::Client, Some("issuer")),
    certificate("a client: auditor", Role::Client, Some("auditor")),
    certificate("a client: two", Role::Client, Some("broker, issuer")),
    certificate("a client: nothing", Role::Client, Some("")),
    certificate("an administrator: unknown", Role::Admin, Some("king")),
];

const fn certificate(name: &'static str, role: Role, attribute: Option<&'static str>) -> Certificate {
    Certificate {
        name,
        role,
        attribute,
    }
}

impl Certificate {
    fn opens(&self, row: &Row) -> bool {
        let named = |attribute: &str| attribute.split(", ").any(|word| row.words.contains(&word));
        match self.attribute {
            _ if row.words.is_empty() => true,
            Some(attribute) => named(attribute),
            None => row.words != ["admin"] || self.role == Role::Admin,
        }
    }
}

async fn scene() -> Market {
    let market = Market::open().await;
    for id in ["OPEN", "SOLD"] {
        let mut terms = terms(id);
        terms["brokers"] = json!([A]);
        market
            .submit(BANK, "CreateListing", &[&terms.to_string()])
            .await
            .unwrap();
    }
    market.place(A, "SOLD", "a1", &[(700, 1_000)]).await;
    market.submit(BANK, "CloseListing", &["SOLD"]).await.unwrap();
    let frozen = market.submit(BANK, "FreezeBooks", &["SOLD"]).await.unwrap();
    let session = hex::decode(frozen["clearing"]["sessionId"].as_str().unwrap()).unwrap();
    let mut sold = outcome(session, 700, 1_000, 0);
    sold.allocations.remove(1);
    market.finish(&sold);
    market.submit(A, "SellListing", &["SOLD"]).await.unwrap();
    market
}

/// Whether the caller's role is what stands against the call.
async fn is_refused_for_its_role(client: &Client, row: &Row, msp: &str) -> bool {
    let order = order("x1", &[(700, 10)]).to_string();
    let call = row
        .arguments
        .iter()
        .fold(Call::new(CC, row.function), Call::arg)
        .transient(RESPONSE_KEY, [1; 32])
        .transient("order", order)
        .transient("orders", "[]")
        .transient("openings", "[]")
        .organisations(&[msp]);
    match soon(client.evaluate(&call)).await {
        Ok(_) => false,
        Err(error) => error.to_string().contains("WRONG_ROLE"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_is_open_to_its_organisations_and_to_certificates_of_its_roles() {
    let market = scene().await;
    let metadata = market
        .query(A, "org.hyperledger.fabric:GetMetadata", &[])
        .await
        .unwrap();
    let mut functions = BTreeSet::new();
    for (contract, prefix) in [("ipo", ""), ("token", "token:")] {
        for function in metadata["contracts"][contract]["transactions"]
            .as_array()
            .unwrap()
        {
            functions.insert(format!("{prefix}{}", function["name"].as_str().unwrap()));
        }
    }
    let rows: BTreeSet<_> = TABLE.iter().map(|row| row.function.to_owned()).collect();
    assert_eq!(rows, functions, "the table has every function");

    let expires = SystemTime::now() + Duration::from_secs(86_400);
    let mut wrong = Vec::new();
    for row in TABLE {
        // By organisation, with a certificate that lacks nothing.
        for msp in ORGS {
            let refused = is_refused_for_its_role(market.admin(msp), row, msp).await;
            if refused == row.organisations.contains(&msp) {
                wrong.push(format!("{} by {msp}: refused is {refused}", row.function));
            }
        }
        // By certificate, at an organisation that the function is for.
        let msp = row.organisations[row.organisations.len() - 1];
        let ca = market.network.material().organisation(msp).unwrap();
        for certificate in &CERTIFICATES {
            let attributes = certificate
                .attribute
                .map(|value| ("ipo.role".to_owned(), value.to_owned()));
            let attributes: BTreeMap<_, _> = attributes.into_iter().collect();
            let identity = ca
                .issue_identity(certificate.name, certificate.role, &attributes, expires)
                .unwrap();
            let client = market.user(msp).with_identity(identity);
            let refused = is_refused_for_its_role(&client, row, msp).await;
            if refused == certificate.opens(row) {
                wrong.push(format!(
                    "{} by {}: refused is {refused}",
                    row.function, certificate.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    soon(market.network.shutdown()).await;
}
