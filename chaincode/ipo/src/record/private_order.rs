//! An order in the clear, as it stands in its organisation's own collection and as clients send it.
//!
//! The stored form is binary with fixed fields, not JSON: its SHA-256 is on the ledger, `RestoreOrders` has to make the
//! same bytes again, and a state database that re-marshals JSON must not change them. All integers are big-endian:
//!
//! ```text
//! version u8 = 1 | investor length u8, bytes | number of steps u8 | steps: price u64 (0 = market), quantity u64 | salt, 32 bytes
//! ```
//!
//! The order's place (listing, organisation, id) is its key, and enters its commitment.

use std::fmt;

use order_commitments::{DemandSchedule, MAX_STEPS, OrderRules, Price, Salt, Step};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::terms::Terms;
use crate::error::ContractError;
use crate::transactions::json;

/// The longest name of an investor, bytes.
pub const MAX_INVESTOR: usize = 128;
/// The length of a salt, bytes.
pub const SALT_LENGTH: usize = Salt::LENGTH;

const VERSION: u8 = 1;

/// What clients send, and `ReadOrder` answers. Never to be printed.
const FORM: &str = r#"{"investor": "...", "steps": [{"price": 700 or "market", "quantity": 7000}, ...], "salt": "64 hexadecimal digits"}"#;

/// The transient form of an order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    investor: String,
    steps: Vec<Step>,
    salt: Option<String>,
}

/// The transient form of one order among several.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SentWithId {
    id: String,
    investor: String,
    steps: Vec<Step>,
    salt: Option<String>,
}

/// An order in the clear. Erased when dropped; `Debug` prints nothing of it.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct PrivateOrder {
    investor: String,
    steps: Vec<Step>,
    salt: [u8; SALT_LENGTH],
}

impl PrivateOrder {
    /// Reads one order from a transient field called `argument`. Its schedule is not checked yet.
    ///
    /// # Errors
    /// [`ContractError::BadJson`], [`ContractError::BadArgument`] or [`ContractError::MissingSalt`], without the order's content.
    pub fn from_transient(argument: &str, bytes: &[u8]) -> Result<Self, ContractError> {
        let sent: Sent = parse_secret(argument, bytes, FORM)?;
        Self::new(argument, sent.investor, sent.steps, sent.salt)
    }

    /// Reads a list of orders, each with its `id`, from a transient field called `argument`.
    ///
    /// # Errors
    /// As [`from_transient`](Self::from_transient).
    pub fn list_from_transient(argument: &str, bytes: &[u8]) -> Result<Vec<(String, Self)>, ContractError> {
        let sent: Vec<SentWithId> = parse_secret(
            argument,
            bytes,
            r#"a list of {"id": "...", "investor": "...", "steps": [...], "salt": "..."}"#,
        )?;
        sent.into_iter()
            .enumerate()
            .map(|(index, order)| {
                let path = format!("{argument}[{index}]");
                Ok((
                    order.id,
                    Self::new(&path, order.investor, order.steps, order.salt)?,
                ))
            })
            .collect()
    }

    fn new(
        argument: &str,
        investor: String,
        steps: Vec<Step>,
        salt: Option<String>,
    ) -> Result<Self, ContractError> {
        // From here on the fields are erased on every way out.
        let mut order = Self {
            investor,
            steps,
            salt: [0; SALT_LENGTH],
        };
        let length = order.investor.len();
        if length == 0 || length > MAX_INVESTOR || order.investor.chars().any(char::is_control) {
            return Err(ContractError::argument(
                format!("{argument}.investor"),
                format_args!("{length} bytes"),
                format!("1 to {MAX_INVESTOR} bytes of UTF-8, no control character"),
            ));
        }
        if order.steps.is_empty() || order.steps.len() > MAX_STEPS {
            return Err(ContractError::argument(
                format!("{argument}.steps"),
                format_args!("{} steps", order.steps.len()),
                format!("1 to {MAX_STEPS} steps"),
            ));
        }
        let salt = Zeroizing::new(salt.ok_or_else(|| ContractError::MissingSalt {
            argument: argument.to_owned(),
        })?);
        let decoded = hex::decode_to_slice(salt.as_bytes(), &mut order.salt).is_ok();
        if !decoded || order.salt == [0; SALT_LENGTH] {
            return Err(ContractError::argument(
                format!("{argument}.salt"),
                format_args!("{} characters, content withheld", salt.len()),
                "32 random bytes as 64 hexadecimal digits",
            ));
        }
        Ok(order)
    }

