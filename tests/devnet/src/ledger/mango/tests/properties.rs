//! What holds for all selectors.

use super::{ask, entries, entry, keys, some, values};
use crate::ledger::mango::{
    Query, collation, condition::Comparison, document, matching::type_of, selector::Selector,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Selectors of all operators, right and wrong arguments.
fn selectors() -> impl Strategy<Value = Value> {
    let comparison = prop::sample::select(vec!["$lt", "$lte", "$eq", "$ne", "$gte", "$gt"]);
    let other = prop::sample::select(vec![
        "$in",
        "$nin",
        "$all",
        "$exists",
        "$type",
        "$size",
        "$mod",
        "$regex",
        "$beginsWith",
        "$no",
        "a",
        "b.c",
        "",
    ]);
    let condition = prop_oneof![
        (comparison, values()).prop_map(|(operator, argument)| json!({ operator: argument })),
        (other, values()).prop_map(|(operator, argument)| json!({ operator: argument })),
        values(),
    ];
    condition.prop_recursive(3, 12, 3, |inner| {
        let lists = prop::sample::select(vec!["$and", "$or", "$nor"]);
        let ones = prop::sample::select(vec![
            "$not",
            "$elemMatch",
            "$allMatch",
            "$keyMapMatch",
            "a",
            "b",
            "_id",
        ]);
        prop_oneof![
            (lists, prop::collection::vec(inner.clone(), 0..3))
                .prop_map(|(name, list)| json!({ name: list })),
            (ones.clone(), inner.clone()).prop_map(|(name, one)| json!({ name: one })),
            (ones.clone(), inner.clone(), ones, inner).prop_map(|(a, one, b, two)| json!({ a: one, b: two })),
        ]
    })
}

fn document(value: &Value) -> Value {
    document::of_entry("key", &entry(&json!({ "a": value }).to_string()))
}

proptest! {
    /// A selector is refused or answered, and what it finds is what it holds for, whatever bounds it has.
    #[test]
    fn any_selector_is_refused_or_finds_what_it_holds_for(selector in selectors(), written in prop::collection::vec(values(), 0..6)) {
        let named: Vec<_> = ["", "A", "a", "b\0", "B", "é"].into_iter().zip(written.iter().map(|value| json!({"a": value, "b": 1}))).collect();
        let entries = entries(&named);
        if let Ok(page) = ask(&json!({ "selector": selector }), &entries) {
            let parsed = Selector::parse(&selector).unwrap();
            let held = |key: &str| parsed.matches(&document::of_entry(key, &entries[key])).unwrap();
            for key in keys(page) {
                prop_assert!(held(&key), "{} {}", selector, key);
            }
        }
    }

    #[test]
    fn any_text_is_refused_or_answered(text in r#"\{"(selector|sort|fields|bookmark|use_index)":[ {}\[\]:,"$a-e0-9\\._]{0,24}\}"#) {
        if let Ok(query) = Query::parse(&text, "") {
            let _ = query.page(&some(), query.bookmark(), 3);
        }
    }

    /// On a field that is there, a condition or its negation holds, and comparisons are those of the order.
    #[test]
    fn comparisons_follow_the_order_and_negations_turn_them(value in values(), argument in values()) {
        let document = document(&value);
        let holds = |selector: Value| Selector::parse(&selector).unwrap().matches(&document).unwrap();
        for (name, comparison) in [
            ("$lt", Comparison::Less),
            ("$lte", Comparison::LessOrEqual),
            ("$eq", Comparison::Equal),
            ("$ne", Comparison::NotEqual),
            ("$gte", Comparison::GreaterOrEqual),
            ("$gt", Comparison::Greater),
        ] {
            let expected = comparison.holds(collation::collate(&document["a"], &argument));
            prop_assert_eq!(holds(json!({"a": {name: argument}})), expected);
            prop_assert_eq!(holds(json!({"a": {"$not": {name: argument}}})), !expected);
            prop_assert_eq!(holds(json!({"$nor": [{"a": {name: argument}}]})), !expected);
        }
        prop_assert_eq!(holds(json!({"a": {"$type": type_of(&document["a"])}})), true);
        prop_assert_eq!(holds(json!({"a": {"$in": [argument]}})), !holds(json!({"a": {"$nin": [argument]}})));
    }

    /// Page by page comes what comes at once.
    #[test]
    fn pages_are_the_whole_in_parts(numbers in prop::collection::btree_map("[aAbB\u{0}é]{1,3}", 0..4, 0..12), size in 1_usize..5, down: bool) {
        let named: Vec<_> = numbers.iter().map(|(key, number)| (key.as_str(), json!({ "n": number }))).collect();
        let entries = entries(&named);
        let sort = if down { json!([{"_id": "desc"}]) } else { json!([]) };
        let query = json!({"selector": {"_id": {"$gt": null}, "n": {"$gt": 0}}, "sort": sort}).to_string();
        let whole = Query::parse(&query, "").unwrap().page(&entries, "", 1000).unwrap().found;
        let (mut parts, mut bookmark) = (Vec::new(), String::new());
        loop {
            let page = Query::parse(&query, &bookmark).unwrap().page(&entries, &bookmark, size).unwrap();
            if page.found.is_empty() {
                break;
            }
            prop_assert!(page.found.len() <= size);
            parts.extend(page.found);
            bookmark = page.bookmark;
        }
        prop_assert_eq!(parts, whole);
    }
}
