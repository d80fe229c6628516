//! Which functions a caller's certificate allows, before any record is looked at.
//!
//! Three things of a certificate count: its organisation (MSP), which the functions themselves compare with the listing's seller and brokers
//! and the token's issuer; its NodeOU: peers and orderers call no function but queries of public state; and the attribute
//! `ipo.role`, by which an organisation's Fabric CA may narrow what one of its clients does: a list of the words below, separated
//! by commas. A certificate without the attribute may do whatever its organisation may, and administers if its NodeOU is `admin`. One
//! with the attribute may do what the listed roles may, and nothing else: a word that is none of these allows nothing.
//!
//! | role | functions |
//! |---|---|
//! | `admin` | `RegisterSidecar`, `JoinClearing`, `ClearingStatus` |
//! | `seller` | `CreateListing`, `WithdrawListing`, `Default`; with brokers: closing, freezing, joining, selling, settling |
//! | `broker` | orders, escrow and allocations; with sellers: closing, freezing, joining, selling, settling |
//! | `issuer` | `CreateToken`, `Mint`, `Burn` |
//! | `auditor` | reading the own organisation's orders and allocations, `ExportBook`, `ClearingStatus` |
//!
//! Sellers, brokers and issuers may `Transfer`. Everybody may query public state.

use std::collections::BTreeSet;
use std::fmt;

use chaincode_shim::NodeRole;

use crate::error::ContractError;
use crate::identifier::MspId;

/// The attribute that Fabric CA puts into a certificate.
pub const ATTRIBUTE: &str = "ipo.role";

/// What a client of an organisation may be there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Looks after the sidecar.
    Admin,
    /// Sells shares.
    Seller,
    /// Orders shares for investors.
    Broker,
    /// Issues cash tokens.
    Issuer,
    /// Reads what the own organisation did.
    Auditor,
}

impl Role {
    const ALL: [Self; 5] = [
        Self::Admin,
        Self::Seller,
        Self::Broker,
        Self::Issuer,
        Self::Auditor,
    ];

    /// The word in the attribute.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Seller => "seller",
            Self::Broker => "broker",
            Self::Issuer => "issuer",
            Self::Auditor => "auditor",
        }
    }
}

/// Who calls: the organisation, and what the certificate says besides.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The organisation.
    pub msp: MspId,
    unit: Option<NodeRole>,
    roles: Option<BTreeSet<Role>>,
}

impl Caller {
    /// A caller of `msp` with this NodeOU and this value of [`ATTRIBUTE`].
    #[must_use]
    pub fn new(msp: MspId, unit: Option<NodeRole>, attribute: Option<&str>) -> Self {
        let roles = attribute.map(|words| {
            let named = words.split(',').map(str::trim);
            named
                .filter_map(|word| Role::ALL.into_iter().find(|role| role.as_str() == word))
                .collect()
        });
        Self { msp, unit, roles }
    }

