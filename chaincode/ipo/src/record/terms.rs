//! What a listing offers: the terms, as a seller proposes them and as they are accepted.

use std::collections::BTreeSet;

use order_commitments::{
    AllocationRule, Lots, MAX_LEVELS, MAX_LOTS, MAX_PARTICIPANTS, MAX_STEPS, MIN_PARTICIPANTS, OrderRules,
    PriceGrid,
};
use serde::{Deserialize, Serialize};

use crate::error::ContractError;
use crate::identifier::{ListingId, MspId, Symbol};
use crate::moment::Moment;
use crate::token::MAX_AMOUNT;

/// The longest category, characters.
pub const MAX_CATEGORY: usize = 64;
/// The longest description, characters.
pub const MAX_DESCRIPTION: usize = 1_000;
/// How many price levels the clearing probes side by side where the seller does not say: plain bisection, the least work. More
/// are fewer rounds, which pays where the organisations are far apart.
pub const DEFAULT_FAN_OUT: u16 = 1;
/// The most steps of an order where the seller does not say.
pub const DEFAULT_MAX_STEPS: u8 = 10;
const _: () = assert!(DEFAULT_MAX_STEPS as usize == MAX_STEPS);

/// The argument of `CreateListing`: JSON with exactly these fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Proposal {
    id: ListingId,
    symbol: Symbol,
    category: String,
    description: String,
    shares: u64,
    lot_size: u64,
    price: PriceGrid,
    opens_at: Moment,
    closes_at: Moment,
    allocation: AllocationRule,
    min_subscription: u64,
    min_order: Option<u64>,
    max_order: Option<u64>,
    max_steps: Option<u8>,
    fan_out: Option<u16>,
    settlement_deadline: Moment,
    cash_token: Symbol,
    brokers: Vec<MspId>,
}

/// What the seller offers. Made only by [`Terms::new`], so that what is stored was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// The listing's id.
    pub id: ListingId,
    /// The shares' token.
    pub symbol: Symbol,
    /// Such as `Series A`.
    pub category: String,
    /// For people.
    pub description: String,
    /// Shares for sale, a multiple of the lot.
    pub shares: u64,
    /// Shares in a lot.
    pub lot_size: u64,
    /// The price levels, minor units of the cash token.
    pub price: PriceGrid,
    /// When orders are taken from.
    pub opens_at: Moment,
    /// When orders are no longer taken; the seller may close earlier.
    pub closes_at: Moment,
    /// How shares are allotted when too many are wanted.
    pub allocation: AllocationRule,
    /// The least number of shares to be sold, a multiple of the lot; with less demand the listing fails.
    pub min_subscription: u64,
    /// The least that an order may want at any price at which it wants something, shares: a multiple of the lot.
    pub min_order: u64,
    /// The largest order, shares.
    pub max_order: u64,
    /// The most steps of an order.
    pub max_steps: u8,
    /// How many price levels the clearing probes side by side.
    pub fan_out: u16,
    /// After this moment a broker gets its escrow back and an unpaid allocation may be declared in default.
    pub settlement_deadline: Moment,
    /// The token in which the shares are paid.
    pub cash_token: Symbol,
    /// Who sells: the organisation that created the listing.
    pub seller: MspId,
    /// Who may order, in ascending order.
    pub brokers: BTreeSet<MspId>,
}

