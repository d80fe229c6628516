//! Where a listing stands, and what moves it on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a listing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Open for orders between its times.
    Available,
    /// No order is taken, the books are about to be frozen.
    Closed,
    /// The books are frozen; the sidecars compute.
    Frozen,
    /// The clearing price and the allocations are recorded.
    Sold,
    /// The demand did not reach the minimum subscription.
    Failed,
    /// The seller took it back before the freeze.
    Withdrawn,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Available => "available",
            Self::Closed => "closed",
            Self::Frozen => "frozen",
            Self::Sold => "sold",
            Self::Failed => "failed",
            Self::Withdrawn => "withdrawn",
        })
    }
}

/// What moves a listing from one status to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// `CloseListing`.
    Close,
    /// `FreezeBooks`.
    Freeze,
    /// `SellListing` with a sale.
    Sell,
    /// `SellListing` without one.
    Fail,
    /// `WithdrawListing`.
    Withdraw,
}

impl Move {
    /// The function that makes the move.
    #[must_use]
    pub fn function(self) -> &'static str {
        match self {
            Self::Close => "CloseListing",
            Self::Freeze => "FreezeBooks",
            Self::Sell | Self::Fail => "SellListing",
            Self::Withdraw => "WithdrawListing",
        }
    }

    /// The statuses that allow it, for a message.
    pub(crate) fn allowed(self) -> &'static str {
        match self {
            Self::Close => "available",
            Self::Freeze => "closed",
            Self::Sell | Self::Fail => "frozen",
            Self::Withdraw => "available, closed",
        }
    }

    /// The status after the move, if `from` allows it. No status that ends a listing allows any.
    #[must_use]
    pub fn from(self, from: Status) -> Option<Status> {
        match (self, from) {
            (Self::Close, Status::Available) => Some(Status::Closed),
            (Self::Freeze, Status::Closed) => Some(Status::Frozen),
            (Self::Sell, Status::Frozen) => Some(Status::Sold),
            (Self::Fail, Status::Frozen) => Some(Status::Failed),
            (Self::Withdraw, Status::Available | Status::Closed) => Some(Status::Withdrawn),
            _ => None,
        }
    }
}
