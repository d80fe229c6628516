//! Whether a value is as a selector says.

use super::{
    collation::{Order, identical, same},
    condition::Condition,
    path,
    refusal::Refusal,
    selector::{Elements, Selector},
};
use serde_json::Value;

type Matched = Result<bool, Refusal>;

impl Selector {
    pub(super) fn matches(&self, document: &Value) -> Matched {
        self.holds(document, Order::Collated)
    }

    fn holds(&self, value: &Value, order: Order) -> Matched {
        match self {
            Self::Anything | Self::Text(_) => Ok(true),
            Self::And(selectors) => {
                for selector in selectors {
                    if !selector.holds(value, order)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Or(selectors) => {
                for selector in selectors {
                    if selector.holds(value, order)? {
                        return Ok(true);
                    }
                }
                Ok(selectors.is_empty())
            }
            Self::Nor(_) => Err(Refusal::operator("$nor")),
            Self::Not(selector) => selector.holds(value, order).map(|holds| !holds),
            Self::Field(name, selector) if name.is_empty() => selector.holds(value, order),
            Self::Field(name, selector) => match path::get(value, &path::parse(name)?) {
                path::Found::Value(value) if name == "_id" => selector.holds(value, Order::Raw),
                path::Found::Value(value) => selector.holds(value, order),
                path::Found::Missing => Ok(matches!(**selector, Self::Condition(Condition::Exists(false)))),
                path::Found::Impassable => Ok(false),
            },
            Self::Elements(which, selector) => Ok(which.hold(selector, value, order)),
            Self::Condition(condition) => condition.holds(value, order),
        }
    }
}

impl Elements {
    /// CouchDB takes an error in here for no match.
    fn hold(self, selector: &Selector, value: &Value, order: Order) -> bool {
        let any = |values: &mut dyn Iterator<Item = &Value>| {
            let decided = values
                .map(|value| selector.holds(value, order))
                .find(|held| !matches!(held, Ok(false)));
            matches!(decided, Some(Ok(true)))
        };
        match (self, value) {
            (Self::Any, Value::Array(items)) => any(&mut items.iter()),
            (Self::All, Value::Array(items)) => {
                let all = items
                    .iter()
                    .all(|item| matches!(selector.holds(item, order), Ok(true)));
                all && !items.is_empty()
            }
            (Self::AnyKey, Value::Object(fields)) => {
                let names: Vec<Value> = fields.keys().map(|name| Value::from(name.as_str())).collect();
                any(&mut names.iter())
            }
            _ => false,
        }
    }
}

impl Condition {
    fn holds(&self, value: &Value, order: Order) -> Matched {
        let equal = |left: &Value, right: &Value| order.compare(left, right).is_eq();
        Ok(match self {
            Self::Compare(comparison, argument) => comparison.holds(order.compare(value, argument)),
            Self::In(arguments) => is_in(value, arguments, equal),
            Self::NotIn(arguments) => !is_in(value, arguments, equal),
            // What is not there was dealt with where it was looked for.
            Self::Exists(exists) => *exists,
            Self::Type(name) => name == type_of(value),
            Self::Remainder(divisor, remainder) => {
                let Some(number) = value.as_number().and_then(serde_json::Number::as_i128) else {
                    return Ok(false);
                };
                let found = number
                    .checked_rem(*divisor)
                    .ok_or_else(|| Refusal::unknown("badarith"))?;
                found == *remainder
            }
            Self::Expression(expression) => value
                .as_str()
                .is_some_and(|text| expression.is_match(text.as_bytes())),
            Self::BeginsWith(prefix) => value
                .as_str()
                .is_some_and(|text| text.starts_with(prefix.as_str())),
            Self::HasAll(arguments) => has_all(value, arguments),
            Self::Size(size) => value.as_array().is_some_and(|items| items.len() as u64 == *size),
        })
    }
}

/// Of an array the elements are looked for, not the array.
fn is_in(value: &Value, arguments: &[Value], equal: impl Fn(&Value, &Value) -> bool) -> bool {
    arguments.iter().any(|argument| match value {
        Value::Array(items) => items.iter().any(|item| equal(item, argument)),
        single => equal(single, argument),
    })
}

fn has_all(value: &Value, arguments: &[Value]) -> bool {
    let Value::Array(items) = value else { return false };
    let all = arguments
        .iter()
        .all(|argument| items.iter().any(|item| identical(item, argument)));
    // Or the array itself, given as the only one.
    let whole = matches!(arguments, [only @ Value::Array(_)] if same(only, value));
    !arguments.is_empty() && (all || whole)
}

pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
