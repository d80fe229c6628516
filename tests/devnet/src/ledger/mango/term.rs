//! JSON as Erlang prints it: CouchDB's refusals quote what they refuse so.

use serde_json::Value;
use std::fmt;

/// Plain: as `~w` prints. Alternate (`{:#}`): as `~p` does, with texts as texts.
pub(super) struct Term<'a>(pub(super) &'a Value);

impl fmt::Display for Term<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("null"),
            Value::Bool(truth) => write!(f, "{truth}"),
            Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
                Some(float) => write_float(f, float),
                None => write!(f, "{number}"),
            },
            Value::String(text) => write_binary(f, text),
            Value::Array(items) => {
                f.write_str("[")?;
                for (place, item) in items.iter().enumerate() {
                    if place > 0 {
                        f.write_str(",")?;
                    }
                    Term(item).fmt(f)?;
                }
                f.write_str("]")
            }
            Value::Object(fields) => {
                f.write_str("{[")?;
                for (place, (name, value)) in fields.iter().enumerate() {
                    f.write_str(if place > 0 { ",{" } else { "{" })?;
                    write_binary(f, name)?;
                    f.write_str(",")?;
                    Term(value).fmt(f)?;
                    f.write_str("}")?;
                }
                f.write_str("]}")
            }
        }
    }
}

fn write_binary(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let printable = |character: char| character.is_ascii_graphic() || character == ' ';
    if f.alternate() && !text.is_empty() && text.chars().all(printable) {
        return write!(f, "<<{text:?}>>");
    }
    f.write_str("<<")?;
    for (place, byte) in text.bytes().enumerate() {
        if place > 0 {
            f.write_str(",")?;
        }
        write!(f, "{byte}")?;
    }
    f.write_str(">>")
}

/// The shortest digits, always with a point.
fn write_float(f: &mut fmt::Formatter<'_>, float: f64) -> fmt::Result {
    let text = format!("{float:?}");
    match text.split_once('e') {
        Some((mantissa, exponent)) if !mantissa.contains('.') => write!(f, "{mantissa}.0e{exponent}"),
        _ => f.write_str(&text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// As a real CouchDB's refusals quoted them.
    #[test]
    fn terms_are_printed_as_erlang_prints_them() {
        let value = json!({"a": [1, "b", null, true, 1.5]});
        assert_eq!(Term(&value).to_string(), "{[{<<97>>,[1,<<98>>,null,true,1.5]}]}");
        assert_eq!(
            Term(&json!(["é", "", {}, []])).to_string(),
            "[<<195,169>>,<<>>,{[]},[]]"
        );
        for (float, text) in [
            (1e21, "1.0e21"),
            (1e16, "1.0e16"),
            (0.0001, "0.0001"),
            (1.0, "1.0"),
            (123_456.789, "123456.789"),
        ] {
            assert_eq!(Term(&json!(float)).to_string(), text);
        }
        assert_eq!(
            format!("{:#}", Term(&json!({"a": "up", "b": ""}))),
            "{[{<<\"a\">>,<<\"up\">>},{<<\"b\">>,<<>>}]}"
        );
    }
}