    /// The bytes that are stored.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // All at once, so that no growing leaves a copy behind.
        let length = 3 + self.investor.len() + 16 * self.steps.len() + SALT_LENGTH;
        let mut bytes = Zeroizing::new(Vec::with_capacity(length));
        // Both lengths were checked to be below 256.
        bytes.extend([VERSION, u8::try_from(self.investor.len()).unwrap_or(u8::MAX)]);
        bytes.extend(self.investor.as_bytes());
        bytes.push(u8::try_from(self.steps.len()).unwrap_or(u8::MAX));
        for step in &self.steps {
            let price = match step.price {
                Price::At(price) => price,
                Price::Market => 0,
            };
            bytes.extend(price.to_be_bytes());
            bytes.extend(step.quantity.to_be_bytes());
        }
        bytes.extend(self.salt);
        bytes
    }

    /// Reads what was stored; none for anything that [`to_bytes`](Self::to_bytes) does not make.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&[version, length], rest) = bytes.split_first_chunk::<2>()?;
        let (investor, rest) = rest.split_at_checked(usize::from(length))?;
        let (&[count], mut rest) = rest.split_first_chunk::<1>()?;
        let valid = version == VERSION
            && (1..=MAX_INVESTOR).contains(&investor.len())
            && (1..=MAX_STEPS).contains(&usize::from(count));
        if !valid {
            return None;
        }
        let mut order = Self {
            investor: std::str::from_utf8(investor).ok()?.to_owned(),
            steps: Vec::with_capacity(usize::from(count)),
            salt: [0; SALT_LENGTH],
        };
        if order.investor.chars().any(char::is_control) {
            return None;
        }
        for _ in 0..count {
            let (price, after) = rest.split_first_chunk::<8>()?;
            let (quantity, after) = after.split_first_chunk::<8>()?;
            let price = match u64::from_be_bytes(*price) {
                0 => Price::Market,
                price => Price::At(price),
            };
            order.steps.push(Step {
                price,
                quantity: u64::from_be_bytes(*quantity),
            });
            rest = after;
        }
        order.salt = rest.try_into().ok()?;
        // A zero salt is never stored, so it is not read either.
        (order.salt != [0; SALT_LENGTH]).then_some(order)
    }

    /// SHA-256 of the stored bytes: what Fabric puts on the ledger for the private record.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.to_bytes().as_slice()).into()
    }

    /// Checks the order against its listing's rules.
    ///
    /// # Errors
    /// The rule that is broken, naming the step below `argument`, without the order's content.
    pub fn schedule(&self, argument: &str, rules: &OrderRules) -> Result<DemandSchedule, ContractError> {
        use order_commitments::schedule::ScheduleError as Broken;
        DemandSchedule::new(&self.steps, rules).map_err(|broken| {
            let step = |index: usize, field: &str| format!("{argument}.steps[{index}].{field}");
            let withheld =
                |argument: String, allowed: String| ContractError::argument(argument, "withheld", allowed);
            match broken {
                Broken::PriceOffGrid {
                    step: index, grid, ..
                } => ContractError::OffGridPrice {
                    argument: step(index, "price"),
                    min: grid.min(),
                    max: grid.max(),
                    tick: grid.tick(),
                },
                Broken::QuantityRises { step: index, .. } => ContractError::RisingSchedule {
                    argument: step(index, "quantity"),
                },
                Broken::RepeatedPrice {
                    step: index, earlier, ..
                } => withheld(
                    step(index, "price"),
                    format!("another price than that of steps[{earlier}]"),
                ),
                Broken::QuantityOffLot {
                    step: index,
                    lot_size,
                    ..
                } => withheld(
                    step(index, "quantity"),
                    format!("a positive multiple of lotSize ({lot_size})"),
                ),
                Broken::QuantityAboveMaxOrder {
                    step: index,
                    max_order,
                    ..
                } => withheld(step(index, "quantity"), format!("at most maxOrder ({max_order})")),
                _ => withheld(format!("{argument}.steps"), format!("1 to {MAX_STEPS} steps")),
            }
        })
    }

    /// Checks the order against what its listing asks of its size.
    ///
    /// # Errors
    /// [`ContractError::BadArgument`] naming the step below `argument`, without the order's content.
    pub fn check_size(&self, argument: &str, terms: &Terms) -> Result<(), ContractError> {
        if self.steps.len() > usize::from(terms.max_steps) {
            return Err(ContractError::argument(
                format!("{argument}.steps"),
                format_args!("{} steps", self.steps.len()),
                format!("1 to {} steps (maxSteps)", terms.max_steps),
            ));
        }
        match self.steps.iter().position(|step| step.quantity < terms.min_order) {
            Some(index) => Err(ContractError::argument(
                format!("{argument}.steps[{index}].quantity"),
                "withheld",
                format!("at least minOrder ({})", terms.min_order),
            )),
            None => Ok(()),
        }
    }

    /// The investor's name.
    #[must_use]
    pub fn investor(&self) -> &str {
        &self.investor
    }

    /// The steps, as they were sent.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The salt.
    #[must_use]
    pub fn salt(&self) -> Salt {
        Salt::new(self.salt)
    }
}

