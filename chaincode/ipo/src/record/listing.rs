//! The listing: its status and what moves it, its outcome.

use serde::{Deserialize, Serialize};

use super::roster::SidecarEntry;
pub use super::status::{Move, Status};
use super::terms::Terms;
use crate::error::ContractError;
use crate::identifier::MspId;
use crate::moment::Moment;

/// What the clearing computes on, fixed by `FreezeBooks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Clearing {
    /// The version of commitments, digests and the sidecars' protocol.
    pub protocol_version: u16,
    /// SHA-256 over everything the clearing depends on, 64 hexadecimal digits.
    pub session_id: String,
    /// The participants' sidecars as they were registered at the freeze, ascending by organisation.
    pub sidecars: Vec<SidecarEntry>,
}

/// What one organisation got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allocation {
    /// The organisation.
    pub msp: MspId,
    /// Shares.
    pub quantity: u64,
}

/// The public outcome: nothing more is learnt of the demand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The price that all pay, minor units; none when the listing failed.
    pub clearing_price: Option<u64>,
    /// Shares sold.
    pub sold: u64,
    /// Every participant's part, ascending by organisation.
    pub allocations: Vec<Allocation>,
}

/// The record behind the `listing` key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    /// What is offered.
    #[serde(flatten)]
    pub terms: Terms,
    /// Where it stands.
    pub status: Status,
    /// Set from the freeze on.
    pub clearing: Option<Clearing>,
    /// Set once sold or failed.
    pub outcome: Option<Outcome>,
}

impl Listing {
    /// A listing that has just been created.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            status: Status::Available,
            clearing: None,
            outcome: None,
        }
    }

    /// Moves the listing on.
    ///
    /// # Errors
    /// [`ContractError::WrongState`] when its status does not allow the move.
    pub fn advance(&mut self, step: Move) -> Result<(), ContractError> {
        self.status = step
            .from(self.status)
            .ok_or_else(|| self.wrong_state(step.function(), step.allowed()))?;
        Ok(())
    }

    /// The refusal of a function that this listing's status does not allow.
    #[must_use]
    pub fn wrong_state(&self, function: &'static str, allowed: &'static str) -> ContractError {
        ContractError::WrongState {
            function,
            listing: self.terms.id.to_string(),
            status: self.status,
            allowed,
        }
    }

    /// Requires that orders may be placed or changed at `now`.
    ///
    /// # Errors
    /// [`ContractError::WrongState`], [`ContractError::TooEarly`] or [`ContractError::TooLate`].
    pub fn require_taking_orders(&self, function: &'static str, now: Moment) -> Result<(), ContractError> {
        let Terms {
            id,
            opens_at,
            closes_at,
            ..
        } = &self.terms;
        if self.status != Status::Available {
            return Err(self.wrong_state(function, "available"));
        }
        if now < *opens_at {
            return Err(ContractError::TooEarly {
                listing: id.to_string(),
                opens_at: *opens_at,
                now,
            });
        }
        if now >= *closes_at {
            return Err(ContractError::TooLate {
                listing: id.to_string(),
                closes_at: *closes_at,
                now,
            });
        }
        Ok(())
    }

    /// Requires that the caller's organisation is a broker of this listing.
    ///
    /// # Errors
    /// [`ContractError::WrongRole`].
    pub fn require_broker(&self, function: &'static str, caller: &MspId) -> Result<(), ContractError> {
        if self.terms.brokers.contains(caller) {
            return Ok(());
        }
        Err(wrong_role(
            function,
            caller,
            format!("the brokers of listing {}", self.terms.id),
        ))
    }

    /// Requires that the caller's organisation sells this listing.
    ///
    /// # Errors
    /// [`ContractError::WrongRole`].
    pub fn require_seller(&self, function: &'static str, caller: &MspId) -> Result<(), ContractError> {
        if self.terms.seller == *caller {
            return Ok(());
        }
        Err(wrong_role(
            function,
            caller,
            format!("{}, the seller of listing {}", self.terms.seller, self.terms.id),
        ))
    }

    /// Requires that the caller's organisation takes part in this listing.
    ///
    /// # Errors
    /// [`ContractError::WrongRole`].
    pub fn require_participant(&self, function: &'static str, caller: &MspId) -> Result<(), ContractError> {
        if self.terms.seller == *caller || self.terms.brokers.contains(caller) {
            return Ok(());
        }
        Err(wrong_role(
            function,
            caller,
            format!("the participants of listing {}", self.terms.id),
        ))
    }

    /// Refuses to be endorsed by anybody but a participant.
    ///
    /// # Errors
    /// [`ContractError::WrongEndorser`].
    pub fn require_endorser(&self, function: &'static str, endorser: &MspId) -> Result<(), ContractError> {
        let participants = self.terms.participants();
        if participants.contains(endorser) {
            return Ok(());
        }
        let names: Vec<&str> = participants.iter().map(MspId::as_str).collect();
        Err(ContractError::WrongEndorser {
            function,
            endorser: endorser.to_string(),
            listing: self.terms.id.to_string(),
            participants: names.join(", "),
        })
    }

    /// What was fixed at the freeze.
    ///
    /// # Errors
    /// [`ContractError::WrongState`] before the freeze.
    pub fn clearing(&self, function: &'static str) -> Result<&Clearing, ContractError> {
        self.clearing
            .as_ref()
            .ok_or_else(|| self.wrong_state(function, "frozen, sold, failed"))
    }

    /// The price and what `msp` was allotted, shares, of a listing that is sold.
    ///
    /// # Errors
    /// [`ContractError::WrongState`] unless it is sold; [`ContractError::WrongRole`] when `msp` takes no part in it.
    pub fn sold_to(&self, function: &'static str, msp: &MspId) -> Result<(u64, u64), ContractError> {
        let wrong_state = || self.wrong_state(function, "sold");
        if self.status != Status::Sold {
            return Err(wrong_state());
        }
        let outcome = self.outcome.as_ref().ok_or_else(wrong_state)?;
        let price = outcome.clearing_price.ok_or_else(wrong_state)?;
        let allocation = outcome
            .allocations
            .iter()
            .find(|allocation| allocation.msp == *msp);
        let allocation = allocation.ok_or_else(|| {
            wrong_role(
                function,
                msp,
                format!("the participants of listing {}", self.terms.id),
            )
        })?;
        Ok((price, allocation.quantity))
    }
}

