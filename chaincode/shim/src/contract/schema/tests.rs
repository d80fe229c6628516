use proptest::prelude::*;
use serde_json::json;

use super::*;

fn check(schema: Value, value: &Value) -> Result<(), String> {
    let components = json!({"Step": {
        "type": "object",
        "properties": {"price": {"type": "integer", "minimum": 1, "maximum": 10}},
        "required": ["price"],
        "additionalProperties": false,
    }});
    let Value::Object(components) = components else {
        unreachable!("it is an object")
    };
    let checked = Checked::new(schema, components);
    assert_eq!(checked.unknown_keyword(), None);
    checked.check(value).map_err(|violation| violation.to_string())
}

#[test]
fn a_value_that_keeps_its_schema_passes() {
    let step = || json!({"$ref": "#/components/schemas/Step"});
    let cases = [
        (step(), json!({"price": 10})),
        (
            json!({"type": "array", "items": step(), "maxItems": 2}),
            json!([{"price": 1}, {"price": 2}]),
        ),
        (json!({"anyOf": [step(), {"type": "null"}]}), Value::Null),
        (json!({"oneOf": [{"type": "string"}, {"const": 7}]}), json!(7)),
        (
            json!({"allOf": [{"type": "integer"}, {"not": {"const": 0}}]}),
            json!(1),
        ),
        (json!({"enum": ["a", "b"]}), json!("b")),
        (json!({"type": ["string", "null"], "maxLength": 2}), json!("ü€")),
        (json!({"type": "integer"}), json!(2.0)),
        (
            json!({"type": "object", "additionalProperties": {"type": "boolean"}}),
            json!({"x": true}),
        ),
        (
            json!({"type": "array", "items": [{"type": "string"}, {"type": "integer"}]}),
            json!(["a", 1]),
        ),
        (json!({"type": "integer", "maximum": u64::MAX}), json!(u64::MAX)),
        (json!(true), json!([1])),
    ];
    for (schema, value) in cases {
        assert_eq!(check(schema.clone(), &value), Ok(()), "{schema} {value}");
    }
}

