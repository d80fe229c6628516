//! How values come back from CouchDB: a JSON object is stored as a document and marshalled anew when it is read
//! (Fabric's `statecouchdb/couchdoc_conv.go`).

use serde_json::Value;

/// A value after a round trip. What is not a JSON object is an attachment and comes back as it was.
pub(super) fn returned(value: Vec<u8>) -> Vec<u8> {
    let Ok(object @ Value::Object(_)) = serde_json::from_slice(&value) else {
        return value;
    };
    // Go's encoder escapes these three wherever they stand; in JSON they can only stand in strings. The map is ordered by key.
    object
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .into_bytes()
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
        let written = br#"{ "b": "<&>", "a": [2, 1] }"#.to_vec();
        assert_eq!(returned(written), br#"{"a":[2,1],"b":"\u003c\u0026\u003e"}"#);
    }

    #[test]
    fn a_composite_ranges_end_is_a_bookmark_with_escapes() {
        assert_eq!(bookmark_after("key~"), "key~");
        assert_eq!(bookmark_after("\0t\0\u{10FFFF}"), "\\u0000t\\u0000\u{10FFFF}");
    }

    #[test]
    fn what_is_no_object_comes_back_as_it_was() {
        for value in [&b"[ 1 ]"[..], b"plain <text>", b"\xff\x00", b" 1"] {
            assert_eq!(returned(value.to_vec()), value);
        }
    }
}
