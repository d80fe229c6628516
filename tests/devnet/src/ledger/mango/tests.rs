//! Queries over documents: what CouchDB 3.5.0 answered to the same, and properties that hold for all selectors.

use super::{
    Page, Query, Refusal, collation, condition::Comparison, document, matching::type_of, selector::Selector,
};
use crate::ledger::{StateEntry, Version};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

type Entries = BTreeMap<String, StateEntry>;

fn entry(value: &str) -> StateEntry {
    StateEntry {
        value: value.as_bytes().to_vec(),
        version: Version {
            block: 1,
            transaction: 0,
        },
        metadata: BTreeMap::new(),
    }
}

fn entries(values: &[(&str, Value)]) -> Entries {
    let values = values
        .iter()
        .map(|(key, value)| ((*key).to_owned(), entry(&value.to_string())));
    values.collect()
}

fn some() -> Entries {
    let mut some = entries(&[
        ("B", json!({"s": "Straße"})),
        ("C", json!({"s": "a\0"})),
        ("Z", json!({})),
        (
            "a",
            json!({"n": 1, "list": [1, 2, {"m": 3}], "deep": {"a.b": {"c": true}}}),
        ),
        ("b\0x", json!({"n": 7})),
        ("z\u{10FFFF}", json!({"n": 7.5, "s": "line\nfeed"})),
        ("\0t\0x\0", json!({"n": -3, "list": []})),
    ]);
    some.insert("at".to_owned(), entry("hello"));
    some
}

/// All that a query gives at once.
fn ask(query: &Value, entries: &Entries) -> Result<Page, Refusal> {
    Query::parse(&query.to_string(), "")?.page(entries, "", 1000)
}

fn keys(page: Page) -> Vec<String> {
    page.found.into_iter().map(|found| found.key).collect()
}

fn select(selector: &Value) -> Vec<String> {
    keys(ask(&json!({ "selector": selector }), &some()).unwrap())
}

fn refused(query: &Value) -> String {
    ask(query, &some()).unwrap_err().to_string()
}

#[test]
fn operators_select_as_couchdbs_do() {
    let none: [&str; 0] = [];
    for (selector, found) in [
        (
            json!({}),
            &["\0t\0x\0", "B", "C", "Z", "a", "at", "b\0x", "z\u{10FFFF}"][..],
        ),
        (json!({"n": 7}), &["b\0x"]),
        (json!({"n": {"$gt": 1, "$lte": 7}}), &["b\0x"]),
        (
            json!({"n": {"$lt": "text"}}),
            &["\0t\0x\0", "a", "b\0x", "z\u{10FFFF}"],
        ),
        (json!({"n": {"$ne": 7}}), &["\0t\0x\0", "a", "z\u{10FFFF}"]),
        (json!({"$not": {"n": 7}}), &["\0t\0x\0", "a", "z\u{10FFFF}"]),
        (
            json!({"$nor": [{"n": 7}, {"n": {"$lt": 0}}]}),
            &["a", "z\u{10FFFF}"],
        ),
        (json!({"$or": [{"n": 7}, {"s": "a"}]}), &["C", "b\0x"]),
        (json!({"n": {"$exists": false}}), &["B", "C", "Z", "at"]),
        (
            json!({"n": {"$type": "number"}, "list": {"$exists": true}}),
            &["\0t\0x\0", "a"],
        ),
        (json!({"n": {"$type": "numbers"}}), &none),
        (json!({"n": {"$in": [1, 7, null]}}), &["a", "b\0x"]),
        (json!({"list": {"$in": [2]}}), &["a"]),
        (json!({"list": {"$nin": [2]}}), &["\0t\0x\0"]),
        (json!({"list": {"$size": 0}}), &["\0t\0x\0"]),
        (json!({"list": {"$all": [1, {"m": 3}]}}), &["a"]),
        (json!({"list": {"$all": [[1, 2.0, {"m": 3}]]}}), &["a"]),
        (json!({"list": {"$all": [1.0]}}), &none),
        (json!({"list": {"$all": []}}), &none),
        (json!({"n": {"$mod": [2, 1]}}), &["a", "b\0x"]),
        (json!({"n": {"$mod": [2, -1]}}), &["\0t\0x\0"]),
        (json!({"s": {"$regex": "^.t"}}), &["B"]),
        (json!({"s": {"$regex": "(?i)STRA..E"}}), &["B"]),
        (json!({"s": {"$beginsWith": "Stra"}}), &["B"]),
        (json!({"list": {"$elemMatch": {"$gt": 1, "$lt": 3}}}), &["a"]),
        (json!({"list": {"$elemMatch": {"m": 3}}}), &["a"]),
        (json!({"list": {"$allMatch": {"$gt": 0}}}), &["a"]),
        (json!({"list": {"$allMatch": {"$type": "number"}}}), &none),
        (json!({"deep": {"$keyMapMatch": {"$eq": "a.b"}}}), &["a"]),
        (json!({"deep": {"$keyMapMatch": {"$beginsWith": "b"}}}), &none),
        (json!({"deep": {"a\\.b": {"c": true}}}), &["a"]),
        (json!({"deep.a\\.b.c": true}), &["a"]),
        (json!({"list.2.m": 3}), &["a"]),
        (json!({"list.+2.m": 3}), &["a"]),
        // A way that leads nowhere is not the same as a field that is missing.
        (
            json!({"list.3.m": {"$exists": false}, "n": {"$exists": true}}),
            &["b\0x", "z\u{10FFFF}"],
        ),
        (json!({"_attachments": {"$exists": true}}), &["at"]),
        // An empty condition is equality with an empty object; nothing of nothing is nothing, but below the top.
        (json!({"s": {}}), &none),
        (json!({"$and": []}), &none),
        (json!({"$nor": []}), &none),
        (
            json!({"$or": [{"$or": []}]}),
            &["\0t\0x\0", "B", "C", "Z", "a", "at", "b\0x", "z\u{10FFFF}"],
        ),
        // Of matches of elements CouchDB does not push negations down, and then takes its own error for no match.
        (json!({"list": {"$elemMatch": {"$not": {"$gt": 1}}}}), &["a"]),
        (json!({"list": {"$elemMatch": {"$nor": [{"$eq": 7}]}}}), &none),
        (json!({"list": {"$elemMatch": {"$mod": [0, 1]}}}), &none),
        (json!({"$text": "anything", "n": 7}), &["b\0x"]),
    ] {
        assert_eq!(select(&selector), found, "{selector}");
    }
}