impl Terms {
    /// Checks a proposal. `seller` is the caller's organisation, `now` the transaction's time.
    ///
    /// # Errors
    /// [`ContractError::BadArgument`], naming the field.
    pub fn new(proposal: Proposal, seller: MspId, now: Moment) -> Result<Self, ContractError> {
        text("category", &proposal.category, MAX_CATEGORY)?;
        text("description", &proposal.description, MAX_DESCRIPTION)?;
        let Proposal {
            shares,
            lot_size,
            price,
            ..
        } = proposal;
        if lot_size == 0 {
            return Err(refuse("lotSize", lot_size, "1 or more"));
        }
        let lots = shares / lot_size;
        if shares == 0 || !shares.is_multiple_of(lot_size) || lots > MAX_LOTS {
            let allowed = format!("1 to {MAX_LOTS} lots of {lot_size}");
            return Err(refuse("shares", shares, allowed));
        }
        let most = u128::from(price.max()) * u128::from(shares);
        if most > u128::from(MAX_AMOUNT) {
            let allowed = format!("at most {MAX_AMOUNT} in all");
            return Err(refuse(
                "price.max",
                format_args!("{} times {shares} shares = {most}", price.max()),
                allowed,
            ));
        }
        let max_order = proposal.max_order.unwrap_or(shares);
        if max_order > shares || OrderRules::new(price, lot_size, max_order).is_err() {
            let allowed = format!("a multiple of lotSize ({lot_size}), at most shares ({shares})");
            return Err(refuse("maxOrder", max_order, allowed));
        }
        let min_order = proposal.min_order.unwrap_or(lot_size);
        if min_order == 0 || min_order > max_order || !min_order.is_multiple_of(lot_size) {
            let allowed = format!("a multiple of lotSize ({lot_size}), at most maxOrder ({max_order})");
            return Err(refuse("minOrder", min_order, allowed));
        }
        let max_steps = proposal.max_steps.unwrap_or(DEFAULT_MAX_STEPS);
        if !(1..=MAX_STEPS).contains(&usize::from(max_steps)) {
            return Err(refuse("maxSteps", max_steps, format!("1 to {MAX_STEPS}")));
        }
        let min_subscription = proposal.min_subscription;
        if min_subscription > shares || !min_subscription.is_multiple_of(lot_size) {
            let allowed = format!("0, or a multiple of lotSize ({lot_size}), at most shares ({shares})");
            return Err(refuse("minSubscription", min_subscription, allowed));
        }
        let fan_out = proposal.fan_out.unwrap_or(DEFAULT_FAN_OUT);
        if !(1..=MAX_LEVELS).contains(&usize::from(fan_out)) {
            return Err(refuse("fanOut", fan_out, format!("1 to {MAX_LEVELS}")));
        }
        if proposal.closes_at <= proposal.opens_at {
            return Err(refuse(
                "closesAt",
                proposal.closes_at,
                format!("after opensAt ({})", proposal.opens_at),
            ));
        }
        if proposal.closes_at <= now {
            return Err(refuse(
                "closesAt",
                proposal.closes_at,
                format!("after the transaction's time ({now})"),
            ));
        }
        if proposal.settlement_deadline <= proposal.closes_at {
            let allowed = format!("after closesAt ({})", proposal.closes_at);
            return Err(refuse(
                "settlementDeadline",
                proposal.settlement_deadline,
                allowed,
            ));
        }
        if proposal.cash_token == proposal.symbol {
            return Err(refuse(
                "cashToken",
                &proposal.cash_token,
                "another token than symbol",
            ));
        }
        let brokers = distinct_brokers(&proposal.brokers)?;
        let terms = Self {
            id: proposal.id,
            symbol: proposal.symbol,
            category: proposal.category,
            description: proposal.description,
            shares,
            lot_size,
            price,
            opens_at: proposal.opens_at,
            closes_at: proposal.closes_at,
            allocation: proposal.allocation,
            min_subscription,
            min_order,
            max_order,
            max_steps,
            fan_out,
            settlement_deadline: proposal.settlement_deadline,
            cash_token: proposal.cash_token,
            seller,
            brokers,
        };
        let participants = terms.participants().len();
        if !(MIN_PARTICIPANTS..=MAX_PARTICIPANTS).contains(&participants) {
            let allowed =
                format!("{MIN_PARTICIPANTS} to {MAX_PARTICIPANTS} participants, the seller among them");
            return Err(refuse(
                "brokers",
                format_args!("{participants} participants"),
                allowed,
            ));
        }
        Ok(terms)
    }

    /// The parties of the clearing, in ascending order: the seller and the brokers.
    #[must_use]
    pub fn participants(&self) -> BTreeSet<MspId> {
        let mut participants = self.brokers.clone();
        participants.insert(self.seller.clone());
        participants
    }

    /// Lots for sale.
    #[must_use]
    pub fn lots(&self) -> Lots {
        self.shares / self.lot_size
    }

    /// What an order has to obey.
    ///
    /// # Errors
    /// [`ContractError::UnreadableRecord`] when the stored terms are not such as [`Terms::new`] makes.
    pub fn order_rules(&self) -> Result<OrderRules, ContractError> {
        OrderRules::new(self.price, self.lot_size, self.max_order).map_err(|error| {
            ContractError::UnreadableRecord {
                key: format!("listing {}", self.id),
                reason: error.to_string(),
            }
        })
    }
}

fn refuse(field: &str, found: impl ToString, allowed: impl Into<String>) -> ContractError {
    ContractError::argument(format!("listing.{field}"), found, allowed)
}

fn text(field: &str, value: &str, most: usize) -> Result<(), ContractError> {
    let length = value.chars().count();
    if length == 0 || length > most || value.chars().any(char::is_control) {
        let allowed = format!("1 to {most} characters, none of them a control character");
        return Err(refuse(field, format_args!("{value:?}"), allowed));
    }
    Ok(())
}

