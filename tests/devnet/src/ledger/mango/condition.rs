//! Conditions on a value: what their arguments may be, and which is the opposite of which.

use super::refusal::Refusal;
use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;
use std::cmp::Ordering;

#[derive(Debug, Clone)]
pub(super) enum Condition {
    Compare(Comparison, Value),
    In(Vec<Value>),
    NotIn(Vec<Value>),
    Exists(bool),
    /// A type's name; one that there is not matches nothing.
    Type(String),
    /// Divisor and remainder, both integers.
    Remainder(i128, i128),
    Expression(Regex),
    BeginsWith(String),
    HasAll(Vec<Value>),
    Size(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

impl Comparison {
    pub(super) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Greater => order.is_gt(),
        }
    }

    fn opposite(self) -> Self {
        match self {
            Self::Less => Self::GreaterOrEqual,
            Self::LessOrEqual => Self::Greater,
            Self::Equal => Self::NotEqual,
            Self::NotEqual => Self::Equal,
            Self::GreaterOrEqual => Self::Less,
            Self::Greater => Self::LessOrEqual,
        }
    }
}

impl Condition {
    /// `operator` starts with `$`.
    pub(super) fn parse(operator: &str, argument: &Value) -> Result<Self, Refusal> {
        let wrong = || Refusal::argument(operator, argument);
        let compare = |comparison| Self::Compare(comparison, argument.clone());
        let list = || argument.as_array().cloned().ok_or_else(wrong);
        Ok(match operator {
            "$lt" => compare(Comparison::Less),
            "$lte" => compare(Comparison::LessOrEqual),
            "$eq" => compare(Comparison::Equal),
            "$ne" => compare(Comparison::NotEqual),
            "$gte" => compare(Comparison::GreaterOrEqual),
            "$gt" => compare(Comparison::Greater),
            "$in" => Self::In(list()?),
            "$nin" => Self::NotIn(list()?),
            "$all" => Self::HasAll(list()?),
            "$exists" => Self::Exists(argument.as_bool().ok_or_else(wrong)?),
            "$type" => Self::Type(argument.as_str().ok_or_else(wrong)?.to_owned()),
            "$size" => Self::Size(argument.as_u64().ok_or_else(wrong)?),
            "$mod" => {
                let integer = |value: &Value| value.as_number().and_then(serde_json::Number::as_i128);
                match argument.as_array().map(Vec::as_slice) {
                    Some([divisor, remainder]) => {
                        let both = integer(divisor).zip(integer(remainder));
                        let (divisor, remainder) = both.ok_or_else(wrong)?;
                        Self::Remainder(divisor, remainder)
                    }
                    _ => return Err(wrong()),
                }
            }
            // Of these two CouchDB says that there is no such operator when the argument is no text.
            "$regex" => Self::Expression(expression(
                argument.as_str().ok_or_else(|| Refusal::operator(operator))?,
            )?),
            "$beginsWith" => Self::BeginsWith(
                argument
                    .as_str()
                    .ok_or_else(|| Refusal::operator(operator))?
                    .to_owned(),
            ),
            "$where" | "$geoWithin" | "$geoIntersects" | "$near" | "$nearSphere" => {
                return Err(Refusal::new(
                    "not_supported",
                    format!("Unsupported operator: {operator}"),
                ));
            }
            _ => return Err(Refusal::operator(operator)),
        })
    }

    /// The condition that holds exactly when this one does not, on values that are there; itself when there is none.
    pub(super) fn opposite(self) -> Result<Self, Self> {
        Ok(match self {
            Self::Compare(comparison, argument) => Self::Compare(comparison.opposite(), argument),
            Self::In(values) => Self::NotIn(values),
            Self::NotIn(values) => Self::In(values),
            Self::Exists(exists) => Self::Exists(!exists),
            other => return Err(other),
        })
    }
}

/// An expression over bytes, as CouchDB's are. It has PCRE; what only PCRE knows is refused in words of its own, so that nobody takes it for
/// CouchDB's refusal.
fn expression(pattern: &str) -> Result<Regex, Refusal> {
    let mut builder = RegexBuilder::new(pattern);
    match builder.unicode(false).build() {
        Ok(expression) => Ok(expression),
        Err(error) if only_in_pcre(&error.to_string()) => {
            let reason =
                format!("the devnet's expressions have no look-around and no backreferences: {pattern}");
            Err(Refusal::new("not_supported", reason))
        }
        Err(_) => Err(Refusal::argument("$regex", &Value::from(pattern))),
    }
}

fn only_in_pcre(error: &str) -> bool {
    error.contains("look-around") || error.contains("backreferences")
}
