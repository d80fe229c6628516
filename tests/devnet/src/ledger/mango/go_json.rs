//! Reading JSON as Fabric's peer does, with Go's decoder: only the first value counts, and refusals have Go's texts.
//!
//! Three things that Go reads are refused here: a number beyond a float, half a surrogate pair, and more than 127 levels.

use super::refusal::Refusal;
use serde_json::{Map, Value};
use std::{iter::Peekable, str::Bytes};

/// The first JSON value, which must be an object.
pub(super) fn object(text: &str) -> Result<Map<String, Value>, Refusal> {
    let kind = match text.trim_start_matches([' ', '\t', '\r', '\n']).bytes().next() {
        None => return Err(Refusal::Json("EOF".to_owned())),
        Some(b'{') => return fields(text),
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "bool",
        Some(_) => "number",
    };
    Scanner::new(text).value().map_err(Refusal::Json)?;
    let error = if text.trim_start().starts_with('n') {
        // Go's decoder takes null for an empty map, and the peer then dies of writing into it.
        "assignment to entry in nil map".to_owned()
    } else {
        format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}")
    };
    Err(Refusal::Json(error))
}

fn fields(text: &str) -> Result<Map<String, Value>, Refusal> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter();
    match values.next() {
        Some(Ok(fields)) => Ok(fields),
        _ => {
            Scanner::new(text).value().map_err(Refusal::Json)?;
            Err(Refusal::new("bad_request", "invalid UTF-8 JSON"))
        }
    }
}

/// Finds the first character that is wrong.
struct Scanner<'a> {
    rest: Peekable<Bytes<'a>>,
}

type Scanned = Result<(), String>;

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text.bytes().peekable(),
        }
    }

    /// The next byte that is no space.
    fn next(&mut self) -> Result<u8, String> {
        while self
            .rest
            .next_if(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
            .is_some()
        {}
        self.any()
    }

    fn any(&mut self) -> Result<u8, String> {
        self.rest.next().ok_or_else(|| "unexpected EOF".to_owned())
    }

    fn value(&mut self) -> Scanned {
        let first = self.next()?;
        self.value_from(first)
    }

    fn value_from(&mut self, first: u8) -> Scanned {
        match first {
            b'{' => self.fields(),
            b'[' => self.items(),
            b'"' => self.string(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' | b'0'..=b'9' => self.number(first),
            other => wrong(other, "looking for beginning of value"),
        }
    }

    fn fields(&mut self) -> Scanned {
        let mut first = true;
        loop {
            match self.next()? {
                b'}' if first => return Ok(()),
                b'"' => self.string()?,
                other => return wrong(other, "looking for beginning of object key string"),
            }
            first = false;
            match self.next()? {
                b':' => self.value()?,
                other => return wrong(other, "after object key"),
            }
            match self.next()? {
                b'}' => return Ok(()),
                b',' => {}
                other => return wrong(other, "after object key:value pair"),
            }
        }
    }

    fn items(&mut self) -> Scanned {
        match self.next()? {
            b']' => return Ok(()),
            first => self.value_from(first)?,
        }
        loop {
            match self.next()? {
                b']' => return Ok(()),
                b',' => self.value()?,
                other => return wrong(other, "after array element"),
            }
        }
    }

    fn string(&mut self) -> Scanned {
        loop {
            match self.any()? {
                b'"' => return Ok(()),
                b'\\' => match self.any()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        for _ in 0..4 {
                            let digit = self.any()?;
                            if !digit.is_ascii_hexdigit() {
                                return wrong(digit, "in \\u hexadecimal character escape");
                            }
                        }
                    }
                    other => return wrong(other, "in string escape code"),
                },
                control @ 0..0x20 => return wrong(control, "in string literal"),
                _ => {}
            }
        }
    }

    fn literal(&mut self, word: &str) -> Scanned {
        for expected in word.bytes().skip(1) {
            let found = self.any()?;
            if found != expected {
                let place = format!("in literal {word} (expecting '{}')", char::from(expected));
                return wrong(found, &place);
            }
        }
        Ok(())
    }

    fn number(&mut self, first: u8) -> Scanned {
        let whole = if first == b'-' {
            self.digit("in numeric literal")?
        } else {
            first
        };
        if whole != b'0' {
            self.digits();
        }
        if self.rest.next_if_eq(&b'.').is_some() {
            self.digit("after decimal point in numeric literal")?;
            self.digits();
        }
        if self.rest.next_if(|byte| matches!(byte, b'e' | b'E')).is_some() {
            self.rest.next_if(|byte| matches!(byte, b'+' | b'-'));
            self.digit("in exponent of numeric literal")?;
            self.digits();
        }
        Ok(())
    }

    fn digit(&mut self, place: &str) -> Result<u8, String> {
        let digit = self.any()?;
        if digit.is_ascii_digit() {
            return Ok(digit);
        }
        wrong(digit, place).map(|()| digit)
    }

    fn digits(&mut self) {
        while self.rest.next_if(u8::is_ascii_digit).is_some() {}
    }
}