#[test]
fn ids_are_in_the_order_of_their_bytes_and_found_by_that_of_texts() {
    let none: [&str; 0] = [];
    for (condition, found) in [
        (json!("a"), &["a"][..]),
        (json!({"$gt": "Z"}), &["a", "at", "b\0x", "z\u{10FFFF}"]),
        (json!({"$gt": "B", "$lt": "Z"}), &["C"]),
        // Between these lies C by its bytes, but nothing by the order of texts, in which a comes first.
        (json!({"$gt": "B", "$lt": "a"}), &none),
        (json!({"$gt": "b", "$lt": "C"}), &none),
        (json!({"$gte": "a", "$lte": "a"}), &["a"]),
        (
            json!({"$gt": null}),
            &["\0t\0x\0", "B", "C", "Z", "a", "at", "b\0x", "z\u{10FFFF}"],
        ),
        (
            json!({"$gt": "Z", "$ne": "a", "$exists": true}),
            &["at", "b\0x", "z\u{10FFFF}"],
        ),
        (json!({"$lt": 5}), &none),
        (json!({"$lt": {}}), &none),
        (json!({"$beginsWith": "a"}), &["a", "at"]),
        // CouchDB looks up to U+FFFF only.
        (json!({"$beginsWith": "z"}), &none),
        (json!({"$regex": "^z"}), &["z\u{10FFFF}"]),
    ] {
        assert_eq!(select(&json!({ "_id": condition })), found, "{condition}");
    }
    // A field whose range is empty hides the bounds of the id, not the condition on it.
    assert_eq!(
        select(&json!({"A": {"$gt": 5, "$lt": 3}, "_id": {"$gt": "B"}})),
        none
    );
}

#[test]
fn a_sort_by_the_id_needs_a_bound_on_it_and_any_other_an_index() {
    let sorted = |sort: Value| json!({"selector": {"_id": {"$gt": "B"}}, "sort": sort});
    let up = ["C", "Z", "a", "at", "b\0x", "z\u{10FFFF}"];
    assert_eq!(keys(ask(&sorted(json!(["_id"])), &some()).unwrap()), up);
    let down: Vec<_> = up.iter().rev().copied().collect();
    assert_eq!(
        keys(ask(&sorted(json!([{"_id": "desc"}])), &some()).unwrap()),
        down
    );
    let refusal = "error handling CouchDB request. Error:no_usable_index,  Status Code:400,  \
                   Reason:No index exists for this sort, try indexing by the sort fields.";
    for sort in [json!(["n"]), json!(["_id", "n"]), json!(["_id", "_id"])] {
        assert_eq!(refused(&sorted(sort)), refusal);
    }
    assert_eq!(refused(&json!({"selector": {}, "sort": ["_id"]})), refusal);
    assert_eq!(
        refused(&json!({"selector": {"_id": {"$regex": "a"}}, "sort": ["_id"]})),
        refusal
    );
}

