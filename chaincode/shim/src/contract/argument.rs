//! Arguments: text as Fabric's tools send it, into the types that functions ask for.

use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::schema::Checked;

/// Longest piece of an argument that an error quotes.
const QUOTED: usize = 64;

/// A type that a function can take as an argument.
pub trait FromArgument: Sized + Send {
    /// Whether the argument is JSON text, which is then checked against [`schema`](Self::schema) before it is read.
    const JSON: bool = false;

    /// What the argument may be, for the error and for people: "an integer from 0 to 255".
    fn allowed() -> String;

    /// Its JSON schema, for the metadata. Schemas of named types are kept by the generator.
    fn schema(schemas: &mut SchemaGenerator) -> Value;

    /// Reads it; `None` if it is not what is allowed.
    ///
    /// # Errors
    /// A reason, where there is more to say than what is allowed.
    fn from_argument(text: &str) -> Result<Self, Option<String>>;

    /// Reads an argument as it came: text, unless a type says otherwise.
    ///
    /// # Errors
    /// As [`from_argument`](Self::from_argument).
    fn from_bytes(argument: &[u8]) -> Result<Self, Option<String>> {
        let text = std::str::from_utf8(argument).map_err(|_| Some(NOT_UTF8.to_owned()))?;
        Self::from_argument(text)
    }
}

/// Why bytes are no text.
const NOT_UTF8: &str = "not valid UTF-8";

/// An argument or an answer in JSON, of any type that serde reads or writes and that has a schema
/// (`#[derive(Deserialize, JsonSchema)]`).
///
/// `Json(order): Json<Order>` in a handler's parameters takes it apart. The argument is checked against the schema first: ranges,
/// lengths and the like that `#[schemars(range(min = 1))]` and its sisters say are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned + JsonSchema + Send> FromArgument for Json<T> {
    const JSON: bool = true;

    fn allowed() -> String {
        format!("JSON of {}", T::schema_name())
    }

    fn schema(schemas: &mut SchemaGenerator) -> Value {
        schemas.subschema_for::<T>().to_value()
    }

    fn from_argument(text: &str) -> Result<Self, Option<String>> {
        serde_json::from_str(text)
            .map(Self)
            .map_err(|error| Some(error.to_string()))
    }
}

/// Bytes as they are, in an argument or an answer: for encodings other than text and JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raw(pub Vec<u8>);

impl FromArgument for Raw {
    fn allowed() -> String {
        "any bytes".to_owned()
    }

    fn schema(_: &mut SchemaGenerator) -> Value {
        json!({"type": "string", "format": "binary"})
    }

    fn from_argument(text: &str) -> Result<Self, Option<String>> {
        Ok(Self(text.as_bytes().to_vec()))
    }

    fn from_bytes(argument: &[u8]) -> Result<Self, Option<String>> {
        Ok(Self(argument.to_vec()))
    }
}

impl FromArgument for String {
    fn allowed() -> String {
        "text".to_owned()
    }

    fn schema(_: &mut SchemaGenerator) -> Value {
        json!({"type": "string"})
    }

    fn from_argument(text: &str) -> Result<Self, Option<String>> {
        Ok(text.to_owned())
    }
}

impl FromArgument for bool {
    fn allowed() -> String {
        "true or false".to_owned()
    }

    fn schema(_: &mut SchemaGenerator) -> Value {
        json!({"type": "boolean"})
    }

    fn from_argument(text: &str) -> Result<Self, Option<String>> {
        text.parse().map_err(|_| None)
    }
}

macro_rules! integers {
    ($($integer:ident),*) => {
        $(impl FromArgument for $integer {
            fn allowed() -> String {
                format!("an integer from {} to {}", $integer::MIN, $integer::MAX)
            }

            fn schema(schemas: &mut SchemaGenerator) -> Value {
                schemas.subschema_for::<$integer>().to_value()
            }

            fn from_argument(text: &str) -> Result<Self, Option<String>> {
                // Rust reads "+1" too; nobody else does.
                if text.starts_with('+') {
                    return Err(None);
                }
                text.parse().map_err(|_| None)
            }
        })*
    };
}

integers!(u8, u16, u32, u64, i8, i16, i32, i64);

macro_rules! floats {
    ($($float:ident),*) => {
        $(impl FromArgument for $float {
            fn allowed() -> String {
                "a finite number".to_owned()
            }

            fn schema(schemas: &mut SchemaGenerator) -> Value {
                schemas.subschema_for::<$float>().to_value()
            }

            fn from_argument(text: &str) -> Result<Self, Option<String>> {
                // As JSON writes them: no infinity, nothing but a number.
                let number: Self = serde_json::from_str(text).map_err(|_| None)?;
                if number.is_finite() { Ok(number) } else { Err(None) }
            }
        })*
    };
}

floats!(f32, f64);

/// An empty argument is none.
impl<T: FromArgument> FromArgument for Option<T> {
    const JSON: bool = T::JSON;

    fn allowed() -> String {
        format!("{}, or nothing", T::allowed())
    }

    fn schema(schemas: &mut SchemaGenerator) -> Value {
        T::schema(schemas)
    }

    fn from_argument(text: &str) -> Result<Self, Option<String>> {
        if text.is_empty() {
            Ok(None)
        } else {
            T::from_argument(text).map(Some)
        }
    }

    fn from_bytes(argument: &[u8]) -> Result<Self, Option<String>> {
        if argument.is_empty() {
            Ok(None)
        } else {
            T::from_bytes(argument).map(Some)
        }
    }
}

/// A JSON array.
impl<T: DeserializeOwned + Send + FromArgument> FromArgument for Vec<T> {
    const JSON: bool = true;