impl fmt::Debug for PrivateOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateOrder(..)")
    }
}

/// Parses secret JSON. What serde says of a wrong field name is passed on; what it says of a wrong value would quote the
/// value, so only its place is.
fn parse_secret<'a, T: Deserialize<'a>>(
    argument: &str,
    bytes: &'a [u8],
    allowed: &'static str,
) -> Result<T, ContractError> {
    json(bytes).map_err(|(path, error)| {
        let text = error.to_string();
        let names_only = ["unknown field", "missing field", "duplicate field"]
            .iter()
            .any(|start| text.starts_with(start));
        let reason = if names_only {
            text
        } else {
            format!(
                "not of this form at line {} column {}",
                error.line(),
                error.column()
            )
        };
        ContractError::BadJson {
            argument: format!("{argument}{path}"),
            reason,
            allowed,
        }
    })
}

#[cfg(test)]
mod tests {
    use order_commitments::PriceGrid;
    use proptest::prelude::*;

    use super::*;

    const SALT: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    fn rules() -> OrderRules {
        OrderRules::new(PriceGrid::new(500, 1000, 100).unwrap(), 10, 10_000).unwrap()
    }

    fn sent(investor: &str, steps: &str, salt: &str) -> Result<PrivateOrder, ContractError> {
        let json = format!(r#"{{"investor":"{investor}","steps":{steps},"salt":"{salt}"}}"#);
        PrivateOrder::from_transient("order", json.as_bytes())
    }

    fn refusal(steps: &str) -> ContractError {
        sent("Ann", steps, SALT)
            .unwrap()
            .schedule("order", &rules())
            .unwrap_err()
    }

    #[test]
    fn each_broken_rule_has_its_code_and_quotes_nothing() {
        for (steps, code, named) in [
            (
                r#"[{"price":777,"quantity":7770}]"#,
                "OFF_GRID_PRICE",
                "steps[0].price",
            ),
            (
                r#"[{"price":600,"quantity":7770},{"price":700,"quantity":7780}]"#,
                "RISING_SCHEDULE",
                "steps[1].quantity",
            ),
            (
                r#"[{"price":600,"quantity":7770},{"price":600,"quantity":7770}]"#,
                "BAD_ARGUMENT",
                "steps[1].price",
            ),
            (
                r#"[{"price":600,"quantity":7777}]"#,
                "BAD_ARGUMENT",
                "steps[0].quantity",
            ),
            (
                r#"[{"price":600,"quantity":77770}]"#,
                "BAD_ARGUMENT",
                "steps[0].quantity",
            ),
        ] {
            let error = refusal(steps);
            let message = error.to_string();
            assert_eq!(error.code(), code, "{message}");
            assert!(message.contains(named) && !message.contains('7'), "{message}");
        }
    }

    #[test]
    fn a_form_that_is_not_an_order_is_refused_by_name_without_its_values() {
        for (json, named) in [
            (r#"{"investor":"Secret","steps":[]}"#, "order.steps"),
            (
                r#"{"investor":"Secret","steps":[],"salt":"Secret"}"#,
                "order.steps",
            ),
            (
                r#"{"investor":"Secret","salt":"Secret"}"#,
                "missing field `steps`",
            ),
            (
                r#"{"investor":"S","investor":"Secret","steps":[],"salt":""}"#,
                "duplicate field `investor`",
            ),
            (
                r#"{"investor":"Secret","steps":[{"price":1,"quantity":1,"colour":"Secret"}],"salt":""}"#,
                "unknown field `colour`",
            ),
            (
                r#"{"investor":"Secret","steps":[{"price":"Secret","quantity":1}],"salt":""}"#,
                "line 1",
            ),
            (r#"{"investor":"Secret","steps":"Secret","salt":""}"#, "line 1"),
            (r#""Secret""#, "line 1"),
            ("", "order"),
        ] {
            let message = PrivateOrder::from_transient("order", json.as_bytes())
                .unwrap_err()
                .to_string();
            assert!(
                message.contains(named) && !message.contains("Secret"),
                "{json}: {message}"
            );
        }
    }

    #[test]
    fn a_salt_is_required_and_is_thirty_two_bytes() {
        let json = br#"{"investor":"Ann","steps":[{"price":600,"quantity":10}]}"#;
        assert_eq!(
            PrivateOrder::from_transient("order", json).unwrap_err().code(),
            "MISSING_SALT"
        );
        for salt in [
            "",
            "00",
            &"0".repeat(64),
            &"g".repeat(64),
            &SALT[1..],
            &format!("{SALT}00"),
        ] {
            let error = sent("Ann", r#"[{"price":600,"quantity":10}]"#, salt).unwrap_err();
            assert!(error.to_string().contains("order.salt"), "{error}");
        }
    }

    #[test]
    fn debug_prints_nothing() {
        let order = sent("Ann", r#"[{"price":600,"quantity":10}]"#, SALT).unwrap();
        assert_eq!(format!("{order:?}"), "PrivateOrder(..)");
    }

    #[test]
    fn the_stored_form_is_fixed() {
        let order = sent(
            "Ann",
            r#"[{"price":600,"quantity":20},{"price":"market","quantity":10}]"#,
            SALT,
        )
        .unwrap();
        let expected = format!("0103416e6e02{:016x}{:016x}{:016x}{:016x}{SALT}", 600, 20, 0, 10);
        assert_eq!(hex::encode(order.to_bytes().as_slice()), expected);
    }

    proptest! {
        #[test]
        fn stored_form_round_trips(
            investor in "[a-zA-Z é]{1,60}",
            steps in prop::collection::vec((prop::option::of(1..u64::MAX), any::<u64>()), 1..=10),
            salt in prop::array::uniform32(1u8..),
        ) {
            let steps: Vec<_> = steps.into_iter().map(|(price, quantity)| Step {
                price: price.map_or(Price::Market, Price::At),
                quantity,
            }).collect();
            let order = PrivateOrder { investor, steps, salt };
            let bytes = order.to_bytes();
            prop_assert!(PrivateOrder::from_bytes(&bytes) == Some(order));
            for cut in 0..bytes.len() {
                prop_assert!(PrivateOrder::from_bytes(&bytes[..cut]).is_none());
            }
        }

        #[test]
        fn any_bytes_are_refused_or_are_the_one_form_of_an_order(
            mut bytes in prop::collection::vec(any::<u8>(), 0..120), head in 0u8..3,
        ) {
            if let Some(first) = bytes.first_mut() {
                *first = head;
            }
            if let Some(order) = PrivateOrder::from_bytes(&bytes) {
                let again = order.to_bytes();
                prop_assert_eq!(again.as_slice(), bytes.as_slice());
            }
        }

        #[test]
        fn any_json_is_refused_or_read_without_panic(text in ".{0,80}") {
            let _ = PrivateOrder::from_transient("order", text.as_bytes());
            let _ = PrivateOrder::list_from_transient("orders", text.as_bytes());
        }
    }
}