fn distinct_brokers(brokers: &[MspId]) -> Result<BTreeSet<MspId>, ContractError> {
    let mut distinct = BTreeSet::new();
    for (index, broker) in brokers.iter().enumerate() {
        if !distinct.insert(broker.clone()) {
            return Err(refuse(
                &format!("brokers[{index}]"),
                format_args!("{broker} a second time"),
                "each broker once",
            ));
        }
    }
    if distinct.is_empty() {
        return Err(refuse("brokers", "none", "at least one organisation"));
    }
    Ok(distinct)
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    pub(crate) fn proposal() -> Value {
        json!({
            "id": "Estatia", "symbol": "EST", "category": "Series A", "description": "Estates", "shares": 25_000,
            "lotSize": 10, "price": {"min": 500, "max": 1000, "tick": 100},
            "opensAt": "2027-03-01T09:00:00Z", "closesAt": "2027-03-01T17:00:00Z", "allocation": "price-priority",
            "minSubscription": 5_000, "settlementDeadline": "2027-03-03T17:00:00Z", "cashToken": "USD",
            "brokers": ["BrokerBMSP", "BrokerAMSP"],
        })
    }

    fn at(text: &str) -> Moment {
        Moment::parse(text).unwrap()
    }

    pub(crate) fn make(proposal: Value) -> Result<Terms, String> {
        let proposal: Proposal = serde_json::from_value(proposal).map_err(|error| error.to_string())?;
        let seller = MspId::parse("msp", "USBankMSP").unwrap();
        Terms::new(proposal, seller, at("2027-02-01T00:00:00Z")).map_err(|error| error.to_string())
    }

    pub(crate) fn terms() -> Terms {
        make(proposal()).unwrap()
    }

    #[test]
    fn defaults_and_order() {
        let terms = terms();
        assert_eq!(
            (terms.max_order, terms.fan_out, terms.lots()),
            (25_000, DEFAULT_FAN_OUT, 2_500)
        );
        assert_eq!((terms.min_order, terms.max_steps), (10, 10));
        let participants: Vec<_> = terms.participants().into_iter().map(String::from).collect();
        assert_eq!(participants, ["BrokerAMSP", "BrokerBMSP", "USBankMSP"]);
    }

    #[test]
    fn each_bad_field_is_named_with_what_came() {
        let many: Vec<_> = (0..17).map(|n| format!("B{n}")).collect();
        for (field, value, found) in [
            ("id", json!("a b"), "a b"),
            ("symbol", json!(""), "\"\""),
            ("category", json!(""), "category"),
            ("category", json!("x".repeat(65)), "category"),
            ("description", json!("a\nb"), "description"),
            ("shares", json!(0), "found 0"),
            ("shares", json!(25_001), "25001"),
            ("shares", json!(-1), "-1"),
            ("shares", json!(42_949_672_960_u64), "42949672960"),
            ("lotSize", json!(0), "found 0"),
            ("price", json!({"min": 500, "max": 1050, "tick": 100}), "1050"),
            (
                "price",
                json!({"min": 500, "max": 1000, "tick": 0}),
                "price.tick is 0",
            ),
            ("price", json!({"min": 1, "max": 1025, "tick": 1}), "1025 levels"),
            (
                "price",
                json!({"min": 1_000_000_000_000_u64, "max": 1_000_000_000_000_u64, "tick": 1}),
                "25000000000000000",
            ),
            ("opensAt", json!("2027-03-01T17:00:00Z"), "closesAt"),
            ("opensAt", json!("noon"), "noon"),
            ("closesAt", json!("2027-01-01T00:00:00Z"), "2027-01-01T00:00:00Z"),
            (
                "settlementDeadline",
                json!("2027-03-01T17:00:00Z"),
                "settlementDeadline",
            ),
            ("allocation", json!("lottery"), "lottery"),
            ("minSubscription", json!(25_010), "25010"),
            ("minSubscription", json!(5), "minSubscription"),
            ("maxOrder", json!(25_010), "25010"),
            ("maxOrder", json!(0), "maxOrder"),
            ("maxOrder", json!(15), "maxOrder"),
            ("minOrder", json!(0), "found 0"),
            ("minOrder", json!(15), "minOrder"),
            ("minOrder", json!(25_010), "25010"),
            ("maxSteps", json!(0), "maxSteps"),
            ("maxSteps", json!(11), "found 11"),
            ("fanOut", json!(0), "fanOut"),
            ("fanOut", json!(1025), "fanOut"),
            ("cashToken", json!("EST"), "cashToken"),
            ("brokers", json!([]), "brokers"),
            ("brokers", json!(["USBankMSP"]), "1 participants"),
            ("brokers", json!(many), "18 participants"),
            ("brokers", json!(["A", "B", "A"]), "brokers[2]"),
            ("brokers", json!(["A", "b c"]), "b c"),
            ("colour", json!("red"), "unknown field `colour`"),
        ] {
            let mut bad = proposal();
            bad[field] = value;
            let message = make(bad).unwrap_err();
            assert!(message.contains(found), "{field}: {message}");
        }
    }

    #[test]
    fn each_missing_field_is_named() {
        let whole = proposal();
        for field in whole.as_object().unwrap().keys() {
            let mut part = whole.clone();
            part.as_object_mut().unwrap().remove(field);
            let message = make(part).unwrap_err();
            assert!(message.contains(&format!("missing field `{field}`")), "{message}");
        }
    }

    proptest! {
        #[test]
        fn no_accepted_terms_can_overflow_a_payment(
            shares in 1u64..1 << 40, lot in 1u64..1000, min in 1u64..1 << 40, steps in 0u64..1024, tick in 1u64..1 << 30,
        ) {
            let mut offered = proposal();
            offered["shares"] = json!(shares / lot * lot);
            offered["lotSize"] = json!(lot);
            offered["minSubscription"] = json!(0);
            offered["price"] = json!({"min": min, "max": min + steps * tick, "tick": tick});
            if let Ok(terms) = make(offered) {
                prop_assert!(crate::token::cost(terms.price.max(), terms.shares).is_ok());
                prop_assert!(terms.lots() <= MAX_LOTS);
            }
        }
    }
}