/// Go shows a byte as if it were a character.
fn wrong(byte: u8, place: &str) -> Scanned {
    let character = match byte {
        b'\'' => "\\'".to_owned(),
        b'\\' => "\\\\".to_owned(),
        7 => "\\a".to_owned(),
        8 => "\\b".to_owned(),
        b'\t' => "\\t".to_owned(),
        b'\n' => "\\n".to_owned(),
        11 => "\\v".to_owned(),
        12 => "\\f".to_owned(),
        b'\r' => "\\r".to_owned(),
        0..0x20 | 0x7f => format!("\\x{byte:02x}"),
        // Controls, a space and a soft hyphen, which Go does not print.
        0x80..=0xa0 | 0xad => format!("\\u{byte:04x}"),
        _ => char::from(byte).to_string(),
    };
    Err(format!("invalid character '{character}' {place}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        object(text).unwrap_err().to_string()
    }

    /// As Go's decoder said it.
    #[test]
    fn what_is_wrong_is_told_in_gos_words() {
        for (text, error) in [
            (
                "no query",
                "invalid character 'o' in literal null (expecting 'u')",
            ),
            ("", "EOF"),
            (" ", "EOF"),
            ("{", "unexpected EOF"),
            ("{\"a\"", "unexpected EOF"),
            ("{\"a\":1,", "unexpected EOF"),
            ("{\"a\":nul", "unexpected EOF"),
            (
                "[1]",
                "json: cannot unmarshal array into Go value of type map[string]interface {}",
            ),
            (
                "5",
                "json: cannot unmarshal number into Go value of type map[string]interface {}",
            ),
            (
                "\"x\"",
                "json: cannot unmarshal string into Go value of type map[string]interface {}",
            ),
            (
                "true",
                "json: cannot unmarshal bool into Go value of type map[string]interface {}",
            ),
            (
                "{a",
                "invalid character 'a' looking for beginning of object key string",
            ),
            (
                "{\"a\":1,}",
                "invalid character '}' looking for beginning of object key string",
            ),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":01}", "invalid character '1' after object key:value pair"),
            ("{\"a\":-}", "invalid character '}' in numeric literal"),
            (
                "{\"a\":1.}",
                "invalid character '}' after decimal point in numeric literal",
            ),
            (
                "{\"a\":1e}",
                "invalid character '}' in exponent of numeric literal",
            ),
            (
                "{\"a\":tru}",
                "invalid character '}' in literal true (expecting 'e')",
            ),
            ("{\"a\":[1 2]}", "invalid character '2' after array element"),
            (
                "{\"a\":[1,]}",
                "invalid character ']' looking for beginning of value",
            ),
            ("{\"a\":\"\n\"}", "invalid character '\\n' in string literal"),
            ("{\"a\":\"\\q\"}", "invalid character 'q' in string escape code"),
            (
                "{\"a\":\"\\u12x4\"}",
                "invalid character 'x' in \\u hexadecimal character escape",
            ),
            (
                "{'a':1}",
                "invalid character '\\'' looking for beginning of object key string",
            ),
            ("é", "invalid character 'Ã' looking for beginning of value"),
            ("\0", "invalid character '\\x00' looking for beginning of value"),
        ] {
            assert_eq!(said(text), error, "{text}");
        }
    }

    #[test]
    fn what_follows_the_first_value_does_not_count() {
        let fields = object(r#"{"a":1,"a":2} and more"#).unwrap();
        assert_eq!(Value::Object(fields), serde_json::json!({"a": 2}));
    }

    proptest::proptest! {
        /// The scanner finds what is wrong wherever the parser does, but for what the module says.
        #[test]
        fn both_readers_agree(text in r#"[ {}\[\]:,"\\a0-9eE.+tn-]{0,12}"#) {
            let parsed = object(&text);
            if let Err(refusal) = parsed {
                proptest::prop_assert!(matches!(refusal, Refusal::Json(_)), "{} {}", text, refusal);
            }
        }
    }
}
