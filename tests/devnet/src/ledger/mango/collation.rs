//! CouchDB's order of JSON values (`couch_ejson_compare`): null, booleans, numbers, strings, arrays, objects; strings by the
//! Unicode collation algorithm with the root locale's order, where what is ignored makes no difference at all.

use icu_collator::{Collator, CollatorBorrowed, options::CollatorOptions};
use serde_json::{Number, Value};
use std::{cmp::Ordering, sync::LazyLock};

static COLLATOR: LazyLock<CollatorBorrowed<'static>> = LazyLock::new(|| {
    Collator::try_new(Default::default(), CollatorOptions::default()).expect("the root order is compiled in")
});

/// By which order values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Collated,
    /// Erlang's own, for documents' ids: texts by their bytes, and after all else.
    Raw,
}

impl Order {
    pub(super) fn compare(self, left: &Value, right: &Value) -> Ordering {
        match self {
            Self::Collated => collate(left, right),
            Self::Raw => raw(left, right),
        }
    }
}

/// Erlang's order of terms: numbers, atoms by their names, objects (tuples), arrays, texts.
fn raw(left: &Value, right: &Value) -> Ordering {
    let term = |value: &Value| match value {
        Value::Number(_) => (0, ""),
        Value::Bool(false) => (1, "false"),
        Value::Null => (1, "null"),
        Value::Bool(true) => (1, "true"),
        Value::Object(_) => (2, ""),
        Value::Array(_) => (3, ""),
        Value::String(_) => (4, ""),
    };
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => collate_numbers(left, right),
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Array(left), Value::Array(right)) => first_difference(left, right, raw),
        (Value::Object(left), Value::Object(right)) => first_difference(left, right, |left, right| {
            left.0.cmp(right.0).then_with(|| raw(left.1, right.1))
        }),
        _ => term(left).cmp(&term(right)),
    }
}

/// The order of the first two that differ, or of the lengths.
fn first_difference<T>(
    left: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
    right: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
    compare: impl Fn(T, T) -> Ordering,
) -> Ordering {
    let (left, right) = (left.into_iter(), right.into_iter());
    let lengths = left.len().cmp(&right.len());
    let mut orders = left.zip(right).map(|(left, right)| compare(left, right));
    orders.find(|order| order.is_ne()).unwrap_or(lengths)
}

pub(super) fn collate(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => collate_numbers(left, right),
        (Value::String(left), Value::String(right)) => collate_texts(left, right),
        (Value::Array(left), Value::Array(right)) => first_difference(left, right, collate),
        (Value::Object(left), Value::Object(right)) => first_difference(left, right, |left, right| {
            collate_texts(left.0, right.0).then_with(|| collate(left.1, right.1))
        }),
        _ => rank(left).cmp(&rank(right)),
    }
}

pub(super) fn collate_texts(left: &str, right: &str) -> Ordering {
    COLLATOR.compare(left, right)
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Bool(false) => 1,
        Value::Bool(true) => 2,
        Value::Number(_) => 3,
        Value::String(_) => 4,
        Value::Array(_) => 5,
        Value::Object(_) => 6,
    }
}

/// Exactly, whether integers or floats.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "whole floats below 2^127 are exact"
)]
fn collate_numbers(left: &Number, right: &Number) -> Ordering {
    let whole = |number: &Number| {
        let float = number
            .as_f64()
            .filter(|float| float.fract() == 0.0 && float.abs() < 1.7e38);
        number.as_i128().or_else(|| float.map(|float| float as i128))
    };
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => {
            // At least one has a fraction or is beyond all integers: rounding the other cannot pass it.
            let float = |number: &Number| number.as_f64().unwrap_or(0.0);
            float(left).total_cmp(&float(right))
        }
    }
}

/// Erlang's `=:=`: bytes of strings, and an integer is no float.
pub(super) fn identical(left: &Value, right: &Value) -> bool {
    left == right
}

/// Erlang's `==`: bytes of strings, and numbers by what they are worth.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => collate_numbers(left, right).is_eq(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let mut pairs = left.iter().zip(right);
            left.len() == right.len() && pairs.all(|(left, right)| left.0 == right.0 && same(left.1, right.1))
        }
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::values, *};
    use proptest::prelude::*;
    use serde_json::json;

    /// The order that CouchDB's documentation gives for views.
    #[test]
    fn values_are_in_couchdbs_order() {
        let ascending = [
            json!(null),
            json!(false),
            json!(true),
            json!(1),
            json!(2),
            json!(3.0),
            json!(4),
            json!("a"),
            json!("A"),
            json!("aa"),
            json!("b"),
            json!("B"),
            json!("ba"),
            json!("bb"),
            json!(["a"]),
            json!(["b"]),
            json!(["b", "c"]),
            json!(["b", "c", "a"]),
            json!(["b", "d"]),
            json!({"a": 1}),
            json!({"a": 2}),
            json!({"b": 1}),
            json!({"b": 2}),
            json!({"b": 2, "c": 2}),
        ];
        for (place, left) in ascending.iter().enumerate() {
            for (other, right) in ascending.iter().enumerate() {
                assert_eq!(collate(left, right), place.cmp(&other), "{left} {right}");
            }
        }
    }

    #[test]
    fn texts_that_differ_in_ignored_characters_are_equal() {
        assert_eq!(collate(&json!("a\0"), &json!("a")), Ordering::Equal);
        assert_eq!(collate(&json!("e\u{301}"), &json!("é")), Ordering::Equal);
        assert_eq!(Order::Raw.compare(&json!("a\0"), &json!("a")), Ordering::Greater);
        assert_eq!(Order::Raw.compare(&json!("B"), &json!("a")), Ordering::Less);
        assert_eq!(collate(&json!("B"), &json!("a")), Ordering::Greater);
    }

    #[test]
    fn ids_are_in_erlangs_order() {
        let ascending = [
            json!(-1),
            json!(2),
            json!(false),
            json!(null),
            json!(true),
            json!({}),
            json!({"a": 2}),
            json!({"b": 1}),
            json!([]),
            json!([1, 2]),
            json!(["A"]),
            json!(["a"]),
            json!(""),
            json!("B"),
            json!("a"),
            json!("é"),
        ];
        for (place, left) in ascending.iter().enumerate() {
            for (other, right) in ascending.iter().enumerate() {
                assert_eq!(
                    Order::Raw.compare(left, right),
                    place.cmp(&other),
                    "{left} {right}"
                );
            }
        }
    }

    #[test]
    fn numbers_are_compared_exactly() {
        let big = 9_007_199_254_740_993_i64;
        assert_eq!(
            collate(&json!(big), &json!(9_007_199_254_740_992.0)),
            Ordering::Greater
        );
        assert_eq!(collate(&json!(5), &json!(5.0)), Ordering::Equal);
        assert_eq!(collate(&json!(1e300), &json!(u64::MAX)), Ordering::Greater);
        assert!(!identical(&json!(5), &json!(5.0)));
        assert!(same(&json!([{"a": 5}]), &json!([{"a": 5.0}])));
        assert!(!same(&json!(["a\0"]), &json!(["a"])));
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in values(), b in values(), c in values()) {
            prop_assert_eq!(collate(&a, &a), Ordering::Equal);
            prop_assert_eq!(collate(&a, &b), collate(&b, &a).reverse());
            if collate(&a, &b).is_le() && collate(&b, &c).is_le() {
                prop_assert!(collate(&a, &c).is_le());
            }
        }
    }
}
