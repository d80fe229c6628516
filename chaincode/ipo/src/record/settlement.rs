//! How an allocation ended: delivered against payment, or in default.

use serde::{Deserialize, Serialize};

use crate::error::ContractError;
use crate::identifier::{ListingId, MspId, Symbol};
use crate::moment::Moment;

/// How an allocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SettlementStatus {
    /// Shares were delivered and paid.
    Settled,
    /// The broker did not pay in time; its shares stay in the treasury.
    Defaulted,
}

/// The record behind the `settlement` key. Written once, never again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settlement {
    /// The listing.
    pub listing: ListingId,
    /// The broker.
    pub msp: MspId,
    /// How it ended.
    pub status: SettlementStatus,
    /// The shares' token.
    pub symbol: Symbol,
    /// Shares delivered.
    pub shares: u64,
    /// The clearing price, minor units.
    pub price: u64,
    /// The cash token.
    pub cash_token: Symbol,
    /// Who was paid.
    pub seller: MspId,
    /// Paid to the seller, minor units.
    pub paid: u64,
    /// What came back of the escrow, minor units.
    pub returned: u128,
    /// When.
    pub settled_at: Moment,
    /// The transaction.
    pub tx_id: String,
}

impl Settlement {
    /// The refusal of a second settlement.
    #[must_use]
    pub fn already(&self) -> ContractError {
        ContractError::AlreadySettled {
            listing: self.listing.to_string(),
            msp: self.msp.to_string(),
            how: match self.status {
                SettlementStatus::Settled => "settled",
                SettlementStatus::Defaulted => "defaulted",
            },
        }
    }
}
