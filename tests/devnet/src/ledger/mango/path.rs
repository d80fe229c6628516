//! Names of nested fields, `a.b.c`, with `\.` for a point that belongs to a name (CouchDB's `mango_util.erl`, `mango_doc.erl`).

use super::refusal::Refusal;
use serde_json::{Map, Value};

/// The names on the way to a field.
pub(super) fn parse(field: &str) -> Result<Vec<String>, Refusal> {
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut escaped = false;
    for character in field.chars() {
        if character == '.' && !escaped {
            parts.push(std::mem::take(&mut part));
        } else {
            part.push(character);
        }
        escaped = character == '\\';
    }
    parts.push(part);
    if parts.iter().any(String::is_empty) {
        return Err(Refusal::field_name(field));
    }
    // A backslash is never part of a name.
    Ok(parts.into_iter().map(|part| part.replace('\\', "")).collect())
}

/// What stands at a path.
pub(super) enum Found<'a> {
    Value(&'a Value),
    /// An object on the way has no such field.
    Missing,
    /// The way leads through something that has no fields.
    Impassable,
}

pub(super) fn get<'a>(value: &'a Value, path: &[String]) -> Found<'a> {
    let Some((name, rest)) = path.split_first() else {
        return Found::Value(value);
    };
    match value {
        Value::Object(fields) => fields.get(name).map_or(Found::Missing, |value| get(value, rest)),
        // A name may be a place in an array.
        Value::Array(items) => {
            let place = name
                .parse::<i64>()
                .ok()
                .and_then(|place| usize::try_from(place).ok());
            let item = place.and_then(|place| items.get(place));
            item.map_or(Found::Impassable, |item| get(item, rest))
        }
        _ => Found::Impassable,
    }
}

/// Copies some fields of a document into a new one.
pub(super) fn project(document: &Value, fields: &[String]) -> Result<Value, Refusal> {
    let mut projected = Value::Object(Map::new());
    for field in fields {
        let path = parse(field)?;
        if let Found::Value(value) = get(document, &path) {
            set(&mut projected, &path, value)?;
        }
    }
    Ok(projected)
}

fn set(target: &mut Value, path: &[String], value: &Value) -> Result<(), Refusal> {
    let Some((name, rest)) = path.split_first() else {
        *target = value.clone();
        return Ok(());
    };
    match target {
        Value::Object(fields) => {
            let empty = || {
                if rest.is_empty() {
                    Value::Null
                } else {
                    Value::Object(Map::new())
                }
            };
            set(fields.entry(name.clone()).or_insert_with(empty), rest, value)
        }
        Value::Array(items) => {
            let place = name
                .parse::<i64>()
                .ok()
                .and_then(|place| usize::try_from(place).ok());
            let Some(place) = place.filter(|place| *place < items.len()) else {
                return Ok(());
            };
            // CouchDB counts places from zero when it looks, and from one when it puts.
            let mut changed = items[place].clone();
            set(&mut changed, rest, value)?;
            let at = place
                .checked_sub(1)
                .ok_or_else(|| Refusal::unknown("function_clause"))?;
            items[at] = changed;
            Ok(())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_split_at_points_that_are_not_escaped() {
        for (field, names) in [
            ("a", &["a"][..]),
            ("a.b.c", &["a", "b", "c"]),
            ("a\\.b.c", &["a.b", "c"]),
            ("a\\b", &["ab"]),
            ("a\\.", &["a."]),
            ("\\", &[""]),
        ] {
            assert_eq!(parse(field).unwrap(), names, "{field}");
        }
        for field in ["", ".", "a.", ".a", "a..b", "a\\b."] {
            assert_eq!(parse(field), Err(Refusal::field_name(field)), "{field}");
        }
    }

    #[test]
    fn fields_are_copied_with_the_way_to_them() {
        let document = json!({"a": {"b": 1, "c": 2}, "l": [1, 2, {"m": 3}]});
        let projected = |fields: &[&str]| {
            let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
            project(&document, &fields)
        };
        assert_eq!(projected(&["a.b", "x", "a.b.c"]).unwrap(), json!({"a": {"b": 1}}));
        assert_eq!(projected(&["l.2.m"]).unwrap(), json!({"l": {"2": {"m": 3}}}));
        // As CouchDB 3.5.0 does it.
        assert_eq!(projected(&["l", "l.1"]).unwrap(), json!({"l": [2, 2, {"m": 3}]}));
        assert_eq!(projected(&["l", "l.0"]), Err(Refusal::unknown("function_clause")));
    }
}