    /// Requires that the certificate allows a function.
    ///
    /// # Errors
    /// [`ContractError::WrongRole`].
    pub fn require(&self, function: &str) -> Result<(), ContractError> {
        let Some(&(name, wanted)) = FUNCTIONS.iter().find(|(name, _)| *name == function) else {
            return Err(self.wrong("a function without roles", "nobody".to_owned()));
        };
        let Wanted::OneOf(wanted) = wanted else {
            return Ok(());
        };
        if matches!(self.unit, Some(NodeRole::Peer | NodeRole::Orderer)) {
            return Err(self.wrong(name, "clients and administrators".to_owned()));
        }
        let words = || {
            wanted
                .iter()
                .map(|role| role.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        };
        match &self.roles {
            Some(roles) if wanted.iter().any(|role| roles.contains(role)) => Ok(()),
            Some(_) => Err(self.wrong(
                name,
                format!("certificates whose attribute {ATTRIBUTE} names one of: {}", words()),
            )),
            // Administering is the one role that a certificate has to name in any case.
            None if wanted == [Role::Admin] && self.unit != Some(NodeRole::Admin) => Err(self.wrong(
                name,
                format!("certificates with the organisational unit \"admin\", or whose attribute {ATTRIBUTE} names it"),
            )),
            None => Ok(()),
        }
    }

    fn wrong(&self, function: &'static str, allowed: String) -> ContractError {
        ContractError::WrongRole {
            function,
            caller: self.to_string(),
            allowed,
        }
    }
}

impl fmt::Display for Caller {
    /// Such as `a client of BrokerAMSP that is broker, auditor`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            Some(NodeRole::Admin) => "an administrator",
            Some(NodeRole::Peer) => "a peer",
            Some(NodeRole::Orderer) => "an orderer",
            Some(NodeRole::Client) | None => "a client",
        };
        write!(f, "{unit} of {}", self.msp)?;
        match &self.roles {
            None => Ok(()),
            Some(roles) if roles.is_empty() => write!(f, " with an {ATTRIBUTE} that names no role"),
            Some(roles) => {
                let words: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
                write!(f, " that is {}", words.join(", "))
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Wanted {
    /// Whoever the channel lets in.
    Anybody,
    /// A client for whom one of these roles is open.
    OneOf(&'static [Role]),
}

const PUBLIC: Wanted = Wanted::Anybody;
const ADMIN: Wanted = Wanted::OneOf(&[Role::Admin]);
const SELLER: Wanted = Wanted::OneOf(&[Role::Seller]);
const BROKER: Wanted = Wanted::OneOf(&[Role::Broker]);
const ISSUER: Wanted = Wanted::OneOf(&[Role::Issuer]);
const TRADER: Wanted = Wanted::OneOf(&[Role::Seller, Role::Broker]);
const OWNER: Wanted = Wanted::OneOf(&[Role::Seller, Role::Broker, Role::Issuer]);
const READER: Wanted = Wanted::OneOf(&[Role::Broker, Role::Auditor]);
const OPERATOR: Wanted = Wanted::OneOf(&[Role::Admin, Role::Seller, Role::Broker]);
const WATCHER: Wanted = Wanted::OneOf(&[Role::Admin, Role::Seller, Role::Broker, Role::Auditor]);

/// Every function of both contracts. One that is missing here can be called by nobody.
const FUNCTIONS: &[(&str, Wanted)] = &[
    ("RegisterSidecar", ADMIN),
    ("ReadSidecar", PUBLIC),
    ("CreateListing", SELLER),
    ("CloseListing", TRADER),
    ("WithdrawListing", SELLER),
    ("ReadListing", PUBLIC),
    ("QueryListings", PUBLIC),
    ("ListingHistory", PUBLIC),
    ("SubmitOrder", BROKER),
    ("SubmitOrders", BROKER),
    ("CancelOrder", BROKER),
    ("CancelOrders", BROKER),
    ("ReplaceOrder", BROKER),
    ("ReplaceOrders", BROKER),
    ("ReadOrderRecord", PUBLIC),
    ("QueryOrderRecords", PUBLIC),
    ("QueryOrderRecordsWithPagination", PUBLIC),
    ("OrderHistory", PUBLIC),
    ("QueryAllocationHashes", PUBLIC),
    ("CreateOrder", BROKER),
    ("CreateOrders", BROKER),
    ("ReadOrder", READER),
    ("QueryOrders", READER),
    ("QueryOrdersWithPagination", READER),
    ("CheckReceipt", READER),
    ("RestoreOrders", BROKER),
    ("PurgeOrders", BROKER),
    ("RecordAllocations", BROKER),
    ("ReadAllocation", READER),
    ("ExportBook", READER),
    ("FreezeBooks", TRADER),
    ("JoinClearing", OPERATOR),
    ("ClearingStatus", WATCHER),
    ("SellListing", TRADER),
    ("DepositEscrow", BROKER),
    ("ReleaseEscrow", BROKER),
    ("EscrowOf", PUBLIC),
    ("ReadSettlement", PUBLIC),
    ("Settle", TRADER),
    ("Default", SELLER),
    ("CreateToken", ISSUER),
    ("Mint", ISSUER),
    ("Burn", ISSUER),
    ("Transfer", OWNER),
    ("BalanceOf", PUBLIC),
    ("Tokens", PUBLIC),
    ("TokensWithPagination", PUBLIC),
    ("TotalSupply", PUBLIC),
    ("ReadToken", PUBLIC),
    ("QueryTokens", PUBLIC),
    ("Name", PUBLIC),
    ("Symbol", PUBLIC),
    ("Decimals", PUBLIC),
    ("ClientAccountID", PUBLIC),
    ("ClientAccountBalance", PUBLIC),
    ("ClientUTXOs", PUBLIC),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(unit: Option<NodeRole>, attribute: Option<&str>) -> Caller {
        Caller::new(MspId::parse("msp", "BrokerAMSP").unwrap(), unit, attribute)
    }

    #[test]
    fn each_function_stands_once() {
        let names: BTreeSet<_> = FUNCTIONS.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), FUNCTIONS.len());
        let error = caller(None, None).require("NoSuchFunction").unwrap_err();
        assert!(error.to_string().contains("allowed: nobody"), "{error}");
    }

    #[test]
    fn the_attribute_narrows_and_nodes_only_query() {
        let client = Some(NodeRole::Client);
        for (unit, attribute, function, allowed) in [
            (client, None, "CreateOrder", true),
            (None, None, "CreateOrder", true),
            (client, None, "RegisterSidecar", false),
            (None, None, "RegisterSidecar", false),
            (Some(NodeRole::Admin), None, "RegisterSidecar", true),
            (Some(NodeRole::Admin), Some("broker"), "RegisterSidecar", false),
            (client, Some("admin"), "RegisterSidecar", true),
            (client, Some(" broker , auditor"), "CreateOrder", true),
            (client, Some("auditor"), "CreateOrder", false),
            (client, Some("auditor"), "ExportBook", true),
            (client, Some("issuer"), "ExportBook", false),
            (client, Some("Broker"), "CreateOrder", false),
            (client, Some(""), "Transfer", false),
            (client, Some(""), "BalanceOf", true),
            (Some(NodeRole::Peer), None, "ReadListing", true),
            (Some(NodeRole::Peer), None, "CloseListing", false),
            (Some(NodeRole::Orderer), Some("broker"), "CreateOrder", false),
        ] {
            let answer = caller(unit, attribute).require(function);
            assert_eq!(answer.is_ok(), allowed, "{unit:?} {attribute:?} {function}");
        }
        let error = caller(client, Some("auditor, issuer"))
            .require("Settle")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "Settle: the caller is a client of BrokerAMSP that is issuer, auditor; allowed: certificates whose attribute ipo.role names one of: seller, broker"
        );
    }
}
