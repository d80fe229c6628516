//! How values come back from CouchDB: a JSON object is stored as a document and marshalled anew when it is read
//! (Fabric's `statecouchdb/couchdoc_conv.go`).

use serde_json::{Map, Number, Value};
use std::fmt::Write as _;

/// Keys and values that CouchDB cannot hold. Texts are the peer's own.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unstorable {
    #[error("invalid key [{0}], cannot begin with \"_\"")]
    Key(String),
    #[error("invalid key. Empty string is not supported as a key by couchdb")]
    EmptyKey,
    #[error("field [{0}] is not valid for the CouchDB state database")]
    Field(String),
}

/// Whether the state database takes this key and value.
pub(super) fn check(key: &str, value: &[u8]) -> Result<(), Unstorable> {
    if key.is_empty() {
        return Err(Unstorable::EmptyKey);
    }
    if key.starts_with('_') {
        return Err(Unstorable::Key(key.to_owned()));
    }
    let reserved = |field: &String| field == "~version" || field.starts_with('_');
    match document(value).and_then(|fields| fields.into_iter().map(|(name, _)| name).find(reserved)) {
        Some(field) => Err(Unstorable::Field(field)),
        None => Ok(()),
    }
}

/// The fields of a value that is kept as a document; none when it is an attachment. (A number of more than 17 digits may differ from Go's in
/// the last.)
pub(super) fn document(value: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice(value) {
        Ok(Value::Object(fields)) => Some(
            fields
                .into_iter()
                .map(|(name, value)| (name, stored(value)))
                .collect(),
        ),
        _ => None,
    }
}

/// Numbers pass through Go's `float64`; a whole one below 10^21 is then written, and kept, as an integer.
fn stored(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(stored_number(number)),
        Value::Array(items) => items.into_iter().map(stored).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, stored(value)))
            .collect(),
        other => other,
    }
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "compared with the number it came from"
)]
fn stored_number(number: Number) -> Number {
    let Some(float) = number.as_f64() else {
        return number;
    };
    let whole = float as i64;
    if float.abs() < 9e18 && whole as f64 == float {
        return whole.into();
    }
    Number::from_f64(float).unwrap_or(number)
}

/// A value after a round trip. What is not a JSON object is an attachment and comes back as it was.
pub(super) fn returned(value: Vec<u8>) -> Vec<u8> {
    match document(&value) {
        Some(fields) => marshalled(&Value::Object(fields)).into_bytes(),
        None => value,
    }
}

/// JSON as Go's encoder writes it: compact, keys sorted, some characters escaped that need not be.
pub(super) fn marshalled(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

fn write_value(text: &mut String, value: &Value) {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(truth) => text.push_str(if *truth { "true" } else { "false" }),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(float) => text.push_str(&float_text(float)),
            None => text.push_str(&number.to_string()),
        },
        Value::String(string) => write_string(text, string),
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                text.push(if place == 0 { '[' } else { ',' });
                write_value(text, item);
            }
            text.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        Value::Object(fields) => {
            for (place, (name, value)) in fields.iter().enumerate() {
                text.push(if place == 0 { '{' } else { ',' });
                write_string(text, name);
                text.push(':');
                write_value(text, value);
            }
            text.push_str(if fields.is_empty() { "{}" } else { "}" });
        }
    }
}

fn write_string(text: &mut String, string: &str) {
    // The map's own quoting, and what Go escapes besides.
    for character in Value::from(string).to_string().chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\u{:04x}", u32::from(character));
            }
            other => text.push(other),
        }
    }
}

/// The shortest digits that mean this number, with an exponent below 10^-6 and from 10^21 on: Go and CouchDB agree.
fn float_text(float: f64) -> String {
    let scientific = format!("{float:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-6..21).contains(&exponent) {
        let sign = if exponent < 0 { "" } else { "+" };
        return format!("{mantissa}e{sign}{exponent}");
    }
    // Rust writes floats without exponent, and all digits of large ones; these are the shortest, filled up with zeros.
    let (sign, digits) = mantissa
        .strip_prefix('-')
        .map_or(("", mantissa), |rest| ("-", rest));
    let digits = digits.replace('.', "");
    let point = usize::try_from(exponent + 1).unwrap_or(0);
    if point == 0 {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
        format!("{sign}0.{zeros}{digits}")
    } else if digits.len() <= point {
        format!("{sign}{digits}{}", "0".repeat(point - digits.len()))
    } else {
        let (whole, rest) = digits.split_at(point);
        format!("{sign}{whole}.{rest}")
    }
}

/// The bookmark after the last page of a range: its end as Fabric writes it into the request, a JSON string without its quotes.
pub(super) fn bookmark_after(end: &str) -> String {
    let quoted = Value::from(end).to_string();
    quoted.trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_come_back_sorted_compact_and_escaped() {
        let written = "{ \"b\": \"<&>\u{2028}\", \"a\": [2, 1], \"c\": [], \"d\": {}, \"e\": null }";
        assert_eq!(
            returned(written.as_bytes().to_vec()),
            br#"{"a":[2,1],"b":"\u003c\u0026\u003e\u2028","c":[],"d":{},"e":null}"#
        );
    }

    /// As a real CouchDB gave them back to a peer's JSON decoder.
    #[test]
    fn numbers_come_back_as_floats_write_them() {
        for (written, back) in [
            ("1.0", "1"),
            ("-0", "0"),
            ("1.50", "1.5"),
            ("12345678901234567", "12345678901234568"),
            ("100000000000000000001", "100000000000000000000"),
            ("1e21", "1e+21"),
            ("1e22", "1e+22"),
            ("0.00001", "0.00001"),
            ("0.000001", "0.000001"),
            ("0.00000015", "1.5e-7"),
            ("-2.5e-3", "-0.0025"),
            ("1e2", "100"),
        ] {
            let document = format!("{{\"n\":{written}}}");
            let back = format!("{{\"n\":{back}}}");
            assert_eq!(String::from_utf8(returned(document.into_bytes())).unwrap(), back);
        }
    }

    #[test]
    fn a_composite_ranges_end_is_a_bookmark_with_escapes() {
        assert_eq!(bookmark_after("key~"), "key~");
        assert_eq!(bookmark_after("\0t\0\u{10FFFF}"), "\\u0000t\\u0000\u{10FFFF}");
    }

    #[test]
    fn what_is_no_object_comes_back_as_it_was() {
        for value in [&b"[ 1 ]"[..], b"plain <text>", b"\xff\x00", b" 1", b"null"] {
            assert_eq!(returned(value.to_vec()), value);
        }
    }

    #[test]
    fn reserved_keys_and_fields_are_refused() {
        assert_eq!(check("key", br#"{"a":{"_b":1}}"#), Ok(()));
        assert_eq!(check("key", b"_text"), Ok(()));
        assert_eq!(check("", b"1"), Err(Unstorable::EmptyKey));
        let said = |key, value: &str| check(key, value.as_bytes()).unwrap_err().to_string();
        assert_eq!(said("_key", "1"), "invalid key [_key], cannot begin with \"_\"");
        let field = |name| format!("field [{name}] is not valid for the CouchDB state database");
        assert_eq!(said("key", r#"{"a":1,"_id":2}"#), field("_id"));
        assert_eq!(said("key", r#"{"~version":1}"#), field("~version"));
    }
}
