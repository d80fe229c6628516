//! Which ids a query looks at. Without an index CouchDB goes through all documents, by the bytes of their ids, from the lowest to the highest
//! that the selector leaves (`mango_idx_view.erl`); it finds these two by the order of texts, which is another one, so that a
//! range may come out empty that by bytes is not.

use super::{
    collation::collate,
    condition::{Comparison, Condition},
    refusal::Refusal,
    selector::Selector,
};
use serde_json::Value;
use std::{collections::BTreeSet, ops::Bound};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edge {
    Open,
    Closed,
    Exact,
}

/// None: no bound.
#[derive(Debug, Clone, PartialEq)]
struct Range {
    low: Option<(Edge, Value)>,
    high: Option<(Edge, Value)>,
}

/// Where a value lies.
enum Place {
    Below,
    Low,
    Between,
    High,
    Above,
}

pub(super) type Ids = (Bound<String>, Bound<String>);

/// Bounds of the ids; none when nothing can match.
pub(super) fn ids(selector: &Selector) -> Result<Option<Ids>, Refusal> {
    let range = id_range(selector)?;
    Ok(range.filter(|_| !nothing(selector)).map(Range::ids))
}
/// The first field, in the order of their names, whose range is empty hides those after it.
fn id_range(selector: &Selector) -> Result<Option<Range>, Refusal> {
    let unbounded = Range {
        low: None,
        high: None,
    };
    let mut fields = BTreeSet::new();
    ranged_fields(selector, &mut fields);
    for field in &fields {
        match narrowed(selector, field, unbounded.clone())? {
            range if *field == "_id" => return Ok(range),
            Some(_) => {}
            None => break,
        }
    }
    Ok(Some(unbounded))
}

/// At the top, these of nothing are nothing.
fn nothing(selector: &Selector) -> bool {
    matches!(selector, Selector::And(list) | Selector::Or(list) if list.is_empty())
}

/// Whether the selector bounds a field, so that sorting by it could be asked for.
pub(super) fn bounds(selector: &Selector, field: &str) -> bool {
    let mut fields = BTreeSet::new();
    ranged_fields(selector, &mut fields);
    fields.contains(field)
}

fn ranged_fields<'a>(selector: &'a Selector, fields: &mut BTreeSet<&'a str>) {
    match selector {
        Selector::And(selectors) => selectors
            .iter()
            .for_each(|selector| ranged_fields(selector, fields)),
        Selector::Field(name, condition) => {
            let bounding = match &**condition {
                Selector::Condition(Condition::Compare(comparison, _)) => *comparison != Comparison::NotEqual,
                Selector::Condition(Condition::BeginsWith(_) | Condition::Exists(_)) => true,
                _ => false,
            };
            if bounding {
                fields.insert(name);
            }
        }
        _ => {}
    }
}

/// The range after a selector's conditions on a field; none: empty.
fn narrowed(selector: &Selector, field: &str, range: Range) -> Result<Option<Range>, Refusal> {
    let condition = match selector {
        Selector::And(selectors) => {
            let mut range = Some(range);
            for selector in selectors {
                range = range.map_or(Ok(None), |range| narrowed(selector, field, range))?;
            }
            return Ok(range);
        }
        Selector::Field(name, condition) if name == field => condition,
        _ => return Ok(Some(range)),
    };
    Ok(match &**condition {
        Selector::Condition(Condition::Compare(comparison, value)) => range.with(*comparison, value),
        Selector::Condition(Condition::BeginsWith(prefix)) => {
            let last = Value::from(format!("{prefix}\u{FFFF}"));
            let from = range.with(Comparison::GreaterOrEqual, &Value::from(prefix.as_str()));
            // CouchDB does not expect that the range is empty by now.
            let from = from.ok_or_else(|| Refusal::CouchDb {
                status: 500,
                error: "badmatch",
                reason: "empty".to_owned(),
            })?;
            from.with(Comparison::LessOrEqual, &last)
        }
        _ => Some(range),
    })
}

impl Range {
    fn ids(self) -> Ids {
        // Anything that is no text comes before all texts.
        let low = match self.low {
            Some((_, Value::String(id))) => Bound::Included(id),
            _ => Bound::Unbounded,
        };
        let high = match self.high {
            Some((_, Value::String(id))) => Bound::Included(id),
            // No id is below the empty text.
            Some(_) => Bound::Excluded(String::new()),
            None => Bound::Unbounded,
        };
        (low, high)
    }

    fn place(&self, value: &Value) -> Place {
        let low = self.low.as_ref().map(|(_, low)| collate(value, low));
        let high = self.high.as_ref().map(|(_, high)| collate(value, high));
        match (low, high) {
            (Some(low), _) if low.is_lt() => Place::Below,
            (Some(low), _) if low.is_eq() => Place::Low,
            (_, Some(high)) if high.is_gt() => Place::Above,
            (_, Some(high)) if high.is_eq() => Place::High,
            _ => Place::Between,
        }
    }

    fn includes_low(&self) -> bool {
        matches!(self.low, Some((Edge::Closed | Edge::Exact, _)))
    }

    fn includes_high(&self) -> bool {
        matches!(self.high, Some((Edge::Closed | Edge::Exact, _)))
    }

    fn with(self, comparison: Comparison, value: &Value) -> Option<Self> {
        let place = self.place(value);
        let edge = |edge| Some((edge, value.clone()));
        let exactly = Self {
            low: edge(Edge::Exact),
            high: edge(Edge::Exact),
        };
        match (comparison, place) {
            (Comparison::Less, Place::Between | Place::High) => Some(Self {
                high: edge(Edge::Open),
                ..self
            }),
            (Comparison::Less, Place::Below | Place::Low) => None,
            (Comparison::LessOrEqual, Place::Between) => Some(Self {
                high: edge(Edge::Closed),
                ..self
            }),
            (Comparison::LessOrEqual | Comparison::Equal, Place::Low) => {
                self.includes_low().then_some(exactly)
            }
            (Comparison::LessOrEqual, Place::Below) => None,
            (Comparison::Equal, Place::Between) => Some(exactly),
            (Comparison::Equal | Comparison::GreaterOrEqual, Place::High) => {
                self.includes_high().then_some(exactly)
            }
            (Comparison::Equal, Place::Below | Place::Above) => None,
            (Comparison::GreaterOrEqual, Place::Between) => Some(Self {
                low: edge(Edge::Closed),
                ..self
            }),
            (Comparison::Greater, Place::Low | Place::Between) => Some(Self {
                low: edge(Edge::Open),
                ..self
            }),
            (Comparison::Greater, Place::High) => None,
            (Comparison::Greater | Comparison::GreaterOrEqual, Place::Above) => None,
            // The range is narrower already.
            (Comparison::Less | Comparison::LessOrEqual, Place::High | Place::Above)
            | (Comparison::Greater | Comparison::GreaterOrEqual, Place::Below | Place::Low)
            | (Comparison::NotEqual, _) => Some(self),
        }
    }
}