#[test]
fn fields_are_cut_out_and_what_is_no_document_comes_whole_or_empty() {
    let values = |query: Value| -> Vec<String> {
        let found = ask(&query, &some()).unwrap().found.into_iter();
        found
            .map(|found| String::from_utf8(found.value).unwrap())
            .collect()
    };
    let list = json!({"list": {"$size": 3}});
    assert_eq!(
        values(json!({"selector": list, "fields": ["n", "list.2.m", "none"]})),
        [r#"{"list":{"2":{"m":3}},"n":1}"#]
    );
    assert_eq!(values(json!({"selector": list, "fields": []})), ["{}"]);
    assert_eq!(
        values(json!({"selector": list, "fields": ["_id", "~version"]})),
        ["{}"]
    );
    let text = json!({"_id": "at"});
    assert_eq!(values(json!({ "selector": text })), ["hello"]);
    assert_eq!(values(json!({"selector": text, "fields": ["n"]})), ["{}"]);
    assert_eq!(
        values(json!({"selector": text, "fields": ["_attachments"]})),
        ["hello"]
    );
}

#[test]
fn pages_follow_each_other_by_bookmarks_which_skip_again() {
    let page = |query: &Value, bookmark: &str, limit| {
        let page = Query::parse(&query.to_string(), bookmark)
            .unwrap()
            .page(&some(), bookmark, limit)
            .unwrap();
        (page.bookmark.clone(), keys(page))
    };
    for (sort, pages) in [
        (json!([]), [&["\0t\0x\0", "a"][..], &["b\0x", "z\u{10FFFF}"], &[]]),
        (
            json!([{"_id": "desc"}]),
            [&["z\u{10FFFF}", "b\0x"], &["a", "\0t\0x\0"], &[]],
        ),
    ] {
        let query = json!({"selector": {"_id": {"$gt": null}, "n": {"$exists": true}}, "sort": sort});
        let mut bookmark = String::new();
        for expected in pages {
            let (next, found) = page(&query, &bookmark, 2);
            assert_eq!(found, expected);
            // After the end the bookmark stays.
            assert_eq!(next == bookmark, expected.is_empty());
            bookmark = next;
        }
    }
    let query = json!({"selector": {"n": {"$exists": true}}, "skip": 1});
    let (bookmark, found) = page(&query, "", 1);
    assert_eq!(found, ["a"]);
    assert_eq!(page(&query, &bookmark, 5).1, ["z\u{10FFFF}"]);
    assert_eq!(
        page(&json!({"selector": {"n": 100}}), "", 5),
        ("nil".to_owned(), vec![])
    );
    assert_eq!(
        page(&json!({"selector": {"$or": []}}), "", 5),
        (String::new(), vec![])
    );
}

/// As CouchDB 3.5.0 said it.
#[test]
fn refusals_are_couchdbs() {
    for (query, error, reason) in [
        (
            json!({}),
            "missing_required_key",
            "Missing required key: selector",
        ),
        (
            json!({"selector": 5}),
            "invalid_selector_json",
            "Selector must be a JSON object, not: 5",
        ),
        (
            json!({"selector": {"$eq": 5}}),
            "invalid_selector",
            "One or more conditions is missing a field name.",
        ),
        (
            json!({"selector": {"": 5}}),
            "invalid_selector",
            "One or more conditions is missing a field name.",
        ),
        (
            json!({"selector": {"a": {"": 5}}}),
            "invalid_field_name",
            "Invalid field name: a.",
        ),
        (
            json!({"selector": {"a..b": 5}}),
            "invalid_field_name",
            "Invalid field name: a..b",
        ),
        (
            json!({"selector": {"a": {"$no": 1}}}),
            "invalid_operator",
            "Invalid operator: $no",
        ),
        (
            json!({"selector": {"$": 5}}),
            "invalid_operator",
            "Invalid operator: $",
        ),
        (
            json!({"selector": {"a": {"$regex": 5}}}),
            "invalid_operator",
            "Invalid operator: $regex",
        ),
        (
            json!({"selector": {"a": {"$regex": "["}}}),
            "bad_arg",
            "Bad argument for operator $regex: <<91>>",
        ),
        (
            json!({"selector": {"a": {"$mod": [1.0, 1]}}}),
            "bad_arg",
            "Bad argument for operator $mod: [1.0,1]",
        ),
        (
            json!({"selector": {"a": {"$mod": 5}}}),
            "bad_arg",
            "Bad argument for operator $mod: 5",
        ),
        (
            json!({"selector": {"a": {"$size": -1}}}),
            "bad_arg",
            "Bad argument for operator $size: -1",
        ),
        (
            json!({"selector": {"a": {"$type": ["é"]}}}),
            "bad_arg",
            "Bad argument for operator $type: [<<195,169>>]",
        ),
        (
            json!({"selector": {"$and": 5}}),
            "bad_arg",
            "Bad argument for operator $and: 5",
        ),
        (
            json!({"selector": {"$not": 5}}),
            "bad_arg",
            "Bad argument for operator $not: 5",
        ),
        (
            json!({"selector": {"$not": {"$text": 5}}}),
            "bad_arg",
            "Bad argument for operator $not: {[{<<36,100,101,102,97,117,108,116>>,{[{<<36,116,101,120,116>>,5}]}}]}",
        ),
        (
            json!({"selector": {"a": {"$default": 1}}}),
            "bad_field",
            "Invalid field normalization on selector: {[{<<36,100,101,102,97,117,108,116>>,1}]}",
        ),
        (
            json!({"selector": {"$where": 1}}),
            "not_supported",
            "Unsupported operator: $where",
        ),
        (
            json!({"selector": {}, "what": 1}),
            "invalid_key",
            "Invalid key what for this request.",
        ),
        (
            json!({"selector": {}, "skip": "x"}),
            "invalid_non_neg_integer",
            "<<120>> is not an integer greater than or equal to zero",
        ),
        (
            json!({"selector": {}, "sort": 5}),
            "invalid_sort_json",
            "Sort must be an array of sort specs, not: 5",
        ),
        (
            json!({"selector": {}, "sort": [{"a": "up"}]}),
            "invalid_sort_field",
            "Invalid sort field: {[{<<\"a\">>,<<\"up\">>}]}",
        ),
        (
            json!({"selector": {}, "sort": ["a", {"b": "desc"}]}),
            "unsupported_mixed_sort",
            "Sorts currently only support a single direction for all fields.",
        ),
        (
            json!({"selector": {}, "fields": [5]}),
            "invalid_field",
            "Invalid JSON for field spec: 5",
        ),
        (
            json!({"selector": {}, "fields": ["a..b"]}),
            "invalid_field_name",
            "Invalid field name: a..b",
        ),
        (
            json!({"selector": {}, "use_index": 5}),
            "invalid_index_name",
            "Invalid index name: 5",
        ),
        (
            json!({"selector": {}, "use_index": "a/b/c/d"}),
            "invalid_index_name",
            "Invalid index name: <<97,47,98,47,99,47,100>>",
        ),
        (
            json!({"selector": {}, "use_index": ["idx", "v"], "allow_fallback": false}),
            "invalid_index",
            "_design/idx, v specified by `use_index` could not be found or it is not suitable.",
        ),
        (
            json!({"selector": {}, "allow_fallback": false}),
            "invalid_index",
            "You must specify an index with the `use_index` parameter.",
        ),
        (
            json!({"selector": {}, "r": 0}),
            "invalid_pos_integer",
            "0 is not an integer greater than zero",
        ),
        (
            json!({"selector": {}, "conflicts": 5}),
            "invalid_boolean",
            "Invalid boolean value: 5",
        ),
        (
            json!({"selector": {}, "partition": "x"}),
            "query_parse_error",
            "`partition` parameter is not supported on this db",
        ),
    ] {
        let expected =
            format!("error handling CouchDB request. Error:{error},  Status Code:400,  Reason:{reason}");
        assert_eq!(refused(&query), expected, "{query}");
    }
    let zero = refused(&json!({"selector": {"n": {"$mod": [0, 1]}}}));
    assert!(
        zero.ends_with("Error:unknown_error,  Status Code:500,  Reason:badarith"),
        "{zero}"
    );
    assert_eq!(
        refused(&json!({"selector": {}, "fields": "a"})),
        "fields definition must be an array"
    );
    // These CouchDB has, and nobody shall think that it refuses them.
    let own = refused(&json!({"selector": {"a": {"$regex": "a(?=b)"}}}));
    assert!(
        own.contains("the devnet's expressions have no look-around"),
        "{own}"
    );
    for accepted in [
        json!({"use_index": "idx"}),
        json!({"limit": "overwritten by Fabric"}),
        json!({"stale": "ok", "r": 2}),
    ] {
        let mut query = json!({"selector": {"n": 7}});
        query
            .as_object_mut()
            .unwrap()
            .extend(accepted.as_object().unwrap().clone());
        assert_eq!(keys(ask(&query, &some()).unwrap()), ["b\0x"]);
    }
}

/// JSON of all kinds.
pub(super) fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..4).prop_map(Value::from),
        (-3_i64..4).prop_map(|number| Value::from(number as f64 / 2.0)),
        "[aAbB\u{0}é1 ]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[abc]{1,2}", inner, 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

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
