//! What operators select, in which order, and what of it comes back.

use super::{ask, keys, refused, select, some};
use crate::ledger::mango::Query;
use serde_json::{Value, json};

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
    // The first field, by name, whose range is empty hides those after it: then all is searched, in vain, and there is a bookmark of it.
    for (field, bookmark) in [("A", "nil"), ("a", "")] {
        let selector = json!({field: {"$gt": 5, "$lt": 3}, "_id": {"$gt": "B", "$lt": "a"}});
        let page = ask(&json!({ "selector": selector }), &some()).unwrap();
        assert_eq!((page.found.len(), page.bookmark.as_str()), (0, bookmark));
    }
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
