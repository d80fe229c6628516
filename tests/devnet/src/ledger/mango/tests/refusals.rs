//! Queries that are refused.

use super::{ask, keys, refused, some};
use serde_json::json;

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
    let empty =
        refused(&json!({"selector": {"$and": [{"_id": {"$lt": "a"}}, {"_id": {"$beginsWith": "b"}}]}}));
    assert!(
        empty.ends_with("Error:badmatch,  Status Code:500,  Reason:empty"),
        "{empty}"
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
