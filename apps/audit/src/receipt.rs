//! One investor's order alone, against the ledger: the broker has placed exactly this order, and it counts.
//!
//! ```json
//! {"msp": "BrokerAMSP", "id": "a1", "investor": "Ann", "steps": [{"price": 500, "quantity": 9000}], "salt": "64 hexadecimal digits",
//!  "allocation": 4800}
//! ```
//!
//! `allocation` may be left out: the shares that the broker told the investor it got.

use std::path::Path;

use order_commitments::Step;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    AuditError, Checked, Finding, LedgerState, allocation_record,
    book::{Sent, opens},
    outcome::range,
    report::OrderReport,
    state::read_json,
};

/// An investor's copy of an order. Erased when dropped.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receipt {
    /// The broker's organisation.
    pub msp: String,
    /// The order's id.
    pub id: String,
    /// The investor's name, as it was placed.
    pub investor: String,
    /// The demand schedule.
    pub steps: Vec<Step>,
    /// The salt, 64 hexadecimal digits.
    pub salt: String,
    /// Shares that the investor was told it got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocation: Option<u64>,
}

impl Receipt {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that is not there or not of this form.
    pub fn read(path: &Path) -> Result<Self, AuditError> {
        read_json(path, "an order with msp, id, investor, steps and salt")
    }
}

/// Checks one order. Its quantity is what the investor was told, if that can be.
#[must_use]
pub fn check(state: &LedgerState, receipt: &Receipt) -> OrderReport {
    let mut report = OrderReport {
        id: receipt.id.clone(),
        quantity: None,
        order: Checked::default(),
    };
    let checked = &mut report.order;
    let public = state
        .orders
        .iter()
        .find(|order| order.msp.as_str() == receipt.msp && order.id.as_str() == receipt.id);
    let Some(public) = public else {
        checked.find(Finding::Unknown);
        return report;
    };
    let listing = &state.listing.listing;
    let rules = match listing.terms.order_rules() {
        Ok(rules) => rules,
        Err(error) => {
            checked.find(Finding::Terms {
                reason: error.to_string(),
            });
            return report;
        }
    };
    if state.counted(&receipt.msp).all(|counted| counted.id != public.id) {
        checked.find(Finding::DoesNotCount {
            status: public.status.as_str(),
        });
    }
    let sent = Sent {
        investor: &receipt.investor,
        steps: &receipt.steps,
        salt: &receipt.salt,
    };
    let Some(schedule) = opens(state, &rules, public, &sent, checked) else {
        return report;
    };
    let Some(outcome) = &listing.outcome else {
        checked.leave("its allocation: there is no outcome yet");
        return report;
    };
    let Some((least, most)) = range(&listing.terms, outcome, &schedule) else {
        checked.leave("its allocation: the outcome's price is none of the listing's");
        return report;
    };
    // What was told is worth more than that it is possible: it is what was recorded.
    if let Some(told) = receipt.allocation
        && state.allocation_hash(&public.msp, &public.id).is_some()
    {
        let told = Some((outcome.clearing_price, told));
        allocation_record::check(state, public, &receipt.salt, told, checked);
    }
    match receipt.allocation {
        Some(found) if (least..=most).contains(&found) => {
            report.quantity = Some(found);
            if least != most {
                checked.leave(format!(
                    "the share of the margin: the order gets {least} to {most}, which of them the broker's whole book decides"
                ));
            }
        }
        Some(found) => checked.find(Finding::AllocationRange { found, least, most }),
        None if least == most => report.quantity = Some(least),
        None => checked.leave(format!("the order gets {least} to {most} shares; none were told")),
    }
    report
}
