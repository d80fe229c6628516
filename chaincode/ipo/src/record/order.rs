//! The public side of an order: that it counts, and what it is bound to, but nothing of what it says.

use serde::{Deserialize, Serialize};

use crate::error::ContractError;
use crate::identifier::{ListingId, MspId, OrderId};
use crate::moment::Moment;

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    /// It counts.
    Submitted,
    /// Its broker took it back.
    Cancelled,
    /// Its broker put another in its place.
    Replaced,
}

impl OrderStatus {
    /// The word on the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::Cancelled => "cancelled",
            Self::Replaced => "replaced",
        }
    }
}

/// The record behind the public `order` key. It is also the order's receipt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderRecord {
    /// The listing.
    pub listing: ListingId,
    /// The broker's organisation.
    pub msp: MspId,
    /// The order's id.
    pub id: OrderId,
    /// The commitment to its demand: 33 bytes, compressed SEC1, as 66 hexadecimal digits.
    pub commitment: String,
    /// SHA-256 of the private record, 64 hexadecimal digits.
    pub record_hash: String,
    /// Whether it counts.
    pub status: OrderStatus,
    /// When it was submitted.
    pub submitted_at: Moment,
    /// The transaction that submitted it.
    pub tx_id: String,
    /// When it was cancelled or replaced.
    pub ended_at: Option<Moment>,
    /// The order in its place.
    pub replaced_by: Option<OrderId>,
}

impl OrderRecord {
    /// Takes the order out of the book.
    ///
    /// # Errors
    /// [`ContractError::WrongOrderState`] when it is out already.
    pub fn end(
        &mut self,
        function: &'static str,
        now: Moment,
        replaced_by: Option<OrderId>,
    ) -> Result<(), ContractError> {
        if self.status != OrderStatus::Submitted {
            return Err(ContractError::WrongOrderState {
                function,
                msp: self.msp.to_string(),
                order: self.id.to_string(),
                status: self.status.as_str(),
            });
        }
        self.status = if replaced_by.is_some() {
            OrderStatus::Replaced
        } else {
            OrderStatus::Cancelled
        };
        self.ended_at = Some(now);
        self.replaced_by = replaced_by;
        Ok(())
    }
}