fn wrong_role(function: &'static str, caller: &MspId, allowed: String) -> ContractError {
    ContractError::WrongRole {
        function,
        caller: caller.to_string(),
        allowed,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::record;
    use crate::record::terms::tests::terms;

    fn at(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    fn msp(id: &str) -> MspId {
        MspId::parse("msp", id).unwrap()
    }

    #[test]
    fn a_stored_listing_is_read_again_whatever_the_order_of_its_fields() {
        let listing = Listing::new(terms());
        let bytes = record::encode("listing Estatia", &listing).unwrap();
        assert!(bytes.starts_with(br#"{"version":1,"id":"Estatia""#));
        // A JSON value keeps its fields sorted, as a state database may.
        let sorted: Value = serde_json::from_slice(&bytes).unwrap();
        let sorted = serde_json::to_vec(&sorted).unwrap();
        assert_eq!(
            record::decode::<Listing>("listing Estatia", &sorted).unwrap(),
            listing
        );
        let newer = String::from_utf8(bytes)
            .unwrap()
            .replacen("\"version\":1", "\"version\":2", 1);
        let error = record::decode::<Listing>("listing Estatia", newer.as_bytes())
            .unwrap_err()
            .to_string();
        assert!(error.contains("version 2"), "{error}");
    }

    #[test]
    fn orders_are_taken_between_the_times_only() {
        let mut listing = Listing::new(terms());
        let code = |listing: &Listing, now| {
            listing
                .require_taking_orders("SubmitOrder", at(now))
                .err()
                .map(|e| e.code())
        };
        assert_eq!(code(&listing, "2027-03-01T08:59:59.999Z"), Some("TOO_EARLY"));
        assert_eq!(code(&listing, "2027-03-01T09:00:00Z"), None);
        assert_eq!(code(&listing, "2027-03-01T16:59:59.999Z"), None);
        assert_eq!(code(&listing, "2027-03-01T17:00:00Z"), Some("TOO_LATE"));
        listing.advance(Move::Close).unwrap();
        assert_eq!(code(&listing, "2027-03-01T10:00:00Z"), Some("WRONG_STATE"));
    }

    #[test]
    fn roles_are_those_of_the_terms() {
        let listing = Listing::new(terms());
        for (id, broker, seller) in [
            ("BrokerAMSP", true, false),
            ("USBankMSP", false, true),
            ("OtherMSP", false, false),
        ] {
            assert_eq!(listing.require_broker("f", &msp(id)).is_ok(), broker);
            assert_eq!(listing.require_seller("f", &msp(id)).is_ok(), seller);
            assert_eq!(
                listing.require_participant("f", &msp(id)).is_ok(),
                broker || seller
            );
        }
    }

    proptest! {
        #[test]
        fn a_listing_only_moves_along_its_state_machine(steps in prop::collection::vec(0usize..5, 0..20)) {
            const MOVES: [Move; 5] = [Move::Close, Move::Freeze, Move::Sell, Move::Fail, Move::Withdraw];
            let mut listing = Listing::new(terms());
            let mut trace = vec![listing.status];
            for step in steps {
                let before = listing.clone();
                match listing.advance(MOVES[step]) {
                    Ok(()) => trace.push(listing.status),
                    Err(error) => {
                        prop_assert_eq!(error.code(), "WRONG_STATE");
                        prop_assert_eq!(&listing, &before);
                    }
                }
            }
            // Every path is a prefix of one of these four.
            use Status::{Available, Closed, Failed, Frozen, Sold, Withdrawn};
            let paths: [&[Status]; 4] = [
                &[Available, Withdrawn], &[Available, Closed, Withdrawn],
                &[Available, Closed, Frozen, Sold], &[Available, Closed, Frozen, Failed],
            ];
            prop_assert!(paths.iter().any(|path| path.starts_with(&trace)), "{:?}", trace);
        }
    }
}