    fn allowed() -> String {
        format!("a JSON array, each element {}", T::allowed())
    }

    fn schema(schemas: &mut SchemaGenerator) -> Value {
        json!({"type": "array", "items": T::schema(schemas)})
    }

    fn from_argument(text: &str) -> Result<Self, Option<String>> {
        serde_json::from_str(text).map_err(|error| Some(error.to_string()))
    }
}

/// Reads an argument, or says which it was, what came and what is allowed.
pub(super) fn read<T: FromArgument>(name: &str, schema: &Checked, argument: &[u8]) -> Result<T, String> {
    let checked = if T::JSON && !argument.is_empty() {
        check(schema, argument)
    } else {
        Ok(())
    };
    checked.and_then(|()| T::from_bytes(argument)).map_err(|reason| {
        let found = std::str::from_utf8(argument).map_or_else(|_| NOT_UTF8.to_owned(), quoted);
        let reason = reason.filter(|reason| reason != NOT_UTF8);
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        format!(
            "argument {name:?} is {found}; {} is allowed{reason}",
            T::allowed()
        )
    })
}

fn check(schema: &Checked, argument: &[u8]) -> Result<(), Option<String>> {
    let value = serde_json::from_slice(argument).map_err(|error| Some(error.to_string()))?;
    schema
        .check(&value)
        .map_err(|violation| Some(violation.to_string()))
}

fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use proptest::prelude::*;

    use super::*;
    use crate::contract::schema::generator;

    #[derive(Debug, PartialEq, serde::Deserialize, JsonSchema)]
    struct Step {
        #[schemars(range(max = 1000))]
        price: u64,
    }

    fn read<T: FromArgument>(name: &str, argument: &[u8]) -> Result<T, String> {
        let mut schemas = generator();
        let schema = T::schema(&mut schemas);
        super::read(
            name,
            &Checked::new(schema, schemas.take_definitions(true)),
            argument,
        )
    }

    fn fails<T: FromArgument + Debug>(text: &str) -> String {
        read::<T>("price", text.as_bytes()).unwrap_err()
    }

    #[test]
    fn text_becomes_the_type_asked_for() {
        assert_eq!(read("id", b"listing-1"), Ok("listing-1".to_owned()));
        assert_eq!(read("n", b"18446744073709551615"), Ok(u64::MAX));
        assert_eq!(read("n", b"-7"), Ok(-7_i32));
        assert_eq!(read("flag", b"true"), Ok(true));
        assert_eq!(read("x", b"-1.5e3"), Ok(-1500.0_f64));
        assert_eq!(read("x", b"0.25"), Ok(0.25_f32));
        assert_eq!(read("n", b""), Ok(None::<u32>));
        assert_eq!(read("n", b"3"), Ok(Some(3_u32)));
        assert_eq!(
            read("ids", br#"["a","b"]"#),
            Ok(vec!["a".to_owned(), "b".to_owned()])
        );
        assert_eq!(read("step", br#"{"price": 700}"#), Ok(Json(Step { price: 700 })));
        assert_eq!(read("step", b""), Ok(None::<Json<Step>>));
        assert_eq!(read("bytes", b"\xff"), Ok(Raw(vec![0xff])));
    }

    #[test]
    fn errors_name_the_argument_what_came_and_what_is_allowed() {
        let expected = r#"argument "price" is "256"; an integer from 0 to 255 is allowed"#;
        assert_eq!(fails::<u8>("256"), expected);
        assert!(fails::<bool>("yes").contains(r#"is "yes"; true or false is allowed"#));
        assert!(
            fails::<Json<Step>>(r#"{"price": "x"}"#).ends_with(r#"(at price: type "integer" is allowed)"#)
        );
        let expected = r#"argument "price" is "{\"price\": 1001}"; JSON of Step is allowed (at price: a number of at most 1000 is allowed)"#;
        assert_eq!(fails::<Json<Step>>(r#"{"price": 1001}"#), expected);
        assert!(fails::<Json<Step>>("{").contains("EOF while parsing"));
        assert!(fails::<Vec<u8>>("[1, 256]").ends_with("(at [1]: a number of at most 255 is allowed)"));
        assert!(fails::<u64>(&"9".repeat(100)).contains(&format!("{:?}...", "9".repeat(64))));
        assert!(
            read::<String>("id", b"\xff")
                .unwrap_err()
                .contains("not valid UTF-8")
        );
        for text in ["", "1e999", "NaN", "inf", "+1", "0x1", "1,5", "null"] {
            let expected = format!("argument \"price\" is {text:?}; a finite number is allowed");
            assert_eq!(fails::<f64>(text), expected);
        }
        assert!(read::<f32>("n", b"1e39").is_err());
        for text in ["", " 1", "1 ", "+1", "0x1", "1e3", "1.0", "-1"] {
            assert!(read::<u64>("n", text.as_bytes()).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_by_name(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let errors = [
                read::<u64>("the-name", &bytes).err(),
                read::<i8>("the-name", &bytes).err(),
                read::<bool>("the-name", &bytes).err(),
                read::<Option<u16>>("the-name", &bytes).err(),
                read::<Vec<String>>("the-name", &bytes).err(),
                read::<Json<Step>>("the-name", &bytes).err(),
                read::<String>("the-name", &bytes).err(),
            ];
            for error in errors.into_iter().flatten() {
                prop_assert!(error.contains("the-name"));
            }
        }

        #[test]
        fn integers_come_back(n in any::<u64>(), m in any::<i64>()) {
            prop_assert_eq!(read("n", n.to_string().as_bytes()), Ok(n));
            prop_assert_eq!(read("m", m.to_string().as_bytes()), Ok(m));
        }
    }
}