#[test]
fn a_violation_says_where_and_what_is_allowed() {
    let steps = json!({"type": "array", "items": {"$ref": "#/components/schemas/Step"}, "uniqueItems": true});
    let cases = [
        (
            steps.clone(),
            json!([{"price": 1}, {"price": 11}]),
            "at [1].price: a number of at most 10 is allowed",
        ),
        (
            steps.clone(),
            json!([{"price": 0}]),
            "at [0].price: a number of at least 1 is allowed",
        ),
        (
            steps.clone(),
            json!([{"price": "1"}]),
            r#"at [0].price: type "integer" is allowed"#,
        ),
        (
            steps.clone(),
            json!([{}]),
            r#"at [0]: an object with "price" is allowed"#,
        ),
        (
            steps.clone(),
            json!([{"price": 1, "pice": 2}]),
            "at [0].pice: no such field is allowed",
        ),
        (
            steps,
            json!([{"price": 1}, {"price": 1}]),
            "at [1]: an element that is not there yet is allowed",
        ),
        (
            json!({"minLength": 1, "maxLength": 3}),
            json!(""),
            "1 to 3 characters is allowed",
        ),
        (
            json!({"minItems": 1}),
            json!([]),
            "1 to any number of elements is allowed",
        ),
        (json!({"enum": ["a"]}), json!("b"), r#""a" is allowed"#),
        (
            json!({"exclusiveMaximum": 1}),
            json!(1.0),
            "a number of less than 1 is allowed",
        ),
        (
            json!({"maximum": 9_007_199_254_740_992_u64}),
            json!(9_007_199_254_740_993_u64),
            "a number of at most 9007199254740992 is allowed",
        ),
        (
            json!({"oneOf": [{"minimum": 1}, {"maximum": 9}]}),
            json!(5),
            "exactly one of several forms is allowed",
        ),
        (
            json!({"anyOf": [{"type": "null"}, {"$ref": "#/components/schemas/Step"}]}),
            json!({"price": 0}),
            "at price: a number of at least 1 is allowed",
        ),
        (
            json!({"$ref": "#/components/schemas/Gone"}),
            json!(1),
            "nothing is allowed",
        ),
        (
            json!({"not": {"type": "null"}}),
            Value::Null,
            "something else is allowed",
        ),
    ];
    for (schema, value, expected) in cases {
        assert_eq!(
            check(schema.clone(), &value),
            Err(expected.to_owned()),
            "{schema} {value}"
        );
    }
}

#[test]
fn keywords_that_nobody_checks_are_found() {
    let schema = json!({"type": "object", "properties": {"a": {"items": {"pattern": "x"}}}});
    assert_eq!(
        Checked::new(schema, Map::new()).unknown_keyword().as_deref(),
        Some("pattern")
    );
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map("(price|type|items|[a-z])", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_schema_and_any_value_give_an_answer(schema in values(), value in values()) {
        let _ = Checked::new(schema, Map::new()).check(&value);
    }
}

mod forms {
    //! Of several forms the error is about the one that was meant.

    use schemars::JsonSchema;
    use serde::Deserialize;

    use super::super::*;
    use serde_json::json;

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "read by its schema")]
    struct Rate {
        bp: u32,
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "read by its schema")]
    enum Coupon {
        Zero,
        Fixed(Rate),
        Floating { spread: u32 },
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(tag = "type", deny_unknown_fields)]
    #[expect(dead_code, reason = "read by its schema")]
    enum Tagged {
        Zero,
        Fixed { bp: u32 },
        Floating { spread: u32, a: u8 },
    }

    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "read by its schema")]
    struct Order {
        price: u64,
        coupon: Coupon,
        tagged: Option<Tagged>,
        inner: Option<Box<Order>>,
    }

    #[test]
    fn are_told_apart() {
        let mut generator = generator();
        let schema = generator.subschema_for::<Order>().to_value();
        let checked = Checked::new(schema, generator.take_definitions(true));
        assert_eq!(checked.unknown_keyword(), None);
        let order = |field: &str, value: Value| {
            let mut order = json!({"price": 1, "coupon": "Zero"});
            order[field] = value;
            checked
                .check(&order)
                .map_err(|violation| violation.to_string())
                .err()
                .unwrap_or_default()
        };
        let any_coupon =
            r#"at coupon: "Zero" or an object with "Fixed" or an object with "Floating" is allowed"#;
        let objects = r#"at coupon: an object with "Fixed" or an object with "Floating" is allowed"#;
        let any_tag = r#"at tagged.type: "Zero" or "Fixed" or "Floating" is allowed"#;
        for (field, value, said) in [
            ("coupon", json!("Zero"), ""),
            ("coupon", json!({"Fixed": {"bp": 1}}), ""),
            ("coupon", json!("zero"), any_coupon),
            ("coupon", json!(1), any_coupon),
            ("coupon", json!({"Fixd": {"bp": 1}}), objects),
            (
                "coupon",
                json!({"Fixed": {"bp": "x"}}),
                r#"at coupon.Fixed.bp: type "integer" is allowed"#,
            ),
            (
                "coupon",
                json!({"Floating": {}}),
                r#"at coupon.Floating: an object with "spread" is allowed"#,
            ),
            ("tagged", json!(null), ""),
            ("tagged", json!({"type": "Fixed", "bp": 5}), ""),
            (
                "tagged",
                json!({"type": "Fixed", "bp": "x"}),
                r#"at tagged.bp: type "integer" is allowed"#,
            ),
            (
                "tagged",
                json!({"type": "Fixed"}),
                r#"at tagged: an object with "bp" is allowed"#,
            ),
            (
                "tagged",
                json!({"type": "Fixed", "bp": 1, "a": 2}),
                "at tagged.a: no such field is allowed",
            ),
            ("tagged", json!({"type": "Fxed", "bp": 1}), any_tag),
            (
                "inner",
                json!({"coupon": "Zero"}),
                r#"at inner: an object with "price" is allowed"#,
            ),
            (
                "inner",
                json!({"price": 1, "coupon": "zero"}),
                &any_coupon.replace("coupon:", "inner.coupon:"),
            ),
            ("price", json!(-1), "at price: a number of at least 0 is allowed"),
            (
                "price",
                json!(1.0),
                "at price: an integer from 0 to 18446744073709551615 is allowed",
            ),
            (
                "coupon",
                json!({"Fixed": {"bp": 99_999_999_999_u64}}),
                "at coupon.Fixed.bp: an integer from 0 to 4294967295 is allowed",
            ),
        ] {
            assert_eq!(order(field, value.clone()), said, "{field}: {value}");
        }
    }
}
