//! A selector as it was written, brought into the form in which it is matched (CouchDB's `mango_selector.erl`): operators explicit,
//! field names joined and pushed down to the conditions on them, negations pushed as far down as they go.

use super::{
    condition::{Comparison, Condition},
    refusal::Refusal,
    term::Term,
};
use serde_json::{Map, Value, json};

#[derive(Debug, Clone)]
pub(super) enum Selector {
    /// `{}`, at the top alone.
    Anything,
    And(Vec<Selector>),
    Or(Vec<Selector>),
    /// Below a match of elements only; elsewhere it has become an `And`.
    Nor(Vec<Selector>),
    Not(Box<Selector>),
    /// A field's name with all that it is nested in, and the condition on it. Empty: the value itself.
    Field(String, Box<Selector>),
    Elements(Elements, Box<Selector>),
    Condition(Condition),
    /// A search for text: believed, since there is no index of texts.
    Text(Value),
}

/// Which of an array's elements, or of an object's keys, must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Elements {
    Any,
    All,
    AnyKey,
}

impl Selector {
    pub(super) fn parse(selector: &Value) -> Result<Self, Refusal> {
        let fields = selector.as_object().ok_or_else(|| {
            let reason = format!("Selector must be a JSON object, not: {}", Term(selector));
            Refusal::new("invalid_selector_json", reason)
        })?;
        if fields.is_empty() {
            return Ok(Self::Anything);
        }
        let selector = explicit(selector)?.with_fields("")?.without_negations()?;
        if matches!(&selector, Self::Field(name, _) if name.is_empty()) {
            let reason = "One or more conditions is missing a field name.";
            return Err(Refusal::new("invalid_selector", reason));
        }
        Ok(selector)
    }

    /// Pushes field names down to the conditions.
    fn with_fields(self, path: &str) -> Result<Self, Refusal> {
        let all = |selectors: Vec<Self>| -> Result<Vec<Self>, Refusal> {
            selectors
                .into_iter()
                .map(|selector| selector.with_fields(path))
                .collect()
        };
        let here = |selector| Self::Field(path.to_owned(), Box::new(selector));
        Ok(match self {
            Self::Anything => Self::Anything,
            Self::And(selectors) => Self::And(all(selectors)?),
            Self::Or(selectors) => Self::Or(all(selectors)?),
            Self::Nor(selectors) => Self::Nor(all(selectors)?),
            Self::Not(selector) => Self::Not(Box::new(selector.with_fields(path)?)),
            Self::Elements(which, selector) => {
                here(Self::Elements(which, Box::new(selector.with_fields("")?)))
            }
            Self::Text(field) if path.is_empty() && field.as_object().is_some_and(is_text) => {
                Self::Text(field)
            }
            Self::Text(field) => {
                let selector = json!({ "$default": field });
                let reason = format!("Invalid field normalization on selector: {}", Term(&selector));
                return Err(Refusal::new("bad_field", reason));
            }
            condition @ Self::Condition(_) => here(condition),
            Self::Field(name, selector) if path.is_empty() => selector.with_fields(&name)?,
            Self::Field(name, selector) => selector.with_fields(&format!("{path}.{name}"))?,
        })
    }

    fn without_negations(self) -> Result<Self, Refusal> {
        Ok(match self {
            Self::Not(selector) => selector.negated()?,
            Self::Nor(selectors) => Self::And(each(selectors, Self::negated)?),
            Self::And(selectors) => Self::And(each(selectors, Self::without_negations)?),
            Self::Or(selectors) => Self::Or(each(selectors, Self::without_negations)?),
            // A field's condition is left alone, and with it all that is below a match of elements.
            other => other,
        })
    }

    fn negated(self) -> Result<Self, Refusal> {
        Ok(match self {
            Self::Not(selector) => selector.without_negations()?,
            Self::Nor(selectors) => Self::Or(each(selectors, Self::without_negations)?),
            Self::And(selectors) => Self::Or(each(selectors, Self::negated)?),
            Self::Or(selectors) => Self::And(each(selectors, Self::negated)?),
            Self::Text(field) => return Err(Refusal::argument("$not", &json!({ "$default": field }))),
            Self::Field(name, selector) => Self::Field(name, Box::new(selector.negated()?)),
            Self::Condition(condition) => match condition.opposite() {
                Ok(opposite) => Self::Condition(opposite),
                Err(condition) => Self::Not(Box::new(Self::Condition(condition))),
            },
            other @ (Self::Elements(..) | Self::Anything) => Self::Not(Box::new(other)),
        })
    }
}

fn each(
    selectors: Vec<Selector>,
    change: fn(Selector) -> Result<Selector, Refusal>,
) -> Result<Vec<Selector>, Refusal> {
    selectors.into_iter().map(change).collect()
}

/// Whether `$default` holds a search for text and nothing else.
fn is_text(field: &Map<String, Value>) -> bool {
    field.len() == 1 && field.contains_key("$text")
}

/// Operators for what is implied: several entries are an `$and`, a bare value is `$eq`.
fn explicit(value: &Value) -> Result<Selector, Refusal> {
    let Some(entries) = value.as_object().filter(|entries| !entries.is_empty()) else {
        let equal = Condition::Compare(Comparison::Equal, value.clone());
        return Ok(Selector::Condition(equal));
    };
    let mut selectors = Vec::with_capacity(entries.len());
    for (name, argument) in entries {
        selectors.push(entry(name, argument)?);
    }
    let only = (selectors.len() == 1).then(|| selectors.pop()).flatten();
    Ok(only.unwrap_or(Selector::And(selectors)))
}

fn entry(name: &str, argument: &Value) -> Result<Selector, Refusal> {
    let list = || -> Result<Vec<Selector>, Refusal> {
        let arguments = argument
            .as_array()
            .ok_or_else(|| Refusal::argument(name, argument))?;
        arguments.iter().map(explicit).collect()
    };
    let one = || -> Result<Box<Selector>, Refusal> {
        if !argument.is_object() {
            return Err(Refusal::argument(name, argument));
        }
        explicit(argument).map(Box::new)
    };
    Ok(match name {
        "$and" => Selector::And(list()?),
        "$or" => Selector::Or(list()?),
        "$nor" => Selector::Nor(list()?),
        "$not" => Selector::Not(one()?),
        "$elemMatch" => Selector::Elements(Elements::Any, one()?),
        "$allMatch" => Selector::Elements(Elements::All, one()?),
        "$keyMapMatch" => Selector::Elements(Elements::AnyKey, one()?),
        "$text" if matches!(argument, Value::String(_) | Value::Number(_) | Value::Bool(_)) => {
            Selector::Text(json!({ "$text": argument }))
        }
        "$text" => return Err(Refusal::argument(name, argument)),
        "$default" => Selector::Text(argument.clone()),
        operator if operator.starts_with('$') => Selector::Condition(Condition::parse(operator, argument)?),
        field => Selector::Field(field.to_owned(), Box::new(explicit(argument)?)),
    })
}
